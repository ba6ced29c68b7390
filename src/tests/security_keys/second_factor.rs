//! A key that need not verify its person, touched after a badge: what is asked, what it reaches, and what it rests on.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::{Value, json};

use super::authenticator::SoftKey;
use super::{BADGE_ZONE, Begun, Hospital, code};
use crate::audit::Kind as Recorded;
use crate::clock::Clock as _;
use crate::crypto::digest::sha256;
use crate::crypto::random::SystemRandom;
use crate::ids::{WorkstationId, uuid_v4};
use crate::session::{Acr, Amr, Authentication, Demands, Evidence, Session, Station};
use crate::store;
use crate::store::client::ProfileName;
use crate::store::means::{Halt, Halting, Kind, Means};
use crate::store::session::NewSession;
use crate::tests::spec::browser::of;
use crate::tests::spec::stand::{Answer, DOCTOR, NewRp, SignedIn, claims};
use crate::webauthn::policy::KeyPolicy;
use crate::webauthn::populations::{KeyPolicies, Population};

pub(super) const CB: &str = "https://std.example/cb";

/// A hospital that takes such keys, and answers for a badge and a key as substantial.
pub(super) fn substantial() -> KeyPolicy {
    KeyPolicy { second_factor: true, second_factor_level: Acr::Eidas2, ..KeyPolicy::default() }
}

/// An old key: it verifies nobody, and knows nobody.
pub(super) fn old_key() -> SoftKey {
    SoftKey { user_verified: false, aaguid: uuid::Uuid::nil(), ..SoftKey::new() }
}

impl Hospital {
    /// Registers `key` as one that counts after a badge only.
    pub(super) async fn try_register_second(&self, browser: &SignedIn, key: &mut SoftKey) -> Answer {
        let asked = self.say("/means/key/options", &json!({"second_factor": true}), &browser.cookie).await;
        if asked.status != StatusCode::OK {
            return asked;
        }
        let asked = asked.json();
        assert_eq!(asked["options"]["authenticatorSelection"]["userVerification"], "discouraged");
        let credential = key.create(&asked["options"]);
        // What a key of U2F signs later names nobody.
        key.user = None;
        let words = json!({
            "handle": asked["handle"], "label": "", "second_factor": true, "credential": credential,
        });
        self.say("/means/key", &words, &browser.cookie).await
    }

    /// A service that takes a badge.
    pub(super) async fn takes_badge(&self, id: &'static str) {
        self.stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named(id) }).await;
        let (event, now) = (self.stand.event(Recorded::ClientChanged), self.stand.clock.now());
        let demands = Demands { accepts_badge: true, ..Demands::default() };
        assert!(
            store::client::set_policy(&self.stand.db, id, &demands, &Default::default(), now, &event)
                .await
                .unwrap()
        );
    }

    /// Somebody, half an hour after their PIN, by badge.
    pub(super) async fn tapped(&self, id_nat: &str) -> SignedIn {
        let (cookie, new) = self.stand.new_session(id_nat).await;
        self.stand.clock.advance(TimeDelta::minutes(30));
        let proof = &new.authentication;
        let evidence = Evidence::Badge {
            card_number: "8025000001/2800000009".into(),
            certificate_sha256: "11".repeat(32),
            serial: "02".into(),
            issuer: "00".repeat(32),
            workstation: WorkstationId(uuid_v4(&SystemRandom)),
            tapped_at: self.stand.clock.now(),
            renews: Box::new(proof.evidence.clone()),
        };
        let authentication =
            Authentication { acr: Acr::Eidas1, amr: vec![Amr::Sc, Amr::Hwk], evidence, ..proof.clone() };
        let station = Station { zone: BADGE_ZONE.into(), shared: false };
        let until = proof.at + TimeDelta::hours(2);
        let new = NewSession { authentication, station, expires_at: until, ..new };
        store::session::begin(&self.stand.db, &new, self.stand.clock.now()).await.unwrap();
        SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
    }

    /// A sign-in at `std` in the browser of a session.
    pub(super) async fn asks(&self, browser: &SignedIn, more: &[(&str, &str)]) -> Begun {
        let begun = self.stand.authorize(&of("std", CB, more), &browser.cookie).await;
        let location = begun.location();
        let txn = location.strip_prefix("/login/").unwrap_or_else(|| panic!("no sign-in page: {location}"));
        Begun { txn: txn.to_owned(), cookie: format!("{}; {}", browser.cookie, begun.cookie()) }
    }

    pub(super) async fn shown(&self, begun: &Begun) -> String {
        let headers = [("cookie", begun.cookie.as_str()), ("accept-language", "fr")];
        self.stand.get(&format!("/login/{}", begun.txn), &headers).await.body
    }

    pub(super) async fn ask_touch(&self, begun: &Begun) -> Answer {
        self.say("/login/second-factor/options", &json!({"txn": begun.txn}), &begun.cookie).await
    }

    pub(super) async fn bring_touch(&self, begun: &Begun, asked: &Value, key: &mut SoftKey) -> Answer {
        let credential = key.get(&asked["options"]);
        let words = json!({"txn": begun.txn, "handle": asked["handle"], "credential": credential});
        self.say("/login/second-factor", &words, &begun.cookie).await
    }

    /// The whole of it: a challenge, a touch. Yields the browser with its new cookie.
    pub(super) async fn touch(&self, begun: &Begun, key: &mut SoftKey, browser: &SignedIn) -> SignedIn {
        let asked = self.ask_touch(begun).await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        let answer = self.bring_touch(begun, &asked.json(), key).await;
        assert_eq!(answer.json()["state"], "done", "{}", answer.body);
        SignedIn { cookie: answer.cookie(), session: browser.session }
    }

    pub(super) async fn session_of(&self, browser: &SignedIn) -> Session {
        store::session::by_id(&self.stand.db, browser.session).await.unwrap().unwrap()
    }

    /// The token of `std` that a sign-in leads to.
    pub(super) async fn token_of(&self, begun: &Begun, browser: &SignedIn) -> Value {
        let (_, transaction) = begun.cookie.split_once("; ").unwrap();
        let cookies = format!("{}; {transaction}", browser.cookie);
        let answer = self.stand.get(&format!("/login/{}", begun.txn), &[("cookie", &cookies)]).await;
        let code = answer.parameter("code").unwrap_or_else(|| panic!("no code: {}", answer.location()));
        claims(&self.stand.redeem_as("std", &code).await.json()["id_token"])
    }

    pub(super) async fn second_factor_of(&self, id_nat: &str) -> Means {
        let person = self.stand.person(id_nat).await;
        let all = store::means::of_person(&self.stand.db, person).await.unwrap();
        all.into_iter().find(|means| means.kind == Kind::SecondFactor).unwrap()
    }

    pub(super) async fn halt(&self, means: &Means) {
        let event = self.stand.event(Recorded::MeansRevoked);
        let ended = |_| self.stand.event(Recorded::SessionEnded);
        let halting =
            Halting { id: means.id, halt: Halt::Revoke, reason: "lost", event: &event, ended: &ended };
        let now = self.stand.clock.now();
        assert!(store::means::halt(&self.stand.db, &halting, now, &SystemRandom).await.unwrap());
    }
}

#[tokio::test]
async fn a_touch_after_a_badge_reaches_more_and_asks_for_neither_card_nor_pin() {
    Hospital::on_both_with(substantial(), async |hospital| {
        hospital.takes_badge("std").await;
        let (by_pin, mut key) = (hospital.stand.sign_in().await, old_key());
        assert_eq!(hospital.try_register_second(&by_pin, &mut key).await.json()["state"], "done");
        let page = hospital.page(&by_pin.cookie).await;
        assert!(page.contains("Clé de sécurité (second facteur seulement)"), "{page}");

        let typed = hospital.stand.clock.now();
        let browser = hospital.tapped(DOCTOR).await;
        let before = hospital.session_of(&browser).await;
        let begun = hospital.asks(&browser, &[("acr_values", "eidas2")]).await;
        let page = hospital.shown(&begun).await;
        assert!(page.contains("data-touch") && page.contains("plus que votre badge"), "{page}");
        assert!(!page.contains("data-key ") && !page.contains("data-card"), "the touch only: {page}");
        let joined = hospital.touch(&begun, &mut key, &browser).await;
        let token = hospital.token_of(&begun, &joined).await;
        assert_eq!((&token["acr"], &token["auth_time"]), (&json!("eidas2"), &json!(typed.timestamp())));
        assert_eq!(token["amr"], json!(["sc", "hwk", "swk", "user"]), "no PIN was typed, and no second kind");

        let after = hospital.session_of(&browser).await;
        assert_eq!((after.id, after.acr, after.expires_at), (before.id, Acr::Eidas2, before.expires_at));
        let Evidence::BadgeAndKey { badge, attested: false, .. } = &after.evidence else {
            panic!("{after:?}")
        };
        assert_eq!(**badge, before.evidence);
        let event = hospital.last_event_of(Recorded::SignIn).await;
        assert_eq!(
            (event["means"].as_str(), event["note"].as_str()),
            (Some("second-factor"), Some("joined"))
        );
        // The cookie of before opens nothing.
        let old = store::session::by_cookie(&hospital.stand.db, sha256(b"nothing")).await.unwrap();
        assert!(old.is_none() && joined.cookie != browser.cookie);
        let silent = |more: &'static [(&str, &str)]| {
            let request: Vec<_> = of("std", CB, more).into_iter().chain([("prompt", "none")]).collect();
            let (stand, cookie) = (&hospital.stand, &joined.cookie);
            async move { stand.authorize(&request, cookie).await.parameter("error") }
        };
        assert_eq!(silent(&[("acr_values", "eidas2")]).await, None, "signed on for other requests too");
        for more in [&[("acr_values", "eidas3")][..], &[("max_age", "7200")]] {
            let begun = hospital.stand.authorize(&of("std", CB, more), &joined.cookie).await;
            assert!(begun.location().starts_with("/login/"), "{more:?}: the PIN");
        }
        let own = hospital.stand.get("/means", &[("cookie", &joined.cookie)]).await;
        assert_eq!(own.location(), "/sign-in/means", "no more than a badge for our own pages");
    })
    .await;
}

#[tokio::test]
async fn the_window_of_the_badge_ends_what_a_touch_has_joined() {
    Hospital::on_both_with(substantial(), async |hospital| {
        hospital.takes_badge("std").await;
        let mut key = old_key();
        hospital.try_register_second(&hospital.stand.sign_in().await, &mut key).await;
        let browser = hospital.tapped(DOCTOR).await;
        let begun = hospital.asks(&browser, &[("acr_values", "eidas2")]).await;
        let joined = hospital.touch(&begun, &mut key, &browser).await;
        hospital.token_of(&begun, &joined).await;
        let request = of("std", CB, &[("acr_values", "eidas2"), ("prompt", "none")]);
        for _ in 0..3 {
            hospital.stand.clock.advance(TimeDelta::minutes(29));
            let answer = hospital.stand.authorize(&request, &joined.cookie).await;
            assert!(answer.parameter("code").is_some(), "{}", answer.location());
        }
        hospital.stand.clock.advance(TimeDelta::minutes(4));
        let answer = hospital.stand.authorize(&request, &joined.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("login_required"), "two hours after the PIN");
    })
    .await;
}

/// Where the hospital answers for no more, a key makes of a badge what resists phishing, and no higher level.
#[tokio::test]
async fn a_touch_is_offered_where_it_is_all_that_is_missing_and_nowhere_else() {
    let low = KeyPolicy { second_factor: true, ..KeyPolicy::default() };
    Hospital::on_both_with(low, async |hospital| {
        hospital.takes_badge("std").await;
        let mut key = old_key();
        let browser = hospital.tapped(DOCTOR).await;
        let begun = hospital.asks(&browser, &[("acr_values", "phr")]).await;
        assert!(!hospital.shown(&begun).await.contains("data-touch"), "no key yet");
        assert_eq!(code(&hospital.ask_touch(&begun).await), "KEY-042");

        hospital.try_register_second(&hospital.stand.sign_in().await, &mut key).await;
        let browser = hospital.tapped(DOCTOR).await;
        for more in [
            &[("acr_values", "eidas2")][..],
            &[("acr_values", "phrh")],
            &[("acr_values", "phr"), ("prompt", "login")],
            &[("acr_values", "phr"), ("max_age", "7200")],
        ] {
            let begun = hospital.asks(&browser, more).await;
            assert!(!hospital.shown(&begun).await.contains("data-touch"), "{more:?}");
            assert_eq!(code(&hospital.ask_touch(&begun).await), "KEY-042", "{more:?}");
        }
        let begun = hospital.asks(&browser, &[("acr_values", "phr")]).await;
        assert!(hospital.shown(&begun).await.contains("data-touch"));
        let joined = hospital.touch(&begun, &mut key, &browser).await;
        assert_eq!(hospital.token_of(&begun, &joined).await["acr"], "phr");
        assert_eq!(hospital.session_of(&browser).await.acr, Acr::Eidas1);
    })
    .await;
}

#[tokio::test]
async fn revoking_either_ends_what_both_have_opened() {
    Hospital::on_both_with(substantial(), async |hospital| {
        hospital.takes_badge("std").await;
        let mut key = old_key();
        hospital.try_register_second(&hospital.stand.sign_in().await, &mut key).await;
        // The card is in the registry from its first sign-in on.
        let begun = hospital.stand.authorize(&[], "").await;
        hospital.stand.complete(&begun, DOCTOR, Acr::Eidas3).await;
        let join = async |key: &mut SoftKey| {
            let browser = hospital.tapped(DOCTOR).await;
            let begun = hospital.asks(&browser, &[("acr_values", "eidas2")]).await;
            hospital.touch(&begun, key, &browser).await;
            assert!(hospital.session_of(&browser).await.ended_at.is_none());
            browser
        };
        let by_key = join(&mut key).await;
        hospital.halt(&hospital.second_factor_of(DOCTOR).await).await;
        assert!(hospital.session_of(&by_key).await.ended_at.is_some());
        let mut key = old_key();
        hospital.try_register_second(&hospital.stand.sign_in().await, &mut key).await;
        let by_card = join(&mut key).await;
        let number = hospital.session_of(&by_card).await.evidence.card_number().unwrap().to_owned();
        let card = store::means::by_reference(&hospital.stand.db, Kind::Card, &number).await.unwrap();
        hospital.halt(&card.unwrap()).await;
        assert!(hospital.session_of(&by_card).await.ended_at.is_some());
        // Nor does a key join anything to a card that is halted.
        let browser = hospital.tapped(DOCTOR).await;
        let begun = hospital.asks(&browser, &[("acr_values", "eidas2")]).await;
        let asked = hospital.ask_touch(&begun).await.json();
        let answer = hospital.bring_touch(&begun, &asked, &mut key).await;
        assert_eq!(code(&answer), "KEY-002");
    })
    .await;
}

/// The key's own row, for a population that may have such keys and one that may not.
#[tokio::test]
async fn who_may_have_such_a_key_is_a_matter_of_the_population() {
    let nurses = Population { professions: vec!["60".into()], employees: false, policy: substantial() };
    let policies = KeyPolicies { general: KeyPolicy::default(), populations: vec![nurses] };
    Hospital::on_both_with(policies, async |hospital| {
        let doctor = hospital.stand.sign_in().await;
        assert!(hospital.page(&doctor.cookie).await.contains("second_factor"), "somebody may");
        let answer = hospital.try_register_second(&doctor, &mut old_key()).await;
        assert_eq!(code(&answer), "KEY-043", "a doctor may not");
    })
    .await;
}
