//! Server-side request forgery (RFC 7591 §5, RFC 9101 §10.4.1): every address that a client can register, in every
//! spelling of an address that is not one of the Internet's.
//!
//! | Registered | Called by |
//! |---|---|
//! | `jwks_uri` | the provider, to check what the client signed |
//! | `request_uris` | the provider, when a request names one |
//! | `sector_identifier_uri` | the command line, when an administrator registers it |
//! | `backchannel_logout_uri` | the provider, when a session ends |
//! | `redirect_uris`, `post_logout_redirect_uris`, `frontchannel_logout_uri`, `initiate_login_uri` | browsers |
//! | `client_uri`, `logo_uri`, `policy_uri`, `tos_uri`, `resources` | nobody |
//!
//! A listener on this machine counts who calls. It is called once, at the end, to see that it counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::response::Redirect;
use axum::routing::any;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Clock as _;
use crate::config;
use crate::crypto::egress::Egress;
use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::oidc::client::sector::{self, SectorFault};
use crate::oidc::logout::backchannel::deliver_due;
use crate::oidc::outbound::Outbound;
use crate::store::client::{Metadata, NewClient, ProfileName};
use crate::store::logout_delivery::undelivered;
use crate::tests::spec::browser::of;
use crate::tests::spec::registration;
use crate::tests::spec::stand::{ISSUER, LOGOUT, Stand, new_client};

/// A listener of this machine that nobody may reach.
struct Canary {
    port: u16,
    calls: Arc<AtomicU32>,
}

impl Canary {
    async fn sing() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::new(AtomicU32::new(0));
        let mut listeners = vec![listener];
        // Where this machine has IPv6.
        listeners.extend(TcpListener::bind(("::1", port)).await.ok());
        for listener in listeners {
            let counted = Arc::clone(&calls);
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { port, calls }
    }

    /// Nobody called, and whoever had would have been counted.
    async fn was_left_alone(&self) {
        assert_eq!(self.calls.load(Ordering::SeqCst), 0, "somebody called");
        let _called = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        while self.calls.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Addresses, and why none of them is called.
fn spellings(port: u16) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    // This machine, however it is written; most of them are one address to browsers, curl and us.
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7F.0x0.0x0.0x1",
        "0177.0.0.01",
        "127%2E0%2E0%2E1",
        "127。0。0。1",
        "①②⑦.⓪.⓪.①",
        "0",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "localhost",
        "LocalHost",
        "user@127.0.0.1",
        "rp.example@127.0.0.1",
        "rp.example:pass@[::1]",
    ] {
        all.push((format!("https://{host}:{port}/x"), "OIDC-035"));
    }
    // The hospital's network, and what clouds tell about themselves.
    for host in [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[fe80::1]",
        "[fd00::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2001:db8::1]",
    ] {
        all.push((format!("https://{host}/x"), "OIDC-035"));
    }
    for (address, code) in [
        (format!("https://127.0.0.1:{port}\\@rp.example/x"), "OIDC-035"),
        (format!("https:127.0.0.1:{port}/x"), "OIDC-035"),
        (format!("https:///127.0.0.1:{port}/x"), "OIDC-035"),
        (format!("https:\\\\127.0.0.1:{port}/x"), "OIDC-035"),
        (format!("\thttps://127.0.0.1:{port}/x"), "OIDC-035"),
        (format!("http://127.0.0.1:{port}/x"), "OIDC-035"),
        (format!("ftp://127.0.0.1:{port}/x"), "OIDC-035"),
        (format!("https://[fe80::1%25lo]:{port}/x"), "OIDC-033"),
        (format!("https://[::1%lo]:{port}/x"), "OIDC-033"),
        (format!("https://127.0.0.256:{port}/x"), "OIDC-033"),
        (format!("gopher://127.0.0.1:{port}/x"), "OIDC-033"),
        (format!("//127.0.0.1:{port}/x"), "OIDC-033"),
        (format!("127.0.0.1:{port}/x"), "OIDC-033"),
        ("file:///etc/passwd".into(), "OIDC-033"),
        ("file://localhost/etc/passwd".into(), "OIDC-033"),
        ("data:application/json,[]".into(), "OIDC-033"),
        ("javascript:1".into(), "OIDC-033"),
        ("unix:/run/docker.sock".into(), "OIDC-033"),
        ("ldap://127.0.0.1/x".into(), "OIDC-033"),
        (String::new(), "OIDC-033"),
        ("http://rp.example/x".into(), "OIDC-034"),
        ("https://rp.example:0/x".into(), "OIDC-166"),
        ("https://rp.example:25/x".into(), "OIDC-166"),
        ("https://rp.example:389/x".into(), "OIDC-166"),
    ] {
        all.push((address, code));
    }
    all
}

/// What an installation calls with that lists nothing.
fn closed() -> Egress {
    Egress::new(&config::Egress::default()).unwrap()
}

/// A client that got past its registration with `address` in every place.
fn hostile(address: &str, self_registered: bool) -> NewClient {
    let text = || Some(address.to_owned());
    NewClient {
        profile: ProfileName::Standard,
        backchannel_logout_uri: text(),
        self_registered,
        metadata: Metadata {
            jwks_uri: text(),
            request_uris: vec![address.to_owned()],
            frontchannel_logout_uri: text(),
            initiate_login_uri: text(),
            client_uri: text(),
            logo_uri: text(),
            policy_uri: text(),
            tos_uri: text(),
            ..Metadata::default()
        },
        ..new_client("hostile")
    }
}

/// What the client is told of a request that makes us look for its keys, and of one that makes us fetch it.
async fn told(stand: &Stand, address: &str, cookie: &str) -> [Option<String>; 2] {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let now = stand.clock.now().timestamp();
    let claims = json!({ "iss": "hostile", "client_id": "hostile", "aud": ISSUER, "exp": now + 60 });
    let object = jose::sign(&key, "oauth-authz-req+jwt", &claims).unwrap();
    let mut told = [None, None];
    for (told, parameter) in told.iter_mut().zip([("request", object.as_str()), ("request_uri", address)]) {
        let request = of("hostile", "https://hostile.example/cb", &[parameter]);
        *told = stand.authorize(&request, cookie).await.parameter("error");
    }
    told
}

#[tokio::test]
async fn no_address_that_is_not_of_the_internet_is_called_however_it_is_spelled() {
    let canary = Canary::sing().await;
    let egress = closed();
    for (address, code) in spellings(canary.port) {
        assert_eq!(egress.fetch(&address).await.unwrap_err().code(), code, "{address}");
        assert_eq!(egress.post_form(&address, &[]).await.unwrap_err().code(), code, "{address}");
        match sector::check(&egress, &address, &[]).await.unwrap_err() {
            SectorFault::Fetch(error) => assert_eq!(error.code(), code, "{address}"),
            other => panic!("{address}: {other}"),
        }
    }
    canary.was_left_alone().await;
}

/// The addresses of a stranger, on a stand that lets what administrators register call this machine.
#[tokio::test]
async fn what_a_stranger_registers_reaches_nothing_inside() {
    Stand::on_both(async |stand| {
        let (canary, browser) = (Canary::sing().await, stand.sign_in().await);
        // An empty parameter is none (RFC 6749 §3.1).
        for (address, _) in spellings(canary.port).into_iter().filter(|(address, _)| !address.is_empty()) {
            stand.add_client(&hostile(&address, true)).await;
            let [by_value, by_reference] = told(&stand, &address, &browser.cookie).await;
            assert_eq!(by_value.as_deref(), Some("invalid_request_object"), "jwks_uri {address}");
            assert_eq!(by_reference.as_deref(), Some("invalid_request_uri"), "request_uri {address}");
            stand.remove_client("hostile").await;
        }
        canary.was_left_alone().await;
    })
    .await;
}

#[tokio::test]
async fn no_end_of_a_session_is_told_to_what_is_inside() {
    Stand::on_both(async |stand| {
        let canary = Canary::sing().await;
        let outbound = Outbound::new(&config::Egress::default()).unwrap();
        for (at, (address, _)) in spellings(canary.port).into_iter().enumerate() {
            // A frame or a page would have the first attempt made at once, with what this stand lets be called.
            let mut client = hostile(&address, false);
            client.metadata.frontchannel_logout_uri = None;
            stand.add_client(&client).await;
            let browser = stand.sign_in().await;
            let request = of("hostile", "https://hostile.example/cb", &[("scope", "openid")]);
            let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
            let hint = stand.redeem_as("hostile", &code).await.json()["id_token"].clone();
            let back = "post_logout_redirect_uri=https://hostile.example/bye";
            stand.post(LOGOUT, &format!("id_token_hint={}&{back}", hint.as_str().unwrap()), &[]).await;
            assert_eq!(deliver_due(&stand.provider, &outbound).await.unwrap(), 1, "{address}");
            let waiting = i64::try_from(at + 1).unwrap();
            assert_eq!(undelivered(&stand.db).await.unwrap(), (waiting, 0), "{address}");
            stand.remove_client("hostile").await;
        }
        canary.was_left_alone().await;
    })
    .await;
}

/// Registering is never an occasion to call anybody.
#[tokio::test]
async fn nothing_is_called_because_a_client_registers_itself() {
    registration::on_both(async |stand| {
        let canary = Canary::sing().await;
        for member in [
            "client_uri",
            "logo_uri",
            "policy_uri",
            "tos_uri",
            "jwks_uri",
            "sector_identifier_uri",
            "initiate_login_uri",
            "frontchannel_logout_uri",
            "backchannel_logout_uri",
            "request_uris",
            "redirect_uris",
            "post_logout_redirect_uris",
            "resources",
        ] {
            let address = format!("https://127.0.0.1:{}/x", canary.port);
            let value = if member.ends_with('s') { json!([address]) } else { json!(address) };
            let mut document = registration::document();
            document[member] = value;
            let answer = registration::register(&stand, &document).await;
            assert!(matches!(answer.status.as_u16(), 201 | 400 | 401), "{member}: {}", answer.body);
        }
        canary.was_left_alone().await;
    })
    .await;
}

/// A server that may be called sends us on to one that may not.
#[tokio::test]
async fn nobody_is_led_inside_by_a_redirect() {
    Stand::on_both(async |stand| {
        let (canary, browser) = (Canary::sing().await, stand.sign_in().await);
        let inside = format!("http://127.0.0.1:{}/x", canary.port);
        let onward = axum::Router::new().route(
            "/on",
            any(move || {
                let inside = inside.clone();
                async move { Redirect::temporary(&inside) }
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/on", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, onward).await });
        stand.add_client(&hostile(&address, false)).await;
        let [by_value, by_reference] = told(&stand, &address, &browser.cookie).await;
        assert_eq!(by_value.as_deref(), Some("invalid_request_object"));
        assert_eq!(by_reference.as_deref(), Some("invalid_request_uri"));
        let allow = vec![config::Destination::Network("127.0.0.0/8".parse().unwrap())];
        let open = Egress::new(&config::Egress { allow }).unwrap();
        let fault = sector::check(&open, &address, &[]).await.unwrap_err();
        assert!(matches!(fault, SectorFault::Status(307)), "{fault}");
        assert_eq!(open.post_form(&address, &[]).await.unwrap().status, 307, "a logout");
        canary.was_left_alone().await;
    })
    .await;
}
