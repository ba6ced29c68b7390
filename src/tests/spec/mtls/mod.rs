//! RFC 8705: clients that authenticate by a TLS certificate, and tokens that are bound to one; RFC 9440 behind a proxy.

mod attacks;
mod bound;
mod handshake;
pub(crate) mod stand;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::stand::{INTROSPECT, ISSUER, REALM, Stand, TOKEN};
use crate::store::client::{AuthMethod, Metadata};
use stand::{
    Authorities, SUBJECT, ask, ask_behind, establishment, issue, on_both, outcome, post, register, template,
    with_alternatives,
};

/// §2.1, with the certificate of an establishment as IGC-Santé issues it.
#[tokio::test]
async fn a_service_signs_in_its_users_with_the_certificate_of_its_establishment() {
    let authorities = Authorities::installed(&[]);
    on_both(&authorities, async |stand| {
        let metadata = Metadata { tls_client_auth_subject_dn: Some(SUBJECT.into()), ..Metadata::default() };
        register(&stand, "dpi", metadata).await;
        let (browser, der) = (stand.sign_in().await, establishment());
        let request = [("client_id", "dpi"), ("redirect_uri", "https://dpi.example/cb")];
        let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "dpi"),
            ("code", &code),
            ("redirect_uri", "https://dpi.example/cb"),
        ];
        let answer = ask(&stand, Some(&der), post(TOKEN, &form)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let tokens = answer.json();
        let token = tokens["access_token"].as_str().unwrap();
        let answer =
            ask(&stand, Some(&der), post(INTROSPECT, &[("client_id", "dpi"), ("token", token)])).await;
        assert_eq!(answer.json()["active"], true, "{}", answer.body);
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("client_id", "dpi"), ("refresh_token", refresh)];
        assert_eq!(ask(&stand, Some(&der), post(TOKEN, &form)).await.status, 200);
    })
    .await;
}

/// §2.1.2: the subject, or one alternative name.
#[tokio::test]
async fn a_service_is_known_by_the_one_name_that_is_registered() {
    let authorities = Authorities::installed(&[]);
    let der = with_alternatives(
        "service",
        &[
            (2, b"dpi.hopital.example"),
            (6, b"https://dpi.hopital.example/me"),
            (7, &[10, 1, 2, 3]),
            (1, b"dpi@hopital.example"),
        ],
    );
    let other = issue(&template("other"));
    on_both(&authorities, async |stand| {
        let none = Metadata::default;
        for (at, metadata) in [
            Metadata { tls_client_auth_subject_dn: Some("CN=service,O=EDITEUR,C=FR".into()), ..none() },
            Metadata { tls_client_auth_san_dns: Some("DPI.hopital.example".into()), ..none() },
            Metadata { tls_client_auth_san_uri: Some("https://dpi.hopital.example/me".into()), ..none() },
            Metadata { tls_client_auth_san_ip: Some("10.1.2.3".into()), ..none() },
            Metadata { tls_client_auth_san_email: Some("dpi@hopital.example".into()), ..none() },
        ]
        .into_iter()
        .enumerate()
        {
            let id = ["subject", "dns", "uri", "ip", "email"][at];
            register(&stand, id, metadata).await;
            assert_eq!(outcome(&stand, id, Some(&der)).await, "let in", "{id}");
            assert_eq!(outcome(&stand, id, Some(&other)).await, "OIDC-158", "{id}");
        }
    })
    .await;
}

/// §2.2: a certificate of its own making.
#[tokio::test]
async fn a_service_is_known_by_the_certificate_that_it_registered() {
    let authorities = Authorities::installed(&[]);
    let (certificate, key) = crate::web::tls::tests::certificate("service").unwrap();
    let (impostor, _) = crate::web::tls::tests::certificate("service").unwrap();
    let der = certificate.to_der().unwrap();
    on_both(&authorities, async |stand| {
        let mut jwk = crate::crypto::keys::SigningKey::from_pkcs8(
            crate::crypto::keys::Algorithm::Es256,
            &key.private_key_to_pkcs8().unwrap(),
        )
        .unwrap()
        .public()
        .to_jwk();
        jwk["x5c"] = json!([STANDARD.encode(&der)]);
        let metadata = Metadata {
            token_endpoint_auth_method: Some(AuthMethod::SelfSignedTlsClientAuth),
            jwks: Some(json!({ "keys": [jwk] })),
            ..Metadata::default()
        };
        register(&stand, "own", metadata).await;
        assert_eq!(outcome(&stand, "own", Some(&der)).await, "let in");
        // The same names, another key.
        assert_eq!(outcome(&stand, "own", Some(&impostor.to_der().unwrap())).await, "OIDC-159");
        // One of the authority is none of those that it registered.
        assert_eq!(outcome(&stand, "own", Some(&establishment())).await, "OIDC-159");
        assert_eq!(outcome(&stand, "own", None).await, "OIDC-156");
    })
    .await;
}

/// RFC 9440: the certificate that a named proxy saw.
#[tokio::test]
async fn behind_a_named_proxy_the_certificate_is_the_one_that_it_saw() {
    let authorities = Authorities::installed(&[]);
    on_both(&authorities, async |stand| {
        let metadata = Metadata { tls_client_auth_subject_dn: Some(SUBJECT.into()), ..Metadata::default() };
        register(&stand, "dpi", metadata).await;
        let field = format!(":{}:", STANDARD.encode(establishment()));
        let request = || {
            let mut request = post(TOKEN, &[("grant_type", "unheard-of"), ("client_id", "dpi")]);
            request.headers_mut().insert("client-cert", field.parse().unwrap());
            request
        };
        let answer = ask_behind(&stand, [10, 0, 0, 1], request()).await;
        assert_eq!(answer.error(), "unsupported_grant_type", "{}", answer.body);
        // Anybody else who writes the field is sent away, on every host.
        assert_eq!(ask_behind(&stand, [10, 0, 1, 1], request()).await.status, 403);
        assert_eq!(ask(&stand, None, request()).await.status, 403);
        let mut to_pages = request();
        to_pages.headers_mut().insert("host", http::HeaderValue::from_static("localhost:8080"));
        let answer = stand.send(to_pages).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_client"));
    })
    .await;
}

/// §5: the addresses are published, and what is not enabled is not.
#[tokio::test]
async fn discovery_names_the_addresses_where_certificates_are_asked_for() {
    let authorities = Authorities::installed(&[]);
    on_both(&authorities, async |stand| {
        let document = stand.get(&format!("{REALM}/.well-known/openid-configuration"), &[]).await.json();
        let aliases = &document["mtls_endpoint_aliases"];
        assert_eq!(
            aliases["token_endpoint"],
            "https://mtls.example:8444/auth/realms/esante-wallet/protocol/openid-connect/token"
        );
        for (name, address) in aliases.as_object().unwrap() {
            let path = address.as_str().unwrap().strip_prefix("https://mtls.example:8444").unwrap();
            assert!(document[name].as_str().unwrap().ends_with(path), "{name}");
            // What is published is there.
            let answer = ask(&stand, None, post(path, &[])).await;
            assert_ne!(answer.status, 404, "{name}");
        }
        assert_eq!(document["tls_client_certificate_bound_access_tokens"], true);
        let methods = document["token_endpoint_auth_methods_supported"].to_string();
        assert!(methods.contains("tls_client_auth") && methods.contains("self_signed_tls_client_auth"));
        assert_eq!(document["issuer"], ISSUER);
    })
    .await;
    let stand = Stand::new().await;
    let document = stand.get(&format!("{REALM}/.well-known/openid-configuration"), &[]).await.json();
    assert!(document.get("mtls_endpoint_aliases").is_none());
    assert!(!document["token_endpoint_auth_methods_supported"].to_string().contains("tls_client_auth"));
}
