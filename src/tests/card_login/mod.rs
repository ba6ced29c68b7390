//! A whole card sign-in over real HTTP on loopback: browser, agent and server, with a card whose key the test holds.
//! Then what section 10 of the agent protocol says it stops, each attack tried.

mod attacks;
mod badge;
mod certificate;
mod clock;
mod enrolment;
mod fleet;
mod floods;
mod machine;
mod presence;
mod question;
mod reports;
mod revocation;
mod sign_in;
mod terminal;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::middleware;
use chrono::TimeDelta;
use openssl::hash::MessageDigest;
use openssl::sign::Signer;
use tokio_util::sync::CancellationToken;

use crate::agent::card::{CardFault, Cards, ShownCard};
use crate::agent::enrolments::{Enrolment, EnrolmentStore};
use crate::agent::pin::{PinSetting, PinWindow, TypedPin};
use crate::agent::settings::ManagedSettings;
use crate::agent::{AgentError, AgentOptions, Bound, enrol};
use crate::audit::{Kind, Trail};
use crate::card::enrolment::Place;
use crate::card::login::{self, CardLogin, Parts};
use crate::card::proof::{Proof, Purpose};
use crate::card::protocol::{
    AGENT_PORT, AgentNotice, AgentVersion, CardAnswer, Interface, NOTICE_PATH, NoticeCode, PinEntry,
    TYP_AGENT_NOTICE, TYP_CARD_ANSWER, WebOrigin,
};
use crate::card::verify::{CardPolicy, CardVerifier};
use crate::clock::{Clock as _, MockClock, SharedClock};
use crate::crypto::digest::sha256;
use crate::crypto::jose;
use crate::crypto::keys::SigningKey;
use crate::crypto::random::SystemRandom;
use crate::crypto::sealed::SealKey;
use crate::crypto::x509::test_pki::{authentication, card, now, pki};
use crate::directory::NationalId;
use crate::ids::{PersonId, Secret, TransactionId};
use crate::keyring::Keyring;
use crate::oidc::authorize;
use crate::session::Policies;
use crate::store::audit::{Filter, NewRow};
use crate::store::client::{Audience, Metadata, NewClient, ProfileName};
use crate::store::login_transaction::{LoginTransaction, NewTransaction};
use crate::store::person::{NewAffiliation, NewPerson, Source};
use crate::store::signing_key::Purpose as KeyPurpose;
use crate::store::{self, Db, testing};
use crate::tests::http::{Answer, Call};
use crate::web::cookies;
use crate::web::page::Site;
use crate::web::pages::RelyingParty;
use crate::web::pages::sign_in::CardPanel;
use crate::web::proxy::{self, TrustedProxies};
use crate::web::serve::{Listener, Patience, Transport};

/// The relying party of all tests.
const CLIENT: &str = "dpi";

/// The server.
struct Hospital {
    db: Db,
    clock: MockClock,
    trail: Trail,
    seal: SealKey,
    login: Arc<CardLogin>,
    front: WebOrigin,
    address: SocketAddr,
    dir: Arc<tempfile::TempDir>,
}

impl Hospital {
    /// Known here: the holder of the card `good`, with a link to the establishment.
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    /// As [`Self::open`], with other parts.
    async fn with(change: impl FnOnce(&mut Parts)) -> Self {
        Self::on(None, change).await
    }

    /// As [`Self::with`], on that database; none: on a SQLite file of its own.
    async fn on(db: Option<Db>, change: impl FnOnce(&mut Parts)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (anchors, crl) = (dir.path().join("anchors"), dir.path().join("crl"));
        std::fs::create_dir_all(&anchors).unwrap();
        std::fs::create_dir_all(&crl).unwrap();
        for (name, authority) in [("root.pem", &pki().root), ("persons.pem", &pki().persons)] {
            std::fs::write(anchors.join(name), authority.certificate.to_pem().unwrap()).unwrap();
        }
        std::fs::write(crl.join("persons.crl"), &pki().crls.persons).unwrap();
        let db = match db {
            Some(db) => db,
            None => testing::sqlite_in(dir.path()).await,
        };
        let seal = SealKey::generate(&SystemRandom);
        let hospital = Self::node(Arc::new(dir), db, seal, MockClock::at(now()), change).await;
        hospital.register_client().await;
        hospital.admit("good").await;
        hospital
    }

    /// Another node of the same installation, or the same after a restart, with other parts.
    async fn again(&self, change: impl FnOnce(&mut Parts)) -> Self {
        let (dir, db) = (Arc::clone(&self.dir), self.db.clone());
        Self::node(dir, db, self.seal.clone(), self.clock.clone(), change).await
    }

    async fn node(
        dir: Arc<tempfile::TempDir>,
        db: Db,
        seal: SealKey,
        clock: MockClock,
        change: impl FnOnce(&mut Parts),
    ) -> Self {
        let policy = CardPolicy { accept_test_cards: true, ..CardPolicy::default() };
        let (anchors, crl) = (dir.path().join("anchors"), dir.path().join("crl"));
        let verifier = CardVerifier::open(&anchors, Some(&crl), policy, clock.now()).unwrap();
        let shared: SharedClock = Arc::new(clock.clone());
        let trail = Trail::new("main", "1", shared.clone(), Arc::new(SystemRandom));
        let keys = Keyring::open(
            db.clone(),
            seal.clone(),
            KeyPurpose::CardRequest,
            shared.clone(),
            Arc::new(SystemRandom),
            &trail,
        )
        .await
        .unwrap();
        let plain = Transport::Plain { behind_proxy: false };
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), plain).await.unwrap();
        let address = listener.address();
        let front = WebOrigin::parse(&format!("http://{address}")).unwrap();
        let mut parts = Parts {
            db: db.clone(),
            clock: shared,
            random: Arc::new(SystemRandom),
            trail: trail.clone(),
            keys: Arc::new(keys),
            seal: seal.clone(),
            front: front.clone(),
            display_name: "CHU d’Essai".into(),
            agent_port: AGENT_PORT,
            minimum_agent: None,
            verifier: Some(Arc::new(verifier)),
            machines: None,
            certificate: None,
            policies: Policies::default(),
            site: Site { establishment: "CHU d’Essai".into(), https: false, sandbox: false },
            waits: crate::tests::spec::stand::WAITS,
            next: |id| format!("/login/{id}"),
            wants_fresh_proof: |transaction| transaction.request["prompt"] == "login",
            is_content_with_badge: authorize::resume::is_content_with_badge,
            asked_level: crate::session::Acr::Eidas1,
            answers: Arc::default(),
        };
        change(&mut parts);
        let login = CardLogin::new(parts);
        let named = middleware::from_fn_with_state(
            TrustedProxies::new(&["127.0.0.1/32".parse().unwrap()]),
            proxy::name_client,
        );
        let router = login::routes(&login).merge(login::channel_routes(&login)).layer(named);
        tokio::spawn(listener.serve(router, Patience::default(), CancellationToken::new()));
        Self { db, clock, trail, seal, login, front, address, dir }
    }

    fn new_client(&self) -> NewClient {
        NewClient {
            id: CLIENT.into(),
            name: "Dossier patient".into(),
            profile: ProfileName::Psc,
            secret_hash: Some([0; 32]),
            redirect_uris: vec!["https://dpi.chu.example/cb".into()],
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            audience: Audience::Affiliated,
            may_introspect: false,
            metadata: Metadata::default(),
            self_registered: false,
            registration_token_hash: None,
        }
    }

    async fn register_client(&self) {
        let new = self.new_client();
        let event = NewRow::from(&self.trail.event(Kind::ClientAdded));
        assert!(store::client::add(&self.db, &new, self.clock.now(), &event).await.unwrap());
    }

    /// Makes the holder of a card somebody of this establishment.
    async fn admit(&self, name: &str) -> PersonId {
        let now = self.clock.now();
        let person = PersonId::new(now, &SystemRandom);
        let id_nat = card(name).profile.id_nat.clone();
        let new = NewPerson {
            id: person,
            family_name: "DUPONT".into(),
            given_name: "CLAIRE".into(),
            professional: None,
            identifiers: vec![NationalId::of_source(&id_nat).unwrap()],
            affiliations: vec![NewAffiliation {
                source: Source::Desk,
                structure: String::new(),
                started_at: now,
                ended_at: None,
            }],
        };
        let event = self.trail.event(Kind::PersonAdded);
        store::person::add(&self.db, &new, now, &SystemRandom, &event).await.unwrap();
        person
    }

    /// What `/auth` does: a sign-in, bound to this browser, and the request that stands in its page.
    async fn begin(&self, browser: &mut Browser) -> (TransactionId, String) {
        let id = self.begin_with(browser, serde_json::json!({})).await;
        (id, self.panel(id).await)
    }

    async fn begin_with(&self, browser: &mut Browser, request: serde_json::Value) -> TransactionId {
        let (now, cookie) = (self.clock.now(), Secret::of_256_bits(&SystemRandom));
        let id = TransactionId::new(now, &SystemRandom);
        let new = NewTransaction {
            id,
            browser_hash: sha256(cookie.expose().as_bytes()),
            client_id: CLIENT.into(),
            request,
            expires_at: now + TimeDelta::minutes(10),
        };
        store::login_transaction::begin(&self.db, &new, now).await.unwrap();
        browser.take(cookies::transaction(id).set(&cookie, None).unwrap().to_str().unwrap());
        id
    }

    /// The card request in the sign-in page.
    async fn panel(&self, id: TransactionId) -> String {
        self.card_panel(id).await.request
    }

    async fn card_panel(&self, id: TransactionId) -> CardPanel {
        let relying_party = RelyingParty { name: "Dossier patient".into(), host: "dpi.chu.example".into() };
        let transaction = self.transaction(id).await;
        self.login.panel(&transaction, &relying_party, format!("/login/{id}"), None).await.unwrap()
    }

    async fn transaction(&self, id: TransactionId) -> LoginTransaction {
        store::login_transaction::by_id(&self.db, id).await.unwrap().unwrap()
    }

    async fn invite(&self, needs_approval: bool) -> String {
        let place =
            Place { site: "Site principal".into(), zone: "bureaux".into(), needs_approval, shared: false };
        let event = self.trail.event(Kind::WorkstationInvited).actor("test");
        self.login.invite(&place, event).await.unwrap().to_string()
    }

    /// The codes of the refused sign-ins in the audit trail, oldest first.
    async fn refusals(&self) -> Vec<String> {
        let filter = Filter { kind: Some(Kind::SignIn.name().into()), limit: 100, ..Filter::default() };
        let mut rows = store::audit::list(&self.db, &filter).await.unwrap();
        rows.sort_by_key(|row| row.id);
        rows.into_iter().filter_map(|row| row.code).collect()
    }
}

/// A card of the test authorities, with its key.
struct PkiCard(&'static str);

impl Cards for PkiCard {
    fn look(&self) -> Result<ShownCard, CardFault> {
        Ok(ShownCard {
            handle: Arc::new(()),
            reader: "Lecteur d’essai".into(),
            certificate: authentication(self.0),
            holder: "Claire DUPONT".into(),
            tries_left: Some(3),
            pin_digits: (4, 4),
            has_pad: false,
            interface: Interface::Contact,
        })
    }

    fn sign(&self, _: &ShownCard, _: &TypedPin, proof: &Proof, _: bool) -> Result<Vec<u8>, CardFault> {
        Ok(signature(self.0, proof))
    }
}

fn signature(name: &str, proof: &Proof) -> Vec<u8> {
    let key = &card(name).authentication.key;
    Signer::new(MessageDigest::sha256(), key).unwrap().sign_oneshot_to_vec(proof.as_bytes()).unwrap()
}

/// A workstation: its agent, and what it holds.
struct Workstation {
    address: SocketAddr,
    enrolment: Enrolment,
    shutdown: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Workstation {
    /// Enrolled with the hospital, with the card in its reader.
    async fn of(hospital: &Hospital, name: &'static str) -> Self {
        Self::with(hospital, Arc::new(PkiCard(name))).await
    }

    /// Enrolled with the hospital, with these cards.
    async fn with(hospital: &Hospital, cards: Arc<dyn Cards>) -> Self {
        let code = hospital.invite(false).await;
        Self::enrolled_by(hospital, &code, cards).await
    }

    /// As [`Self::with`], with a code of the test's own.
    async fn enrolled_by(hospital: &Hospital, code: &str, cards: Arc<dyn Cards>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EnrolmentStore::open(&dir.path().join("agent")).unwrap();
        let enrolled = enrol::enrol(&hospital.front, code, &hospital.clock).await.unwrap();
        store.add(&enrolled.enrolment).unwrap();
        let options = AgentOptions {
            port: 0,
            state_dir: store.dir().to_owned(),
            system_dir: dir.path().join("system"),
            switch: None,
            managed: ManagedSettings::default(),
            pin_entry: Some(PinSetting::Page),
            window: PinWindow::of_environment(None),
            patience: std::time::Duration::from_secs(5),
            cards,
            clock: Arc::new(hospital.clock.clone()),
            random: Arc::new(SystemRandom),
        };
        let bound = Bound::bind(options).await.unwrap();
        let (address, shutdown) = (bound.address(), CancellationToken::new());
        tokio::spawn(bound.serve(shutdown.clone()));
        Self { address, enrolment: enrolled.enrolment, shutdown, _dir: dir }
    }

    /// What the agent answers to a request that a page of `origin` posts, after the person has typed the PIN.
    async fn answer(&self, origin: &str, request: &str) -> String {
        let (host, own) = (self.address.to_string(), format!("http://{}", self.address));
        let asked = Call::post("/", &host, origin, &[("request", request)]).send(self.address).await;
        let fields = [("token", asked.token()), ("pin", "1234".to_owned())];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let sent = Call::post("/sign", &host, &own, &fields).send(self.address).await;
        sent.after("name=\"answer\" value=\"")
    }

    /// An answer that the test makes itself, with this workstation's key.
    fn forge(&self, request: &str, name: &str, change: impl FnOnce(&mut CardAnswer)) -> String {
        self.forge_signed_by(&self.enrolment.key, request, name, change)
    }

    /// As [`Self::forge`], the card having signed for another purpose.
    fn forge_for(
        &self,
        purpose: Purpose,
        request: &str,
        name: &str,
        change: impl FnOnce(&mut CardAnswer),
    ) -> String {
        self.forge(request, name, |answer| {
            let origin = self.enrolment.origin.as_str();
            answer.card_signature =
                signature(name, &Proof::new(purpose, origin, request, &answer.card_certificate));
            change(answer);
        })
    }

    fn forge_signed_by(
        &self,
        key: &SigningKey,
        request: &str,
        name: &str,
        change: impl FnOnce(&mut CardAnswer),
    ) -> String {
        let certificate = authentication(name);
        let origin = self.enrolment.origin.as_str();
        let proof = Proof::new(Purpose::Browser, origin, request, &certificate);
        let mut answer = CardAnswer {
            audience: self.enrolment.origin.clone(),
            request: request.to_owned(),
            card_signature: signature(name, &proof),
            card_certificate: certificate,
            workstation: self.enrolment.workstation,
            agent_version: AgentVersion::this(),
            pin: PinEntry::Window,
            interface: Interface::Contact,
            watched_by: None,
            issued_at: now(),
        };
        change(&mut answer);
        jose::sign(key, TYP_CARD_ANSWER, &answer.to_payload()).unwrap()
    }
}

impl Drop for Workstation {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A browser: its cookies, and what it says by itself.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn take(&mut self, set_cookie: &str) {
        let pair = set_cookie.split(';').next().unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        self.cookies.insert(name.into(), value.into());
    }

    fn cookie_line(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn session(&self) -> Option<&String> {
        self.cookies.get("__Host-session")
    }

    /// The post of a page of our own origin.
    async fn finish(&mut self, hospital: &Hospital, answer: &str) -> Answer {
        let call = self.finish_call(hospital, answer);
        self.send(hospital, call).await
    }

    fn finish_call(&self, hospital: &Hospital, answer: &str) -> Call {
        Call::post(
            "/card/finish",
            &hospital.address.to_string(),
            hospital.front.as_str(),
            &[("answer", answer)],
        )
    }

    async fn get(&mut self, hospital: &Hospital, path: &str) -> Answer {
        let call = Call::get(path, &hospital.address.to_string());
        self.send(hospital, call).await
    }

    async fn send(&mut self, hospital: &Hospital, call: Call) -> Answer {
        let line = self.cookie_line();
        let call = if line.is_empty() { call } else { call.with("cookie", &line) };
        let answer = call.send(hospital.address).await;
        for (name, value) in &answer.headers {
            if name == "set-cookie" {
                self.take(value);
            }
        }
        answer
    }

    /// What the waiting page is told.
    async fn status(&mut self, hospital: &Hospital, id: TransactionId) -> serde_json::Value {
        let answer = self.get(hospital, &format!("/card/status?txn={id}")).await;
        serde_json::from_str(&answer.body).unwrap_or_else(|_| answer.status.into())
    }
}
