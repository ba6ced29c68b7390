//! What a person is told by mail, and the address that it goes to.

use chrono::TimeDelta;
use http::StatusCode;

use super::authenticator::SoftKey;
use super::means::{forms, token};
use super::{FRONT, Hospital};
use crate::clock::Clock as _;
use crate::crypto::random::SystemRandom;
use crate::notify::code::{self, Codes};
use crate::store::known_browser;
use crate::store::means::{Halt, Halting, Kind as MeansKind};
use crate::store::notice::{self, Place, Told};
use crate::store::person_contact::{self, OpenCode};
use crate::tests::spec::stand::{Answer, DOCTOR, STRANGER, SignedIn};

pub(in crate::tests) const ADDRESS: &str = "kit@chu.example";

impl Hospital {
    async fn ask(&self, browser: &SignedIn, address: &str) -> String {
        self.press("/means/address", &browser.cookie, &format!("&address={address}")).await.location()
    }

    async fn verify(&self, browser: &SignedIn, code: &str) -> String {
        self.press("/means/address/code", &browser.cookie, &format!("&code={code}")).await.location()
    }

    async fn open(&self, person: &str) -> Option<OpenCode> {
        let (person, now) = (self.stand.person(person).await, self.stand.clock.now());
        person_contact::open_code(&self.stand.db, person, code::TRIES, now).await.unwrap()
    }

    /// The code that the mail holds.
    async fn code(&self, person: &str) -> String {
        let open = self.open(person).await.expect("a code");
        Codes::new(&self.stand.seal).code(open.id, &open.address).as_str().to_owned()
    }

    async fn address(&self, person: &str) -> Option<String> {
        let found = person_contact::of_person(&self.stand.db, self.stand.person(person).await).await.unwrap();
        found.map(|contact| contact.address)
    }

    /// Everything that waits to be sent, oldest first; it is taken out.
    pub(in crate::tests) async fn told(&self) -> Vec<(String, Told)> {
        let db = &self.stand.db;
        let mut waiting = notice::older_than(db, self.stand.clock.now(), 100).await.unwrap();
        waiting.sort_by_key(|notice| (notice.created_at, notice.told.name()));
        for written in &waiting {
            let event = self.stand.event(crate::audit::Kind::NoticeSent);
            assert!(notice::done(db, written.id, &event).await.unwrap());
        }
        waiting.into_iter().map(|notice| (notice.address, notice.told)).collect()
    }

    /// The doctor, signed in, with a verified address.
    pub(in crate::tests) async fn with_address(&self) -> SignedIn {
        let browser = self.stand.sign_in().await;
        assert_eq!(self.ask(&browser, ADDRESS).await, "/means#code");
        let code = self.code(DOCTOR).await;
        assert_eq!(self.verify(&browser, &code).await, "/means#contact");
        self.told().await;
        browser
    }

    /// A sign-in with `key` in a browser that has this cookie.
    async fn sign_in_in(&self, browser: &str, key: &mut SoftKey) -> Answer {
        let mut begun = self.begin().await;
        begun.cookie = format!("{}; __Host-browser={browser}", begun.cookie);
        let asked = self.challenge(&begun, None).await;
        self.answer(&begun, &asked, key).await
    }
}

fn wrong(code: &str) -> String {
    let last = if code.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &code[..5])
}

#[tokio::test]
async fn an_address_is_verified_by_its_code_and_the_one_before_hears_of_another() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let page = hospital.page(&browser.cookie).await;
        assert!(page.contains("Avis de sécurité") && page.contains("action=\"/means/address\""), "{page}");
        assert!(!page.contains("/means/address/code"));
        assert_eq!(hospital.ask(&browser, "Kit%40CHU.example").await, "/means#code");
        assert_eq!(hospital.address(DOCTOR).await, None, "not before the code");
        let page = hospital.page(&browser.cookie).await;
        assert!(page.contains("Kit@chu.example") && page.contains("/means/address/code"), "{page}");
        let code = hospital.code(DOCTOR).await;
        let (address, told) = hospital.told().await.remove(0);
        assert!(matches!(told, Told::AddressCode { .. }), "{told:?}");
        assert_eq!(address, "Kit@chu.example");
        assert_eq!(
            hospital.verify(&browser, &format!("{}+{}", &code[..3], &code[3..])).await,
            "/means#contact"
        );
        assert_eq!(hospital.address(DOCTOR).await.as_deref(), Some("Kit@chu.example"));
        assert_eq!(hospital.last_event().await, ("contact.changed".into(), "success".into(), None));
        assert!(hospital.told().await.is_empty(), "there was none before");

        hospital.ask(&browser, "autre%40chu.example").await;
        hospital.told().await;
        let code = hospital.code(DOCTOR).await;
        hospital.verify(&browser, &code).await;
        assert_eq!(hospital.told().await, [("Kit@chu.example".to_owned(), Told::AddressChanged)]);
        assert_eq!(hospital.address(DOCTOR).await.as_deref(), Some("autre@chu.example"));
    })
    .await;
}

#[tokio::test]
async fn a_code_is_good_five_times_ten_minutes_once_and_for_its_person() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let other = hospital.stand.sign_in_as(STRANGER).await;
        hospital.ask(&browser, ADDRESS).await;
        let good = hospital.code(DOCTOR).await;
        assert_eq!(hospital.verify(&other, &good).await, "/means?notice=MAIL-012#contact", "another's");
        // Guesses that come at once count like those that come in turn.
        let bad = wrong(&good);
        let guesses = (0..12).map(|_| hospital.verify(&browser, &bad));
        let said = futures_util::future::join_all(guesses).await;
        assert_eq!(said.iter().filter(|place| place.ends_with("MAIL-011#code")).count(), 5, "{said:?}");
        assert_eq!(
            hospital.verify(&browser, &good).await,
            "/means?notice=MAIL-012#contact",
            "tried too often"
        );
        let page = hospital.stand.get("/means?notice=MAIL-012", &[("cookie", &browser.cookie)]).await.body;
        assert!(page.contains("MAIL-012"), "{page}");

        hospital.ask(&browser, ADDRESS).await;
        let replaced = hospital.code(DOCTOR).await;
        hospital.ask(&browser, "autre%40chu.example").await;
        let last = hospital.code(DOCTOR).await;
        if replaced != last {
            assert_eq!(hospital.verify(&browser, &replaced).await, "/means?notice=MAIL-011#code", "replaced");
        }
        hospital.stand.clock.advance(code::LIFETIME);
        assert_eq!(hospital.verify(&browser, &last).await, "/means?notice=MAIL-012#contact", "too old");
        assert_eq!(hospital.address(DOCTOR).await, None);
    })
    .await;
}

#[tokio::test]
async fn nobody_is_flooded_with_codes() {
    Hospital::on_both(async |hospital| {
        let (one, other) = (hospital.stand.sign_in().await, hospital.stand.sign_in_as(STRANGER).await);
        for _ in 0..2 {
            assert_eq!(hospital.ask(&one, "victime%40chu.example").await, "/means#code");
        }
        assert_eq!(hospital.ask(&other, "VICTIME%40chu.example").await, "/means#code");
        assert_eq!(
            hospital.ask(&other, "victime%40chu.example").await,
            "/means?notice=MAIL-013#contact",
            "the address"
        );
        assert_eq!(hospital.last_event().await.2.as_deref(), Some("MAIL-013"));
        for n in 0..3 {
            assert_eq!(hospital.ask(&one, &format!("n{n}%40chu.example")).await, "/means#code");
        }
        assert_eq!(
            hospital.ask(&one, "n4%40chu.example").await,
            "/means?notice=MAIL-013#contact",
            "the person"
        );
        assert_eq!(hospital.told().await.len(), 6);
        for bad in ["nom", "a%40chu.example%0D%0ABcc%3A+b%40chu.example", "a%40chu.example%2Cb%40chu.example"]
        {
            assert_eq!(hospital.ask(&other, bad).await, "/means?notice=MAIL-010#address", "{bad}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_is_changed_by_its_person_after_a_fresh_sign_in_only() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.stand.sign_in().await;
        let form = format!("csrf={}&address=a%40chu.example", token(&browser.cookie));
        let foreign = [("cookie", browser.cookie.as_str()), ("origin", "https://evil.example")];
        let refused = hospital.stand.post("/means/address", &form, &foreign).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let stolen = form.replace(&token(&browser.cookie), "x");
        let own = [("cookie", browser.cookie.as_str()), ("origin", FRONT)];
        assert_eq!(hospital.stand.post("/means/address", &stolen, &own).await.status, StatusCode::FORBIDDEN);
        let nobody = hospital.stand.post("/means/address", &form, &[("origin", FRONT)]).await;
        assert_eq!(nobody.location(), "/sign-in/means");
        hospital.stand.clock.advance(TimeDelta::minutes(6));
        assert_eq!(hospital.ask(&browser, ADDRESS).await, "/sign-in/means?fresh=1");
        assert!(hospital.open(DOCTOR).await.is_none() && hospital.told().await.is_empty());
        // A query of somebody else's puts no words into the page.
        let page = hospital.stand.get("/means?notice=WEB-001", &[("cookie", &browser.cookie)]).await.body;
        assert!(!page.contains("WEB-001"));
    })
    .await;
}

#[tokio::test]
async fn its_person_is_told_of_a_key_and_of_its_end_and_of_nothing_that_did_not_happen() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.with_address().await;
        let mut key = SoftKey::new();
        hospital.register(&browser, &mut key).await;
        let place = Place { zone: String::new(), browser: "Firefox".into() };
        let means = MeansKind::SecurityKey;
        assert_eq!(hospital.told().await, [(ADDRESS.to_owned(), Told::MeansIssued { means, place })]);
        assert_ne!(hospital.try_register(&browser, &mut key).await.status, StatusCode::OK, "known already");
        assert!(hospital.told().await.is_empty());
        let revoke = &forms(&hospital.page(&browser.cookie).await, "/revoke")[0];
        hospital.press(revoke, &browser.cookie, "").await;
        assert_eq!(hospital.told().await, [(ADDRESS.to_owned(), Told::MeansRevoked { means })]);
        hospital.press(revoke, &browser.cookie, "").await;
        assert!(hospital.told().await.is_empty(), "it was revoked before");
        // Somebody else hears nothing of it.
        hospital.register(&hospital.stand.sign_in_as(STRANGER).await, &mut SoftKey::new()).await;
        assert!(hospital.told().await.is_empty(), "and who has no address hears nothing at all");
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_in_a_browser_that_is_new_to_its_person_is_told_once() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.with_address().await;
        let mut key = SoftKey::new();
        hospital.register(&browser, &mut key).await;
        hospital.told().await;
        let new = || Told::NewBrowser { place: Place { zone: String::new(), browser: "Firefox".into() } };
        assert_eq!(hospital.sign_in_in("abc", &mut key).await.status, StatusCode::OK);
        assert_eq!(hospital.told().await, [(ADDRESS.to_owned(), new())]);
        assert_eq!(hospital.sign_in_in("abc", &mut key).await.status, StatusCode::OK);
        assert!(hospital.told().await.is_empty(), "known by now");
        assert_eq!(hospital.sign_in_in("abd", &mut key).await.status, StatusCode::OK);
        assert_eq!(hospital.told().await.len(), 1);
        // Without the cookie a browser stays a stranger.
        for _ in 0..2 {
            assert_eq!(hospital.sign_in(&mut key).await.1.status, StatusCode::OK);
            assert_eq!(hospital.told().await, [(ADDRESS.to_owned(), new())]);
        }
        // The cookie of somebody else's browser says nothing of this person.
        let stranger = hospital.stand.person(STRANGER).await;
        let person = hospital.stand.person(DOCTOR).await;
        let hash = |person: crate::ids::PersonId| {
            crate::web::browser::of_person(person, &crate::crypto::digest::sha256(b"abc"))
        };
        let (db, now) = (&hospital.stand.db, hospital.stand.clock.now());
        assert!(known_browser::is_known(db, person, hash(person)).await.unwrap());
        assert!(!known_browser::is_known(db, stranger, hash(stranger)).await.unwrap());
        assert_eq!(known_browser::delete_old(db, now, 100).await.unwrap(), 2);
        assert!(!known_browser::is_known(db, person, hash(person)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_browser_gets_its_cookie_with_the_sign_in_page_and_keeps_it() {
    Hospital::on_both(async |hospital| {
        let begun = hospital.begin().await;
        let page = format!("/login/{}", begun.txn);
        let shown = hospital.stand.get(&page, &[("cookie", &begun.cookie)]).await;
        let cookie = shown.cookie();
        assert!(cookie.starts_with("__Host-browser="), "{cookie}");
        let again = hospital.stand.get(&page, &[("cookie", &format!("{}; {cookie}", begun.cookie))]).await;
        assert_eq!(again.cookie(), cookie, "the same, whose time begins anew");
    })
    .await;
}

#[tokio::test]
async fn a_means_that_is_suspended_and_resumed_is_told_twice() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.with_address().await;
        hospital.register(&browser, &mut SoftKey::new()).await;
        hospital.told().await;
        let (db, now) = (&hospital.stand.db, hospital.stand.clock.now());
        let person = hospital.stand.person(DOCTOR).await;
        let key = crate::store::means::of_person(db, person).await.unwrap().remove(0);
        let event = hospital.stand.event(crate::audit::Kind::MeansSuspended);
        let ended = |_| hospital.stand.event(crate::audit::Kind::SessionEnded);
        let halting =
            Halting { id: key.id, halt: Halt::Suspend, reason: "lost", event: &event, ended: &ended };
        assert!(crate::store::means::halt(db, &halting, now, &SystemRandom).await.unwrap());
        let means = MeansKind::SecurityKey;
        assert_eq!(hospital.told().await, [(ADDRESS.to_owned(), Told::MeansSuspended { means })]);
        let event = hospital.stand.event(crate::audit::Kind::MeansResumed);
        let resume =
            async || crate::store::means::resume(db, key.id, &event, now, &SystemRandom).await.unwrap();
        assert!(resume().await);
        assert_eq!(hospital.told().await, [(ADDRESS.to_owned(), Told::MeansResumed { means })]);
        assert!(!resume().await && hospital.told().await.is_empty(), "it was not suspended");
        let again = hospital.stand.event(crate::audit::Kind::MeansSuspended);
        let again = Halting { id: key.id, halt: Halt::Suspend, reason: "lost", event: &again, ended: &ended };
        assert!(crate::store::means::halt(db, &again, now, &SystemRandom).await.unwrap());
        let late = crate::store::means::resume(db, key.id, &event, key.expires_at, &SystemRandom).await;
        assert!(!late.unwrap(), "whoever gives it back would give back what signs nobody in");
    })
    .await;
}
