//! What anybody can bring about fills no audit trail: a few of each kind are recorded a minute, and the rest are counted.

use serde_json::json;

use super::ciba::with_changed;
use super::*;
use crate::config::UpstreamApplication;

impl Hospital {
    /// The notes of the events of that code.
    async fn noted(&self, code: &str) -> Vec<Option<String>> {
        let filter = store::audit::Filter { code: Some(code.to_owned()), limit: 100, ..Default::default() };
        let mut rows = store::audit::list(&self.stand.db, &filter).await.unwrap();
        rows.reverse();
        let note = |detail: &str| serde_json::from_str::<serde_json::Value>(detail).unwrap()["note"].clone();
        rows.into_iter().map(|row| note(&row.detail).as_str().map(str::to_owned)).collect()
    }
}

#[tokio::test]
async fn whoever_begins_ever_new_sign_ins_to_be_refused_in_is_recorded_a_few_times_and_then_counted() {
    let on_phones_alone = |settings: Upstream| {
        let application = UpstreamApplication { name: "e-CPS".into(), mobile: true, card: false };
        Upstream { application: Some(application), ..settings }
    };
    with_changed(on_phones_alone, async |_psc, hospital| {
        let codes = ["UPSTREAM-019", "UPSTREAM-021", "UPSTREAM-023", "UPSTREAM-002", "UPSTREAM-009"];
        let refused = async |from: &str| {
            let begun = hospital.begin(&[]).await;
            let asked = |identifier: &'static str, channel: &'static str| {
                hospital.ask_from(&begun, identifier, channel, from)
            };
            assert_eq!(asked("8997", "mobile").await["code"], "UPSTREAM-019");
            assert_eq!(asked("810000000001", "card").await["code"], "UPSTREAM-023");
            let words = json!({ "provider": "autre", "identifier": "8997", "channel": "mobile" });
            assert_eq!(hospital.call("ask", &begun, words, from).await.json()["code"], "UPSTREAM-002");
            let question = asked("810000000001", "mobile").await;
            assert!(question["question"].is_string(), "{question}");
            let another = json!({ "question": uuid::Uuid::from_u128(1).to_string() });
            let waited = hospital.call("wait", &begun, another, from).await.json();
            assert_eq!(waited["code"], "UPSTREAM-021", "{waited}");
            // Given up at the provider, which needs no account there.
            let sent = hospital.sent(&begun).await.location();
            let state = Url::parse(&sent).unwrap();
            let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
            let issuer = &hospital.upstreams.providers()[0].settings.issuer;
            let back = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("error", "access_denied"), ("state", state.as_str()), ("iss", issuer)])
                .finish();
            let back = format!("/login/provider/psc/callback?{back}");
            let headers = [("cookie", begun.cookie.as_str()), ("x-from", from)];
            assert_eq!(hospital.stand.get(&back, &headers).await.location(), begun.page);
        };
        for _ in 0..8 {
            refused("10.1.2.3").await;
            // Two that go to the provider and back at once are no circle.
            hospital.stand.advance(1);
        }
        for code in codes {
            assert_eq!(hospital.noted(code).await, vec![None; 5], "{code}");
        }
        // Nobody hides behind it: what another network does is recorded.
        refused("10.9.9.9").await;
        for code in codes {
            assert_eq!(hospital.noted(code).await, vec![None; 6], "{code}");
        }
        hospital.stand.advance(61);
        refused("10.1.2.3").await;
        for code in codes {
            let noted = hospital.noted(code).await;
            assert_eq!(noted.last().unwrap().as_deref(), Some("and 3 more before"), "{code}");
            assert_eq!(noted.len(), 7, "{code}");
        }
    })
    .await;
}
