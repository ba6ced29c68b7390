//! An identity at another provider is linked to somebody who stands at the desk.

use super::*;
use crate::store::notice;
use crate::store::person_contact::{self, Contact, Setting, Verifier};
use crate::store::upstream_link::{self, Link, Linked, NewLink};

const ISSUER: &str = "https://psc.example/realm";

impl Counter {
    async fn links(&self) -> Vec<Link> {
        upstream_link::of_person(&self.stand().db, self.colleague).await.unwrap()
    }

    /// Presses the button that links an identity.
    async fn link(&self, provider: &str, subject: &str) -> Answer {
        self.press(&self.path("/links/link"), &format!("&provider={provider}&subject={subject}")).await
    }

    /// An identity of Pro Santé Connect is somebody's already.
    async fn is_theirs(&self, person: PersonId, subject: &str) {
        let new = NewLink {
            person,
            issuer: ISSUER.into(),
            subject: subject.into(),
            label: "Pro Santé Connect".into(),
            by: "command line",
            check: None,
        };
        let (event, now) = (self.stand().event(Kind::IdentityLinked), self.stand().clock.now());
        let linked = upstream_link::link(&self.stand().db, &new, &event, now, &SystemRandom).await.unwrap();
        assert_eq!(linked, Linked::Done);
    }

    /// A sign-in by a provider was refused, of somebody whom nobody here is.
    async fn was_refused(&self, provider: &str, subject: &str, code: &'static str) {
        self.was_refused_telling(provider, subject, code, &["810003456786"]).await;
    }

    /// The same, of somebody of whom it told these identifiers.
    async fn was_refused_telling(&self, provider: &str, subject: &str, code: &'static str, told: &[&str]) {
        let event = self.stand().some_event(Kind::SignIn).upstream(provider);
        let event = event.means("upstream", Some(subject)).denied(code);
        let event = match told {
            [] => event,
            [one] => event.id_nat(one),
            [first, ..] => event.id_nat(first).note(&format!("told {}", told.join(" "))),
        };
        store::audit::append(&self.stand().db, &event).await.unwrap();
    }

    /// The colleague has an address for notices.
    async fn colleague_has_an_address(&self) {
        let now = self.stand().clock.now();
        let notice = |told| NewNotice::new(self.colleague, told, now, &SystemRandom);
        let contact = Contact {
            address: "kit@chu.example".into(),
            language: "fr".into(),
            verified_by: Verifier::Administrator,
            verified_at: now,
        };
        let setting = Setting {
            person: self.colleague,
            contact: &contact,
            told_before: &notice(Told::AddressChanged),
            told_now: &notice(Told::AddressSet),
            event: &self.stand().event(Kind::ContactChanged),
        };
        person_contact::set(&self.stand().db, &setting, now).await.unwrap();
    }
}

#[tokio::test]
async fn an_identity_is_linked_to_whoever_showed_a_document_and_they_are_told() {
    Counter::on_both(async |counter| {
        counter.colleague_has_an_address().await;
        let form = "Rattacher une identité extérieure";
        assert!(!counter.see(&counter.path("")).await.body.contains(form), "nobody was looked at");
        counter.check("passport").await;
        assert!(counter.see(&counter.path("")).await.body.contains(form));
        assert_eq!(counter.link("psc", "f:1:2").await.location(), counter.path("#links"));

        let link = counter.links().await.remove(0);
        assert_eq!(
            (link.issuer.as_str(), link.subject.as_str(), link.label.as_str(), link.linked_by.as_str()),
            (ISSUER, "f:1:2", "Pro Santé Connect", "desk")
        );
        let event = counter.event(Kind::IdentityLinked).await;
        let detail: Value = serde_json::from_str(&event.detail).unwrap();
        let doctor = counter.stand().person(DOCTOR).await;
        assert_eq!((event.person_id, event.outcome.as_str()), (Some(counter.colleague), "success"));
        assert_eq!(detail["actor"], format!("desk: {doctor}"));
        assert_eq!((&detail["upstream"], &detail["means_id"]), (&json!("psc"), &json!("f:1:2")));
        assert_eq!(detail["note"], "passport");
        let waiting = notice::older_than(&counter.stand().db, counter.stand().clock.now(), 10).await.unwrap();
        let told: Vec<_> = waiting.iter().filter(|notice| notice.told.name() == "identity-linked").collect();
        assert_eq!((told.len(), told[0].person_id), (1, counter.colleague));
        // One check, one act.
        refused(&counter.link("groupe", "camille").await, "DESK-008");
        assert_eq!(counter.links().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_desk_chooses_among_the_identities_that_were_refused_a_moment_ago() {
    Counter::on_both(async |counter| {
        counter.is_theirs(counter.stand().person(DOCTOR).await, "f:1:taken").await;
        counter.was_refused("psc", "f:1:old", "UPSTREAM-012").await;
        counter.stand().advance(3601);
        let desk = by_card(counter.stand(), DOCTOR).await;
        let counter = Counter { desk, ..counter };
        counter.was_refused("psc", "f:1:unknown", "UPSTREAM-012").await;
        counter.was_refused("psc", "f:1:unknown", "UPSTREAM-012").await;
        counter.was_refused("groupe", "camille", "UPSTREAM-013").await;
        counter.was_refused("psc", "f:1:taken", "UPSTREAM-013").await;
        counter.was_refused("psc", "f:1:low", "UPSTREAM-014").await;
        counter.was_refused("gone", "f:1:gone", "UPSTREAM-012").await;
        let offers = async || {
            let body = counter.see(&counter.path("")).await.body;
            let all = ["old", "unknown", "taken", "low", "gone"].map(|name| format!("f:1:{name}"));
            let all = all.into_iter().chain(["camille".to_owned()]);
            all.filter(|subject| body.contains(&format!("value=\"{subject}\""))).collect::<Vec<_>>()
        };
        assert!(offers().await.is_empty(), "nobody was looked at");
        // A card of the establishment proves too little for what opens a hospital.
        counter.check("staff-card").await;
        assert_eq!(offers().await, ["camille"]);
        counter.check("passport").await;
        assert_eq!(offers().await, ["f:1:unknown", "camille"]);
        let body = counter.see(&counter.path("")).await.body;
        assert_eq!(body.matches("value=\"f:1:unknown\"").count(), 1, "once");
        assert!(body.contains("810003456786") && body.contains("Refusée à l’instant"), "{body}");

        assert_eq!(counter.link("psc", "f:1:unknown").await.location(), counter.path("#links"));
        counter.check("passport").await;
        assert_eq!(offers().await, ["camille"], "of Pro Santé Connect they have one now");
        assert_eq!(counter.link("groupe", "camille").await.location(), counter.path("#links"));
        counter.check("passport").await;
        let page = counter.see(&counter.path("")).await.body;
        assert!(!page.contains("Rattacher une identité"), "nothing is left to link");
    })
    .await;
}

#[tokio::test]
async fn an_identity_of_which_somebody_elses_number_was_told_is_neither_offered_nor_linked() {
    Counter::on_both(async |counter| {
        counter.was_refused_telling("psc", "f:1:doctor", "UPSTREAM-012", &[DOCTOR]).await;
        counter.was_refused_telling("psc", "f:1:both", "UPSTREAM-013", &[STRANGER, DOCTOR]).await;
        counter.was_refused_telling("psc", "f:1:own", "UPSTREAM-012", &[STRANGER]).await;
        // A later sign-in of which nothing was told hides nothing.
        counter.was_refused_telling("psc", "f:1:doctor", "UPSTREAM-012", &[]).await;
        counter.check("passport").await;
        let body = counter.see(&counter.path("")).await.body;
        let offered = ["doctor", "both", "own"].map(|name| body.contains(&format!("value=\"f:1:{name}\"")));
        assert_eq!(offered, [false, false, true]);
        refused(&counter.link("psc", "f:1:doctor").await, "DESK-017");
        refused(&counter.link("psc", "f:1:both").await, "DESK-017");
        assert_eq!(counter.link("psc", "f:1:own").await.location(), counter.path("#links"));
    })
    .await;
}

#[tokio::test]
async fn the_desk_links_nothing_that_opens_more_than_it_vouches_for_where_no_number_will_be_compared() {
    Counter::on_both(async |counter| {
        counter.was_refused("agence", "camille", "UPSTREAM-012").await;
        counter.check("passport").await;
        let body = counter.see(&counter.path("")).await.body;
        assert!(body.contains("value=\"psc\"") && !body.contains("value=\"agence\""), "{body}");
        refused(&counter.link("agence", "camille").await, "DESK-016");
        assert!(counter.links().await.is_empty());
        assert_eq!(
            counter.link("psc", "f:1:2").await.location(),
            counter.path("#links"),
            "the check is left"
        );
    })
    .await;
}

#[tokio::test]
async fn no_identity_is_linked_without_a_document_that_is_enough_nor_where_it_is_somebodys_already() {
    Counter::on_both(async |counter| {
        let doctor = counter.stand().person(DOCTOR).await;
        counter.is_theirs(doctor, "f:1:taken").await;
        refused(&counter.link("psc", "f:1:2").await, "DESK-008");
        counter.check("driving-licence").await;
        refused(&counter.link("psc", "f:1:2").await, "DESK-013");
        counter.check("identity-card").await;
        for (provider, subject) in
            [("other", "f:1:2"), ("", "f:1:2"), ("psc", ""), ("psc", "f:1%202"), ("psc", "%C3%A9")]
        {
            refused(&counter.link(provider, subject).await, "DESK-010");
        }
        refused(&counter.link("psc", &"a".repeat(256)).await, "DESK-010");
        refused(&counter.link("psc", "f:1:taken").await, "DESK-014");
        // Whoever works at the desk, for themself.
        let own = format!("/desk/people/{doctor}/links/link");
        refused(&counter.press(&own, "&provider=groupe&subject=camille").await, "DESK-005");
        // None of it has used the check up; ten minutes do.
        counter.stand().advance(601);
        refused(&counter.link("psc", "f:1:2").await, "DESK-008");
        assert!(counter.links().await.is_empty());

        counter.is_theirs(counter.colleague, "f:1:2").await;
        counter.check("identity-card").await;
        refused(&counter.link("psc", "f:1:3").await, "DESK-015");
        assert_eq!(counter.links().await.len(), 1);
        counter.stand().disable(STRANGER).await;
        refused(&counter.link("groupe", "camille").await, "DESK-007");
        assert_eq!(counter.links().await.len(), 1);
        let event = counter.event(Kind::IdentityLinked).await;
        assert_eq!((event.outcome.as_str(), event.code.as_deref()), ("denied", Some("DESK-007")));
    })
    .await;
}

/// A double click: one of the two finds the check used, or the identity linked.
#[tokio::test]
async fn two_links_at_one_moment_are_one() {
    Counter::on_both(async |counter| {
        counter.check("passport").await;
        let (one, two) = tokio::join!(counter.link("psc", "f:1:2"), counter.link("groupe", "camille"));
        assert_eq!([&one, &two].iter().filter(|answer| answer.status.is_redirection()).count(), 1);
        assert_eq!(counter.links().await.len(), 1);
    })
    .await;
}
