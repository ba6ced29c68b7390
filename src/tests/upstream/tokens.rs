//! What a provider says, word by word: a provider whose every answer the test writes, with keys of its own.

use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

use axum::Json;
use axum::extract::{Form, State};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock as _;
use crate::tests::spec::stand::{DOCTOR, STRANGER};

/// What the provider says at the next sign-in.
struct Script {
    key: PKey<Private>,
    header: Value,
    claims: Value,
}

#[derive(Clone)]
struct Scripted {
    issuer: String,
    /// What stands in its key set.
    published: Arc<Mutex<Vec<Value>>>,
    script: Arc<Mutex<Option<Script>>>,
    keys_read: Arc<AtomicU32>,
}

fn rsa() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn jwk(key: &PKey<Private>, kid: &str) -> Value {
    let rsa = key.rsa().unwrap();
    json!({
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
        "n": URL_SAFE_NO_PAD.encode(rsa.n().to_vec()), "e": URL_SAFE_NO_PAD.encode(rsa.e().to_vec()),
    })
}

impl Scripted {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/realm", listener.local_addr().unwrap());
        let place =
            Self { issuer, published: Arc::default(), script: Arc::default(), keys_read: Arc::default() };
        let router = Router::new()
            .route("/realm/document", get(document))
            .route("/realm/keys", get(keys))
            .route("/realm/token", post(token))
            .with_state(place.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        place
    }

    fn settings(&self) -> Upstream {
        Upstream {
            label: "Groupement".into(),
            profile: UpstreamProfile::Standard,
            discovery: Url::parse(&format!("{}/document", self.issuer)).unwrap(),
            issuer: self.issuer.clone(),
            client_id: "hopital".into(),
            credential: UpstreamCredential::Secret(SecretString::from("a secret between the two")),
            scope: "profile".into(),
            acr_values: String::new(),
            identifier_claim: Some("rpps".into()),
            link: UpstreamLink::Automatic,
            level: CardAcr::Eidas2,
            subject_claim: "sub".into(),
            tenant: None,
            tenant_claim: "tid".into(),
            direct: false,
            application: None,
            exchange: BTreeMap::new(),
        }
    }

    fn publish(&self, key: &PKey<Private>, kid: &str) {
        self.published.lock().unwrap().push(jwk(key, kid));
    }

    /// A sign-in at which the provider says so: what is good, and what `change` makes of it.
    async fn says(
        &self,
        hospital: &Hospital,
        (key, kid): (&PKey<Private>, &'static str),
        change: impl FnOnce(&mut Value, &mut Value),
    ) -> (Begun, Answer) {
        let begun = hospital.begin(&[]).await;
        let sent = Url::parse(&hospital.sent(&begun).await.location()).unwrap();
        let of = |name: &str| sent.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
        let now = hospital.stand.clock.now().timestamp();
        let mut claims = json!({
            "iss": self.issuer, "sub": "a-subject", "aud": "hopital", "nonce": of("nonce"), "rpps": DOCTOR,
            "iat": now, "exp": now + 120, "auth_time": now, "acr": "eidas2", "amr": ["pwd", "mfa"],
        });
        let mut header = json!({ "alg": "RS256", "kid": kid });
        change(&mut claims, &mut header);
        *self.script.lock().unwrap() = Some(Script { key: key.clone(), header, claims });
        let back = format!("/login/provider/psc/callback?code=c&state={}", of("state"));
        let answer = hospital.get(&back, &begun.cookie).await;
        (begun, answer)
    }
}

async fn document(State(place): State<Scripted>) -> Json<Value> {
    let issuer = &place.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

async fn keys(State(place): State<Scripted>) -> Json<Value> {
    place.keys_read.fetch_add(1, Ordering::Relaxed);
    Json(json!({ "keys": *place.published.lock().unwrap() }))
}

async fn token(State(place): State<Scripted>, Form(form): Form<Vec<(String, String)>>) -> Json<Value> {
    assert!(form.iter().any(|(name, value)| name == "code_verifier" && value.len() >= 43), "{form:?}");
    let script = place.script.lock().unwrap().take().unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&script.header), part(&script.claims));
    let signature = match script.header["alg"].as_str() {
        Some("none") => Vec::new(),
        // The trick of the symmetric key: what everybody can read serves as the secret.
        Some("HS256") => {
            let public = script.key.public_key_to_pem().unwrap();
            let key = PKey::hmac(&public).unwrap();
            let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
            signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap()
        }
        _ => {
            let mut signer = Signer::new(MessageDigest::sha256(), &script.key).unwrap();
            signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap()
        }
    };
    let id_token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    Json(json!({ "access_token": "opaque", "token_type": "Bearer", "expires_in": 60, "id_token": id_token }))
}

/// `test` with a provider and its key, on both engines, anew for each: their clocks begin anew too.
async fn on_both(test: impl AsyncFn(Scripted, PKey<Private>, Hospital)) {
    let provider = Scripted::start().await;
    let key = rsa();
    provider.publish(&key, "one");
    Hospital::on_both(&provider.settings(), async |hospital| {
        test(provider.clone(), key.clone(), hospital).await;
        provider.published.lock().unwrap().truncate(1);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_for_us_for_this_sign_in_of_this_provider_or_it_is_refused() {
    on_both(async |provider, key, hospital| {
        type Change = fn(&mut Value, &mut Value);
        let changes: [(&str, Change); 12] = [
            ("another client's", |claims, _| claims["aud"] = json!("somebody-else")),
            ("ours, made for somebody else", |claims, _| {
                claims["aud"] = json!(["hopital", "somebody-else"]);
                claims["azp"] = json!("somebody-else");
            }),
            ("another issuer's", |claims, _| claims["iss"] = json!("https://other.example")),
            ("of another sign-in", |claims, _| claims["nonce"] = json!("another")),
            ("of none", |claims, _| _ = claims.as_object_mut().unwrap().remove("nonce")),
            ("over", |claims, _| claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 1)),
            ("of a clock that is ahead", |claims, _| {
                claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 90);
                claims["exp"] = json!(claims["exp"].as_i64().unwrap() + 90);
            }),
            ("for another access token", |claims, _| claims["at_hash"] = json!("MTIzNDU2Nzg5MDEyMzQ1Ng")),
            ("signed by nobody", |_, header| header["alg"] = json!("none")),
            ("signed with what everybody can read", |_, header| header["alg"] = json!("HS256")),
            ("with a level that is no word", |claims, _| claims["acr"] = json!(3)),
            ("without a subject", |claims, _| _ = claims.as_object_mut().unwrap().remove("sub")),
        ];
        for (what, change) in changes {
            let (begun, answer) = provider.says(&hospital, (&key, "one"), change).await;
            assert!(!hospital.is_in(&begun, &answer), "{what}");
            let notice = hospital.notice(&begun).await;
            assert!(notice.contains("UPSTREAM-008"), "{what}: {notice}");
            // So slowly that each is recorded.
            hospital.stand.advance(20);
        }
        // Half a minute ahead is a clock like others; and what is good is good.
        for ahead in [30, 0] {
            let later = |claims: &mut Value, _: &mut Value| {
                claims["iat"] = json!(claims["iat"].as_i64().unwrap() + ahead);
            };
            let (begun, answer) = provider.says(&hospital, (&key, "one"), later).await;
            assert!(hospital.is_in(&begun, &answer), "{}", answer.body);
        }
        let refused = hospital.stand.events().await;
        assert!(refused.iter().filter(|event| *event == "sign-in UPSTREAM-008").count() >= 12, "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_changes_its_keys_is_followed_and_a_forger_makes_nobody_fetch() {
    on_both(async |provider, key, hospital| {
        let (begun, answer) = provider.says(&hospital, (&key, "one"), |_, _| {}).await;
        assert!(hospital.is_in(&begun, &answer));
        let read = provider.keys_read.load(Ordering::Relaxed);
        // A minute has not passed: whoever makes up names of keys makes us fetch nothing, and a new key waits.
        let next = rsa();
        for kid in ["two", "three", "four"] {
            let (begun, answer) = provider.says(&hospital, (&next, kid), |_, _| {}).await;
            assert!(!hospital.is_in(&begun, &answer));
        }
        assert_eq!(provider.keys_read.load(Ordering::Relaxed), read);
        provider.publish(&next, "two");
        hospital.stand.advance(61);
        let (begun, answer) = provider.says(&hospital, (&next, "two"), |_, _| {}).await;
        assert!(hospital.is_in(&begun, &answer), "{}", answer.body);
        // A forger's key under a name that is known.
        let (begun, answer) = provider.says(&hospital, (&rsa(), "two"), |_, _| {}).await;
        assert!(!hospital.is_in(&begun, &answer));
    })
    .await;
}

#[tokio::test]
async fn a_level_that_is_not_told_or_not_known_is_the_lowest_and_none_is_above_ours() {
    on_both(async |provider, key, hospital| {
        for (told, level) in [
            (json!("eidas2"), "eidas2"),
            (json!("eidas3"), "eidas2"),
            (json!("urn:example:gold"), "eidas1"),
            (Value::Null, "eidas1"),
        ] {
            let claims = |claims: &mut Value, _: &mut Value| claims["acr"] = told.clone();
            let (begun, answer) = provider.says(&hospital, (&key, "one"), claims).await;
            assert!(hospital.is_in(&begun, &answer), "{told}: {}", answer.body);
            let doctor = hospital.stand.person(DOCTOR).await;
            let sessions = store::session::running_of(&hospital.stand.db, doctor).await.unwrap();
            let last = sessions.iter().max_by_key(|session| session.created_at).unwrap();
            assert_eq!(last.acr.as_str(), level, "{told}");
            hospital.stand.advance(2);
        }
    })
    .await;
}

/// A subject is somebody of one provider alone.
#[tokio::test]
async fn the_same_subject_of_another_issuer_is_somebody_else() {
    let (one, other, key) = (Scripted::start().await, Scripted::start().await, rsa());
    for provider in [&one, &other] {
        provider.publish(&key, "one");
    }
    Hospital::on_both(&one.settings(), async |hospital| {
        let (begun, answer) = one.says(&hospital, (&key, "one"), |_, _| {}).await;
        assert!(hospital.is_in(&begun, &answer));
        let doctor = hospital.stand.person(DOCTOR).await;
        let linked = |issuer: &str| {
            let (db, issuer) = (hospital.stand.db.clone(), issuer.to_owned());
            async move { store::upstream::person_of(&db, &issuer, "a-subject").await.unwrap() }
        };
        assert_eq!(linked(&one.issuer).await, Some(doctor));
        assert_eq!(linked(&other.issuer).await, None, "of the other provider nobody is called so yet");
        // And whom the provider calls somebody else from one day to the next is nobody until the desk has looked.
        let stranger = |claims: &mut Value, _: &mut Value| claims["rpps"] = json!(STRANGER);
        let (begun, answer) = one.says(&hospital, (&key, "one"), stranger).await;
        assert!(!hospital.is_in(&begun, &answer));
        assert!(hospital.notice(&begun).await.contains("UPSTREAM-013"));
    })
    .await;
}
