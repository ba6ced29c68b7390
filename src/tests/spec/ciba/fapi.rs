//! FAPI-CIBA: the profile `fapi2`, where no browser is.

use serde_json::{Value, json};

use super::stand::{BACKCHANNEL, answer, approve, polls, proof, refusal, told, with_phone};
use crate::clock::Clock as _;
use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::crypto::random::SystemRandom;
use crate::ids::uuid_v4;
use crate::session::{Acr, Authentication};
use crate::store::approval::Answer as Said;
use crate::store::client::{AuthMethod, CIBA, Metadata, ProfileName};
use crate::tests::spec::stand::{Answer, DOCTOR, ISSUER, NewRp, Stand, TOKEN, basic, claims};

struct Client {
    key: SigningKey,
}

impl Client {
    async fn registered(stand: &Stand) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let metadata = Metadata {
            token_endpoint_auth_method: Some(AuthMethod::PrivateKeyJwt),
            jwks: Some(json!({ "keys": [key.public().to_jwk()] })),
            ..polls()
        };
        stand.add_rp(NewRp { profile: ProfileName::Fapi2, metadata, ..NewRp::named("fapi") }).await;
        Self { key }
    }

    async fn post(&self, stand: &Stand, path: &str, form: &[(&str, &str)], proof: Option<&str>) -> Answer {
        let (now, jti) = (stand.clock.now().timestamp(), uuid_v4(&SystemRandom).to_string());
        let claims =
            json!({ "iss": "fapi", "sub": "fapi", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti });
        let assertion = jose::sign(&self.key, "JWT", &claims).unwrap();
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(form);
        encoded
            .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        encoded.append_pair("client_assertion", &assertion);
        let headers: Vec<_> = proof.iter().map(|proof| ("dpop", *proof)).collect();
        stand.post(path, &encoded.finish(), &headers).await
    }

    async fn ask(&self, stand: &Stand, changes: Value) -> Answer {
        let now = stand.clock.now().timestamp();
        let mut question = json!({
            "iss": "fapi", "aud": ISSUER, "exp": now + 300, "iat": now, "nbf": now,
            "jti": uuid_v4(&SystemRandom).to_string(),
            "scope": "openid profile", "login_hint": DOCTOR, "binding_message": "042137",
        });
        for (name, value) in changes.as_object().unwrap() {
            question[name] = value.clone();
        }
        let signed = jose::sign(&self.key, "JWT", &question).unwrap();
        self.post(stand, BACKCHANNEL, &[("request", &signed)], None).await
    }

    async fn asked(&self, stand: &Stand, changes: Value) -> String {
        let answer = self.ask(stand, changes).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["auth_req_id"].as_str().unwrap().to_owned()
    }

    async fn poll(&self, stand: &Stand, id: &str, bound: bool) -> Answer {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.public().to_jwk() });
        let claims = json!({
            "jti": uuid_v4(&SystemRandom).to_string(), "htm": "POST",
            "htu": format!("{ISSUER}/protocol/openid-connect/token"), "iat": stand.clock.now().timestamp(),
            "nonce": stand.provider.nonces().current(stand.clock.now()),
        });
        let proof = jose::forge(&self.key, &header, &claims);
        let form = [("grant_type", CIBA), ("auth_req_id", id)];
        self.post(stand, TOKEN, &form, bound.then_some(proof.as_str())).await
    }
}

#[tokio::test]
async fn by_keys_alone_with_signed_questions_and_bound_tokens() {
    with_phone(async |stand, _| {
        let client = Client::registered(&stand).await;
        let id = client.asked(&stand, json!({})).await;
        approve(&stand, "fapi", &id).await;
        let bare = client.poll(&stand, &id, false).await;
        assert_eq!(told(&bare), refusal(400, "invalid_request"), "a token that everybody could use");
        let tokens = client.poll(&stand, &id, true).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        assert_eq!(tokens.json()["token_type"], "DPoP");
        let bound = claims(&tokens.json()["access_token"])["cnf"]["jkt"].clone();
        assert_eq!(bound, json!(client.key.public().kid()));
    })
    .await;
}

#[tokio::test]
async fn nothing_that_the_profile_does_not_take_is_asked() {
    with_phone(async |stand, phone| {
        let client = Client::registered(&stand).await;
        let plain = [("scope", "openid profile"), ("login_hint", DOCTOR), ("binding_message", "042137")];
        let unsigned = client.post(&stand, BACKCHANNEL, &plain, None).await;
        assert_eq!(told(&unsigned), refusal(400, "invalid_request"));
        assert!(stand.events().await.last().unwrap().ends_with("OIDC-103"));
        let by_secret = stand.post(BACKCHANNEL, "scope=openid", &[("authorization", &basic("fapi"))]).await;
        assert_eq!(by_secret.status, 401);
        let unreachable = client.ask(&stand, json!({ "acr_values": "eidas9" })).await;
        assert_eq!(told(&unreachable), refusal(403, "access_denied"));
        assert!(phone.rung().await.is_empty());
    })
    .await;
}

/// No level below the one that was asked for (FAPI-CIBA §5.2.2).
#[tokio::test]
async fn whoever_proves_less_than_was_asked_for_gets_nothing() {
    with_phone(async |stand, _| {
        let client = Client::registered(&stand).await;
        let id = client.asked(&stand, json!({ "acr_values": "eidas2" })).await;
        let little = Authentication { acr: Acr::Eidas1, ..proof(&stand).await };
        assert!(answer(&stand, "fapi", &id, Said::Approve(little)).await);
        let refused = client.poll(&stand, &id, true).await;
        assert_eq!(told(&refused), refusal(400, "access_denied"));
        let id = client.asked(&stand, json!({ "acr_values": "eidas2" })).await;
        approve(&stand, "fapi", &id).await;
        assert_eq!(client.poll(&stand, &id, true).await.status, 200);
    })
    .await;
}
