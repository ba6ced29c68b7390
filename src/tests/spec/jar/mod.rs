//! RFC 9101: the request as a JWT that the client signed (JAR).

mod sealed;

use serde_json::{Value, json};

use super::browser::of;
use super::par::{bring, push, pushed};
use super::stand::{Answer, ISSUER, NewRp, Stand};
use crate::clock::Clock as _;
use crate::crypto::jose::{self, base64url};
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::{Metadata, ProfileName};

const CB: &str = "https://std.example/cb";
const TYPE: &str = "oauth-authz-req+jwt";

/// The key set of one key.
fn jwks(key: &SigningKey) -> Value {
    let mut jwk = key.public().to_jwk();
    jwk["kid"] = json!(key.kid());
    json!({ "keys": [jwk] })
}

/// A client that signs by a key of its own.
async fn register(stand: &Stand, key: &SigningKey, change: impl FnOnce(&mut Metadata)) {
    let mut metadata = Metadata { jwks: Some(jwks(key)), ..Metadata::default() };
    change(&mut metadata);
    stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") }).await;
}

/// A good object, but for `changes`: null takes a member away.
fn claims(stand: &Stand, changes: Value) -> Value {
    let now = stand.clock.now().timestamp();
    let mut claims = json!({
        "iss": "std", "aud": ISSUER, "exp": now + 300, "iat": now, "nbf": now,
        "client_id": "std", "response_type": "code", "redirect_uri": CB, "scope": "openid profile",
        "state": "signed", "nonce": "n", "max_age": 3600,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

async fn send(stand: &Stand, object: &str, more: &[(&str, &str)], cookie: &str) -> Answer {
    let mut request = vec![("request", object)];
    request.extend(more);
    stand.authorize(&of("std", CB, &request), cookie).await
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap()
}

#[tokio::test]
async fn a_signed_request_is_served_and_what_stands_beside_it_is_not_read() {
    Stand::on_both(async |stand| {
        let key = key();
        register(&stand, &key, |_| {}).await;
        let browser = stand.sign_in().await;
        let object = jose::sign(&key, TYPE, &claims(&stand, json!({}))).unwrap();
        let beside =
            [("state", "unsigned"), ("scope", "nothing"), ("prompt", "login"), ("response_mode", "fragment")];
        let answer = send(&stand, &object, &beside, &browser.cookie).await;
        assert!(answer.location().starts_with(&format!("{CB}?code=")), "{}", answer.location());
        assert_eq!(answer.parameter("state").as_deref(), Some("signed"));
        let tokens = stand.redeem_as("std", &answer.parameter("code").unwrap()).await.json();
        assert_eq!(tokens["scope"], "openid profile");
        // With nothing beside it but the client's name, as RFC 9101 has it.
        let bare = format!("/auth?client_id=std&request={object}");
        let answer = stand.get(&bare, &[("cookie", &browser.cookie)]).await;
        assert_eq!(answer.parameter("state").as_deref(), Some("signed"));
        // Numbers of the object are parameters too.
        stand.advance(3601);
        let object = jose::sign(&key, TYPE, &claims(&stand, json!({}))).unwrap();
        assert!(
            send(&stand, &object, &[], &browser.cookie).await.location().starts_with("/login/"),
            "max_age"
        );
    })
    .await;
}

/// §6.1, §6.3, §10.8 and RFC 8725: every object that is not the client's, for us, now, and a request.
#[tokio::test]
async fn an_object_that_is_not_the_clients_for_us_and_now_is_refused() {
    Stand::on_both(async |stand| {
        let (key, other) = (key(), key());
        register(&stand, &key, |_| {}).await;
        stand.add_rp(NewRp::named("bare")).await;
        let now = stand.clock.now().timestamp();
        let signed = |changes| jose::sign(&key, TYPE, &claims(&stand, changes)).unwrap();
        let good = signed(json!({}));
        let (header, rest) = good.split_once('.').unwrap();
        let (payload, _) = rest.split_once('.').unwrap();
        let with_header = |header: Value| format!("{}.{rest}", base64url::encode(header.to_string()));
        let forged = base64url::encode(claims(&stand, json!({ "scope": "openid scope_all" })).to_string());
        let bad = [
            ("of another key", jose::sign(&other, TYPE, &claims(&stand, json!({}))).unwrap()),
            (
                "alg none",
                format!("{}.{payload}.", base64url::encode(r#"{"alg":"none","typ":"oauth-authz-req+jwt"}"#)),
            ),
            ("alg HS256", with_header(json!({ "alg": "HS256", "typ": TYPE, "kid": key.kid() }))),
            (
                "key in the header",
                with_header(json!({ "alg": "ES256", "typ": TYPE, "jwk": key.public().to_jwk() })),
            ),
            (
                "key elsewhere",
                with_header(json!({ "alg": "ES256", "typ": TYPE, "jku": "https://evil.example/" })),
            ),
            ("changed", format!("{header}.{forged}.{}", good.rsplit('.').next().unwrap())),
            ("no JWT", "request".to_owned()),
            ("too long", "a".repeat(20_000)),
            ("another type", jose::sign(&key, "dpop+jwt", &claims(&stand, json!({}))).unwrap()),
            ("an assertion", signed(json!({ "sub": "std" }))),
            ("of another client", signed(json!({ "iss": "bare", "client_id": "bare" }))),
            ("iss alone", signed(json!({ "iss": "bare" }))),
            ("no iss", signed(json!({ "iss": null }))),
            ("no client_id", signed(json!({ "client_id": null }))),
            ("for another issuer", signed(json!({ "aud": "https://other.example" }))),
            ("for nobody", signed(json!({ "aud": null }))),
            ("without end", signed(json!({ "exp": null }))),
            ("expired", signed(json!({ "exp": now }))),
            ("for a day", signed(json!({ "exp": now + 86_400 }))),
            ("not good yet", signed(json!({ "nbf": now + 120 }))),
            ("a member without value", signed(json!({ "state": [], "nonce": { "a": 1 }, "jti": 7 }))),
            ("another object within", signed(json!({ "request": good }))),
        ];
        for (what, object) in &bad {
            let answer = send(&stand, object, &[], "").await;
            let error = answer.parameter("error");
            assert_eq!(error.as_deref(), Some("invalid_request_object"), "{what}: {}", answer.location());
            assert!(answer.location().starts_with(CB), "told to the client, whose address stands beside it");
        }
        let within = signed(json!({ "request_uri": "https://std.example/request" }));
        assert!(send(&stand, &within, &[], "").await.parameter("error").is_some());
        // Nothing that can be trusted beside it: a page.
        let page = stand.get("/auth?client_id=std&request=x", &[]).await;
        assert!(page.status == 400 && page.body.contains("OIDC-102"), "{}", page.body);
        let open = send(&stand, "x", &[("redirect_uri", "https://evil.example/")], "").await;
        assert!(open.status == 400 && !open.headers.contains_key("location"));
        let nobody = stand.authorize(&of("bare", "https://bare.example/cb", &[("request", &good)]), "").await;
        assert_eq!(
            nobody.parameter("error").as_deref(),
            Some("invalid_request_object"),
            "no keys registered"
        );
    })
    .await;
}

/// Whoever reads an object on its way sends it again, to this node or another.
#[tokio::test]
async fn an_object_with_a_name_is_used_once() {
    Stand::on_both(async |stand| {
        let key = key();
        register(&stand, &key, |_| {}).await;
        let browser = stand.sign_in().await;
        let object = jose::sign(&key, TYPE, &claims(&stand, json!({ "jti": "one" }))).unwrap();
        assert!(send(&stand, &object, &[], &browser.cookie).await.parameter("code").is_some());
        for again in [
            &object,
            &jose::sign(&key, TYPE, &claims(&stand, json!({ "jti": "one", "state": "b" }))).unwrap(),
        ] {
            let answer = send(&stand, again, &[], &browser.cookie).await;
            assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request_object"));
        }
        let next = jose::sign(&key, TYPE, &claims(&stand, json!({ "jti": "two" }))).unwrap();
        assert!(send(&stand, &next, &[], &browser.cookie).await.parameter("code").is_some());
    })
    .await;
}

/// §10.5: an attacker takes the signature off.
#[tokio::test]
async fn a_client_that_signs_always_is_served_only_so() {
    Stand::on_both(async |stand| {
        let key = key();
        register(&stand, &key, |metadata| metadata.require_signed_request_object = true).await;
        let browser = stand.sign_in().await;
        let plain = stand.authorize(&of("std", CB, &[]), &browser.cookie).await;
        assert_eq!(plain.parameter("error").as_deref(), Some("invalid_request"));
        let pushed_plain = push(&stand, "std", &[]).await;
        assert_eq!(pushed_plain.error(), "invalid_request");
        let object = jose::sign(&key, TYPE, &claims(&stand, json!({}))).unwrap();
        assert!(send(&stand, &object, &[], &browser.cookie).await.parameter("code").is_some());
    })
    .await;
}

/// RFC 9126 §3: an object that is pushed.
#[tokio::test]
async fn a_signed_request_can_be_pushed() {
    Stand::on_both(async |stand| {
        let key = key();
        register(&stand, &key, |metadata| metadata.require_signed_request_object = true).await;
        let browser = stand.sign_in().await;
        let object = jose::sign(&key, TYPE, &claims(&stand, json!({ "jti": "pushed" }))).unwrap();
        let handle = pushed(&stand, "std", &[("request", &object), ("state", "beside")]).await;
        let answer = bring(&stand, "std", &handle, &[], &browser.cookie).await;
        assert_eq!(answer.parameter("state").as_deref(), Some("signed"));
        assert!(answer.parameter("code").is_some());
        let again = push(&stand, "std", &[("request", &object)]).await;
        assert_eq!(again.error(), "invalid_request_object", "used before");
    })
    .await;
}

#[tokio::test]
async fn the_registered_algorithm_is_the_only_one_and_older_libraries_are_understood() {
    Stand::on_both(async |stand| {
        let key = key();
        register(&stand, &key, |metadata| metadata.request_object_signing_alg = Some("PS256".into())).await;
        let object = jose::sign(&key, TYPE, &claims(&stand, json!({}))).unwrap();
        let refused = send(&stand, &object, &[], "").await;
        assert_eq!(refused.parameter("error").as_deref(), Some("invalid_request_object"));
    })
    .await;
    let stand = Stand::new().await;
    let key = key();
    register(&stand, &key, |_| {}).await;
    let browser = stand.sign_in().await;
    let object = jose::sign(&key, "JWT", &claims(&stand, json!({}))).unwrap();
    assert!(send(&stand, &object, &[], &browser.cookie).await.parameter("code").is_some());
}

/// Serves one text on this machine, and counts who asks.
async fn serve(text: String) -> (String, std::sync::Arc<std::sync::atomic::AtomicU32>) {
    use std::sync::atomic::{AtomicU32, Ordering};
    let calls = std::sync::Arc::new(AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&calls);
    let answer = axum::routing::get(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let text = text.clone();
        async move { text }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/request", listener.local_addr().unwrap());
    let routes = axum::Router::new().route("/request", answer);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (address, calls)
}

/// §5.2, §10.4: from an address that is registered, and from no other.
#[tokio::test]
async fn an_object_is_fetched_from_registered_addresses_alone() {
    Stand::on_both(async |stand| {
        let key = key();
        let object = jose::sign(&key, TYPE, &claims(&stand, json!({}))).unwrap();
        let digest = base64url::encode(crate::crypto::digest::sha256(object.as_bytes()));
        let (address, calls) = serve(object).await;
        let named = |digest: &str| format!("{address}#{digest}");
        let uris = vec![address.clone(), named(&digest), named("another"), "http://10.0.0.1/request".into()];
        register(&stand, &key, |metadata| metadata.request_uris = uris.clone()).await;
        let browser = stand.sign_in().await;
        let outcome = async |uri: &str| {
            let answer = stand.authorize(&of("std", CB, &[("request_uri", uri)]), &browser.cookie).await;
            answer.parameter("error").unwrap_or_else(|| answer.parameter("state").unwrap())
        };
        assert_eq!(outcome(&address).await, "signed");
        assert_eq!(outcome(&named(&digest)).await, "signed");
        assert_eq!(outcome(&named("another")).await, "invalid_request_uri", "not what was announced");
        let called = calls.load(std::sync::atomic::Ordering::Relaxed);
        for elsewhere in [
            format!("{address}?x"),
            address.replace("127.0.0.1", "localhost"),
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "file:///etc/passwd".to_owned(),
            "urn:x".to_owned(),
            // Registered, and not to be reached from here.
            "http://10.0.0.1/request".to_owned(),
        ] {
            assert_eq!(outcome(&elsewhere).await, "invalid_request_uri", "{elsewhere}");
        }
        let both = of("std", CB, &[("request_uri", &address), ("request", "x")]);
        let answer = stand.authorize(&both, &browser.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request_uri"));
        assert_eq!(
            calls.load(std::sync::atomic::Ordering::Relaxed),
            called,
            "nobody else's wish is followed"
        );
    })
    .await;
}
