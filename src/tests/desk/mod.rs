//! Roles and the desk through the real router, on both databases.

mod identities;
mod keys;
mod phones;
mod rights;
mod work;

use chrono::TimeDelta;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::security_keys::authenticator::SoftKey;
use super::security_keys::{FRONT, Hospital};
use super::spec::stand::{Answer, DOCTOR, STRANGER, SignedIn, Stand};
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::crypto::random::SystemRandom;
use crate::directory::NationalId;
use crate::ids::{PersonId, Secret, TransactionId};
use crate::session::Evidence;
use crate::store;
use crate::store::audit::{Filter, Row};
use crate::store::known_browser::SeenBrowser;
use crate::store::login_transaction::{self, Completion, NewTransaction, Proof};
use crate::store::notice::{NewNotice, Told};
use crate::store::person::{NewAffiliation, NewPerson, Source};
use crate::store::role::Role;
use crate::store::session::NewSession;
use crate::web::csrf;
use crate::webauthn::policy::KeyPolicy;

/// A hospital with a desk: the doctor works there, and a colleague comes to it.
struct Counter {
    hospital: Hospital,
    /// Whose means are looked after.
    colleague: PersonId,
    /// The browser of the desk.
    desk: SignedIn,
}

impl Counter {
    async fn on_both(test: impl AsyncFn(Self)) {
        Self::on_both_with(KeyPolicy::default(), test).await;
    }

    async fn on_both_with(policy: KeyPolicy, test: impl AsyncFn(Self)) {
        Hospital::on_both_with(policy, async |hospital| test(Self::of(hospital).await).await).await;
    }

    async fn of(hospital: Hospital) -> Self {
        let colleague = hospital.stand.person(STRANGER).await;
        let now = hospital.stand.clock.now();
        let event = hospital.stand.some_event(Kind::AffiliationStarted);
        store::person::affiliate(&hospital.stand.db, colleague, &link(now), now, &SystemRandom, &event)
            .await
            .unwrap();
        grant(&hospital.stand, DOCTOR, Role::Desk).await;
        let desk = by_card(&hospital.stand, DOCTOR).await;
        Self { hospital, colleague, desk }
    }

    fn stand(&self) -> &Stand {
        &self.hospital.stand
    }

    fn path(&self, rest: &str) -> String {
        format!("/desk/people/{}{rest}", self.colleague)
    }

    async fn see(&self, path: &str) -> Answer {
        get(self.stand(), path, &self.desk).await
    }

    async fn press(&self, path: &str, rest: &str) -> Answer {
        press(self.stand(), path, &self.desk, rest).await
    }

    /// Records that the colleague showed a document.
    async fn check(&self, document: &str) {
        let checked = self.press(&self.path("/check"), &format!("&document={document}")).await;
        assert_eq!(checked.location(), format!("{}#check", self.path("")), "{}", checked.body);
    }

    /// The challenge of a key for the colleague, at the browser of the desk.
    async fn challenge(&self) -> Answer {
        self.hospital.say(&self.path("/key/options"), &json!({}), &self.desk.cookie).await
    }

    async fn answer(&self, asked: &Value, key: &mut SoftKey) -> Answer {
        let words = answered(asked, key);
        self.hospital.say(&self.path("/key"), &words, &self.desk.cookie).await
    }

    /// Issues `key` to the colleague, on the check that was made.
    async fn issue(&self, key: &mut SoftKey) -> Answer {
        let asked = self.challenge().await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        self.answer(&asked.json(), key).await
    }

    /// The newest event of a kind.
    async fn event(&self, kind: Kind) -> Row {
        let filter = Filter { kind: Some(kind.name().to_owned()), limit: 1, ..Filter::default() };
        store::audit::list(&self.stand().db, &filter).await.unwrap().remove(0)
    }
}

/// What a page brings of a key.
fn answered(asked: &Value, key: &mut SoftKey) -> Value {
    json!({"handle": asked["handle"], "label": "Clé du guichet", "credential": key.create(&asked["options"])})
}

fn link(started_at: crate::clock::Time) -> NewAffiliation {
    NewAffiliation { source: Source::Desk, structure: String::new(), started_at, ended_at: None }
}

/// Somebody more of the establishment.
async fn add(stand: &Stand, id_nat: &str, family_name: &str) -> PersonId {
    let now = stand.clock.now();
    let new = NewPerson {
        id: PersonId::new(now, &SystemRandom),
        family_name: family_name.into(),
        given_name: "KIT".into(),
        professional: None,
        identifiers: vec![NationalId::of_source(id_nat).unwrap()],
        affiliations: vec![link(now)],
    };
    let event = stand.some_event(Kind::PersonAdded);
    store::person::add(&stand.db, &new, now, &SystemRandom, &event).await.unwrap();
    new.id
}

pub(super) async fn grant(stand: &Stand, id_nat: &str, role: Role) {
    let (person, now, event) =
        (stand.person(id_nat).await, stand.clock.now(), stand.event(Kind::RoleGranted));
    let told = Told::RoleGranted { role: role.as_str().into() };
    let notice = NewNotice::new(person, told, now, &SystemRandom);
    assert!(store::role::grant(&stand.db, person, role, &notice, &event, now).await.unwrap());
}

pub(super) async fn revoke(stand: &Stand, id_nat: &str, role: Role) {
    let (person, now, event) =
        (stand.person(id_nat).await, stand.clock.now(), stand.event(Kind::RoleRevoked));
    let told = Told::RoleRevoked { role: role.as_str().into() };
    let notice = NewNotice::new(person, told, now, &SystemRandom);
    assert!(store::role::revoke(&stand.db, person, role, &notice, &event, now).await.unwrap());
}

/// A sign-in by the person's own card, as it is completed: the registry knows the card afterwards.
pub(super) async fn by_card(stand: &Stand, id_nat: &str) -> SignedIn {
    let (cookie, mut new) = stand.new_session(id_nat).await;
    if let Evidence::Card { card_number, .. } = &mut new.authentication.evidence {
        *card_number = format!("8025000001/{id_nat}");
    }
    complete(stand, &new).await;
    SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
}

async fn complete(stand: &Stand, new: &NewSession) {
    complete_in(stand, new, None).await;
}

/// In that browser, which is known to its person afterwards.
async fn complete_in(stand: &Stand, new: &NewSession, browser: Option<&SeenBrowser>) {
    let (now, id) = (stand.clock.now(), TransactionId::new(stand.clock.now(), &SystemRandom));
    let soon = now + TimeDelta::minutes(10);
    let begun = NewTransaction {
        id,
        browser_hash: [7; 32],
        client_id: "rp".into(),
        request: Value::Null,
        expires_at: soon,
    };
    login_transaction::begin(&stand.db, &begun, now).await.unwrap();
    let request = id.to_string();
    assert!(login_transaction::issue_card_request(&stand.db, id, &request, "jws", soon, now).await.unwrap());
    let event = stand.event(Kind::SignIn);
    let proof = Proof::Request(&request);
    let completion =
        Completion { proof, session: new, goes_on: None, replaced: None, browser, event: &event };
    assert!(login_transaction::complete(&stand.db, id, completion, now, &SystemRandom).await.unwrap());
}

fn token(browser: &SignedIn) -> String {
    let (_, value) = browser.cookie.split_once('=').unwrap();
    csrf::token(&Secret::from(value.to_owned()))
}

async fn get(stand: &Stand, path: &str, browser: &SignedIn) -> Answer {
    stand.get(path, &[(header::COOKIE.as_str(), &browser.cookie), ("accept-language", "fr")]).await
}

/// Presses a button of a page.
async fn press(stand: &Stand, path: &str, browser: &SignedIn, rest: &str) -> Answer {
    let form = format!("csrf={}{rest}", token(browser));
    let headers = [("cookie", browser.cookie.as_str()), ("origin", FRONT), ("accept-language", "fr")];
    stand.post(path, &form, &headers).await
}

/// A page that refuses, and its code.
#[track_caller]
fn refused(answer: &Answer, code: &str) {
    assert!(answer.status.is_client_error(), "{} {}", answer.status, answer.body);
    assert!(answer.body.contains(code), "{code} is not in {}", answer.body);
}
