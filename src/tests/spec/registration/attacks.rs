//! What a registration must not be good for.

use axum::body::Body;
use chrono::TimeDelta;
use http::{Method, Request};
use serde_json::json;

use super::{INITIAL, document, on_both, own_path, path, register, registered, send, text};
use crate::audit::Kind;
use crate::store;
use crate::web::proxy::ClientAddress;

#[tokio::test]
async fn nobody_registers_without_a_token_and_nobody_more_than_it_is_for() {
    on_both(async |stand| {
        for token in ["", "guessed", &"a".repeat(10_000)] {
            let answer = send(&stand, Method::POST, &path(), token, Some(&document())).await;
            assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_token"), "{token}");
            assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        }
        let document = document();
        let at_once = || register(&stand, &document);
        let answers =
            tokio::join!(at_once(), at_once(), at_once(), at_once(), at_once(), at_once(), at_once());
        let answers: [_; 7] = answers.into();
        let good = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(good, 5, "of seven at once as many as the token is for");
        // A refused document takes no place.
        assert_eq!(register(&stand, &document).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn a_token_ends_on_its_day_and_when_it_is_taken_back() {
    on_both(async |stand| {
        assert_eq!(register(&stand, &json!({})).await.status, 400, "takes no place");
        let event = stand.event(Kind::RegistrationToken);
        stand.advance(7 * 86_400);
        assert_eq!(register(&stand, &document()).await.status, 401);
        stand.clock.advance(TimeDelta::days(-7));
        assert_eq!(register(&stand, &document()).await.status, 201);
        assert!(store::initial_access_token::remove(&stand.db, "essai", &event).await.unwrap());
        assert_eq!(register(&stand, &document()).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn a_client_manages_itself_and_nobody_else() {
    on_both(async |stand| {
        let (one, other) = (registered(&stand).await, registered(&stand).await);
        let token = text(&one, "registration_access_token");
        let path_of = |id: &str| format!("{}/{id}", path());
        let mut put = document();
        put["client_id"] = other["client_id"].clone();
        for (id, token) in [
            (text(&other, "client_id"), token),
            (text(&one, "client_id"), INITIAL),
            (text(&one, "client_id"), text(&one, "client_secret")),
            (text(&one, "client_id"), ""),
            // One of an administrator, and none: they look alike.
            ("rp", token),
            ("nobody", token),
        ] {
            for (method, body) in [(Method::GET, None), (Method::PUT, Some(&put)), (Method::DELETE, None)] {
                let answer = send(&stand, method, &path_of(id), token, body).await;
                assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_token"), "{id}");
            }
        }
        // It cannot become another, nor say what is ours to say.
        let own = own_path(&one);
        for (name, value) in [
            ("client_id", other["client_id"].clone()),
            ("client_id", json!(null)),
            ("client_secret", json!("another")),
            ("registration_access_token", json!("x")),
            ("registration_client_uri", json!("https://evil.example")),
            ("client_secret_expires_at", json!(0)),
        ] {
            let mut put = document();
            put["client_id"] = one["client_id"].clone();
            put[name] = value;
            let answer = send(&stand, Method::PUT, &own, token, Some(&put)).await;
            assert_eq!(answer.error(), "invalid_client_metadata", "{name}");
        }
        // And after all that its own token is still known.
        let kept = store::client::by_id(&stand.db, text(&one, "client_id")).await.unwrap().unwrap();
        assert!(kept.registration_token_hash.is_some());
    })
    .await;
}

#[tokio::test]
async fn what_a_stranger_may_not_have_is_refused_by_name() {
    on_both(async |stand| {
        let key = json!({ "kty": "oct", "k": "AA" });
        for (changes, error) in [
            (json!({ "software_statement": "a.b.c" }), "unapproved_software_statement"),
            (json!({ "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
            (json!({ "redirect_uris": ["http://essai.example/cb"] }), "invalid_redirect_uri"),
            (json!({ "redirect_uris": ["https://essai.example/*"] }), "invalid_redirect_uri"),
            (json!({ "redirect_uris": [] }), "invalid_client_metadata"),
            (json!({ "client_name": "\u{202e}\u{7}" }), "invalid_client_metadata"),
            (json!({ "client_name": null }), "invalid_client_metadata"),
            (json!({ "grant_types": ["password"] }), "invalid_client_metadata"),
            (
                json!({ "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"] }),
                "invalid_client_metadata",
            ),
            (json!({ "resources": ["https://api.example/"] }), "invalid_client_metadata"),
            (json!({ "scope": "openid admin" }), "invalid_client_metadata"),
            (json!({ "token_endpoint_auth_method": "tls_client_auth" }), "invalid_client_metadata"),
            (json!({ "jwks": { "keys": [key] } }), "invalid_client_metadata"),
            (json!({ "jwks_uri": "http://essai.example/jwks" }), "invalid_client_metadata"),
            (json!({ "logo_uri": "javascript:alert(1)" }), "invalid_client_metadata"),
            (json!({ "id_token_signed_response_alg": "none" }), "invalid_client_metadata"),
        ] {
            let mut document = document();
            document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            let answer = register(&stand, &document).await;
            assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, error), "{changes}");
        }
        // What it says of its own rights is not heard.
        let mut document = document();
        document["may_introspect"] = json!(true);
        document["audience"] = json!("any-professional");
        document["profile"] = json!("psc");
        document["client_id"] = json!("rp");
        document["client_secret"] = json!("mine");
        document["consent_required"] = json!(false);
        let client = register(&stand, &document).await.json();
        assert_ne!(client["client_id"], "rp");
        let kept = store::client::by_id(&stand.db, text(&client, "client_id")).await.unwrap().unwrap();
        assert_eq!((kept.may_introspect, kept.audience.as_str()), (false, "affiliated"));
        assert!(kept.metadata.consent_required, "the person is asked");
        assert_ne!(client["client_secret"], "mine");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    on_both(async |stand| {
        let raw = async |media: &str, body: Vec<u8>| {
            let request = Request::post(path()).header("content-type", media);
            let request = request.header("authorization", format!("Bearer {INITIAL}"));
            stand.send(request.body(Body::from(body)).unwrap()).await
        };
        let json = "application/json";
        for (media, body) in [
            (json, b"".to_vec()),
            (json, b"[]".to_vec()),
            (
                json,
                br#"{"redirect_uris":["https://a.example/"],"redirect_uris":["https://b.example/"]}"#
                    .to_vec(),
            ),
            (json, [b"[".repeat(50_000), b"]".repeat(50_000)].concat()),
            (json, format!(r#"{{"client_name":"{}"}}"#, "x".repeat(70_000)).into_bytes()),
            ("application/x-www-form-urlencoded", document().to_string().into_bytes()),
            ("text/plain", document().to_string().into_bytes()),
        ] {
            let answer = raw(media, body).await;
            assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "invalid_client_metadata"));
        }
        assert_eq!(
            raw("application/json; charset=utf-8", document().to_string().into_bytes()).await.status,
            201
        );
    })
    .await;
}

/// A token of 256 bits is not guessed; who tries shall not fill the audit with it, nor keep others from registering.
#[tokio::test]
async fn guessing_tokens_fills_no_audit_and_locks_nobody_out() {
    on_both(async |stand| {
        let from = |token: &str, document: &serde_json::Value| {
            let request = Request::post(path()).header("content-type", "application/json");
            let request = request.header("authorization", format!("Bearer {token}"));
            let mut request = request.body(Body::from(document.to_string())).unwrap();
            request.extensions_mut().insert(ClientAddress([203, 0, 113, 9].into()));
            request
        };
        let mut told = 0;
        for number in 0..300 {
            let answer = stand.send(from(&format!("guess-{number}"), &document())).await;
            assert_eq!(answer.error(), "invalid_token");
            told += usize::from(answer.status == 401);
            assert_eq!(answer.headers.contains_key("retry-after"), answer.status == 429);
        }
        let events = stand.events().await;
        let events = events.iter().filter(|event| *event == "client.refused OIDC-153").count();
        assert_eq!((told, events), (120, 120));
        assert_eq!(stand.send(from(INITIAL, &document())).await.status, 201, "from the same address");
    })
    .await;
}
