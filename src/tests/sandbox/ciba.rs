//! Test persons who are asked by programs without a browser (CIBA).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::http::{Answer, Call};
use super::Bench;
use crate::store::client::CIBA;

const DOCTOR: &str = "899700366240";

impl Bench {
    /// What `officine` posts.
    async fn officine(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let call = Call::post(&self.below(path), &self.host(), "", fields).without("origin");
        let basic = format!("Basic {}", STANDARD.encode("officine:s"));
        call.with("authorization", &basic).send(self.address()).await
    }

    /// Asks the doctor, and what the token endpoint says then.
    async fn asked_and_polled(&self, channel: &str) -> (u16, serde_json::Value) {
        let question = [
            ("scope", "openid scope_all"),
            ("acr_values", "eidas1"),
            ("login_hint", DOCTOR),
            ("binding_message", "07"),
            ("channel", channel),
        ];
        let asked = self.officine("/protocol/openid-connect/ext/ciba/auth", &question).await;
        assert_eq!(asked.status, 200, "{}", asked.body);
        let asked: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
        let poll = [("grant_type", CIBA), ("auth_req_id", asked["auth_req_id"].as_str().unwrap())];
        let answer = self.officine("/protocol/openid-connect/token", &poll).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }
}

#[tokio::test]
async fn test_persons_answer_programs_as_the_switch_says() {
    let bench = Bench::start().await;
    let officine = json!({
        "client_id": "officine", "client_secret": "s", "redirect_uris": [],
        "metadata": { "grant_types": [CIBA, "refresh_token"], "backchannel_token_delivery_mode": "poll" },
    });
    bench.told("POST", "/clients", &officine.to_string()).await;
    for (channel, mode) in [("MOBILE", "MOBILE"), ("CARD", "CARD")] {
        let (status, tokens) = bench.asked_and_polled(channel).await;
        assert_eq!(status, 200, "{tokens}");
        let id_token = super::Tokens(tokens).part("id_token", 1);
        assert_eq!((&id_token["authMode"], &id_token["SubjectNameID"]), (&json!(mode), &json!(DOCTOR)));
    }
    for switch in ["refuse", "mistype"] {
        bench.told("PATCH", "/switches", &json!({ "ciba": switch }).to_string()).await;
        let (status, refused) = bench.asked_and_polled("MOBILE").await;
        assert_eq!((status, &refused["error"]), (400, &json!("access_denied")), "{switch}");
    }
}
