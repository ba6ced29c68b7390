//! RFC 9396: rich authorization requests.

use serde_json::{Value, json};

use super::browser::{Page, of};
use super::par::pushed;
use super::stand::{NewRp, Stand};
use crate::store::client::{Metadata, ProfileName};

const CB: &str = "https://std.example/cb";

async fn register(stand: &Stand) {
    let metadata = Metadata { authorization_details_types: vec!["ordonnance".into()], ..Metadata::default() };
    stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") }).await;
}

fn asked() -> Value {
    json!([{ "type": "ordonnance", "actions": ["lire"], "identifier": "2026-11<b>", "duree": { "jours": 3 } }])
}

/// §2, §3, §7: what is asked for stands on the page, and is granted as it came.
#[tokio::test]
async fn the_person_sees_what_is_asked_for_and_the_grant_holds_it() {
    Stand::on_both(async |stand| {
        register(&stand).await;
        let browser = stand.sign_in().await;
        let text = asked().to_string();
        let request = of("std", CB, &[("authorization_details", &text)]);
        for _ in 0..2 {
            let page = Page::of(&stand, &request, &browser).await;
            let body = &page.shown.body;
            assert!(body.contains("ordonnance") && body.contains("jours"), "{body}");
            assert!(!body.contains("11<b>"), "as text: {body}");
            let answer = page.press(&stand, "allow").await;
            let code =
                answer.parameter("code").unwrap_or_else(|| panic!("{} {}", answer.status, answer.body));
            assert_eq!(json!(stand.details_of(&code).await.authorization_details), asked());
            // One consent is for one occasion: the second turn asks again.
        }
        let silent: Vec<_> = request.iter().copied().chain([("prompt", "none")]).collect();
        let unasked = stand.authorize(&silent, &browser.cookie).await;
        assert_eq!(unasked.parameter("error").as_deref(), Some("consent_required"));
        assert!(pushed(&stand, "std", &[("authorization_details", &text)]).await.starts_with("urn:"));
    })
    .await;
}

/// §5: unknown types, other shapes, more than a person could read.
#[tokio::test]
async fn what_is_not_registered_or_malformed_is_refused_by_name() {
    Stand::on_both(async |stand| {
        register(&stand).await;
        let browser = stand.sign_in().await;
        let many = Value::Array(vec![json!({ "type": "ordonnance" }); 11]).to_string();
        let long = json!([{ "type": "ordonnance", "x": "y".repeat(3000) }]).to_string();
        for text in [
            "{}",
            "[]",
            "[",
            "[1]",
            "[{}]",
            r#"[{"type":1}]"#,
            r#"[{"type":"paiement"}]"#,
            r#"[{"type":"ordonnance"},{"type":"paiement"}]"#,
            r#"[{"type":"paiement","type":"ordonnance"}]"#,
            r#"[{"type":"ordonnance","actions":"lire"}]"#,
            r#"[{"type":"ordonnance","locations":[1]}]"#,
            r#"[{"type":"ordonnance","identifier":7}]"#,
            many.as_str(),
            long.as_str(),
        ] {
            let request = of("std", CB, &[("authorization_details", text)]);
            let answer = stand.authorize(&request, &browser.cookie).await;
            let error = answer.parameter("error");
            assert_eq!(error.as_deref(), Some("invalid_authorization_details"), "{text:.60}");
        }
    })
    .await;
}
