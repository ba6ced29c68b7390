//! Who hears by mail of what happens to phones and on them.

use serde_json::json;

use super::{Hospital, Shown};
use crate::store;
use crate::store::audit::Filter;
use crate::store::means::Kind;
use crate::store::notice::{Place, Told};
use crate::tests::security_keys::SECURITY;
use crate::tests::security_keys::notices::ADDRESS;
use crate::tests::spec::stand::DOCTOR;

fn place() -> Place {
    Place { zone: String::new(), browser: "Firefox".into() }
}

#[tokio::test]
async fn its_person_hears_of_a_phone_that_was_paired() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.with_address().await;
        hospital.pair(&browser).await;
        let told = Told::MeansIssued { means: Kind::Phone, place: place() };
        assert_eq!(hospital.told().await, [(ADDRESS.to_owned(), told)]);
    })
    .await;
}

/// Who holds the phone may not be its person: both hear of it elsewhere, and once, however often it is said.
#[tokio::test]
async fn its_person_and_the_security_contact_hear_of_not_me_once_a_day() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.with_address().await;
        let phone = hospital.pair(&browser).await;
        hospital.told().await;
        let begun = hospital.begin().await;
        hospital.number(&begun, DOCTOR).await;
        let shown = hospital.opened(&phone).await;
        hospital.denies(&phone, &shown, "not-me").await;
        let filter = Filter { code: Some("PHONE-026".into()), limit: 10, ..Filter::default() };
        let events = store::audit::list(&hospital.stand.db, &filter).await.unwrap();
        let [event] = &events[..] else { panic!("{events:?}") };
        assert_eq!(
            (event.kind.as_str(), event.person_id),
            ("approval", Some(hospital.stand.person(DOCTOR).await))
        );
        let to_them = (ADDRESS.to_owned(), Told::Disowned { place: place() });
        let alarm = (SECURITY.to_owned(), Told::Alarm { event: event.id, place: place() });
        assert_eq!(hospital.told().await, [alarm, to_them]);

        // Whoever has the phone in their hand scans codes and says so again and again: mailboxes are not filled by it.
        for _ in 0..3 {
            let begun = hospital.begin().await;
            let seen = hospital.code_on_the_page(&begun).await;
            let shown = Shown::of(&hospital.opens(&phone, json!({"code": seen})).await);
            assert_eq!(hospital.denies(&phone, &shown, "not-me").await.json(), json!({"state": "done"}));
        }
        assert_eq!(hospital.told().await, []);
        let events = store::audit::list(&hospital.stand.db, &filter).await.unwrap();
        assert_eq!(events.len(), 4, "the trail has each");
    })
    .await;
}
