//! The badge window, through the real router on both databases: a tap renews what a PIN began, and what section 14 of the
//! agent protocol says it stops, each attack tried.

use std::sync::atomic::{AtomicU32, Ordering};

use sceau_certs::crl::{CrlTemplate, Revocation};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::agent::presence::{CardWatch, Present, PresentCard};
use crate::card::protocol::BADGE_PATH;
use crate::crypto::x509::test_pki::issue;
use crate::ids::ChannelId;
use crate::oidc::authorize::request::{AuthorizationRequest, Prompt};
use crate::session::{Acr, Amr, Demands, EndReason, Evidence, Session, Standing, ZonePolicy};
use crate::store::badge::BadgeRequest;
use crate::store::channel::{Offer, Report};

/// The zone of the tests' workstations has a window of two hours.
const WINDOW: TimeDelta = TimeDelta::hours(2);

fn policies(zone: ZonePolicy) -> Policies {
    let zone = ZonePolicy { badge_window: Some(WINDOW), ..zone };
    Policies { zones: [("bureaux".to_owned(), zone)].into(), ..Policies::default() }
}

async fn on_both(test: impl AsyncFn(Scene)) {
    on_both_in(ZonePolicy::default(), test).await;
}

async fn on_both_in(zone: ZonePolicy, test: impl AsyncFn(Scene)) {
    test(Scene::new(None, zone).await).await;
    let postgres = Db::open(&testing::fresh_postgres().await).await.unwrap();
    test(Scene::new(Some(postgres), zone).await).await;
}

/// A doctor who has signed in with card and PIN at a workstation whose channel the test speaks, and has pulled the card.
struct Scene {
    hospital: Hospital,
    policies: Policies,
    post: Workstation,
    channel: ChannelId,
    number: i64,
    browser: Browser,
    doctor: PersonId,
}

impl Scene {
    async fn new(db: Option<Db>, zone: ZonePolicy) -> Self {
        let hospital = Hospital::on(db, |parts| parts.policies = policies(zone)).await;
        hospital.accept_badge(true).await;
        let post = Workstation::of(&hospital, "good").await;
        let channel = hospital.channel(&post, "agent", true).await;
        let browser = Browser::default();
        let id = card("good").profile.id_nat.clone();
        let doctor = store::person::by_identifier(&hospital.db, &id).await.unwrap().unwrap().id;
        let mut scene =
            Self { hospital, policies: policies(zone), post, channel, number: 0, browser, doctor };
        scene.report(&["good"]).await;
        scene.sign_in().await;
        scene.report(&[]).await;
        scene
    }

    fn pass(&self, span: TimeDelta) {
        self.hospital.clock.advance(span);
    }

    async fn report(&mut self, cards: &[&str]) {
        self.number += 1;
        self.hospital.report(&self.policies, &self.post, self.channel, self.number, cards).await;
    }

    /// Signs the doctor in with card and PIN.
    async fn sign_in(&mut self) {
        let (_, request) = self.hospital.begin(&mut self.browser).await;
        let done = self.browser.finish(&self.hospital, &self.post.forge(&request, "good", |_| {})).await;
        assert_eq!(done.status, 200, "{done:?}");
    }

    async fn session(&self) -> Session {
        let cookie = self.browser.session().expect("a session cookie");
        store::session::by_cookie(&self.hospital.db, sha256(cookie.as_bytes())).await.unwrap().unwrap()
    }

    /// A sign-in page that a service has asked for.
    async fn page(&mut self, change: impl FnOnce(&mut AuthorizationRequest)) -> TransactionId {
        let mut request = AuthorizationRequest {
            client_id: CLIENT.into(),
            acr_values: vec!["eidas1".into()],
            ..AuthorizationRequest::default()
        };
        change(&mut request);
        self.hospital.begin_with(&mut self.browser, request.to_json()).await
    }

    /// The click on the page of a sign-in: the code that it is refused with.
    async fn click(&mut self, page: TransactionId) -> Result<(), String> {
        let (status, answer) = self.browser.say(&self.hospital, "/card/badge", json!({ "txn": page })).await;
        match answer["state"].as_str() {
            Some("open") => Ok(()),
            Some("failed") => Err(answer["code"].as_str().unwrap().to_owned()),
            _ => Err(format!("{status} {answer}")),
        }
    }

    /// What the page that waits is told.
    async fn told(&mut self, page: TransactionId) -> String {
        let (status, answer) =
            self.browser.say(&self.hospital, "/card/badge/wait", json!({ "txn": page })).await;
        match answer["state"].as_str() {
            Some("failed") => answer["code"].as_str().unwrap().to_owned(),
            Some(state) => state.to_owned(),
            None => format!("{status} {answer}"),
        }
    }

    /// The request that waits for a tap.
    async fn asked(&self) -> Option<BadgeRequest> {
        let (db, id) = (&self.hospital.db, self.post.enrolment.workstation);
        store::badge::open_at(db, id, self.hospital.clock.now()).await.unwrap()
    }

    /// A page, a click, and the request that came of it.
    async fn clicked(&mut self) -> (TransactionId, String) {
        let page = self.page(|_| {}).await;
        self.click(page).await.unwrap();
        (page, self.asked().await.unwrap().request)
    }

    /// What the workstation answers once the card called `name` was tapped.
    async fn tap(&self, request: &str, name: &str) -> Result<(), String> {
        self.hospital.tapped(&self.post.tap(request, name, |_| {})).await
    }
}

impl Hospital {
    async fn accept_badge(&self, accepts_badge: bool) {
        let (event, now) = (NewRow::from(&self.trail.event(Kind::ClientChanged)), self.clock.now());
        let demands = Demands { accepts_badge, ..Demands::default() };
        assert!(
            store::client::set_policy(&self.db, CLIENT, &demands, &Default::default(), now, &event)
                .await
                .unwrap()
        );
    }

    /// An open channel of a workstation.
    async fn channel(&self, post: &Workstation, agent: &str, takes_badge: bool) -> ChannelId {
        let (now, workstation) = (self.clock.now(), post.enrolment.workstation);
        let id = ChannelId::new(now, &SystemRandom);
        let offer = Offer { id, workstation, agent: agent.into(), takes_badge, takes_questions: false };
        store::channel::offer(&self.db, &offer, now - TimeDelta::minutes(1), now).await.unwrap();
        id
    }

    async fn report(
        &self,
        policies: &Policies,
        post: &Workstation,
        channel: ChannelId,
        number: i64,
        cards: &[&str],
    ) {
        let now = self.clock.now();
        let cards = cards.iter().map(|name| hex::encode(sha256(&authentication(name)))).collect();
        let stale = now - TimeDelta::minutes(1);
        let report = Report { channel, workstation: post.enrolment.workstation, number, cards, stale };
        let event = |_, _, _| NewRow::from(&self.trail.event(Kind::SessionLocked));
        store::channel::report(&self.db, &report, policies, &event, now, &SystemRandom).await.unwrap();
    }

    /// Hands an agent's answer in.
    async fn tapped(&self, answer: &str) -> Result<(), String> {
        let mut call = Call::post(BADGE_PATH, &self.address.to_string(), "", &[]).without("origin");
        call = call.instead("content-type", "application/json");
        call.body = json!({ "answer": answer }).to_string().into_bytes();
        let said = call.send(self.address).await;
        if said.status == 204 {
            return Ok(());
        }
        let body: Value = serde_json::from_str(&said.body).unwrap_or_else(|_| panic!("{said:?}"));
        Err(body["code"].as_str().unwrap().to_owned())
    }

    /// The sign-ins in the audit trail that have something to do with a badge: outcome, code and detail, oldest first.
    async fn taps_recorded(&self) -> Vec<(String, Option<String>, Value)> {
        let filter = Filter { kind: Some(Kind::SignIn.name().into()), limit: 100, ..Filter::default() };
        let mut rows = store::audit::list(&self.db, &filter).await.unwrap();
        rows.sort_by_key(|row| row.id);
        let read = rows.into_iter().map(|row| {
            let detail: Value = serde_json::from_str(&row.detail).unwrap();
            (row.outcome, row.code, detail)
        });
        read.filter(|(.., detail)| detail["means"] == "badge").collect()
    }

    /// A list of this time that names these certificates' serial numbers.
    fn revoke(&self, serials: &[Vec<u8>]) {
        // A list that is newer than the one before.
        self.clock.advance(TimeDelta::seconds(5));
        let at = self.clock.now();
        let mut template = CrlTemplate::new(9, at, at + TimeDelta::days(7));
        for serial in serials {
            template = template.revoke(Revocation { serial: serial.clone(), at, reason: Some(1) });
        }
        let list = pki().persons.issue_crl(&template).unwrap();
        std::fs::write(self.dir.path().join("crl/newer.crl"), list).unwrap();
        self.login.reload(at).unwrap();
    }
}

fn technical(name: &str) -> Vec<u8> {
    card(name).technical.as_ref().unwrap().certificate.to_der().unwrap()
}

/// The signature of the key behind the antenna.
fn tapped_signature(name: &str, proof: &Proof) -> Vec<u8> {
    let key = &card(name).technical.as_ref().unwrap().key;
    Signer::new(MessageDigest::sha256(), key).unwrap().sign_oneshot_to_vec(proof.as_bytes()).unwrap()
}

impl Workstation {
    /// The answer to a badge request, with the card called `name`.
    fn tap(&self, request: &str, name: &str, change: impl FnOnce(&mut CardAnswer)) -> String {
        self.forge(request, name, |answer| {
            answer.card_certificate = technical(name);
            let origin = self.enrolment.origin.as_str();
            let proof = Proof::new(Purpose::Badge, origin, request, &answer.card_certificate);
            answer.card_signature = tapped_signature(name, &proof);
            (answer.pin, answer.interface) = (PinEntry::None, Interface::Contactless);
            change(answer);
        })
    }
}

impl Browser {
    /// What the sign-in page says to its server.
    async fn say(&mut self, hospital: &Hospital, path: &str, words: Value) -> (u16, Value) {
        let call = Self::saying(hospital, path, words);
        let answer = self.send(hospital, call).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
    }

    fn saying(hospital: &Hospital, path: &str, words: Value) -> Call {
        let call = Call::post(path, &hospital.address.to_string(), hospital.front.as_str(), &[]);
        let mut call = call.instead("content-type", "application/json");
        call.body = words.to_string().into_bytes();
        call
    }
}

#[tokio::test]
async fn a_tap_after_a_click_opens_the_locked_session_again_with_one_factor() {
    on_both(async |mut scene| {
        let before = scene.session().await;
        assert!(before.locked_at.is_some());
        scene.pass(TimeDelta::minutes(20));
        scene.report(&[]).await;
        let (page, request) = scene.clicked().await;
        assert_eq!(scene.told(page).await, "open", "nobody has tapped yet");
        scene.tap(&request, "good").await.unwrap();
        let unchanged = scene.session().await;
        assert!(unchanged.locked_at.is_some(), "the answer signs nobody in: the browser that clicked does");
        assert_eq!(scene.told(page).await, "done");

        let after = scene.session().await;
        assert_eq!((after.id, after.person_id, after.locked_at), (before.id, scene.doctor, None));
        assert_eq!((after.acr, after.amr.as_slice()), (Acr::Eidas1, [Amr::Sc, Amr::Hwk].as_slice()));
        assert_eq!(after.auth_time, before.auth_time, "when the PIN was typed");
        assert_eq!(after.expires_at, before.auth_time + WINDOW);
        let Evidence::Badge { certificate_sha256, renews, .. } = &after.evidence else { panic!("{after:?}") };
        assert_eq!(*certificate_sha256, hex::encode(sha256(&technical("good"))));
        assert_eq!(**renews, before.evidence);
        let old = store::session::by_cookie(&scene.hospital.db, [0; 32]).await.unwrap();
        assert!(old.is_none());

        let recorded = scene.hospital.taps_recorded().await;
        let [(outcome, None, detail)] = recorded.as_slice() else { panic!("{recorded:?}") };
        assert_eq!(
            (outcome.as_str(), &detail["acr"], &detail["note"]),
            ("success", &json!("eidas1"), &json!("unlocked"))
        );
        assert_eq!(detail["workstation"], json!(scene.post.enrolment.workstation));

        // The card goes back into the pocket: that locks nothing.
        scene.report(&[]).await;
        let policy = scene.policies.at(&after.station());
        let standing = |session: &Session, at| session.standing(policy, at);
        let now = scene.hospital.clock.now();
        assert_eq!(standing(&scene.session().await, now), Standing::Alive);
        assert_eq!(standing(&after, before.auth_time + WINDOW), Standing::Expired);
        // For those who take no badge, it is as locked as before; and for everybody once the zone has no window.
        assert_eq!(after.standing(policy.tightened(&Demands::default()), now), Standing::Locked);
        assert_eq!(after.standing(Policies::default().at(&after.station()), now), Standing::Locked);
    })
    .await;
}

#[tokio::test]
async fn a_session_that_ended_with_its_card_gets_another_and_keeps_its_hour() {
    let zone = ZonePolicy { shared: true, ..ZonePolicy::default() };
    on_both_in(zone, async |mut scene| {
        let before = scene.session().await;
        assert!(before.ended_at.is_some(), "several people use this workstation");
        for _ in 0..2 {
            scene.pass(TimeDelta::minutes(30));
            scene.report(&[]).await;
            let (page, request) = scene.clicked().await;
            scene.tap(&request, "good").await.unwrap();
            assert_eq!(scene.told(page).await, "done");
            let after = scene.session().await;
            assert!(after.id != before.id && after.ended_at.is_none());
            assert_eq!((after.auth_time, after.expires_at), (before.auth_time, before.auth_time + WINDOW));
            assert_eq!(
                after.evidence.card_and_pin(),
                Some(&before.evidence),
                "a tap is never the root of another"
            );
        }
    })
    .await;
}

/// Reported lost here, before the national list has it: what its badge alone has opened ends too, and it opens nothing more.
#[tokio::test]
async fn what_a_badge_has_opened_ends_with_its_card() {
    use crate::store::means::{self, Halt, Halting};

    let zone = ZonePolicy { shared: true, ..ZonePolicy::default() };
    on_both_in(zone, async |mut scene| {
        scene.pass(TimeDelta::minutes(30));
        scene.report(&[]).await;
        let (page, request) = scene.clicked().await;
        scene.tap(&request, "good").await.unwrap();
        assert_eq!(scene.told(page).await, "done");
        let opened = scene.session().await;
        assert!(opened.ended_at.is_none() && opened.evidence.is_badge());
        let hospital = &scene.hospital;
        let (db, now) = (&hospital.db, hospital.clock.now());
        let [card] = means::of_person(db, opened.person_id).await.unwrap().try_into().unwrap();
        let event = |kind| NewRow::from(&hospital.trail.event(kind));
        let (suspended, ended) = (event(Kind::MeansSuspended), |_| event(Kind::SessionEnded));
        let halting =
            Halting { id: card.id, halt: Halt::Suspend, reason: "lost", event: &suspended, ended: &ended };
        assert!(means::halt(db, &halting, now, &SystemRandom).await.unwrap());
        assert!(scene.session().await.ended_at.is_some());
        let page = scene.page(|_| {}).await;
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-050", "there is nothing left to renew");
    })
    .await;
}

/// The card with its PIN brings everything back, also what takes no badge.
#[tokio::test]
async fn the_pin_lifts_a_session_that_a_badge_renewed() {
    on_both(async |mut scene| {
        let (page, request) = scene.clicked().await;
        scene.tap(&request, "good").await.unwrap();
        assert_eq!(scene.told(page).await, "done");
        let by_badge = scene.session().await;
        scene.hospital.accept_badge(false).await;
        scene.report(&["good"]).await;
        scene.pass(TimeDelta::minutes(1));
        scene.sign_in().await;
        let by_pin = scene.session().await;
        assert_eq!((by_pin.id, by_pin.acr, by_pin.ended_at), (by_badge.id, Acr::Eidas3, None));
        assert!(by_pin.auth_time > by_badge.auth_time);
    })
    .await;
}

/// Presence does nothing: the card lies there all the time.
struct LyingCard {
    present: watch::Receiver<Present>,
    signed: AtomicU32,
}

impl Cards for LyingCard {
    fn look(&self) -> Result<ShownCard, CardFault> {
        PkiCard("good").look()
    }

    fn sign(
        &self,
        shown: &ShownCard,
        pin: &TypedPin,
        proof: &Proof,
        last: bool,
    ) -> Result<Vec<u8>, CardFault> {
        PkiCard("good").sign(shown, pin, proof, last)
    }

    fn look_on_antenna(&self) -> Result<ShownCard, CardFault> {
        let card = PkiCard("good").look()?;
        Ok(ShownCard { certificate: technical("good"), interface: Interface::Contactless, ..card })
    }

    fn sign_by_tap(&self, _: &ShownCard, proof: &Proof) -> Result<Vec<u8>, CardFault> {
        assert_eq!(proof.purpose(), Purpose::Badge);
        self.signed.fetch_add(1, Ordering::SeqCst);
        Ok(tapped_signature("good", proof))
    }

    fn watch(&self) -> Option<CardWatch> {
        Some(CardWatch::of(self.present.clone()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_lets_the_card_sign_after_the_click_and_not_for_its_lying_there() {
    let hospital = Hospital::on(None, |parts| parts.policies = policies(ZonePolicy::default())).await;
    hospital.accept_badge(true).await;
    let inserted =
        |name| Some(vec![PresentCard { certificate: sha256(&authentication(name)), insertion: 1 }]);
    let (reader, present) = watch::channel(inserted("good"));
    let cards = Arc::new(LyingCard { present, signed: AtomicU32::new(0) });
    let post = Workstation::with(&hospital, cards.clone()).await;
    let mut browser = Browser::default();
    let mut scene = Scene {
        policies: policies(ZonePolicy::default()),
        channel: ChannelId::new(hospital.clock.now(), &SystemRandom),
        number: 0,
        doctor: PersonId::new(hospital.clock.now(), &SystemRandom),
        browser: std::mem::take(&mut browser),
        hospital,
        post,
    };
    let id = scene.post.enrolment.workstation;
    let opened = async || store::channel::of(&scene.hospital.db, id).await.unwrap().pop();
    let channel = until("channel", opened).await;
    assert!(channel.takes_badge);
    scene.sign_in().await;
    reader.send(Some(Vec::new())).unwrap();
    until("lock", async || scene.session().await.locked_at).await;
    assert_eq!(cards.signed.load(Ordering::SeqCst), 0, "nobody has clicked");

    let page = scene.page(|_| {}).await;
    scene.click(page).await.unwrap();
    let answer =
        scene.browser.say(&scene.hospital, "/card/badge/wait", json!({ "txn": page, "wait": 20 })).await;
    assert_eq!(answer, (200, json!({ "state": "done" })));
    assert_eq!(cards.signed.load(Ordering::SeqCst), 1);
    assert_eq!(scene.session().await.acr, Acr::Eidas1);
}

async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), asking)
        .await
        .unwrap_or_else(|_| panic!("no {what}"))
}

#[tokio::test]
async fn the_page_offers_the_badge_where_it_would_renew_something() {
    on_both(async |mut scene| {
        let offered = async |scene: &mut Scene, change: fn(&mut AuthorizationRequest)| {
            let page = scene.page(change).await;
            let relying_party = RelyingParty { name: "Dossier".into(), host: "dpi.chu.example".into() };
            let (transaction, session) = (scene.hospital.transaction(page).await, scene.session().await);
            let panel = scene.hospital.login.panel(&transaction, &relying_party, "/".into(), Some(&session));
            panel.await.unwrap().badge
        };
        assert!(offered(&mut scene, |_| {}).await);
        assert!(!offered(&mut scene, |request| request.max_age = Some(7200)).await);
        scene.hospital.accept_badge(false).await;
        assert!(!offered(&mut scene, |_| {}).await);
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_more_than_a_badge_gets_the_pin() {
    on_both(async |mut scene| {
        let another = PersonId::new(scene.hospital.clock.now(), &SystemRandom);
        let changes: [&dyn Fn(&mut AuthorizationRequest); 5] = [
            &|request| request.prompt = Prompt::Login,
            &|request| request.max_age = Some(0),
            &|request| request.max_age = Some(86_400),
            &|request| request.acr_values = vec!["eidas2".into(), "eidas3".into()],
            &|request| request.expected_person = Some(another),
        ];
        for change in changes {
            let page = scene.page(|request| change(request)).await;
            assert_eq!(scene.click(page).await.unwrap_err(), "CARD-053");
        }
        // Asked for by preference.
        let page = scene.page(|request| request.acr_values = vec!["eidas2".into(), "eidas1".into()]).await;
        scene.click(page).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn there_is_nothing_to_renew() {
    on_both(async |mut scene| {
        let page = scene.page(|_| {}).await;
        scene.hospital.accept_badge(false).await;
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-050", "the service takes none");
        scene.hospital.accept_badge(true).await;
        let cookie = scene.browser.cookies.remove("__Host-session").unwrap();
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-050", "nobody was here before");
        scene.browser.cookies.insert("__Host-session".into(), cookie);

        let id = scene.session().await.id;
        let (hospital, now) = (&scene.hospital, scene.hospital.clock.now());
        let event = NewRow::from(&hospital.trail.event(Kind::SessionEnded));
        store::session::end(&hospital.db, id, EndReason::SignedOut, &event, now, &SystemRandom)
            .await
            .unwrap();
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-050", "who signed out has left");
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_still_good_is_not_made_a_lesser_one() {
    on_both(async |mut scene| {
        scene.report(&["good"]).await;
        scene.sign_in().await;
        let page = scene.page(|_| {}).await;
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-050");
        assert_eq!(scene.session().await.acr, Acr::Eidas3);
    })
    .await;
}

#[tokio::test]
async fn attack_after_the_window() {
    on_both(async |mut scene| {
        scene.pass(WINDOW - TimeDelta::seconds(30));
        scene.report(&[]).await;
        let (page, request) = scene.clicked().await;
        scene.tap(&request, "good").await.unwrap();
        scene.pass(TimeDelta::seconds(30));
        scene.report(&[]).await;
        assert_eq!(scene.told(page).await, "CARD-051", "clicked and tapped before, taken after");
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-051");
        assert!(scene.session().await.acr == Acr::Eidas3, "untouched");
        // A clock that is set back opens no window before the sign-in.
        scene.pass(-(WINDOW + TimeDelta::minutes(5)));
        scene.report(&[]).await;
        let page = scene.page(|_| {}).await;
        assert!(scene.click(page).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn attack_another_persons_card_inherits_nothing_and_three_of_them_want_the_pin() {
    on_both(async |mut scene| {
        scene.hospital.admit("nurse").await;
        let before = scene.session().await;
        for _ in 0..3 {
            let (page, request) = scene.clicked().await;
            assert_eq!(scene.tap(&request, "nurse").await.unwrap_err(), "CARD-057");
            assert_eq!(scene.told(page).await, "CARD-057");
            // The same request does not take another card after it.
            assert_eq!(scene.tap(&request, "good").await.unwrap_err(), "CARD-005");
            let (after, locked) = (scene.session().await, before.locked_at);
            assert_eq!((after.id, after.locked_at, after.ended_at), (before.id, locked, None));
        }
        let page = scene.page(|_| {}).await;
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-052");
        let recorded = scene.hospital.taps_recorded().await;
        let denied = recorded.iter().filter(|(outcome, code, detail)| {
            let nurse = detail["id_nat"] == card("nurse").profile.id_nat.as_str();
            (outcome.as_str(), code.as_deref()) == ("denied", Some("CARD-057")) && nurse
        });
        assert_eq!(denied.count(), 3);

        // The PIN begins anew.
        scene.pass(TimeDelta::minutes(1));
        scene.report(&["good"]).await;
        scene.sign_in().await;
        scene.report(&[]).await;
        let (page, request) = scene.clicked().await;
        scene.tap(&request, "good").await.unwrap();
        assert_eq!(scene.told(page).await, "done");
    })
    .await;
}

#[tokio::test]
async fn attack_another_card_of_the_same_person() {
    on_both(async |mut scene| {
        let profile =
            sceau_certs::Profile { card_number: Some("2800399999".into()), ..card("good").profile.clone() };
        let other = issue(&profile.technical(&sceau_certs::Options::default().addresses));
        let (page, request) = scene.clicked().await;
        let answer = scene.post.tap(&request, "good", |answer| {
            answer.card_certificate = other.clone();
            let origin = scene.post.enrolment.origin.as_str();
            answer.card_signature = signature("good", &Proof::new(Purpose::Badge, origin, &request, &other));
        });
        assert_eq!(scene.hospital.tapped(&answer).await.unwrap_err(), "CARD-058");
        assert_eq!(scene.told(page).await, "CARD-058");
    })
    .await;
}

#[tokio::test]
async fn attack_relayed_to_another_post() {
    on_both(async |mut scene| {
        let elsewhere = Workstation::of(&scene.hospital, "good").await;
        let channel = scene.hospital.channel(&elsewhere, "agent", true).await;
        scene.hospital.report(&scene.policies, &elsewhere, channel, 1, &[]).await;
        let (page, request) = scene.clicked().await;
        let id = elsewhere.enrolment.workstation;
        let there = store::badge::open_at(&scene.hospital.db, id, scene.hospital.clock.now()).await.unwrap();
        assert!(there.is_none(), "it is asked of one workstation only");
        let relayed = elsewhere.tap(&request, "good", |_| {});
        assert_eq!(scene.hospital.tapped(&relayed).await.unwrap_err(), "CARD-060");
        // Said to be of the workstation that was asked, signed by another.
        let posing = elsewhere.tap(&request, "good", |answer| {
            answer.workstation = scene.post.enrolment.workstation;
        });
        assert_eq!(scene.hospital.tapped(&posing).await.unwrap_err(), "CARD-013");
        assert_eq!(scene.told(page).await, "open", "none of it counts, for or against");
        scene.tap(&request, "good").await.unwrap();
        assert_eq!(scene.told(page).await, "done");
    })
    .await;
}

#[tokio::test]
async fn attack_replayed() {
    on_both(async |mut scene| {
        let (page, request) = scene.clicked().await;
        let answer = scene.post.tap(&request, "good", |_| {});
        scene.hospital.tapped(&answer).await.unwrap();
        assert_eq!(scene.hospital.tapped(&answer).await.unwrap_err(), "CARD-005");
        assert_eq!(scene.told(page).await, "done");
        let id = scene.session().await.id;
        assert_eq!(scene.hospital.tapped(&answer).await.unwrap_err(), "CARD-005");
        assert_eq!(scene.told(page).await, "done", "and no second session");
        assert_eq!(scene.session().await.id, id);
    })
    .await;
}

#[tokio::test]
async fn attack_an_answer_for_another_request() {
    on_both(async |mut scene| {
        let (page, request) = scene.clicked().await;
        // The signature that was made for another request.
        let (_, second) = scene.clicked().await;
        let crossed = scene.post.tap(&second, "good", |answer| {
            let origin = scene.post.enrolment.origin.as_str();
            let proof = Proof::new(Purpose::Badge, origin, &request, &answer.card_certificate);
            answer.card_signature = tapped_signature("good", &proof);
        });
        assert_eq!(scene.hospital.tapped(&crossed).await.unwrap_err(), "CERT-017");
        // The click that came first has been taken back by the second.
        assert_eq!(scene.tap(&request, "good").await.unwrap_err(), "CARD-005");
        assert_eq!(scene.told(page).await, "CARD-056");
        // A request that a sign-in with PIN was given is none for a badge.
        let (_, browser_request) = scene.hospital.begin(&mut Browser::default()).await;
        assert_eq!(scene.tap(&browser_request, "good").await.unwrap_err(), "CARD-004");
    })
    .await;
}

#[tokio::test]
async fn attack_too_late() {
    on_both(async |mut scene| {
        let (page, request) = scene.clicked().await;
        scene.pass(TimeDelta::seconds(60));
        assert_eq!(scene.tap(&request, "good").await.unwrap_err(), "CARD-006");
        assert_eq!(scene.told(page).await, "CARD-056");
        assert!(scene.asked().await.is_none());
        let recorded = scene.hospital.taps_recorded().await;
        let mut codes: Vec<_> =
            recorded.iter().map(|(how, code, _)| (how.as_str(), code.as_deref())).collect();
        codes.sort_unstable();
        assert_eq!(codes, [("failure", Some("CARD-006")), ("failure", Some("CARD-056"))]);
        // That nobody tapped does not count against the person.
        for _ in 0..4 {
            scene.report(&[]).await;
            let (_, _) = scene.clicked().await;
            scene.pass(TimeDelta::seconds(60));
        }
    })
    .await;
}

#[tokio::test]
async fn attack_the_key_of_the_contacts_passed_off_as_a_badge() {
    on_both(async |mut scene| {
        let (page, request) = scene.clicked().await;
        let answer = scene.post.forge_for(Purpose::Badge, &request, "good", |answer| {
            (answer.pin, answer.interface) = (PinEntry::None, Interface::Contactless);
        });
        assert_eq!(scene.hospital.tapped(&answer).await.unwrap_err(), "CERT-032");
        assert_eq!(scene.told(page).await, "CERT-032");
        let says: [fn(&mut CardAnswer); 2] =
            [|answer| answer.interface = Interface::Contact, |answer| answer.pin = PinEntry::Window];
        for says in says {
            let (page, request) = scene.clicked().await;
            let answer = scene.post.tap(&request, "good", says);
            assert_eq!(scene.hospital.tapped(&answer).await.unwrap_err(), "CARD-059");
            assert_eq!(scene.told(page).await, "CARD-059");
        }
    })
    .await;
}

/// And the other way round: what was signed by a tap begins nothing.
#[tokio::test]
async fn attack_a_tap_passed_off_as_a_sign_in() {
    on_both(async |mut scene| {
        let (page, request) = scene.clicked().await;
        let tapped = scene.post.tap(&request, "good", |_| {});
        let mut stranger = Browser::default();
        let refused = stranger.finish(&scene.hospital, &tapped).await;
        assert_eq!(refused.code(), Some("CARD-004"));
        let (_, request) = scene.hospital.begin(&mut stranger).await;
        let tapped = scene.post.tap(&request, "good", |_| {});
        assert_eq!(stranger.finish(&scene.hospital, &tapped).await.code(), Some("CARD-015"));
        assert!(stranger.session().is_none());
        assert_eq!(scene.told(page).await, "open");
    })
    .await;
}

#[tokio::test]
async fn attack_a_revoked_card() {
    on_both(async |mut scene| {
        let serial =
            |certificate: &openssl::x509::X509Ref| certificate.serial_number().to_bn().unwrap().to_vec();
        let good = card("good");
        let technical = serial(&good.technical.as_ref().unwrap().certificate);
        let contacts = serial(&good.authentication.certificate);
        let (page, request) = scene.clicked().await;
        scene.hospital.revoke(std::slice::from_ref(&technical));
        assert_eq!(scene.tap(&request, "good").await.unwrap_err(), "CERT-005");
        assert_eq!(scene.told(page).await, "CERT-005");
        // The side that the PIN was typed for, between tap and end.
        scene.hospital.revoke(&[]);
        let (page, request) = scene.clicked().await;
        scene.tap(&request, "good").await.unwrap();
        scene.hospital.revoke(&[contacts]);
        assert_eq!(scene.told(page).await, "CARD-050");
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-050");
        // And a session that runs ends with either.
        scene.hospital.revoke(&[]);
        let (page, request) = scene.clicked().await;
        scene.tap(&request, "good").await.unwrap();
        assert_eq!(scene.told(page).await, "done");
        scene.hospital.revoke(&[technical]);
        assert_eq!(scene.hospital.login.end_revoked_sessions().await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn attack_taken_by_another_browser() {
    on_both(async |mut scene| {
        let (page, request) = scene.clicked().await;
        scene.tap(&request, "good").await.unwrap();
        let words = || json!({ "txn": page });
        // Somebody who knows the number of the sign-in, and nothing else.
        let mut stranger = Browser::default();
        let (status, answer) = stranger.say(&scene.hospital, "/card/badge/wait", words()).await;
        assert_eq!((status, answer["code"].as_str()), (403, Some("CARD-003")));
        // With the sign-in's cookie, but without, or with another, session.
        let session = scene.browser.cookies.remove("__Host-session").unwrap();
        assert_eq!(scene.told(page).await, "CARD-050");
        scene.hospital.admit("nurse").await;
        let mut nurse = Browser::default();
        let (_, pin) = scene.hospital.begin(&mut nurse).await;
        nurse.finish(&scene.hospital, &scene.post.forge(&pin, "nurse", |_| {})).await;
        let hers = nurse.session().unwrap().clone();
        scene.browser.cookies.insert("__Host-session".into(), hers);
        assert!(scene.told(page).await.contains("CARD-0"), "the nurse’s own session is good and stays hers");
        // From a page of another site.
        scene.browser.cookies.insert("__Host-session".into(), session);
        let foreign = Browser::saying(&scene.hospital, "/card/badge/wait", words());
        let foreign = foreign.instead("origin", "https://evil.example");
        assert_eq!(scene.browser.send(&scene.hospital, foreign).await.status, 403);
        let foreign = Browser::saying(&scene.hospital, "/card/badge", words()).instead("origin", "null");
        assert_eq!(scene.browser.send(&scene.hospital, foreign).await.status, 403);
        assert_eq!(scene.told(page).await, "done");
    })
    .await;
}

#[tokio::test]
async fn attack_in_another_zone() {
    on_both(async |mut scene| {
        let (page, request) = scene.clicked().await;
        scene.tap(&request, "good").await.unwrap();
        store::badge::tests::move_to_zone(&scene.hospital.db, scene.post.enrolment.workstation, "bloc").await;
        assert_eq!(scene.told(page).await, "CARD-054");
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-054");
    })
    .await;
}

#[tokio::test]
async fn an_agent_of_the_version_before_is_sent_nothing_and_several_are_asked_nothing() {
    on_both(async |mut scene| {
        let page = scene.page(|_| {}).await;
        let second = scene.hospital.channel(&scene.post, "of a colleague", true).await;
        scene.hospital.report(&scene.policies, &scene.post, second, 1, &[]).await;
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-055", "in front of whom?");

        scene.pass(TimeDelta::minutes(5));
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-055", "all are silent");
        let old = scene.hospital.channel(&scene.post, "agent", false).await;
        scene.hospital.report(&scene.policies, &scene.post, old, 1, &[]).await;
        assert_eq!(scene.click(page).await.unwrap_err(), "CARD-055", "it would not understand");
        let new = scene.hospital.channel(&scene.post, "agent", true).await;
        scene.hospital.report(&scene.policies, &scene.post, new, 1, &[]).await;
        scene.click(page).await.unwrap();
    })
    .await;
}
