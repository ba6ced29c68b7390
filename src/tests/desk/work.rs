//! A day at the desk: people are found, their means halted, given back, revoked; and what the desk may not do.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Counter, add, by_card, get, refused, revoke};
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::crypto::random::SystemRandom;
use crate::directory::synthetic;
use crate::ids::MeansId;
use crate::session::Acr;
use crate::store;
use crate::store::means::Kind as MeansKind;
use crate::store::role::Role;
use crate::store::upstream_link::{self, Linked, NewLink};
use crate::tests::security_keys::authenticator::SoftKey;
use crate::tests::security_keys::code;
use crate::tests::spec::stand::{DOCTOR, STRANGER};
use crate::webauthn::policy::KeyPolicy;

impl Counter {
    /// A key that the colleague registered, and its row.
    async fn colleague_with_key(&self) -> (SoftKey, MeansId) {
        let mut key = SoftKey::new();
        self.hospital.register(&by_card(self.stand(), STRANGER).await, &mut key).await;
        let own = store::means::of_person(&self.stand().db, self.colleague).await.unwrap();
        let id = own.iter().find(|means| means.kind == MeansKind::SecurityKey).unwrap().id;
        (key, id)
    }
}

#[tokio::test]
async fn a_person_is_found_by_name_or_identifier_and_never_more_than_twenty() {
    Counter::on_both(async |counter| {
        for text in ["doc0036624", STRANGER] {
            let found = counter.press("/desk/find", &format!("&text={text}")).await;
            assert_eq!(found.status, StatusCode::OK, "{}", found.body);
            assert!(found.body.contains("KIT DOC0036624") && found.body.contains(&counter.path("")));
            assert!(!found.body.contains("DOC0042788"), "only who was looked for");
        }
        let event = counter.event(Kind::PersonSearched).await;
        assert!(event.detail.contains("1 found") && !event.detail.contains(STRANGER), "{}", event.detail);

        for n in 0..21 {
            add(counter.stand(), &synthetic::id_nat(n), "MARTIN").await;
        }
        let found = counter.press("/desk/find", "&text=martin").await.body;
        assert_eq!(found.matches("/desk/people/").count(), 20);
        assert!(found.contains("précisez votre recherche"), "{found}");
        let none = counter.press("/desk/find", "&text=mar%25").await.body;
        assert!(none.contains("Personne ne correspond"), "a wildcard is a letter like others: {none}");
        for text in ["", "ma", "%20%20ma%20", "%25%25%25", "ma---", &"m".repeat(101)] {
            refused(&counter.press("/desk/find", &format!("&text={text}")).await, "DESK-010");
        }
    })
    .await;
}

#[tokio::test]
async fn what_the_desk_gives_back_reaches_no_more_than_the_document_that_was_shown() {
    let policy = KeyPolicy { device_bound_level: Acr::Eidas2, ..KeyPolicy::default() };
    Counter::on_both_with(policy, async |counter| {
        let (_, id) = counter.colleague_with_key().await;
        let level = async || {
            let own = store::means::of_person(&counter.stand().db, counter.colleague).await.unwrap();
            own.into_iter().find(|means| means.id == id).unwrap().level
        };
        assert_eq!(level().await, Acr::Eidas2);
        for (document, reached) in
            [("passport", Acr::Eidas2), ("staff-card", Acr::Eidas1), ("passport", Acr::Eidas1)]
        {
            counter.press(&counter.path(&format!("/means/{id}/suspend")), "&reason=lost").await;
            counter.check(document).await;
            counter.press(&counter.path(&format!("/means/{id}/resume")), "").await;
            assert_eq!(level().await, reached, "{document}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_lost_key_is_suspended_at_once_and_given_back_after_an_identity_check() {
    Counter::on_both(async |counter| {
        let (mut key, id) = counter.colleague_with_key().await;
        let (_, signed_in) = counter.hospital.sign_in(&mut key).await;
        let session = signed_in.cookie();
        let page = counter.see(&counter.path("")).await.body;
        assert!(page.contains("Clé du bureau") && page.contains("KIT DOC0036624"), "{page}");
        assert!(!page.contains("/resume") && !page.contains("/hand-out"), "nothing is given unchecked");

        let act = |act: &str| counter.path(&format!("/means/{id}/{act}"));
        let suspended = counter.press(&act("suspend"), "&reason=lost").await;
        assert_eq!(suspended.location(), counter.path("#means"));
        assert_eq!(code(&counter.hospital.sign_in(&mut key).await.1), "KEY-011");
        let ended = counter.stand().get("/means", &[("cookie", &session)]).await;
        assert_eq!(ended.location(), "/sign-in/means", "its session has ended");
        let event = counter.event(Kind::MeansSuspended).await;
        let actor = format!("desk: {}", counter.stand().person(DOCTOR).await);
        assert!(
            event.detail.contains(&actor) && event.detail.contains("\"note\":\"lost\""),
            "{}",
            event.detail
        );
        assert_eq!(event.person_id, Some(counter.colleague));
        assert!(counter.event(Kind::SessionEnded).await.detail.contains(&actor));

        // Whoever found it comes to the desk with it: no document, no key.
        refused(&counter.press(&act("resume"), "").await, "DESK-008");
        assert_eq!(code(&counter.hospital.sign_in(&mut key).await.1), "KEY-011");
        counter.check("residence-permit").await;
        let event = counter.event(Kind::IdentityChecked).await;
        assert!(event.detail.contains("residence-permit") && event.detail.contains(&actor));
        assert!(counter.see(&counter.path("")).await.body.contains("Titre de séjour"));
        refused(&counter.press(&act("hand-out"), "").await, "DESK-009");
        counter.check("residence-permit").await;
        assert_eq!(counter.press(&act("resume"), "").await.location(), counter.path("#means"));
        assert_eq!(counter.event(Kind::MeansResumed).await.outcome, "success");
        assert!(counter.see(&counter.path("")).await.body.contains("Remise au guichet le"));
        assert_eq!(counter.hospital.sign_in(&mut key).await.1.json()["state"], "done");

        // A check is good once.
        refused(&counter.press(&act("hand-out"), "").await, "DESK-008");
        counter.check("passport").await;
        assert_eq!(counter.press(&act("hand-out"), "").await.location(), counter.path("#means"));
        assert!(counter.event(Kind::MeansHandedOut).await.detail.contains(&actor));

        assert_eq!(
            counter.press(&act("revoke"), "&reason=given-back").await.location(),
            counter.path("#means")
        );
        assert_eq!(code(&counter.hospital.sign_in(&mut key).await.1), "KEY-011");
        counter.check("passport").await;
        refused(&counter.press(&act("resume"), "").await, "DESK-009");
        assert!(!counter.see(&counter.path("")).await.body.contains(&id.to_string()), "it is shown no more");
    })
    .await;
}

#[tokio::test]
async fn an_identity_check_is_good_for_ten_minutes_in_its_own_session_for_its_own_person() {
    Counter::on_both(async |counter| {
        let (_, id) = counter.colleague_with_key().await;
        let act = counter.path(&format!("/means/{id}/hand-out"));
        counter.check("passport").await;
        // Another browser of the same desk has checked nobody.
        let elsewhere = by_card(counter.stand(), DOCTOR).await;
        let pressed = super::press(counter.stand(), &act, &elsewhere, "").await;
        refused(&pressed, "DESK-008");
        // Nor was anybody else checked.
        let third = add(counter.stand(), &synthetic::id_nat(7), "TIERS").await;
        let said = counter
            .hospital
            .say(&format!("/desk/people/{third}/key/options"), &serde_json::json!({}), &counter.desk.cookie)
            .await;
        assert_eq!(code(&said), "DESK-008");
        counter.stand().clock.advance(TimeDelta::minutes(10));
        refused(&counter.press(&act, "").await, "DESK-008");
        assert_eq!(code(&counter.challenge().await), "DESK-008");
    })
    .await;
}

#[tokio::test]
async fn nobody_looks_after_their_own_means_at_the_desk() {
    Counter::on_both(async |counter| {
        let doctor = counter.stand().person(DOCTOR).await;
        let own = store::means::of_person(&counter.stand().db, doctor).await.unwrap().remove(0);
        let path = |rest: &str| format!("/desk/people/{doctor}{rest}");
        refused(&counter.see(&path("")).await, "DESK-005");
        refused(&counter.press(&path("/check"), "&document=passport").await, "DESK-005");
        for act in ["suspend", "resume", "hand-out", "revoke"] {
            let act = path(&format!("/means/{}/{act}", own.id));
            refused(&counter.press(&act, "&reason=lost").await, "DESK-005");
        }
        for end in ["/key/options", "/key"] {
            let said = counter.hospital.say(&path(end), &serde_json::json!({}), &counter.desk.cookie).await;
            assert_eq!(code(&said), "DESK-005");
        }
        // Nor under the name of somebody else.
        let there = counter.path(&format!("/means/{}/revoke", own.id));
        refused(&counter.press(&there, "&reason=lost").await, "DESK-009");
        let event = counter.event(Kind::MeansRevoked).await;
        assert_eq!((event.outcome.as_str(), event.code.as_deref()), ("denied", Some("DESK-009")));
        assert!(
            store::means::by_id(&counter.stand().db, own.id).await.unwrap().unwrap().revoked_at.is_none()
        );
    })
    .await;
}

#[tokio::test]
async fn a_disabled_person_is_given_nothing_and_can_be_taken_everything() {
    Counter::on_both(async |counter| {
        let (_, id) = counter.colleague_with_key().await;
        counter.check("passport").await;
        counter.stand().disable(STRANGER).await;
        let page = counter.see(&counter.path("")).await.body;
        assert!(page.contains("ne peut rien recevoir") && !page.contains("/key/options"), "{page}");
        assert_eq!(code(&counter.challenge().await), "DESK-007");
        let act = |act: &str| counter.path(&format!("/means/{id}/{act}"));
        refused(&counter.press(&act("hand-out"), "").await, "DESK-007");
        refused(&counter.press(&counter.path("/check"), "&document=passport").await, "DESK-007");
        assert_eq!(counter.press(&act("suspend"), "&reason=doubt").await.location(), counter.path("#means"));
        refused(&counter.press(&act("resume"), "").await, "DESK-007");
        assert_eq!(counter.press(&act("revoke"), "&reason=doubt").await.location(), counter.path("#means"));
    })
    .await;
}

#[tokio::test]
async fn what_no_page_offers_is_refused() {
    Counter::on_both(async |counter| {
        let (_, id) = counter.colleague_with_key().await;
        let act = |act: &str| counter.path(&format!("/means/{id}/{act}"));
        for document in ["", "library-card", "passport%0012AB34567"] {
            let path = counter.path("/check");
            refused(&counter.press(&path, &format!("&document={document}")).await, "DESK-010");
        }
        refused(&counter.press(&act("revoke"), "&reason=ill%20since%20May").await, "DESK-010");
        let before = counter.event(Kind::MeansRevoked).await;
        refused(&counter.press(&act("delete"), "&reason=lost").await, "DESK-010");
        assert_eq!(counter.event(Kind::MeansRevoked).await.id, before.id, "nobody asked for a revocation");
        let nobody = format!("/desk/people/{}", crate::ids::uuid_v4(&crate::crypto::random::SystemRandom));
        refused(&counter.see(&nobody).await, "DESK-006");
        assert_eq!(get(counter.stand(), "/desk/people/none", &counter.desk).await.status, 400);
        assert!(!counter.event(Kind::MeansRevoked).await.detail.contains("May"));
    })
    .await;
}

/// A double click, or two tabs: the two are one check, good for one act.
#[tokio::test]
async fn two_checks_at_one_moment_are_one() {
    Counter::on_both(async |counter| {
        tokio::join!(counter.check("passport"), counter.check("identity-card"));
        assert_eq!(counter.issue(&mut SoftKey::new()).await.status, StatusCode::OK);
        assert_eq!(code(&counter.challenge().await), "DESK-008");
    })
    .await;
}

#[tokio::test]
async fn whoever_works_at_the_desk_finds_the_way_there() {
    Counter::on_both(async |counter| {
        let link = "href=\"/desk\"";
        for page in ["/", "/means"] {
            assert!(counter.see(page).await.body.contains(link), "{page}");
        }
        revoke(counter.stand(), DOCTOR, Role::Desk).await;
        for page in ["/", "/means"] {
            assert!(!counter.see(page).await.body.contains(link), "{page}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_identity_elsewhere_is_seen_by_its_person_and_unlinked_at_the_desk() {
    Counter::on_both(async |counter| {
        let (db, now) = (&counter.stand().db, counter.stand().clock.now());
        let new = NewLink {
            person: counter.colleague,
            issuer: "https://psc.example/realm".into(),
            subject: "f:1:2".into(),
            label: "Pro Santé Connect".into(),
            by: "command line",
            check: None,
        };
        let event = counter.stand().event(Kind::IdentityLinked);
        assert_eq!(upstream_link::link(db, &new, &event, now, &SystemRandom).await.unwrap(), Linked::Done);
        let theirs = counter.stand().sign_in_as(STRANGER).await;
        let own =
            counter.stand().get("/means", &[("cookie", &theirs.cookie), ("accept-language", "fr")]).await;
        assert!(own.body.contains("Mes identités extérieures") && own.body.contains("Pro Santé Connect"));
        assert!(!own.body.contains("unlink"), "the desk does that");

        let page = counter.see(&counter.path("")).await.body;
        assert!(page.contains("Ses identités extérieures") && page.contains("Aucune utilisation"), "{page}");
        let path = counter.path("/links/unlink");
        refused(&counter.press(&path, "&issuer=https://other.example").await, "DESK-009");
        let done = counter.press(&path, "&issuer=https://psc.example/realm").await;
        assert_eq!(done.location(), counter.path("#links"));
        assert!(upstream_link::of_person(db, counter.colleague).await.unwrap().is_empty());
        assert!(!counter.see(&counter.path("")).await.body.contains("Pro Santé Connect"));
        let event = counter.event(Kind::IdentityUnlinked).await;
        let actor = format!("desk: {}", counter.stand().person(DOCTOR).await);
        assert!(event.detail.contains(&actor), "{}", event.detail);
        // Afterwards nobody else could say which identity it was.
        let detail: Value = serde_json::from_str(&event.detail).unwrap();
        assert_eq!((&detail["upstream"], &detail["means_id"]), (&json!("psc"), &json!("f:1:2")));
        assert_eq!((event.person_id, event.outcome.as_str()), (Some(counter.colleague), "success"));
    })
    .await;
}
