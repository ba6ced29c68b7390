//! The channel of a workstation, and what the card's leaving does. Then the attacks on it.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::*;
use crate::agent::presence::{CardWatch, Present, PresentCard};
use crate::card::protocol::{
    Accepts, AgentName, CHANNEL_OPENING_PATH, CHANNEL_PATH, ChannelAnswer, ChannelOpening, ChannelReport,
    TYP_CHANNEL_ANSWER, TYP_CHANNEL_OPENING, TYP_CHANNEL_REPORT,
};
use crate::crypto::jose::Expected;
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::ids::{ChannelId, SessionId, WorkstationId};
use crate::session::{Session, Standing};

/// A card of the test authorities in a reader that the test moves it in and out of.
pub(super) struct MovedCard(pub(super) PkiCard, pub(super) watch::Receiver<Present>);

impl Cards for MovedCard {
    fn look(&self) -> Result<ShownCard, CardFault> {
        self.0.look()
    }

    fn sign(
        &self,
        shown: &ShownCard,
        pin: &TypedPin,
        proof: &Proof,
        last: bool,
    ) -> Result<Vec<u8>, CardFault> {
        self.0.sign(shown, pin, proof, last)
    }

    fn watch(&self) -> Option<CardWatch> {
        Some(CardWatch::of(self.1.clone()))
    }
}

pub(super) fn fingerprint(name: &str) -> [u8; 32] {
    sha256(&authentication(name))
}

pub(super) fn inserted(name: &str, insertion: u64) -> Present {
    Some(vec![PresentCard { certificate: fingerprint(name), insertion }])
}

/// Asks until `ask` yields something; the parts of a test that run by themselves have ten seconds.
pub(super) async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.unwrap_or_else(|_| panic!("no {what}"))
}

/// A workstation whose channel the test speaks itself.
pub(super) struct Post {
    pub(super) workstation: Arc<Workstation>,
    agent: AgentName,
    pub(super) channel: Option<ChannelId>,
    pub(super) number: u32,
    pub(super) accepts: Accepts,
}

impl Post {
    /// With an open channel that reports `cards`.
    async fn open(hospital: &Hospital, cards: &[&str]) -> Self {
        let mut post = Self::silent(hospital).await;
        post.connect(hospital).await;
        post.report(hospital, cards).await;
        post
    }

    pub(super) async fn silent(hospital: &Hospital) -> Self {
        let workstation = Arc::new(Workstation::of(hospital, "good").await);
        Self {
            workstation,
            agent: AgentName::of_bytes(&[1; 16]),
            channel: None,
            number: 0,
            accepts: Accepts::default(),
        }
    }

    pub(super) fn id(&self) -> WorkstationId {
        self.workstation.enrolment.workstation
    }

    pub(super) fn opening(&self, hospital: &Hospital) -> ChannelOpening {
        ChannelOpening {
            audience: hospital.front.clone(),
            workstation: self.id(),
            agent: self.agent.clone(),
            agent_version: AgentVersion::this(),
            accepts: self.accepts,
            issued_at: hospital.clock.now(),
        }
    }

    pub(super) async fn connect(&mut self, hospital: &Hospital) {
        let jws = self.signed(TYP_CHANNEL_OPENING, &self.opening(hospital).to_payload());
        let answer = post(hospital, CHANNEL_OPENING_PATH, &jws).await;
        (self.channel, self.number) = (Some(verified(hospital, &answer).await.channel), 0);
    }

    pub(super) fn next(&self, hospital: &Hospital, cards: &[&str]) -> ChannelReport {
        ChannelReport {
            audience: hospital.front.clone(),
            workstation: self.id(),
            channel: self.channel.unwrap(),
            number: self.number + 1,
            cards: cards.iter().map(|name| fingerprint(name)).collect(),
            wait: Duration::ZERO,
            question: None,
            certificate: None,
            badge: None,
            issued_at: hospital.clock.now(),
        }
    }

    pub(super) fn signed(&self, typ: &str, payload: &Value) -> String {
        jose::sign(&self.workstation.enrolment.key, typ, payload).unwrap()
    }

    /// Reports as an honest agent does.
    async fn report(&mut self, hospital: &Hospital, cards: &[&str]) {
        let report = self.next(hospital, cards);
        let answer =
            post(hospital, CHANNEL_PATH, &self.signed(TYP_CHANNEL_REPORT, &report.to_payload())).await;
        let answer = verified(hospital, &answer).await;
        assert_eq!((answer.channel, answer.number), (report.channel, report.number));
        self.number = report.number;
    }

    /// Sends a report that is changed; the code it is refused with.
    async fn refused(&self, hospital: &Hospital, change: impl FnOnce(&mut ChannelReport)) -> (u16, String) {
        let mut report = self.next(hospital, &["good"]);
        change(&mut report);
        refusal(post(hospital, CHANNEL_PATH, &self.signed(TYP_CHANNEL_REPORT, &report.to_payload())).await)
    }
}

pub(super) async fn post(hospital: &Hospital, path: &str, jws: &str) -> Answer {
    let mut call = Call::post(path, &hospital.address.to_string(), "", &[]).without("origin");
    call = call.instead("content-type", "application/json");
    call.body = serde_json::json!({ "jws": jws }).to_string().into_bytes();
    call.send(hospital.address).await
}

fn refusal(answer: Answer) -> (u16, String) {
    assert!(answer.status >= 400, "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    (answer.status, body["code"].as_str().unwrap().to_owned())
}

/// The answer, if the request key of the server signed it.
pub(super) async fn verified(hospital: &Hospital, answer: &Answer) -> ChannelAnswer {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let keys = Call::get("/agent/keys", &hospital.address.to_string()).send(hospital.address).await;
    let keys: Value = serde_json::from_str(&keys.body).unwrap();
    let current = jose::unverified_claims(keys["jws"].as_str().unwrap()).unwrap();
    let key = VerifyingKey::from_jwk(&current["current"]).unwrap();
    let expected =
        Expected { typ: Some(TYP_CHANNEL_ANSWER), algorithms: &[Algorithm::Es256], max_len: 8 * 1024 };
    let payload = jose::verify_payload(body["jws"].as_str().unwrap(), expected, |_| Some(&key)).unwrap();
    ChannelAnswer::from_payload(&payload).unwrap()
}

impl Browser {
    /// Signs in with the card called `name`, read at `post`.
    async fn sign_in(&mut self, hospital: &Hospital, post: &Post, name: &str) -> SessionId {
        let (_, request) = hospital.begin(self).await;
        let named = |answer: &mut CardAnswer| answer.watched_by = Some(post.agent.hash());
        let done = self.finish(hospital, &post.workstation.forge(&request, name, named)).await;
        assert_eq!(done.status, 200, "{done:?}");
        self.look(hospital).await.id
    }

    async fn look(&self, hospital: &Hospital) -> Session {
        let cookie = self.session().expect("a session cookie");
        store::session::by_cookie(&hospital.db, sha256(cookie.as_bytes())).await.unwrap().unwrap()
    }

    async fn standing(&self, hospital: &Hospital) -> Standing {
        hospital.standing(&self.look(hospital).await)
    }
}

impl Hospital {
    fn standing(&self, session: &Session) -> Standing {
        let policies = Policies::default();
        session.standing(policies.at(&session.station()), self.clock.now())
    }

    async fn session(&self, id: SessionId) -> Session {
        store::session::by_id(&self.db, id).await.unwrap().unwrap()
    }

    async fn count(&self, kind: Kind) -> usize {
        let filter = Filter { kind: Some(kind.name().into()), limit: 100, ..Filter::default() };
        store::audit::list(&self.db, &filter).await.unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_reports_a_card_that_leaves_at_once_and_one_that_comes_back_opens_nothing() {
    let hospital = Hospital::open().await;
    let (reader, card) = watch::channel(inserted("good", 1));
    let workstation = Workstation::with(&hospital, Arc::new(MovedCard(PkiCard("good"), card))).await;
    let id = workstation.enrolment.workstation;
    until("report of the card", async || store::channel::of(&hospital.db, id).await.unwrap().pop()).await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let answer = workstation.answer(hospital.front.as_str(), &request).await;
    browser.finish(&hospital, &answer).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Alive);

    // Out and in again, faster than anybody looks: the agent says that it was out.
    reader.send(inserted("good", 2)).unwrap();
    let locked = async || (browser.standing(&hospital).await == Standing::Locked).then_some(());
    until("lock", locked).await;
    let back = async || {
        let channel = store::channel::of(&hospital.db, id).await.unwrap().pop()?;
        (channel.cards == [hex::encode(fingerprint("good"))]).then_some(())
    };
    until("report of its return", back).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
    assert_eq!(hospital.count(Kind::SessionLocked).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_waits_for_the_server_and_a_newer_one_takes_its_place() {
    let hospital = Hospital::open().await;
    let mut post_ = Post::open(&hospital, &["good"]).await;
    let mut held = post_.next(&hospital, &["good"]);
    held.wait = Duration::from_secs(20);
    let jws = post_.signed(TYP_CHANNEL_REPORT, &held.to_payload());
    let (login, address) = (Arc::clone(&hospital.login), hospital.address);
    let waiting = tokio::spawn(async move {
        let body = serde_json::json!({ "jws": jws }).to_string().into_bytes();
        let call = Call::post(CHANNEL_PATH, &address.to_string(), "", &[]).without("origin");
        let mut call = call.instead("content-type", "application/json");
        call.body = body;
        call.send(address).await
    });
    let taken = async || {
        let channel = store::channel::of(&hospital.db, post_.id()).await.unwrap().pop()?;
        (channel.number == 2).then_some(())
    };
    until("effect of the report that waits", taken).await;
    assert!(!waiting.is_finished());
    post_.number = 2;
    post_.report(&hospital, &["good"]).await;
    let answer = waiting.await.unwrap();
    assert_eq!(verified(&hospital, &answer).await.number, 2, "answered when the next one came");
    // A server that stops holds nothing back.
    login.let_channels_go();
    let mut last = post_.next(&hospital, &["good"]);
    last.wait = Duration::from_secs(20);
    let jws = post_.signed(TYP_CHANNEL_REPORT, &last.to_payload());
    let answered = tokio::time::timeout(Duration::from_secs(10), post(&hospital, CHANNEL_PATH, &jws)).await;
    assert_eq!(answered.expect("at once").status, 200);
}

#[tokio::test]
async fn the_same_person_with_the_same_card_opens_the_session_again_with_all_that_was_granted() {
    let hospital = Hospital::open().await;
    let mut post = Post::open(&hospital, &["good"]).await;
    let mut browser = Browser::default();
    let id = browser.sign_in(&hospital, &post, "good").await;
    let first_cookie = browser.session().unwrap().clone();
    post.report(&hospital, &[]).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);

    hospital.clock.advance(TimeDelta::minutes(5));
    post.report(&hospital, &["good"]).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Locked, "presence authenticates nobody");
    assert_eq!(browser.sign_in(&hospital, &post, "good").await, id, "the sid stays");
    let session = browser.look(&hospital).await;
    assert_eq!(hospital.standing(&session), Standing::Alive);
    assert_eq!((session.auth_time, session.last_seen_at), (hospital.clock.now(), hospital.clock.now()));
    assert_ne!(*browser.session().unwrap(), first_cookie, "the cookie does not");
    let by_old = store::session::by_cookie(&hospital.db, sha256(first_cookie.as_bytes())).await.unwrap();
    assert!(by_old.is_none());
    assert_eq!(hospital.count(Kind::SessionEnded).await, 0, "no service was told anything");
    // And it is watched as before.
    post.report(&hospital, &[]).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
}

/// `prompt=login`, or a service that wants a sign-in of the last minutes.
#[tokio::test]
async fn signing_in_again_keeps_the_session_with_a_new_cookie_and_moves_its_watch() {
    let hospital = Hospital::open().await;
    let mut first = Post::open(&hospital, &["good"]).await;
    let mut browser = Browser::default();
    let id = browser.sign_in(&hospital, &first, "good").await;
    let planted = browser.session().unwrap().clone();
    hospital.clock.advance(TimeDelta::seconds(60));
    let mut second = Post::open(&hospital, &["good"]).await;
    assert_eq!(browser.sign_in(&hospital, &second, "good").await, id, "the sid stays");
    assert_eq!(hospital.count(Kind::SessionEnded).await, 0, "no service was told anything");
    let session = browser.look(&hospital).await;
    assert_eq!((session.auth_time, session.workstation_id), (hospital.clock.now(), Some(second.id())));

    // Whoever planted or saw the cookie before has nothing of it (fixation).
    assert_ne!(*browser.session().unwrap(), planted);
    let by_planted = store::session::by_cookie(&hospital.db, sha256(planted.as_bytes())).await.unwrap();
    assert!(by_planted.is_none());

    // The place before has no say any more: neither its silence nor its word that the card is gone.
    hospital.clock.advance(TimeDelta::seconds(60));
    second.report(&hospital, &["good"]).await;
    first.report(&hospital, &[]).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Alive);
    second.report(&hospital, &[]).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
}

/// The attacker signs in as themself, plants that cookie in the victim's browser and waits.
#[tokio::test]
async fn a_planted_session_of_somebody_else_is_not_inherited_and_gains_nothing() {
    let hospital = Hospital::open().await;
    hospital.admit("nurse").await;
    let post = Post::open(&hospital, &["good", "nurse"]).await;
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let planted = attacker.sign_in(&hospital, &post, "nurse").await;
    victim.cookies.insert("__Host-session".into(), attacker.session().unwrap().clone());
    let own = victim.sign_in(&hospital, &post, "good").await;
    assert_ne!(own, planted);
    assert_ne!(victim.session(), attacker.session());
    let left = attacker.look(&hospital).await;
    assert_eq!((left.id, hospital.standing(&left)), (planted, Standing::Ended));
}

/// An agent of a version before keeps no channel: its sign-in would take a watched session out of sight.
#[tokio::test]
async fn a_sign_in_that_nobody_watches_begins_a_session_of_its_own() {
    let hospital = Hospital::open().await;
    let post = Post::open(&hospital, &["good"]).await;
    let mut browser = Browser::default();
    let watched = browser.sign_in(&hospital, &post, "good").await;
    let old = Post::silent(&hospital).await;
    let (_, request) = hospital.begin(&mut browser).await;
    let before = |answer: &mut CardAnswer| answer.agent_version = AgentVersion::parse("0.0.9").unwrap();
    browser.finish(&hospital, &old.workstation.forge(&request, "good", before)).await;
    assert_ne!(browser.look(&hospital).await.id, watched);
    assert_eq!(hospital.standing(&hospital.session(watched).await), Standing::Ended);
}

#[tokio::test]
async fn another_persons_card_inherits_nothing() {
    let hospital = Hospital::open().await;
    hospital.admit("nurse").await;
    let mut post = Post::open(&hospital, &["good"]).await;
    let mut browser = Browser::default();
    let doctor = browser.sign_in(&hospital, &post, "good").await;
    post.report(&hospital, &[]).await;
    post.report(&hospital, &["nurse"]).await;
    let nurse = browser.sign_in(&hospital, &post, "nurse").await;
    assert_ne!(doctor, nurse);
    assert_eq!(hospital.standing(&hospital.session(doctor).await), Standing::Ended);
    assert_ne!(hospital.session(doctor).await.person_id, hospital.session(nurse).await.person_id);
    // The doctor's card comes back: the doctor's session stays over, and the nurse's goes with the nurse's card.
    post.report(&hospital, &["good"]).await;
    assert_eq!(hospital.standing(&hospital.session(doctor).await), Standing::Ended);
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
}

#[tokio::test]
async fn two_people_at_one_workstation_in_two_browsers() {
    let hospital = Hospital::open().await;
    hospital.admit("nurse").await;
    let mut post = Post::open(&hospital, &["good", "nurse"]).await;
    let (mut doctor, mut nurse) = (Browser::default(), Browser::default());
    doctor.sign_in(&hospital, &post, "good").await;
    nurse.sign_in(&hospital, &post, "nurse").await;
    post.report(&hospital, &["nurse"]).await;
    assert_eq!(doctor.standing(&hospital).await, Standing::Locked);
    assert_eq!(nurse.standing(&hospital).await, Standing::Alive);
}

#[tokio::test]
async fn a_cut_channel_locks_after_its_tolerance_by_the_servers_clock() {
    let hospital = Hospital::open().await;
    let mut post = Post::open(&hospital, &["good"]).await;
    let mut browser = Browser::default();
    browser.sign_in(&hospital, &post, "good").await;
    for _ in 0..10 {
        hospital.clock.advance(TimeDelta::seconds(30));
        post.report(&hospital, &["good"]).await;
    }
    assert_eq!(browser.standing(&hospital).await, Standing::Alive);
    hospital.clock.advance(TimeDelta::seconds(89));
    assert_eq!(browser.standing(&hospital).await, Standing::Alive);
    hospital.clock.advance(TimeDelta::seconds(1));
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
    post.connect(&hospital).await;
    post.report(&hospital, &["good"]).await;
    assert_eq!(
        browser.standing(&hospital).await,
        Standing::Locked,
        "nobody knows where the card was meanwhile"
    );
    assert_eq!(hospital.login.lock_lapsed(10).await.unwrap(), 1);
    assert_eq!(hospital.count(Kind::SessionLocked).await, 1);
}

#[tokio::test]
async fn a_card_that_left_before_the_session_began_does_not_keep_it() {
    let hospital = Hospital::open().await;
    let mut post = Post::open(&hospital, &["good"]).await;
    post.report(&hospital, &[]).await;
    let mut browser = Browser::default();
    browser.sign_in(&hospital, &post, "good").await;
    assert_eq!(
        browser.standing(&hospital).await,
        Standing::Alive,
        "the report of its return may be on its way"
    );
    hospital.clock.advance(TimeDelta::seconds(10));
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
}

#[tokio::test]
async fn an_agent_without_a_channel_keeps_what_it_had() {
    let hospital = Hospital::open().await;
    let post = Post::silent(&hospital).await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let before = |answer: &mut CardAnswer| answer.agent_version = AgentVersion::parse("0.0.9").unwrap();
    browser.finish(&hospital, &post.workstation.forge(&request, "good", before)).await;
    hospital.clock.advance(TimeDelta::minutes(29));
    assert_eq!(browser.standing(&hospital).await, Standing::Alive);
    assert_eq!(browser.look(&hospital).await.workstation_id, None);
    assert_eq!(hospital.login.lock_lapsed(10).await.unwrap(), 0);
}

#[tokio::test]
async fn a_workstation_that_once_had_a_channel_cannot_go_without() {
    let hospital = Hospital::open().await;
    let post = Post::open(&hospital, &["good"]).await;
    // Somebody takes its network away, or blocks the channel's address.
    hospital.clock.advance(TimeDelta::hours(1));
    let mut browser = Browser::default();
    browser.sign_in(&hospital, &post, "good").await;
    hospital.clock.advance(TimeDelta::seconds(90));
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
}

#[tokio::test]
async fn messages_replayed_out_of_order_or_forged_have_no_effect() {
    let hospital = Hospital::open().await;
    let mut post_ = Post::open(&hospital, &["good"]).await;
    let recorded = post_.signed(TYP_CHANNEL_REPORT, &post_.next(&hospital, &["good"]).to_payload());
    post_.report(&hospital, &["good"]).await;
    let mut browser = Browser::default();
    browser.sign_in(&hospital, &post_, "good").await;
    let late = post_.signed(TYP_CHANNEL_REPORT, &post_.next(&hospital, &["good"]).to_payload());
    post_.number += 1;
    post_.report(&hospital, &[]).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);

    for replayed in [recorded, late] {
        assert_eq!(refusal(post(&hospital, CHANNEL_PATH, &replayed).await), (409, "WS-037".into()));
    }
    assert_eq!(hospital.count(Kind::WorkstationRefused).await, 1, "one a minute, with its count");
    let refused =
        async |change: &dyn Fn(&mut ChannelReport)| post_.refused(&hospital, |report| change(report)).await;
    assert_eq!(refused(&|report| report.number = 1).await.1, "WS-037");
    assert_eq!(refused(&|report| report.number = 0).await, (400, "WS-030".into()));
    let unknown = ChannelId::new(hospital.clock.now(), &SystemRandom);
    assert_eq!(refused(&|report| report.channel = unknown).await, (410, "WS-036".into()));
    let elsewhere = WebOrigin::parse("https://evil.example").unwrap();
    assert_eq!(refused(&|report| report.audience = elsewhere.clone()).await, (400, "WS-034".into()));
    for minutes in [-11, 11] {
        let refused = refused(&|report| report.issued_at += TimeDelta::minutes(minutes)).await;
        assert_eq!(refused, (400, "WS-035".into()));
    }
    let nobody = WorkstationId::new(hospital.clock.now(), &SystemRandom);
    assert_eq!(refused(&|report| report.workstation = nobody).await, (403, "WS-031".into()));

    // Another key, another type, something that is no message.
    let payload = post_.next(&hospital, &["good"]).to_payload();
    let forged =
        jose::sign(&SigningKey::generate(Algorithm::Es256).unwrap(), TYP_CHANNEL_REPORT, &payload).unwrap();
    assert_eq!(refusal(post(&hospital, CHANNEL_PATH, &forged).await), (400, "WS-033".into()));
    let other_type = post_.signed(TYP_CARD_ANSWER, &payload);
    assert_eq!(refusal(post(&hospital, CHANNEL_PATH, &other_type).await), (400, "WS-033".into()));
    let opening = post_.signed(TYP_CHANNEL_OPENING, &post_.opening(&hospital).to_payload());
    assert_eq!(refusal(post(&hospital, CHANNEL_PATH, &opening).await), (400, "WS-030".into()));
    for rubbish in ["", "a.b.c", &"x".repeat(9_000)] {
        assert_eq!(refusal(post(&hospital, CHANNEL_PATH, rubbish).await), (400, "WS-030".into()));
    }
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
}

#[tokio::test]
async fn a_workstation_cannot_speak_of_another_ones_card() {
    let hospital = Hospital::open().await;
    let post_ = Post::open(&hospital, &["good"]).await;
    let mut other = Post::open(&hospital, &[]).await;
    let mut browser = Browser::default();
    browser.sign_in(&hospital, &post_, "good").await;
    // That the card is not there locks nothing elsewhere, and that it is there renews nothing elsewhere.
    other.report(&hospital, &[]).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Alive);
    hospital.clock.advance(TimeDelta::seconds(60));
    other.report(&hospital, &["good"]).await;
    // Nor can it use the other's channel, or the other's name.
    let channel = post_.channel.unwrap();
    let stolen = other.refused(&hospital, |report| (report.channel, report.number) = (channel, 9)).await;
    assert_eq!(stolen.1, "WS-036");
    let named = post_.id();
    assert_eq!(other.refused(&hospital, |report| report.workstation = named).await.1, "WS-033");
    hospital.clock.advance(TimeDelta::seconds(30));
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
}

/// The computer's key is every user's there; each agent's name is its own.
#[tokio::test]
async fn a_colleague_with_the_key_of_a_terminal_server_neither_locks_ends_nor_keeps_anothers_session() {
    let hospital = Hospital::open().await;
    let mut mine = Post::open(&hospital, &["good"]).await;
    let mut browser = Browser::default();
    browser.sign_in(&hospital, &mine, "good").await;
    // What the colleague has: the same key, and every name that is not the victim's.
    let (workstation, agent) = (Arc::clone(&mine.workstation), AgentName::of_bytes(&[2; 16]));
    let mut colleague = Post { workstation, agent, channel: None, number: 0, accepts: Accepts::default() };
    colleague.connect(&hospital).await;
    let known = store::channel::of(&hospital.db, mine.id()).await.unwrap();
    assert_eq!(known[0].agent, hex::encode(mine.agent.hash()), "the database has no name to steal either");
    colleague.report(&hospital, &[]).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Alive, "not locked by another's channel");
    // The victim's channel is not closed by the colleague's, nor can the colleague speak over it.
    mine.report(&hospital, &["good"]).await;
    // The card leaves: whatever the colleague reports, the session locks.
    colleague.report(&hospital, &["good"]).await;
    mine.report(&hospital, &[]).await;
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
    browser.sign_in(&hospital, &mine, "good").await;
    mine.report(&hospital, &["good"]).await;
    // The victim's agent falls silent: the colleague's reports are no lease.
    for _ in 0..3 {
        hospital.clock.advance(TimeDelta::seconds(30));
        colleague.report(&hospital, &["good"]).await;
    }
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
}

#[tokio::test]
async fn a_sign_in_before_the_workstations_first_report_is_watched_from_its_beginning() {
    let hospital = Hospital::open().await;
    // Neither a name nor a channel yet: the version says that there will be one.
    let post = Post::silent(&hospital).await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    browser.finish(&hospital, &post.workstation.forge(&request, "good", |_| {})).await;
    hospital.clock.advance(TimeDelta::seconds(89));
    assert_eq!(browser.standing(&hospital).await, Standing::Alive, "a whole lease");
    hospital.clock.advance(TimeDelta::seconds(1));
    assert_eq!(browser.standing(&hospital).await, Standing::Locked, "no report has come");
}

#[tokio::test]
async fn a_revoked_workstation_has_no_channel_and_its_sessions_lock() {
    let hospital = Hospital::open().await;
    let post_ = Post::open(&hospital, &["good"]).await;
    let mut browser = Browser::default();
    browser.sign_in(&hospital, &post_, "good").await;
    let event = NewRow::from(&hospital.trail.event(Kind::WorkstationRevoked));
    assert!(
        store::workstation::revoke(&hospital.db, post_.id(), &event, hospital.clock.now()).await.unwrap()
    );
    assert_eq!(post_.refused(&hospital, |_| {}).await, (403, "WS-032".into()));
    let opening = post_.signed(TYP_CHANNEL_OPENING, &post_.opening(&hospital).to_payload());
    assert_eq!(refusal(post(&hospital, CHANNEL_OPENING_PATH, &opening).await), (403, "WS-032".into()));
    hospital.clock.advance(TimeDelta::seconds(90));
    assert_eq!(browser.standing(&hospital).await, Standing::Locked);
}

#[tokio::test]
async fn a_service_that_wants_to_know_when_the_card_leaves_is_not_reached_where_nobody_watches_it() {
    let hospital = Hospital::open().await;
    hospital.demand_card_out().await;
    let post = Post::silent(&hospital).await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let before = |answer: &mut CardAnswer| answer.agent_version = AgentVersion::parse("0.0.9").unwrap();
    let refused = browser.finish(&hospital, &post.workstation.forge(&request, "good", before)).await;
    assert_eq!(refused.code(), Some("CARD-022"), "{refused:?}");
    assert!(browser.session().is_none());
    browser.sign_in(&hospital, &post, "good").await;
    assert!(browser.look(&hospital).await.leased_until.is_some());
}

impl Hospital {
    /// The service of all tests ends its sessions with the card.
    pub(super) async fn demand_card_out(&self) {
        let demands = crate::session::Demands {
            card_out: Some(crate::session::CardOut::End),
            ..crate::session::Demands::default()
        };
        let event = NewRow::from(&self.trail.event(Kind::ClientChanged));
        let now = self.clock.now();
        assert!(
            store::client::set_policy(&self.db, CLIENT, &demands, &Default::default(), now, &event)
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn a_service_that_is_not_meant_for_the_zone_is_refused_and_another_zone_is_not() {
    let hospital = Hospital::open().await;
    let post = Post::silent(&hospital).await;
    let set = async |zone: &str| {
        let demands = crate::session::Demands { zones: vec![zone.into()], ..Default::default() };
        let event = NewRow::from(&hospital.trail.event(Kind::ClientChanged));
        let now = hospital.clock.now();
        assert!(
            store::client::set_policy(&hospital.db, CLIENT, &demands, &Default::default(), now, &event)
                .await
                .unwrap()
        );
    };
    set("bloc").await;
    let mut browser = Browser::default();
    let (_, request) = hospital.begin(&mut browser).await;
    let refused = browser.finish(&hospital, &post.workstation.forge(&request, "good", |_| {})).await;
    assert_eq!(refused.code(), Some("CARD-021"), "{refused:?}");
    assert!(browser.session().is_none());
    set("bureaux").await;
    browser.sign_in(&hospital, &post, "good").await;
    assert_eq!(browser.look(&hospital).await.zone, "bureaux");
}

/// The holder of a card that was shown here before inserts it again: the authority is asked before the PIN is typed.
#[tokio::test]
async fn a_card_in_a_reader_is_asked_about_before_its_pin() {
    use crate::crypto::x509::ocsp::test_responder::{Behaviour, Responder, Template};
    let responder = Responder::open(Behaviour::Answer(Template::about("good").to_der())).await;
    let hospital = super::revocation::asking(&responder).await;
    let verifier = hospital.login.verifier().unwrap();
    let egress = super::revocation::egress();
    verifier.prefetch(&authentication("good"), hospital.clock.now()).unwrap();
    verifier.ask_responders(&egress, hospital.clock.now()).await;
    hospital.clock.advance(TimeDelta::hours(10));
    let asked = async || verifier.ask_responders(&egress, hospital.clock.now()).await.len();
    assert_eq!((asked().await, responder.asked()), (0, 1), "nobody has shown it for hours");
    let mut post = Post::open(&hospital, &["nurse"]).await;
    assert_eq!(asked().await, 0, "a card that was never shown here is nobody's business");
    post.report(&hospital, &["nurse", "good"]).await;
    assert_eq!((asked().await, responder.asked()), (1, 2));
}
