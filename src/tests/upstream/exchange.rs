//! The server of an API brings a person's access token of Pro Santé Connect, and gets one for its API here.

use serde_json::{Value, json};

use super::*;
use crate::clock::Clock as _;
use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::ids::uuid_v4;
use crate::store::client::ProfileName;
use crate::store::upstream_session::{LogoutToken, Recording, log_out};
use crate::tests::spec::stand::{DOCTOR, STRANGER, claims};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const API: &str = "https://api.hopital.example";

/// The hospital's settings, where the API's server may bring the tokens of the service `rp` there.
fn settings(psc: &Psc) -> Upstream {
    let exchange = BTreeMap::from([("api".to_owned(), BTreeSet::from(["rp".to_owned()]))]);
    Upstream { exchange, ..psc.settings() }
}

impl Hospital {
    async fn with_apis(&self) {
        for id in ["api", "other-api"] {
            let metadata = Metadata {
                grant_types: vec![EXCHANGE.into()],
                resources: vec![API.into()],
                scope: Some("dossier.lire dossier.ecrire scope_all offline_access".into()),
                ..Metadata::default()
            };
            let new = NewClient { profile: ProfileName::Standard, metadata, ..new_client(id) };
            self.stand.add_client(&new).await;
        }
    }

    async fn exchange(&self, client: &str, token: &str, more: &[(&str, &str)]) -> Answer {
        let form = [("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
        self.stand.token(client, &[&form, more].concat()).await
    }

    /// The new token of an exchange that works.
    async fn exchanged(&self, token: &str) -> String {
        let answer = self.exchange("api", token, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Whether an exchange is refused with that code, and nothing came of it.
    async fn refuses(&self, client: &str, token: &str, code: &str) {
        let sessions = self.sessions().await;
        let answer = self.exchange(client, token, &[("subject_issuer", "psc")]).await;
        assert_eq!((answer.status, answer.error()), (StatusCode::BAD_REQUEST, "invalid_request".to_owned()));
        assert!(!answer.body.contains(code), "the cause is ours to know");
        let last = self.stand.events().await.pop().unwrap();
        assert!(last.ends_with(code), "{code} and not {last}");
        assert_eq!(self.sessions().await, sessions);
    }

    async fn sessions(&self) -> usize {
        let all = store::testing::everything(&self.stand.db).await;
        all.into_iter().filter(|(table, column, _)| table == "session" && column == "id").count()
    }

    async fn is_good(&self, token: &str) -> bool {
        self.stand.introspect("api", token).await["active"] == json!(true)
    }
}

impl Psc {
    /// The access token of somebody for the service `rp`.
    async fn token(&self, there: &SignedIn) -> String {
        self.stand.tokens(there).await["access_token"].as_str().unwrap().to_owned()
    }

    /// How often it was asked about a token.
    fn introspected(&self) -> usize {
        self.posted.lock().unwrap().iter().filter(|(end, _)| end == "introspect").count()
    }

    /// What it says of tokens from now on.
    fn answers_of_tokens(&self, body: &Value) {
        let said =
            Instead { end: "introspect", status: StatusCode::OK, body: body.to_string(), left: usize::MAX };
        *self.instead.lock().unwrap() = Some(said);
    }

    /// An access token in its words, changed, and signed with its key.
    async fn remade(&self, token: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut all = claims(&json!(token));
        change(&mut all);
        self.stand.provider.token_keys().sign(Algorithm::Rs256, "JWT", &all).await.unwrap()
    }
}

#[tokio::test]
async fn the_server_of_an_api_gets_a_token_of_ours_for_one_of_psc() {
    let psc = Psc::start().await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let token = psc.token(&psc.stand.sign_in().await).await;
        let more = [("scope", "dossier.lire"), ("audience", API), ("subject_issuer", "psc")];
        let answer = hospital.exchange("api", &token, &more).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let answer = answer.json();
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(120)));
        assert_eq!(
            (&answer["issued_token_type"], &answer["scope"]),
            (&json!(ACCESS_TOKEN), &json!("dossier.lire"))
        );
        assert!(answer.get("refresh_token").is_none() && answer.get("id_token").is_none());
        let own = claims(&answer["access_token"]);
        assert_eq!((&own["aud"], &own["client_id"]), (&json!(API), &json!("api")));
        assert_eq!(own["act"], json!({ "sub": "api" }));
        // Who it is, when and how well they signed in are told; whose token it was is not theirs any more.
        let there = claims(&json!(token));
        assert_eq!((&own["sub"], &own["acr"]), (&there["sub"], &there["acr"]));
        assert_ne!(own["sid"], there["sid"]);
        let seen = hospital.stand.introspect("api", answer["access_token"].as_str().unwrap()).await;
        assert_eq!((&seen["active"], &seen["client_id"]), (&json!(true), &json!("api")));

        let events = hospital.stand.events().await;
        assert_eq!(events[events.len() - 2..], ["sign-in", "token.exchanged"]);
        // Nobody is linked by it, and of the token nothing is kept.
        assert!(hospital.links().await.is_empty());
        for (table, column, value) in store::testing::everything(&hospital.stand.db).await {
            let kept = value.contains(&token) || value.contains(&hex::encode(&token));
            assert!(!kept, "{table}.{column}");
        }
    })
    .await;
}

#[tokio::test]
async fn it_gives_what_the_api_is_registered_with_and_of_the_person_no_more_than_psc_did() {
    let psc = Psc::start().await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let there = psc.stand.sign_in().await;
        let token = psc.token(&there).await;
        // Without a wish: what it is registered with. Nothing goes on after the person has left.
        let answer = hospital.exchange("api", &token, &[]).await.json();
        assert_eq!(answer["scope"], "dossier.lire dossier.ecrire scope_all");
        for (name, value, error) in [
            ("scope", "offline_access", "invalid_scope"),
            ("scope", "email", "invalid_scope"),
            ("scope", "openid", "invalid_scope"),
            ("scope", "dossier.effacer", "invalid_scope"),
            ("audience", "https://other.example", "invalid_target"),
        ] {
            assert_eq!(hospital.exchange("api", &token, &[(name, value)]).await.error(), error, "{value}");
        }
        let code = psc.stand.code(&[("scope", "openid")], &there).await;
        let silent = psc.stand.redeem(&code).await.json()["access_token"].as_str().unwrap().to_owned();
        let answer = hospital.exchange("api", &silent, &[("scope", "scope_all")]).await;
        assert_eq!(answer.error(), "invalid_scope", "what it was not told there");
    })
    .await;
}

#[tokio::test]
async fn its_level_and_its_time_are_those_of_psc_and_no_higher_than_is_configured() {
    let psc = Psc::start().await;
    let middle = Upstream { level: CardAcr::Eidas2, ..settings(&psc) };
    Hospital::on_both(&middle, async |hospital| {
        hospital.with_apis().await;
        let there = psc.stand.sign_in().await;
        let now = hospital.stand.clock.now().timestamp();
        for (acr, auth_time, level, told) in [
            (json!("eidas3"), json!(now - 600), "eidas2", now - 600),
            (json!("eidas1"), json!(now - 600), "eidas1", now - 600),
            (json!("gold"), json!(now - 600), "eidas1", now - 600),
            // When nobody knows: it was before the token was made.
            (json!("eidas3"), Value::Null, "eidas2", now - 60),
        ] {
            let change = |all: &mut Value| {
                (all["acr"], all["auth_time"]) = (acr, auth_time);
                (all["iat"], all["active"]) = (json!(now - 60), json!(true));
            };
            let token = psc.remade(&psc.token(&there).await, change).await;
            psc.answers_of_tokens(&claims(&json!(token)));
            let own = claims(&json!(hospital.exchanged(&token).await));
            assert_eq!((&own["acr"], &own["auth_time"]), (&json!(level), &json!(told)));
        }
        *psc.instead.lock().unwrap() = None;
    })
    .await;
}

/// Nobody is at the session of an exchange, so that it ends when one that nobody is at does.
#[tokio::test]
async fn it_ends_when_it_says_and_with_the_sign_in_there_growing_old() {
    let psc = Psc::start().await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let token = psc.token(&psc.stand.sign_in().await).await;
        let own = hospital.exchanged(&token).await;
        hospital.stand.advance(119);
        assert!(hospital.is_good(&own).await);
        hospital.stand.advance(1);
        assert!(!hospital.is_good(&own).await);
        let now = hospital.stand.clock.now().timestamp();
        let of_age = async |seconds: i64| {
            let old = |all: &mut Value| {
                (all["auth_time"], all["exp"]) = (json!(now - seconds), json!(now + 60));
                all["active"] = json!(true);
            };
            let token = psc.remade(&token, old).await;
            psc.answers_of_tokens(&claims(&json!(token)));
            hospital.exchange("api", &token, &[]).await
        };
        let answer = of_age(4 * 3600 - 50).await.json();
        assert_eq!(answer["expires_in"], 50, "{answer}");
        hospital.stand.advance(49);
        assert!(hospital.is_good(answer["access_token"].as_str().unwrap()).await);
        hospital.stand.advance(1);
        assert!(!hospital.is_good(answer["access_token"].as_str().unwrap()).await);
        assert_eq!(of_age(4 * 3600).await.error(), "invalid_grant");
        assert!(hospital.stand.events().await.pop().unwrap().ends_with("OIDC-065"));
        *psc.instead.lock().unwrap() = None;
    })
    .await;
}

#[tokio::test]
async fn psc_is_asked_again_after_half_a_minute_and_what_it_revoked_is_refused_then() {
    let psc = Psc::start().await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let before = psc.introspected();
        let token = psc.token(&psc.stand.sign_in().await).await;
        hospital.exchanged(&token).await;
        hospital.exchanged(&token).await;
        assert_eq!(psc.introspected() - before, 1, "its word is kept for a moment");
        hospital.stand.advance(31);
        hospital.exchanged(&token).await;
        assert_eq!(psc.introspected() - before, 2);

        let revoke = format!("token={token}");
        let basic = crate::tests::spec::stand::basic("rp");
        psc.stand.post(crate::tests::spec::stand::REVOKE, &revoke, &[("authorization", &basic)]).await;
        hospital.stand.advance(31);
        hospital.refuses("api", &token, "UPSTREAM-051").await;
        assert_eq!(psc.introspected() - before, 3);
    })
    .await;
}

#[tokio::test]
async fn nobody_brings_the_token_of_a_client_that_is_not_theirs() {
    let psc = Psc::start().await;
    psc.stand.add_rp(crate::tests::spec::stand::NewRp::named("elsewhere")).await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let there = psc.stand.sign_in().await;
        let token = psc.token(&there).await;
        let of_elsewhere = {
            let request = [("client_id", "elsewhere"), ("redirect_uri", "https://elsewhere.example/cb")];
            let code = psc.stand.code(&request, &there).await;
            let tokens = psc.stand.redeem_as("elsewhere", &code).await.json();
            tokens["access_token"].as_str().unwrap().to_owned()
        };
        let before = psc.introspected();
        // A server that is registered to exchange, and not for tokens of Pro Santé Connect.
        hospital.refuses("other-api", &token, "UPSTREAM-050").await;
        // A token that another service there was given.
        hospital.refuses("api", &of_elsewhere, "UPSTREAM-050").await;
        // Nor is that asked of Pro Santé Connect.
        assert_eq!(psc.introspected(), before);
        // A service that exchanges nothing.
        let answer = hospital.exchange("rp", &token, &[]).await;
        assert_eq!(answer.error(), "unauthorized_client");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_good_access_token_of_psc_is_not_even_asked_for() {
    let psc = Psc::start().await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let tokens = psc.stand.tokens(&psc.stand.sign_in().await).await;
        let token = tokens["access_token"].as_str().unwrap();
        let before = psc.introspected();
        let past = hospital.stand.clock.now().timestamp() - 1;
        for (made, code) in [
            (tokens["id_token"].as_str().unwrap().to_owned(), "UPSTREAM-051"),
            (psc.remade(token, |all| all["typ"] = json!("Refresh")).await, "UPSTREAM-051"),
            (psc.remade(token, |all| all["at_hash"] = json!("x")).await, "UPSTREAM-051"),
            (psc.remade(token, |all| all["exp"] = json!(past)).await, "UPSTREAM-051"),
            (psc.remade(token, |all| all["exp"] = json!("tomorrow")).await, "UPSTREAM-051"),
            (psc.remade(token, |all| all["cnf"] = json!({ "jkt": "x" })).await, "UPSTREAM-051"),
            // Those of Pro Santé Connect can all be read.
            (format!("{token}="), "UPSTREAM-051"),
            ("made-up".to_owned(), "UPSTREAM-051"),
        ] {
            hospital.refuses("api", &made, code).await;
        }
        // The words of Pro Santé Connect, in somebody else's hand.
        let stranger = SigningKey::generate(Algorithm::Rs256).unwrap();
        let forged = jose::sign(&stranger, "JWT", &claims(&json!(token))).unwrap();
        hospital.refuses("api", &forged, "UPSTREAM-008").await;
        assert_eq!(psc.introspected(), before);

        // Of an issuer that is not configured it is no token that we know, whatever it is said to be.
        let other = psc.remade(token, |all| all["iss"] = json!("https://other.example")).await;
        assert_eq!(
            hospital.exchange("api", &other, &[("subject_issuer", "psc")]).await.error(),
            "invalid_request"
        );
        assert_eq!(psc.introspected(), before);
    })
    .await;
}

#[tokio::test]
async fn an_answer_of_psc_that_contradicts_itself_or_the_token_gives_nothing() {
    let psc = Psc::start().await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let there = psc.stand.sign_in().await;
        let good = claims(&json!(psc.token(&there).await));
        let with = |name: &str, value: Value| {
            let mut all = good.clone();
            all["active"] = json!(true);
            all["client_id"] = json!("rp");
            all[name] = value;
            all
        };
        for (said, code) in [
            (json!({ "active": false }), "UPSTREAM-051"),
            (with("active", json!("true")), "UPSTREAM-051"),
            (with("iss", json!("https://other.example")), "UPSTREAM-051"),
            (with("typ", json!("ID")), "UPSTREAM-051"),
            (with("exp", json!(1)), "UPSTREAM-051"),
            (with("cnf", json!({ "x5t#S256": "x" })), "UPSTREAM-051"),
            (with("azp", json!("elsewhere")), "UPSTREAM-050"),
            (with("client_id", json!("elsewhere")), "UPSTREAM-050"),
            // Nothing tells it from a refresh token.
            (json!({ "active": true, "sub": good["sub"] }), "UPSTREAM-051"),
            (with("sub", json!("")), "UPSTREAM-038"),
            // Whose token it is that was read is not whose it is that is answered for.
            (with("sub", json!("f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700366240")), "UPSTREAM-008"),
        ] {
            psc.answers_of_tokens(&said);
            // Another token each time: of one, the word is kept.
            let token = psc.token(&there).await;
            hospital.refuses("api", &token, code).await;
        }
        *psc.instead.lock().unwrap() = None;
    })
    .await;
}

#[tokio::test]
async fn a_token_that_cannot_be_read_is_of_the_issuer_that_is_named() {
    let psc = Psc::start().await;
    let standard = Upstream { profile: UpstreamProfile::Standard, ..settings(&psc) };
    Hospital::on_both(&standard, async |hospital| {
        hospital.with_apis().await;
        let mut said = claims(&json!(psc.token(&psc.stand.sign_in().await).await));
        said["active"] = json!(true);
        psc.answers_of_tokens(&said);
        let issuer = psc.settings().issuer;
        for named in ["psc", issuer.as_str()] {
            let answer = hospital.exchange("api", "an-opaque-token", &[("subject_issuer", named)]).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        }
        for named in ["other", ""] {
            let answer = hospital.exchange("api", "an-opaque-token", &[("subject_issuer", named)]).await;
            assert_eq!(answer.error(), "invalid_request");
        }
        *psc.instead.lock().unwrap() = None;
    })
    .await;
}

#[tokio::test]
async fn whom_the_hospital_does_not_know_or_has_not_linked_gets_nothing() {
    let psc = Psc::start().await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let token = psc.token(&psc.stand.sign_in().await).await;
        let stranger = |all: &mut Value| {
            all["sub"] = json!(format!("f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:{STRANGER}"));
            (all["SubjectNameID"], all["otherIds"]) = (json!(STRANGER), json!([]));
            all["active"] = json!(true);
        };
        let of_stranger = psc.remade(&token, stranger).await;
        psc.answers_of_tokens(&claims(&json!(of_stranger)));
        hospital.refuses("api", &of_stranger, "PERSON-002").await;
        *psc.instead.lock().unwrap() = None;
        hospital.stand.disable(DOCTOR).await;
        hospital.refuses("api", &token, "PERSON-003").await;
    })
    .await;
    for link in [UpstreamLink::Desk, UpstreamLink::Confirmed] {
        Hospital::on_both(&Upstream { link, ..settings(&psc) }, async |hospital| {
            hospital.with_apis().await;
            let token = psc.token(&psc.stand.sign_in().await).await;
            hospital.refuses("api", &token, "UPSTREAM-012").await;
        })
        .await;
    }
}

#[tokio::test]
async fn what_was_given_ends_with_the_link_the_person_and_the_service() {
    let psc = Psc::start().await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let there = psc.stand.sign_in().await;
        // Who has come by it before is known by the link, whatever it tells of them.
        hospital.signed_in(&psc, &there).await;
        let token = psc.token(&there).await;
        let own = hospital.exchanged(&token).await;
        assert!(hospital.unlinked(&psc.settings().issuer).await);
        assert!(!hospital.is_good(&own).await);

        let own = hospital.exchanged(&token).await;
        hospital.stand.disable_client("api").await;
        hospital.stand.enable_client("api").await;
        let after_service = hospital.is_good(&own).await;
        let own = hospital.exchanged(&token).await;
        hospital.stand.disable(DOCTOR).await;
        assert!(!after_service && !hospital.is_good(&own).await);
    })
    .await;
}

#[tokio::test]
async fn whoever_signs_out_at_psc_ends_what_was_given_for_their_token() {
    let psc = Psc::start().await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let token = psc.token(&psc.stand.sign_in().await).await;
        let own = hospital.exchanged(&token).await;
        assert!(hospital.is_good(&own).await);
        let sid = claims(&json!(token))["sid"].as_str().unwrap().to_owned();
        let now = hospital.stand.clock.now();
        let logout = LogoutToken {
            issuer: psc.settings().issuer,
            jti_hash: crate::crypto::digest::sha256(uuid_v4(&SystemRandom).as_bytes()),
            subject: None,
            sid: Some(sid),
            issued_at: now,
            expires_at: now + TimeDelta::minutes(5),
        };
        let recording = Recording {
            token: &|_| hospital.stand.event(crate::audit::Kind::SessionEnded),
            session: &|_, _| hospital.stand.event(crate::audit::Kind::SessionEnded),
        };
        log_out(&hospital.stand.db, &logout, recording, now, &SystemRandom).await.unwrap();
        assert!(!hospital.is_good(&own).await);
        // And the token of before begins nothing any more.
        hospital.refuses("api", &token, "UPSTREAM-033").await;
    })
    .await;
}

#[tokio::test]
async fn where_psc_does_not_answer_only_its_tokens_wait() {
    let psc = Psc::start().await;
    Hospital::on_both(&settings(&psc), async |hospital| {
        hospital.with_apis().await;
        let there = psc.stand.sign_in().await;
        // What is known of it is known.
        hospital.exchanged(&psc.token(&there).await).await;
        let answers = |status: StatusCode, body: &str| {
            let instead = Instead { end: "introspect", status, body: body.into(), left: usize::MAX };
            *psc.instead.lock().unwrap() = Some(instead);
        };
        let token = psc.token(&there).await;
        for (status, body) in [
            (StatusCode::BAD_GATEWAY, ""),
            (StatusCode::TOO_MANY_REQUESTS, ""),
            (StatusCode::OK, "<html>"),
            (StatusCode::OK, "[]"),
            // It lets us ask nothing: that says nothing of the token.
            (StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client"}"#),
            (StatusCode::FORBIDDEN, r#"{"error":"access_denied"}"#),
        ] {
            answers(status, body);
            let answer = hospital.exchange("api", &token, &[]).await;
            let expected = (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable".to_owned());
            assert_eq!((answer.status, answer.error()), expected, "{status} {body}");
        }
        assert!(hospital.upstreams.providers()[0].answers(), "and nobody's sign-in is kept from it by that");
        *psc.instead.lock().unwrap() = None;
        hospital.exchanged(&token).await;
    })
    .await;
}
