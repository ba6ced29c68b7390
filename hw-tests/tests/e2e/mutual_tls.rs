//! Services that authenticate by a TLS certificate at a whole `sceau serve`: on the address of the pages, on one of its own,
//! and behind a real Apache. The client is npm's `openid-client` (`hw-tests/web/openid_client/mtls.mjs`).

use sceau_hw_tests::isolation::isolated;
use serde_json::{Value, json};

use crate::harness::apache::CertificateProxy;
use crate::harness::tls_server::{PORT, SERVICES, TlsServer};
use crate::harness::{node, run};

/// The subject of the certificate of an establishment, as an administrator writes it.
const SUBJECT: &str = "CN=client.hopital-generique.test,OU=10B0168811,O=HOPITAL GENERIQUE FIN VARI,C=FR";

/// Registers the clients of the scenario; what it says.
fn scenario(server: &TlsServer) -> Value {
    let document = |name: &str, method: &str, more: Value| {
        let mut document = json!({
            "client_name": name,
            "redirect_uris": ["http://localhost:8084/callback"],
            "token_endpoint_auth_method": method,
        });
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        document
    };
    let bound = json!({
        "tls_client_auth_subject_dn": SUBJECT, "tls_client_certificate_bound_access_tokens": true,
    });
    server.register("authority", "standard", &document("Dossier patient", "tls_client_auth", bound), &[]);
    let own = json!({ "jwks": { "keys": [server.jwk("own")] } });
    server.register("own", "fapi2", &document("PACS", "self_signed_tls_client_auth", own), &[]);
    let api = document("API", "client_secret_basic", json!({}));
    let api = server.register("api", "standard", &api, &["--may-introspect"]);
    let environment = [
        ("ISSUER", TlsServer::issuer()),
        ("CA", server.hosts().0.display().to_string()),
        ("KEYS", server.keys().display().to_string()),
        ("API_SECRET", api["client_secret"].as_str().unwrap().to_owned()),
    ];
    node::scenario("mtls", &environment.each_ref().map(|(name, value)| (*name, value.as_str())))
}

fn refused(error: &str, status: u16) -> Value {
    json!({ "error": error, "status": status })
}

/// What both clients see. `forged`: what a client without a certificate is told that claims one.
fn assert_bound(said: &Value, forged: &Value) {
    let (client, token) = (refused("invalid_client", 401), refused("invalid_token", 401));
    for name in ["byAuthority", "byOwn"] {
        let said = &said[name];
        assert_eq!(said["code"], json!({ "withNothing": client, "byThief": client }), "{name}");
        assert_eq!(said["tokens"], json!({ "acr": "eidas2", "type": "bearer", "bound": true }), "{name}");
        let userinfo = json!({
            "SubjectNameID": "899700366240", "withNothing": token, "byThief": token, "onTheFront": token,
        });
        assert_eq!(said["userinfo"], userinfo, "{name}");
        assert_eq!(said["introspected"], json!({ "active": true, "bound": true }), "{name}");
        assert_eq!(said["refresh"], json!({ "byThief": client, "bound": true }), "{name}");
        assert_eq!(said["revoked"], token, "{name}");
        assert_eq!(&said["forged"], forged, "{name}");
    }
    assert_eq!(said["byOwn"]["push"], client, "a pushed request is authenticated too");
    assert_eq!(said["pages"], 404);
}

/// Whether OpenSSL's client was asked for a certificate.
fn is_asked(host: &str, port: u16) -> bool {
    let said = TlsServer::handshake_of(host, port);
    assert!(said.contains("New, TLSv1.3"), "{said}");
    said.contains("Requested Signature Algorithms")
}

#[test]
fn on_the_address_of_the_pages_the_name_decides_who_is_asked_for_a_certificate() {
    isolated(|| {
        run(async {
            let mut server = TlsServer::prepared();
            server.start(PORT, &server.handshake()).await;
            let said = scenario(&server);
            let hosts = json!({
                "tokens": format!("https://id.localhost:{PORT}"), "certificates": format!("https://{SERVICES}:{PORT}"),
            });
            assert_eq!(said["hosts"], hosts);
            assert_bound(&said, &json!({ "status": 403 }));
            assert!(is_asked(SERVICES, PORT));
            for page in ["id.localhost", "somebody.else.example"] {
                assert!(!is_asked(page, PORT), "{page}: no browser asks a person");
            }
        });
    });
}

#[test]
fn on_an_address_of_its_own() {
    const OWN: u16 = 8446;
    isolated(|| {
        run(async {
            let mut server = TlsServer::prepared();
            let ours = server.handshake();
            server.start(OWN, &format!("{ours}listen = \"127.0.0.1:{OWN}\"\n")).await;
            let said = scenario(&server);
            assert_eq!(said["hosts"]["certificates"], format!("https://{SERVICES}:{OWN}"));
            assert_bound(&said, &json!({ "status": 403 }));
            assert!(is_asked(SERVICES, OWN) && !is_asked(SERVICES, PORT));
        });
    });
}

/// RFC 9440, from a named proxy: it takes away what a client says of itself.
#[test]
fn behind_a_proxy_that_is_named() {
    const PROXY: u16 = 8447;
    const BEHIND: u16 = 8448;
    isolated(|| {
        run(async {
            let mut server = TlsServer::prepared();
            let (certificate, key) = server.hosts();
            let _proxy = CertificateProxy::start((&certificate, &key), (SERVICES, PROXY), BEHIND).await;
            let services = format!("listen = \"127.0.0.1:{BEHIND}\"\nproxies = [\"127.0.0.1\"]\n");
            server.start(PROXY, &services).await;
            let said = scenario(&server);
            assert_eq!(said["hosts"]["certificates"], format!("https://{SERVICES}:{PROXY}"));
            assert_bound(&said, &refused("invalid_client", 401));
        });
    });
}
