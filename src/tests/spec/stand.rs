//! A provider for tests: a SQLite file, a clock that is moved by hand, two relying parties, one doctor who is affiliated
//! and one who is not, and the real router.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use chrono::TimeDelta;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;
use url::Url;
use uuid::Uuid;

use crate::audit::{Event, Kind, Trail};
use crate::clock::{Clock, MockClock};
use crate::config;
use crate::crypto::digest::sha256;
use crate::crypto::hsm::Hsm;
use crate::crypto::random::SystemRandom;
use crate::crypto::sealed::SealKey;
use crate::directory::NationalId;
use crate::directory::model::{Activity, Practice, Professional, Row, Skill};
use crate::ids::{PersonId, Random, Secret, SessionId, TransactionId, WorkstationId, uuid_v4};
use crate::keyring::{DecryptionKeyring, Keyring, Vault};
use crate::oidc::mtls::Mtls;
use crate::oidc::outbound::Outbound;
use crate::oidc::{self, Asking, Issuer, Lifetimes, Means, Parts, Provider, Settings, psc};
use crate::session::{Acr, Amr, AuthMode, Authentication, Evidence, Policies, SessionPolicy, Station};
use crate::store::client::{Audience, Metadata, NewClient, ProfileName};
use crate::store::login_transaction::{self, Completion, NewTransaction, Proof};
use crate::store::person::{NewAffiliation, NewPerson, Source};
use crate::store::session::{NewSession, Watched};
use crate::store::signing_key::Purpose;
use crate::store::testing::PostgresTemplate;
use crate::store::{self, DatabaseUrl, Db};
use crate::web::delays::Waits;
use crate::web::page::Site;

pub(crate) const ISSUER: &str = "http://localhost:8080/auth/realms/esante-wallet";
pub(crate) const REALM: &str = "/auth/realms/esante-wallet";
pub(crate) const TOKEN: &str = "/auth/realms/esante-wallet/protocol/openid-connect/token";
pub(crate) const USERINFO: &str = "/auth/realms/esante-wallet/protocol/openid-connect/userinfo";
pub(crate) const INTROSPECT: &str = "/auth/realms/esante-wallet/protocol/openid-connect/token/introspect";
pub(crate) const REVOKE: &str = "/auth/realms/esante-wallet/protocol/openid-connect/revoke";
pub(crate) const LOGOUT: &str = "/auth/realms/esante-wallet/protocol/openid-connect/logout";
pub(crate) const REDIRECT: &str = "https://rp.example/cb";
pub(crate) const NAMESPACE: Uuid = uuid::uuid!("550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd");
pub(crate) const DOCTOR: &str = "899700427885";
pub(crate) const STRANGER: &str = "899700366240";

/// The secret of a client of the stand.
pub(crate) fn secret_of(client: &str) -> String {
    format!("secret-of-{client}")
}

/// What is in the database before a test begins; made once per process.
struct Template {
    bytes: Vec<u8>,
    seal: SealKey,
}

static TEMPLATE: OnceLock<Template> = OnceLock::new();

fn template() -> &'static Template {
    TEMPLATE.get_or_init(|| {
        let built = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(build_template())
        });
        built.join().unwrap()
    })
}

async fn build_template() -> Template {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sceau.db");
    let db = Db::open(&DatabaseUrl::Sqlite(path.clone())).await.unwrap();
    let seal = SealKey::generate(&SystemRandom);
    furnish(&db, &seal).await;
    db.close().await;
    Template { bytes: std::fs::read(path).unwrap(), seal }
}

/// The same on PostgreSQL, copied for each test.
async fn furnished_postgres() -> Db {
    static FURNISHED: PostgresTemplate = PostgresTemplate::new("furnished");
    let url = FURNISHED.copy(async |db| furnish(db, &template().seal).await).await;
    Db::open(&url).await.unwrap()
}

/// Keys, two people and two clients.
async fn furnish(db: &Db, vault: impl Into<Vault>) {
    let vault = vault.into();
    let clock = MockClock::default();
    let trail = trail(&clock);
    for purpose in [Purpose::Token, Purpose::Refresh] {
        let shared = Arc::new(clock.clone());
        Keyring::open(db.clone(), &vault, purpose, shared, Arc::new(SystemRandom), &trail).await.unwrap();
    }
    let (purpose, shared) = (Purpose::RequestObject, Arc::new(clock.clone()));
    DecryptionKeyring::open(db.clone(), &vault, purpose, shared, Arc::new(SystemRandom), &trail)
        .await
        .unwrap();
    add_person(db, &clock, DOCTOR, "DOC0042788", true).await;
    add_person(db, &clock, STRANGER, "DOC0036624", false).await;
    for id in ["rp", "other"] {
        let new = new_client(id);
        assert!(store::client::add(db, &new, clock.now(), &event(&clock, Kind::ClientAdded)).await.unwrap());
    }
}

/// A client of the stand, as it is registered.
pub(crate) fn new_client(id: &str) -> NewClient {
    NewClient {
        id: id.into(),
        name: format!("Service {id}"),
        profile: ProfileName::Psc,
        secret_hash: Some(sha256(secret_of(id).as_bytes())),
        redirect_uris: vec![format!("https://{id}.example/cb"), format!("https://{id}.example/cb?tenant=1")],
        post_logout_redirect_uris: vec![format!("https://{id}.example/bye")],
        backchannel_logout_uri: None,
        audience: Audience::Affiliated,
        may_introspect: false,
        metadata: Metadata::default(),
        self_registered: false,
        registration_token_hash: None,
    }
}

/// A client that a test registers besides those of the stand, with a secret of the stand.
pub(crate) struct NewRp {
    pub id: &'static str,
    pub profile: ProfileName,
    pub metadata: Metadata,
}

impl NewRp {
    pub(crate) fn named(id: &'static str) -> Self {
        Self { id, profile: ProfileName::Psc, metadata: Metadata::default() }
    }
}

/// When whoever is refused again and again begins to wait, as the configuration has it by default.
pub(crate) const WAITS: Waits = Waits { free: 30, longest: TimeDelta::minutes(5) };

pub(crate) fn trail(clock: &MockClock) -> Trail {
    Trail::new("main", "1", Arc::new(clock.clone()), Arc::new(Ascending))
}

/// Event ids in the order in which they were made, although the clock stands still.
#[derive(Debug)]
struct Ascending;

impl Random for Ascending {
    fn fill(&self, bytes: &mut [u8]) {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes.fill(0);
        let start = bytes.len().saturating_sub(number.len());
        bytes[start..].copy_from_slice(&number);
    }
}

fn event(clock: &MockClock, kind: Kind) -> store::audit::NewRow {
    (&some_event(clock, kind)).into()
}

fn some_event(clock: &MockClock, kind: Kind) -> Event {
    trail(clock).event(kind)
}

/// A doctor of the published card kits (nobody real), practising in a cabinet.
async fn add_person(db: &Db, clock: &MockClock, id_nat: &str, name: &str, affiliated: bool) {
    let mut professional = Professional::default();
    assert!(professional.add(Row {
        civility: "M".into(),
        practice: Practice {
            profession: "10".into(),
            category: "C".into(),
            civility: "DR".into(),
            family_name: name.into(),
            given_name: "KIT".into(),
            ..Practice::default()
        },
        skill: Skill("S".into(), "SM26".into()),
        activity: Activity {
            mode: "L".into(),
            sector: "SA07".into(),
            structure_id: "R102671".into(),
            structure_name: format!("CABINET M {name}"),
            postal_code: "75009".into(),
            country: "99000".into(),
            authority: "CNOM/CNOM/CNOM".into(),
            ..Activity::default()
        },
    }));
    let now = clock.now();
    let link =
        NewAffiliation { source: Source::List, structure: String::new(), started_at: now, ended_at: None };
    let new = NewPerson {
        id: PersonId::new(now, &SystemRandom),
        family_name: name.into(),
        given_name: "KIT".into(),
        professional: Some(professional.to_text()),
        identifiers: vec![NationalId::of_source(id_nat).unwrap()],
        affiliations: affiliated.then_some(link).into_iter().collect(),
    };
    store::person::add(db, &new, now, &SystemRandom, &some_event(clock, Kind::PersonAdded)).await.unwrap();
}

/// Lets a stand call servers of its test.
fn this_machine() -> config::Egress {
    config::Egress { allow: vec![config::Destination::Network("127.0.0.0/8".parse().unwrap())] }
}

/// What stands around a provider.
#[derive(Default)]
struct Hosts {
    /// The host that asks for certificates.
    mtls: Option<Arc<Mtls>>,
    /// Where people can be asked who are at no browser.
    asking: Asking,
}

/// A provider under test.
pub(crate) struct Stand {
    pub db: Db,
    pub clock: MockClock,
    pub provider: Arc<Provider>,
    pub router: Router,
    pub seal: SealKey,
    /// The tokens of other providers that services bring.
    pub foreign: Option<Arc<dyn oidc::foreign::ForeignTokens>>,
    mtls: Option<Arc<Mtls>>,
    _dir: Option<TempDir>,
}

/// A browser that is signed in: its `Cookie` header and its session.
pub(crate) struct SignedIn {
    pub cookie: String,
    pub session: SessionId,
}

/// An answer of the provider.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.body))
    }

    pub(crate) fn location(&self) -> String {
        let location = self.headers.get(http::header::LOCATION);
        let location = location.unwrap_or_else(|| panic!("no redirect: {} {}", self.status, self.body));
        location.to_str().unwrap().to_owned()
    }

    /// A parameter of the redirect.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let location = self.location();
        let (_, query) = location.split_once('?')?;
        form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
    }

    /// `name=value` of the first cookie that is set, for the next request.
    pub(crate) fn cookie(&self) -> String {
        let line = self.headers.get(http::header::SET_COOKIE).expect("a cookie").to_str().unwrap();
        line.split(';').next().unwrap().to_owned()
    }

    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl Stand {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::asking(None, change).await
    }

    /// As [`Self::with`], with a host that asks for certificates.
    pub(crate) async fn asking(mtls: Option<Arc<Mtls>>, change: impl FnOnce(&mut Settings)) -> Self {
        let template = template();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sceau.db");
        std::fs::write(&path, &template.bytes).unwrap();
        let db = Db::open(&DatabaseUrl::Sqlite(path)).await.unwrap();
        let seal = template.seal.clone();
        let vault = (&seal).into();
        Self::on(db, (seal, vault), Some(dir), Hosts { mtls, asking: Asking::default() }, change).await
    }

    /// Runs `test` on a stand of each engine with a host that asks for certificates.
    pub(crate) async fn on_both_asking(mtls: impl Fn() -> Option<Arc<Mtls>>, test: impl AsyncFn(Stand)) {
        let template = template();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sceau.db");
        std::fs::write(&path, &template.bytes).unwrap();
        let db = Db::open(&DatabaseUrl::Sqlite(path)).await.unwrap();
        let seal = template.seal.clone();
        let vault = (&seal).into();
        let hosts = || Hosts { mtls: mtls(), asking: Asking::default() };
        test(Self::on(db, (seal, vault), Some(dir), hosts(), |_| {}).await).await;
        let db = furnished_postgres().await;
        let seal = template.seal.clone();
        let vault = (&seal).into();
        test(Self::on(db.clone(), (seal, vault), None, hosts(), |_| {}).await).await;
        db.close().await;
    }

    /// A stand whose tokens are signed in an HSM.
    pub(crate) async fn in_hsm(hsm: &Arc<Hsm>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&DatabaseUrl::Sqlite(dir.path().join("sceau.db"))).await.unwrap();
        let seal = SealKey::generate(&SystemRandom);
        let vault = Vault::new(seal.clone(), Some(Arc::clone(hsm)));
        furnish(&db, &vault).await;
        Self::on(db, (seal, vault), Some(dir), Hosts::default(), |_| {}).await
    }

    /// Runs `test` on a stand of each engine, one after the other.
    pub(crate) async fn on_both(test: impl AsyncFn(Stand)) {
        Self::on_both_with(|_| {}, test).await;
    }

    /// The same, with settings changed.
    pub(crate) async fn on_both_with(change: impl Fn(&mut Settings), test: impl AsyncFn(Stand)) {
        test(Self::with(&change).await).await;
        let db = furnished_postgres().await;
        let seal = template().seal.clone();
        let vault = (&seal).into();
        test(Self::on(db.clone(), (seal, vault), None, Hosts::default(), &change).await).await;
        db.close().await;
    }

    /// The same, where people can be asked who are at no browser.
    pub(crate) async fn on_both_with_people(
        asking: impl Fn() -> Asking,
        change: impl Fn(&mut Settings),
        test: impl AsyncFn(Stand),
    ) {
        let template = template();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sceau.db");
        std::fs::write(&path, &template.bytes).unwrap();
        let db = Db::open(&DatabaseUrl::Sqlite(path)).await.unwrap();
        let hosts = || Hosts { mtls: None, asking: asking() };
        let keys = || (template.seal.clone(), (&template.seal).into());
        test(Self::on(db, keys(), Some(dir), hosts(), &change).await).await;
        let db = furnished_postgres().await;
        test(Self::on(db.clone(), keys(), None, hosts(), &change).await).await;
        db.close().await;
    }

    async fn on(
        db: Db,
        (seal, vault): (SealKey, Vault),
        dir: Option<TempDir>,
        Hosts { mtls, asking }: Hosts,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let clock = MockClock::default();
        let mut settings = Settings {
            issuer: Issuer::new(Url::parse(ISSUER).unwrap()),
            front_url: Url::parse("http://localhost:8080/").unwrap(),
            namespace: NAMESPACE,
            sandbox: false,
            policies: Policies::default(),
            lifetimes: Lifetimes::default(),
            highest_level: Acr::Eidas3,
            choices: psc::Choices::default(),
            registration: false,
            delegation: oidc::DelegationSettings::default(),
        };
        change(&mut settings);
        let provider = Provider::open(Parts {
            settings,
            db: db.clone(),
            seal: seal.clone(),
            vault,
            clock: Arc::new(clock.clone()),
            random: Arc::new(SystemRandom),
            trail: trail(&clock),
            site: Site { establishment: "Hôpital de test".into(), https: false, sandbox: false },
            means: Means::default(),
            outbound: Outbound::new(&this_machine()).unwrap(),
            mtls: mtls.clone(),
            waits: WAITS,
            asking,
            foreign: None,
        })
        .await
        .unwrap();
        let router = oidc::routes(&provider);
        Self { db, clock, provider, router, seal, foreign: None, mtls, _dir: dir }
    }

    /// The same provider, with these means on its sign-in page, and where people can be asked who are at none.
    pub(crate) async fn offer(&mut self, means: Means, asking: Asking) {
        self.provider = Provider::open(Parts {
            settings: self.provider.settings().clone(),
            db: self.db.clone(),
            seal: self.seal.clone(),
            vault: (&self.seal).into(),
            clock: Arc::new(self.clock.clone()),
            random: Arc::new(SystemRandom),
            trail: trail(&self.clock),
            site: Site { establishment: "Hôpital de test".into(), https: false, sandbox: false },
            means,
            outbound: Outbound::new(&this_machine()).unwrap(),
            mtls: self.mtls.clone(),
            waits: WAITS,
            asking,
            foreign: self.foreign.clone(),
        })
        .await
        .unwrap();
        self.router = oidc::routes(&self.provider);
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    pub(crate) fn event(&self, kind: Kind) -> store::audit::NewRow {
        event(&self.clock, kind)
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = headers.iter().fold(Request::get(path), |request, (n, v)| request.header(*n, *v));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
        let request = Request::builder().method(Method::POST).uri(path);
        let request = headers.iter().fold(request, |request, (n, v)| request.header(*n, *v));
        let request = request.header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    pub(crate) async fn person(&self, id_nat: &str) -> PersonId {
        store::person::by_identifier(&self.db, id_nat).await.unwrap().unwrap().id
    }

    /// A session of the doctor, as a card sign-in would begin it.
    pub(crate) async fn sign_in(&self) -> SignedIn {
        self.sign_in_as(DOCTOR).await
    }

    pub(crate) async fn sign_in_as(&self, id_nat: &str) -> SignedIn {
        let (cookie, new) = self.new_session(id_nat).await;
        store::session::begin(&self.db, &new, self.clock.now()).await.unwrap();
        SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
    }

    /// A session of the doctor that was opened at `station`, its card watched.
    pub(crate) async fn sign_in_at(&self, station: Station, watched: Option<Watched>) -> SignedIn {
        let (cookie, new) = self.new_session(DOCTOR).await;
        let new = NewSession { station, watched, ..new };
        store::session::begin(&self.db, &new, self.clock.now()).await.unwrap();
        SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
    }

    /// The sign-in by which the doctor opens a locked session again; the browser keeps its cookie here.
    pub(crate) async fn unlock(&self, browser: &SignedIn) {
        let (now, id) = (self.clock.now(), TransactionId::new(self.clock.now(), &SystemRandom));
        let begun = NewTransaction {
            id,
            browser_hash: [7; 32],
            client_id: "rp".into(),
            request: Value::Null,
            expires_at: now + TimeDelta::minutes(10),
        };
        login_transaction::begin(&self.db, &begun, now).await.unwrap();
        let soon = now + TimeDelta::minutes(2);
        assert!(login_transaction::issue_card_request(&self.db, id, "txn", "jws", soon, now).await.unwrap());
        let before = store::session::by_id(&self.db, browser.session).await.unwrap().unwrap();
        let (_, new) = self.new_session(DOCTOR).await;
        let (_, cookie) = browser.cookie.split_once('=').unwrap();
        let watched = Watched {
            workstation: before.workstation_id.unwrap(),
            card: before.card.unwrap(),
            agent: None,
            leased_until: Some(now + SessionPolicy::default().lease),
        };
        let new = NewSession {
            id: browser.session,
            cookie_hash: sha256(cookie.as_bytes()),
            watched: Some(watched),
            ..new
        };
        let event = self.event(Kind::SignIn);
        let completion = Completion {
            proof: Proof::Request("txn"),
            session: &new,
            goes_on: Some(&sha256(cookie.as_bytes())),
            replaced: None,
            browser: None,
            event: &event,
        };
        assert!(login_transaction::complete(&self.db, id, completion, now, &SystemRandom).await.unwrap());
    }

    /// A session that a sign-in would begin.
    pub(crate) async fn new_session(&self, id_nat: &str) -> (Secret, NewSession) {
        let (now, cookie) = (self.clock.now(), Secret::of_256_bits(&SystemRandom));
        let new = NewSession {
            id: SessionId::new(now, &SystemRandom),
            cookie_hash: sha256(cookie.expose().as_bytes()),
            authentication: Authentication {
                person: self.person(id_nat).await,
                acr: Acr::Eidas3,
                amr: vec![Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa],
                auth_mode: AuthMode::Card,
                at: now,
                evidence: Evidence::Card {
                    card_number: "8025000001/2800000009".into(),
                    certificate_sha256: "00".repeat(32),
                    serial: "01".into(),
                    issuer: None,
                    workstation: WorkstationId(uuid_v4(&SystemRandom)),
                    pin: "window".into(),
                    interface: "contact".into(),
                },
            },
            expires_at: now + SessionPolicy::default().lifetime,
            station: Station::default(),
            watched: None,
        };
        (cookie, new)
    }

    /// The authorization endpoint, with a request that is good but for `changes`: an empty value takes a parameter away.
    pub(crate) async fn authorize(&self, changes: &[(&str, &str)], cookie: &str) -> Answer {
        let headers = [("cookie", cookie)];
        let headers = if cookie.is_empty() { &headers[..0] } else { &headers[..] };
        self.get(&format!("/auth?{}", query(changes)), headers).await
    }

    /// A code for the signed-in doctor.
    pub(crate) async fn code(&self, changes: &[(&str, &str)], browser: &SignedIn) -> String {
        let answer = self.authorize(changes, &browser.cookie).await;
        answer.parameter("code").unwrap_or_else(|| panic!("no code: {}", answer.location()))
    }

    /// The token endpoint, as `client`.
    pub(crate) async fn token(&self, client: &str, form: &[(&str, &str)]) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.post(TOKEN, &form, &[("authorization", &basic(client))]).await
    }

    /// Redeems a code of `rp`.
    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
        self.token("rp", &form).await
    }

    /// Tokens of `rp` for the signed-in doctor.
    pub(crate) async fn tokens(&self, browser: &SignedIn) -> Value {
        let code = self.code(&[], browser).await;
        let answer = self.redeem(&code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    /// Redeems a code of `client`, sent to the first address of its registration.
    pub(crate) async fn redeem_as(&self, client: &str, code: &str) -> Answer {
        let redirect = format!("https://{client}.example/cb");
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &redirect)];
        self.token(client, &form).await
    }

    pub(crate) async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub(crate) async fn userinfo(&self, access_token: &str) -> Answer {
        self.get(USERINFO, &[("authorization", &format!("Bearer {access_token}"))]).await
    }

    pub(crate) async fn introspect(&self, client: &str, token: &str) -> Value {
        let answer =
            self.post(INTROSPECT, &format!("token={token}"), &[("authorization", &basic(client))]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    /// An event to be recorded with a change.
    pub(crate) fn some_event(&self, kind: Kind) -> Event {
        some_event(&self.clock, kind)
    }

    /// Disables a person.
    pub(crate) async fn disable(&self, id_nat: &str) {
        let person = self.person(id_nat).await;
        let (now, event) = (self.clock.now(), some_event(&self.clock, Kind::PersonDisabled));
        store::person::disable(&self.db, person, "test", now, &SystemRandom, &event).await.unwrap();
    }

    /// Registers another client.
    pub(crate) async fn add_client(&self, new: &NewClient) {
        let event = self.event(Kind::ClientAdded);
        assert!(store::client::add(&self.db, new, self.clock.now(), &event).await.unwrap());
    }

    /// Registers another client with its profile and metadata.
    pub(crate) async fn add_rp(&self, rp: NewRp) {
        let NewRp { id, profile, metadata } = rp;
        self.add_client(&NewClient { profile, metadata, ..new_client(id) }).await;
    }

    /// Changes the registration of a client.
    pub(crate) async fn change_rp(&self, id: &'static str, profile: ProfileName, metadata: Metadata) {
        let new = NewClient { profile, metadata, ..new_client(id) };
        let event = self.event(Kind::ClientChanged);
        assert!(store::client::update(&self.db, &new, self.clock.now(), &event).await.unwrap());
    }

    /// Registers a client as if it had done so itself.
    pub(crate) async fn add_stranger(&self, new: &NewClient) {
        self.add_client(&NewClient { self_registered: true, ..new.clone() }).await;
    }

    pub(crate) async fn disable_client(&self, id: &str) {
        let (now, event) = (self.clock.now(), self.event(Kind::ClientDisabled));
        assert!(store::client::standing::disable(&self.db, id, now, &event).await.unwrap());
    }

    pub(crate) async fn enable_client(&self, id: &str) {
        let (now, event) = (self.clock.now(), self.event(Kind::ClientEnabled));
        assert!(store::client::standing::enable(&self.db, id, now, &event).await.unwrap());
    }

    pub(crate) async fn remove_client(&self, id: &str) {
        assert!(store::client::remove(&self.db, id, &self.event(Kind::ClientRemoved)).await.unwrap());
    }

    /// The kinds of the audit events so far, oldest first, with their code.
    pub(crate) async fn events(&self) -> Vec<String> {
        let filter = store::audit::Filter { limit: 1000, ..Default::default() };
        let mut rows = store::audit::list(&self.db, &filter).await.unwrap();
        rows.reverse();
        rows.into_iter()
            .map(|row| match row.code {
                Some(code) => format!("{} {code}", row.kind),
                None => row.kind,
            })
            .collect()
    }
}

/// The query of a good request of `rp`, with changes.
pub(crate) fn query(changes: &[(&str, &str)]) -> String {
    let good = [
        ("response_type", "code"),
        ("client_id", "rp"),
        ("redirect_uri", REDIRECT),
        ("scope", "openid scope_all"),
        ("acr_values", "eidas1"),
        ("state", "xyz"),
        ("nonce", "n-0S6_WzA2Mj"),
    ];
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in good {
        if !changes.iter().any(|(changed, _)| *changed == name) {
            query.append_pair(name, value);
        }
    }
    query.extend_pairs(changes.iter().filter(|(_, value)| !value.is_empty())).finish()
}

/// The `Authorization` header of a client.
pub(crate) fn basic(client: &str) -> String {
    let token = base64::engine::general_purpose::STANDARD.encode(format!("{client}:{}", secret_of(client)));
    format!("Basic {token}")
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &Value) -> Value {
    Value::Object(crate::crypto::jose::unverified_claims(token.as_str().unwrap()).unwrap())
}

/// The header of a token.
pub(crate) fn header(token: &Value) -> Value {
    let (header, _) = token.as_str().unwrap().split_once('.').unwrap();
    serde_json::from_slice(&crate::crypto::jose::base64url::decode(header).unwrap()).unwrap()
}

/// The JSON with what changes from run to run replaced by its name.
pub(crate) fn stable(value: &Value) -> String {
    fn replace(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if let Value::String(text) = value
                        && matches!(
                            name.as_str(),
                            "jti"
                                | "sid"
                                | "session_state"
                                | "at_hash"
                                | "access_token"
                                | "refresh_token"
                                | "id_token"
                        )
                    {
                        *text = format!("<{name}>");
                    } else {
                        replace(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(replace),
            _ => {}
        }
    }
    let mut value = value.clone();
    replace(&mut value);
    serde_json::to_string_pretty(&value).unwrap()
}
