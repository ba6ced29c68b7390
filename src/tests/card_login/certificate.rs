//! Sign-in by the certificate of the card: a real TLS handshake, with the keys of the test cards.

use std::pin::Pin;

use ipnet::IpNet;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::X509;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::card::tls_login::{self, CertificateLogin};
use crate::session::{Acr, Amr, Evidence};
use crate::web::client_certificate::{self, CertificateHost, Source};
use crate::web::tls::tests::{certificate, host};
use crate::web::tls::{Asks, TlsHosts};

const HOST: &str = "carte.chu.example";

fn way() -> CertificateLogin {
    CertificateLogin {
        host: format!("https://{HOST}:8443").parse().unwrap(),
        acr: Acr::Eidas2,
        networks: Vec::new(),
        fresh: false,
    }
}

/// A hospital with the host of certificates.
struct Place {
    hospital: Hospital,
    host: SocketAddr,
}

impl Place {
    async fn open() -> Self {
        Self::with(way()).await
    }

    async fn with(way: CertificateLogin) -> Self {
        Self::of(Hospital::with(|parts| parts.certificate = Some(way)).await).await
    }

    async fn of(hospital: Hospital) -> Self {
        let hosts = TlsHosts::read(vec![host(hospital.dir.path(), HOST, Asks::CardCertificate)]).unwrap();
        let tls = Transport::Tls(Arc::new(hosts));
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), tls).await.unwrap();
        let address = listener.address();
        let host = CertificateHost { name: HOST.into(), source: Source::Handshake };
        let router = tls_login::certificate_host(&hospital.login)
            .layer(middleware::from_fn_with_state(host, client_certificate::name_certificate));
        let patience = Patience { keep_alive: false, ..Patience::default() };
        tokio::spawn(listener.serve(router, patience, CancellationToken::new()));
        Self { hospital, host: address }
    }

    /// Follows the link of a sign-in page with the card called `name` in the reader; where the browser is sent to, on
    /// the front origin.
    async fn follow(&self, id: TransactionId, name: &str) -> String {
        let pair = &card(name).authentication;
        self.location(&self.call(&link(id), Some((&pair.certificate, &pair.key))).await)
    }

    fn location(&self, answer: &Answer) -> String {
        assert_eq!((answer.status, answer.header("set-cookie")), (303, ""), "{answer:?}");
        assert_eq!(answer.header("connection"), "close");
        let location = answer.header("location").strip_prefix(self.hospital.front.as_str());
        location.expect("the front origin").to_owned()
    }

    async fn call(&self, call: &Call, own: Option<(&X509, &PKey<Private>)>) -> Answer {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        if let Some((certificate, key)) = own {
            connector.set_certificate(certificate).unwrap();
            connector.set_private_key(key).unwrap();
        }
        let mut configuration = connector.build().configure().unwrap();
        configuration.set_verify_hostname(false);
        let ssl = configuration.into_ssl(HOST).unwrap();
        let mut stream =
            tokio_openssl::SslStream::new(ssl, TcpStream::connect(self.host).await.unwrap()).unwrap();
        Pin::new(&mut stream).connect().await.unwrap();
        let mut text = format!("{} {} HTTP/1.1\r\n", call.method, call.target);
        for (name, value) in &call.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        Answer::parse(&String::from_utf8(answer).unwrap())
    }

    /// Presses the button of the page that names the holder.
    async fn go_on(&self, browser: &mut Browser, page: &Answer) -> Answer {
        let fields = [
            ("txn", page.after("name=\"txn\" value=\"")),
            ("handle", page.after("name=\"handle\" value=\"")),
        ];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (host, front) = (self.hospital.address.to_string(), self.hospital.front.as_str());
        let call = Call::post(&page.after("<form method=\"post\" action=\""), &host, front, &fields);
        browser.send(&self.hospital, call).await
    }

    /// Signs in with the card called `name`, all the way.
    async fn sign_in(&self, browser: &mut Browser, name: &str) -> Answer {
        let (id, _) = self.hospital.begin(browser).await;
        let location = self.follow(id, name).await;
        let page = browser.get(&self.hospital, &location).await;
        self.go_on(browser, &page).await
    }

    async fn sessions(&self) -> usize {
        let person = store::person::by_identifier(&self.hospital.db, &card("good").profile.id_nat);
        let person = person.await.unwrap().unwrap().id;
        store::session::running_of(&self.hospital.db, person).await.unwrap().len()
    }
}

/// A certificate shows less than a PIN typed into the agent's window: nothing that was granted for the one comes to rest on
/// the other. The other way round is a step up.
#[tokio::test]
async fn a_certificate_does_not_go_on_with_a_session_of_the_agent_but_the_agent_with_one_of_a_certificate() {
    let place = Place::open().await;
    let hospital = &place.hospital;
    let workstation = Workstation::of(hospital, "good").await;
    let mut browser = Browser::default();
    let look = async |browser: &Browser| {
        let hash = sha256(browser.session().unwrap().as_bytes());
        store::session::by_cookie(&hospital.db, hash).await.unwrap().unwrap()
    };
    assert_eq!(place.sign_in(&mut browser, "good").await.status, 200);
    let first = look(&browser).await;
    let (_, request) = hospital.begin(&mut browser).await;
    browser.finish(hospital, &workstation.forge(&request, "good", |_| {})).await;
    let stepped_up = look(&browser).await;
    assert_eq!((stepped_up.id, first.acr, stepped_up.acr), (first.id, Acr::Eidas2, Acr::Eidas3));
    assert!(matches!(stepped_up.evidence, Evidence::Card { .. }) && stepped_up.card.is_some());
    assert_eq!(place.sign_in(&mut browser, "good").await.status, 200);
    let lower = look(&browser).await;
    assert_ne!(lower.id, stepped_up.id, "the session begins anew");
    assert_eq!(lower.acr, Acr::Eidas2);
    let before = store::session::by_id(&hospital.db, stepped_up.id).await.unwrap().unwrap();
    assert!(before.ended_at.is_some(), "and the one before has ended, with its logouts");
}

#[tokio::test]
async fn a_service_that_wants_to_know_when_the_card_leaves_is_not_reached_by_a_certificate() {
    let place = Place::open().await;
    let mut browser = Browser::default();
    let (id, _) = place.hospital.begin(&mut browser).await;
    assert!(place.hospital.card_panel(id).await.certificate.is_some());
    place.hospital.demand_card_out().await;
    assert!(place.hospital.card_panel(id).await.certificate.is_none(), "not offered");
    let refused = place.sign_in(&mut browser, "good").await;
    assert_eq!(refused.code(), Some("CARD-022"), "{refused:?}");
    assert_eq!(place.sessions().await, 0);
}

/// Nobody knows which workstation it is: where some are shared, it counts as one of them.
#[tokio::test]
async fn a_session_of_an_unknown_workstation_is_shared_where_any_is() {
    let shared = async |place: &Place| {
        let mut browser = Browser::default();
        assert_eq!(place.sign_in(&mut browser, "good").await.status, 200);
        let hash = sha256(browser.session().unwrap().as_bytes());
        store::session::by_cookie(&place.hospital.db, hash).await.unwrap().unwrap().shared
    };
    let place = Place::open().await;
    assert!(!shared(&place).await);
    let there = crate::card::enrolment::Place {
        site: String::new(),
        zone: String::new(),
        needs_approval: false,
        shared: true,
    };
    let hospital = &place.hospital;
    let event = hospital.trail.event(Kind::WorkstationInvited).actor("test");
    let code = hospital.login.invite(&there, event).await.unwrap().to_string();
    let workstation = Workstation::enrolled_by(hospital, &code, Arc::new(PkiCard("good"))).await;
    assert!(shared(&place).await, "a workstation that is marked so");
    let event = NewRow::from(&hospital.trail.event(Kind::WorkstationRevoked));
    let id = workstation.enrolment.workstation;
    assert!(store::workstation::revoke(&hospital.db, id, &event, hospital.clock.now()).await.unwrap());
    assert!(!shared(&place).await);

    let zone = crate::session::ZonePolicy { shared: true, ..Default::default() };
    let hospital = Hospital::with(|parts| {
        parts.certificate = Some(way());
        parts.policies.zones.insert("urgences".into(), zone);
    })
    .await;
    assert!(shared(&Place::of(hospital).await).await, "a zone that is");
}

fn link(id: TransactionId) -> Call {
    Call::get(&format!("/card/certificate?txn={id}"), HOST)
}

#[tokio::test]
async fn the_holder_is_named_and_goes_on() {
    let place = Place::open().await;
    let hospital = &place.hospital;
    let mut browser = Browser::default();
    let (id, _) = hospital.begin(&mut browser).await;
    let panel = hospital.card_panel(id).await;
    assert_eq!(
        panel.certificate.as_deref(),
        Some(&*format!("https://{HOST}:8443/card/certificate?txn={id}"))
    );

    let location = place.follow(id, "good").await;
    assert_eq!(browser.status(hospital, id).await["state"], "open", "nothing has happened yet");
    let page = browser.get(hospital, &location).await;
    for text in ["KIT DOC0036624", "899700366240", "Dossier patient"] {
        assert!(page.body.contains(text), "{text} in {page:?}");
    }
    assert!(browser.session().is_none(), "nor by looking");

    let done = place.go_on(&mut browser, &page).await;
    assert!(done.body.contains("data-state=\"done\"") && done.body.contains("data-same-tab"), "{done:?}");
    let cookie = browser.session().expect("a session cookie");
    let session = store::session::by_cookie(&hospital.db, sha256(cookie.as_bytes())).await.unwrap().unwrap();
    assert_eq!((session.acr, &session.amr), (Acr::Eidas2, &vec![Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa]));
    let Evidence::CardCertificate { pin, interface, .. } = &session.evidence else { panic!("{session:?}") };
    assert_eq!((pin.as_str(), interface.as_str()), ("middleware", "contact"));
    assert_eq!(browser.status(hospital, id).await["state"], "done");

    let filter = Filter { kind: Some("sign-in".into()), limit: 10, ..Filter::default() };
    let events = store::audit::list(&hospital.db, &filter).await.unwrap();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    let detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap();
    for (member, value) in [
        ("means", "card-certificate"),
        ("id_nat", "899700366240"),
        ("acr", "eidas2"),
        ("application", "Dossier patient"),
        ("confirmed", "holder"),
        ("note", "PIN: middleware"),
        ("address", "127.0.0.1"),
    ] {
        assert_eq!(detail[member], value, "{member} in {detail}");
    }
    assert!(detail["workstation"].is_null() && detail["means_id"].is_string(), "{detail}");

    // The handle is used up, and so is the sign-in.
    assert_eq!(place.go_on(&mut browser, &page).await.code(), Some("CARD-005"));
    assert_eq!(place.sessions().await, 1);
}

/// The attacker begins a sign-in and sends its link to a professional, whose browser brings the card.
#[tokio::test]
async fn a_relayed_link_signs_nobody_in() {
    let place = Place::open().await;
    let hospital = &place.hospital;
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let (id, _) = hospital.begin(&mut attacker).await;
    // The victim has a sign-in of their own under way as well.
    hospital.begin(&mut victim).await;
    let location = place.follow(id, "good").await;
    let refused = victim.get(hospital, &location).await;
    assert_eq!((refused.status, refused.code()), (403, Some("CARD-003")));

    // The attacker's page learns nothing, and what the victim's address bar shows is of no use any more.
    assert_eq!(attacker.status(hospital, id).await, serde_json::json!({ "state": "open" }));
    assert_eq!(attacker.get(hospital, &location).await.code(), Some("CARD-040"));
    assert!(attacker.session().is_none() && victim.session().is_none());
    assert_eq!(place.sessions().await, 0);
    let mut refusals = hospital.refusals().await;
    // Both at the same moment of the test's clock.
    refusals.sort();
    assert_eq!(refusals, ["CARD-003", "CARD-040"]);
}

/// The attacker brings a handle of their own card into the browser of a professional, whose work would then be the
/// attacker's to read.
#[tokio::test]
async fn somebody_elses_card_is_named_before_it_signs_in() {
    let place = Place::open().await;
    let hospital = &place.hospital;
    hospital.admit("nurse").await;
    let mut victim = Browser::default();
    let (id, _) = hospital.begin(&mut victim).await;
    let location = place.follow(id, "nurse").await;
    let page = victim.get(hospital, &location).await;
    assert!(page.body.contains("INF0030001"), "{page:?}");
    assert!(victim.session().is_none(), "an address signed somebody in");
    assert!(
        page.header("content-security-policy").contains("frame-ancestors 'none'"),
        "a click can be stolen"
    );

    // The form comes from that page only.
    let handle = page.after("name=\"handle\" value=\"");
    let fields = [("txn", id.to_string()), ("handle", handle)];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let host = hospital.address.to_string();
    for origin in ["https://evil.example", "null", &*format!("https://{HOST}:8443")] {
        let call = Call::post("/card/certificate/finish", &host, origin, &fields);
        assert_eq!(victim.send(hospital, call).await.code(), Some("CARD-001"), "{origin}");
    }
    let by_address = Call::get(&format!("/card/certificate/finish?txn={id}"), &host);
    assert_eq!(victim.send(hospital, by_address).await.status, 405);
    assert!(victim.session().is_none());
}

#[tokio::test]
async fn cards_and_people_that_may_not_come_in() {
    let place = Place::open().await;
    let hospital = &place.hospital;
    let mut browser = Browser::default();
    let (id, _) = hospital.begin(&mut browser).await;
    for (name, code) in [
        ("expired", "CERT-002"),
        ("not-yet-valid", "CERT-003"),
        ("wrong-issuer", "CERT-004"),
        ("revoked", "CERT-005"),
        ("software", "CERT-007"),
    ] {
        let location = place.follow(id, name).await;
        assert_eq!(browser.get(hospital, &location).await.code(), Some(code), "{name}");
        assert_eq!(browser.status(hospital, id).await["code"], code, "the waiting page says it too");
    }
    // The certificate for signatures of a good card, one that a person made themselves, and none at all.
    let pair = &card("good").signature;
    let answer = place.call(&link(id), Some((&pair.certificate, &pair.key))).await;
    assert_eq!(browser.get(hospital, &place.location(&answer)).await.code(), Some("CERT-006"));
    let (own, key) = certificate("DUPONT").unwrap();
    let answer = place.call(&link(id), Some((&own, &key))).await;
    assert_eq!(browser.get(hospital, &place.location(&answer)).await.code(), Some("CERT-004"));
    let answer = place.call(&link(id), None).await;
    assert_eq!(browser.get(hospital, &place.location(&answer)).await.code(), Some("CARD-042"));

    // A stranger is named, and not let in.
    let page = browser.get(hospital, &place.follow(id, "nurse").await).await;
    assert_eq!(place.go_on(&mut browser, &page).await.code(), Some("PERSON-001"));
    // Somebody who was disabled while they read the page.
    let page = browser.get(hospital, &place.follow(id, "good").await).await;
    let person =
        store::person::by_identifier(&hospital.db, &card("good").profile.id_nat).await.unwrap().unwrap();
    let event = hospital.trail.event(Kind::PersonDisabled);
    let now = hospital.clock.now();
    store::person::disable(&hospital.db, person.id, "left", now, &SystemRandom, &event).await.unwrap();
    assert_eq!(place.go_on(&mut browser, &page).await.code(), Some("PERSON-003"));
    assert!(browser.session().is_none());
    assert_eq!(hospital.refusals().await.len(), 10, "each is in the audit trail");
}

#[tokio::test]
async fn a_handle_is_good_for_two_minutes_and_only_the_last_one() {
    let place = Place::open().await;
    let hospital = &place.hospital;
    let mut browser = Browser::default();
    let (id, _) = hospital.begin(&mut browser).await;
    let first = place.follow(id, "good").await;
    let second = place.follow(id, "good").await;
    assert_eq!(browser.get(hospital, &first).await.code(), Some("CARD-040"));
    let page = browser.get(hospital, &second).await;
    hospital.clock.advance(TimeDelta::seconds(121));
    assert_eq!(place.go_on(&mut browser, &page).await.code(), Some("CARD-041"));

    hospital.clock.advance(TimeDelta::minutes(8));
    let late = place.call(&link(id), None).await;
    assert_eq!((late.status, late.code()), (409, Some("CARD-005")));
    for junk in ["", "?txn=1", "?txn=1&handle=2", &*format!("?txn={id}"), &*format!("?handle=a&txn={id}")] {
        let answer = browser.get(hospital, &format!("/card/certificate/holder{junk}")).await;
        assert_eq!(answer.code(), Some("CARD-002"), "{junk}");
    }
}

#[tokio::test]
async fn a_browser_in_the_background_gets_nothing() {
    let place = Place::open().await;
    let mut browser = Browser::default();
    let (id, _) = place.hospital.begin(&mut browser).await;
    for (name, value) in
        [("sec-fetch-dest", "image"), ("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "cors")]
    {
        let call = link(id).instead(name, value);
        let answer = place.call(&call, None).await;
        assert_eq!((answer.status, answer.code()), (403, Some("CARD-045")), "{value}");
    }
    let offered = store::login_transaction::offered_certificate(&place.hospital.db, id).await.unwrap();
    assert!(offered.is_none());
}

#[tokio::test]
async fn a_fresh_proof_is_not_promised_unless_the_establishment_does() {
    let place = Place::open().await;
    let mut browser = Browser::default();
    let asked = serde_json::json!({ "prompt": "login" });
    let id = place.hospital.begin_with(&mut browser, asked.clone()).await;
    assert_eq!(place.hospital.card_panel(id).await.certificate, None);
    let location = place.follow(id, "good").await;
    assert_eq!(browser.get(&place.hospital, &location).await.code(), Some("CARD-044"));

    let place = Place::with(CertificateLogin { fresh: true, acr: Acr::Eidas3, ..way() }).await;
    let mut browser = Browser::default();
    let id = place.hospital.begin_with(&mut browser, asked).await;
    assert!(place.hospital.card_panel(id).await.certificate.is_some());
    let page = browser.get(&place.hospital, &place.follow(id, "good").await).await;
    place.go_on(&mut browser, &page).await;
    let cookie = sha256(browser.session().expect("a session").as_bytes());
    let session = store::session::by_cookie(&place.hospital.db, cookie).await.unwrap().unwrap();
    assert_eq!(session.acr, Acr::Eidas3);
}

#[tokio::test]
async fn only_from_the_networks_that_are_named() {
    let networks = |list: &[&str]| list.iter().map(|text| text.parse::<IpNet>().unwrap()).collect();
    let elsewhere = Place::with(CertificateLogin { networks: networks(&["10.0.0.0/8"]), ..way() }).await;
    let mut browser = Browser::default();
    let (id, _) = elsewhere.hospital.begin(&mut browser).await;
    let location = elsewhere.follow(id, "good").await;
    assert_eq!(browser.get(&elsewhere.hospital, &location).await.code(), Some("CARD-043"));

    let here = Place::with(CertificateLogin { networks: networks(&["10.0.0.0/8", "127.0.0.0/8"]), ..way() });
    let here = here.await;
    let mut browser = Browser::default();
    here.sign_in(&mut browser, "good").await;
    assert!(browser.session().is_some());
}

#[tokio::test]
async fn another_persons_session_in_this_browser_ends_first() {
    let place = Place::open().await;
    let hospital = &place.hospital;
    hospital.admit("nurse").await;
    let mut browser = Browser::default();
    place.sign_in(&mut browser, "good").await;
    let first = sha256(browser.session().expect("a session").as_bytes());
    place.sign_in(&mut browser, "nurse").await;
    let second = sha256(browser.session().expect("a session").as_bytes());
    let of = async |hash| store::session::by_cookie(&hospital.db, hash).await.unwrap().unwrap();
    assert!(of(first).await.ended_at.is_some() && of(second).await.ended_at.is_none());
}

/// Where the way is not configured there is no address, and no link.
#[tokio::test]
async fn nothing_is_there_unless_configured() {
    let hospital = Hospital::open().await;
    let mut browser = Browser::default();
    let (id, _) = hospital.begin(&mut browser).await;
    assert_eq!(hospital.card_panel(id).await.certificate, None);
    let answer = browser.get(&hospital, &format!("/card/certificate/holder?txn={id}&handle=x")).await;
    assert_eq!(answer.status, 404);
}
