//! Sign-in with the certificate of a card, proven by a TLS handshake of the browser: for workstations that have the
//! national middleware instead of our agent.
//!
//! A hospital gets from it a second way to use the same cards. A host name of its own asks the browser for the card's
//! certificate and completes nothing: it keeps the certificate under a one-time handle and sends the browser back to
//! the pages ([`offer`]). There the cookie of the sign-in decides whether this is the browser that began it, the
//! certificate is judged as any card's is, and a page names its holder and asks to go on ([`holder`]); only that page's
//! form begins a session ([`finish`]).
//!
//! What it stops. *A relayed link*: somebody lures a professional onto the link of a sign-in of their own; the handle
//! arrives in a browser without that sign-in's cookie, which voids it. *The reverse*: somebody brings their own card's
//! handle into a professional's browser, so that what is written there is written under the wrong name; the page names
//! whose card it is, and nobody is signed in without a click on it. *A page in the background* that makes a browser use
//! the card: the host is for people who follow a link.
//!
//! What it does not know: the workstation, and when the PIN was typed. The card's key works only after the PIN, but the
//! middleware may have kept the card open since it was inserted. So the level reached is lower than with the agent
//! unless the configuration says otherwise, and a relying party that wants a fresh proof (`prompt=login`, `max_age`)
//! is not served unless the configuration says that too.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use chrono::TimeDelta;
use http::{HeaderMap, StatusCode, header};
use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

use super::attempt::Attempt;
use super::login::CardLogin;
use super::protocol::ProtocolError;
use super::refusal::Refusal;
use super::verify::VerifiedCard;
use crate::audit::Caller;
use crate::clock::Time;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::ids::{PersonId, Secret, TransactionId};
use crate::session::{Acr, Amr, AuthMode, Authentication, Evidence};
use crate::store;
use crate::store::login_transaction::{LoginTransaction, OfferedCertificate, Proof};
use crate::web::client_certificate::ClientCertificate;
use crate::web::error_page::ErrorPage;
use crate::web::headers::Policy;
use crate::web::language::Language;
use crate::web::page::Frame;
use crate::web::pages::card::{Finish, Holder};

/// On the host that asks for certificates.
pub const OFFER_PATH: &str = "/card/certificate";
/// On the front origin: whose certificate it is.
pub const HOLDER_PATH: &str = "/card/certificate/holder";
/// On the front origin: the end.
pub const FINISH_PATH: &str = "/card/certificate/finish";

/// The name of this way in the audit.
const MEANS: &str = "card-certificate";
/// How long a handle is good: time to read a page.
const HANDLE_LIFETIME: TimeDelta = TimeDelta::seconds(120);
/// The longest form that is read.
const MAX_FORM_LEN: usize = 1024;

/// What the way is made of, beside the rest of a card sign-in.
#[derive(Debug, Clone)]
pub struct CertificateLogin {
    /// The origin of the host that asks for certificates.
    pub host: Url,
    /// The level that is reached.
    pub acr: Acr,
    /// Where it may be used from; empty: from anywhere.
    pub networks: Vec<IpNet>,
    /// Whether it counts as a fresh proof.
    pub fresh: bool,
}

/// The addresses on the front origin.
pub(super) fn routes() -> Router<Arc<CardLogin>> {
    Router::new().route(HOLDER_PATH, get(holder)).route(FINISH_PATH, post(finish))
}

/// The one address on the host that asks for certificates. [`ClientCertificate`] has to be known before.
pub fn certificate_host(login: &Arc<CardLogin>) -> Router {
    Router::new().route(OFFER_PATH, get(offer)).with_state(Arc::clone(login))
}

impl CardLogin {
    /// The link of the sign-in page, where this way is configured and would do.
    pub(super) async fn certificate_link(&self, transaction: &LoginTransaction) -> Option<String> {
        let way = self.parts.certificate.as_ref()?;
        let client = store::client::for_sign_in(&self.parts.db, &transaction.client_id).await.ok()??;
        if client.demands().need_watch() {
            return None;
        }
        if !way.fresh && (self.parts.wants_fresh_proof)(transaction) {
            return None;
        }
        let mut link = way.host.join(OFFER_PATH).ok()?;
        link.query_pairs_mut().append_pair("txn", &transaction.id.to_string());
        Some(link.into())
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Link {
    txn: String,
}

/// `GET /card/certificate?txn=…`, on the host that asks for certificates: keeps the certificate and sends the browser
/// back. Nothing is judged or recorded here, because nobody knows yet whose browser this is.
async fn offer(
    State(login): State<Arc<CardLogin>>,
    Query(link): Query<Link>,
    Extension(certificate): Extension<ClientCertificate>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    match login.offer(&link, certificate, language, &headers).await {
        Ok(location) => {
            let mut response = StatusCode::SEE_OTHER.into_response();
            *response.headers_mut() = Policy { https: true, ..Policy::default() }.headers();
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(refusal) => {
            let operation = caller.operation.map(|id| id.to_string()).unwrap_or_default();
            tracing::warn!(code = refusal.code(), "a certificate was not taken: {refusal}");
            ErrorPage::new(refusal.status(), refusal.code(), operation)
                .render(&login.parts.site.frame(language))
        }
    }
}

impl CardLogin {
    async fn offer(
        &self,
        link: &Link,
        ClientCertificate(certificate): ClientCertificate,
        language: Language,
        headers: &HeaderMap,
    ) -> Result<http::HeaderValue, Refusal> {
        // The handshake has used the card already; what a page wants from it in the background it does not get.
        let says = |name: &str, wanted: &str| headers.get(name).is_none_or(|value| value == wanted);
        if !says("sec-fetch-mode", "navigate") || !says("sec-fetch-dest", "document") {
            return Err(Refusal::InBackground);
        }
        let id: TransactionId = link.txn.parse().map_err(|_| malformed("no sign-in is named"))?;
        let (now, handle) = (self.now(), Secret::of_256_bits(&*self.parts.random));
        let offered = OfferedCertificate {
            certificate_handle: sha256(handle.expose().as_bytes()).to_vec(),
            certificate,
            certificate_expires_at: now + HANDLE_LIFETIME,
        };
        if !store::login_transaction::offer_certificate(&self.parts.db, id, &offered, now).await? {
            return Err(Refusal::AlreadyEnded);
        }
        let (front, handle, language) = (self.parts.front.as_str(), handle.expose(), language.tag());
        let location = format!("{front}{HOLDER_PATH}?txn={id}&handle={handle}&ui_locales={language}");
        let mut location = http::HeaderValue::try_from(location).map_err(|_| malformed("no address"))?;
        location.set_sensitive(true);
        Ok(location)
    }
}

/// What the browser brings from the host of certificates.
struct Brought {
    txn: TransactionId,
    handle: Secret,
}

impl Brought {
    fn handle_hash(&self) -> [u8; 32] {
        sha256(self.handle.expose().as_bytes())
    }
}

/// `GET /card/certificate/holder?txn=…&handle=…`: names the holder and asks whether to go on.
async fn holder(
    State(login): State<Arc<CardLogin>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    uri: http::Uri,
) -> Response {
    let mut attempt = Attempt::new(&login, &headers, &caller, MEANS);
    let frame = login.parts.site.frame(language);
    match attempt.holder_page(uri.query().unwrap_or_default().as_bytes(), language).await {
        Ok(page) => page.render(&frame),
        Err(refusal) => attempt.refuse(&refusal, &frame).await,
    }
}

/// `POST /card/certificate/finish`: the holder has said that they are the holder.
async fn finish(
    State(login): State<Arc<CardLogin>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut attempt = Attempt::new(&login, &headers, &caller, MEANS);
    let frame = login.parts.site.frame(language);
    match attempt.finish_with_certificate(&body, &frame).await {
        Ok(page) => page,
        Err(refusal) => attempt.refuse(&refusal, &frame).await,
    }
}

impl Attempt<'_> {
    async fn holder_page(&mut self, query: &[u8], language: Language) -> Result<Holder, Refusal> {
        let brought = read(query)?;
        let Proven { transaction, card, .. } = self.proven_by(&brought).await?;
        let client = self.client(&transaction).await?;
        Ok(Holder {
            name: card.certificate.holder(),
            title: card.professional.title,
            id_nat: card.professional.id_nat,
            relying_party: client.name,
            action: format!("{FINISH_PATH}?ui_locales={}", language.tag()),
            transaction: transaction.id.to_string(),
            handle: brought.handle.expose().to_owned(),
            back: (self.login.parts.next)(transaction.id),
        })
    }

    async fn finish_with_certificate(&mut self, body: &[u8], frame: &Frame) -> Result<Response, Refusal> {
        self.login.own.check_origin(self.headers)?;
        let brought = read(body)?;
        let Proven { transaction, card, acr, fresh } = self.proven_by(&brought).await?;
        let person = self.person(&transaction, &card).await?;
        self.learn(|event| event.confirmed("holder").note("PIN: middleware"));
        let authentication = authentication(person, &card, acr, fresh, self.login.now());
        let finish = Finish { same_tab: true, ..self.finish_page(&transaction) };
        let hash = brought.handle_hash();
        let page =
            self.complete(&transaction, Proof::Certificate(&hash), authentication, finish, frame).await?;
        self.login.waiting.wake(transaction.id);
        Ok(page)
    }

    /// The sign-in and the card, if this browser began the one and brings the other.
    async fn proven_by(&mut self, brought: &Brought) -> Result<Proven, Refusal> {
        let (db, hash) = (&self.login.parts.db, brought.handle_hash());
        let found = store::login_transaction::by_id(db, brought.txn).await?;
        let transaction = match self.of_this_browser(found.ok_or(Refusal::UnknownHandle)?) {
            Ok(transaction) => transaction,
            Err(refusal) => {
                // A relayed link. The handle is no use to this browser, and shall be none to the one that sent it.
                store::login_transaction::void_certificate(db, brought.txn, hash).await?;
                return Err(refusal);
            }
        };
        self.check_open(&transaction)?;
        let &CertificateLogin { acr, fresh, .. } = self.way(&transaction)?;
        let offered = store::login_transaction::offered_certificate(db, transaction.id).await?;
        let offered = offered.filter(|offered| constant_time_eq(&offered.certificate_handle, &hash));
        let offered = offered.ok_or(Refusal::UnknownHandle)?;
        if offered.certificate_expires_at <= self.login.now() {
            return Err(Refusal::HandleExpired);
        }
        let der = offered.certificate.ok_or(Refusal::NoCertificate)?;
        self.presents(&der);
        let verifier = self.login.parts.verifier.as_ref().ok_or(Refusal::NoAuthorities)?;
        let card = verifier.verify_certificate(&der, self.login.now())?;
        self.saw(&card);
        Ok(Proven { transaction, card, acr, fresh })
    }

    /// What the way is made of, if it may be used for this sign-in, from here.
    fn way(&self, transaction: &LoginTransaction) -> Result<&CertificateLogin, Refusal> {
        let parts = &self.login.parts;
        let way = parts.certificate.as_ref().ok_or(Refusal::UnknownHandle)?;
        let is_within = |address: &IpAddr| way.networks.iter().any(|network| network.contains(address));
        if !way.networks.is_empty() && !self.caller.address.as_ref().is_some_and(is_within) {
            return Err(Refusal::Network);
        }
        if !way.fresh && (parts.wants_fresh_proof)(transaction) {
            return Err(Refusal::NotFresh);
        }
        Ok(way)
    }
}

/// A card that passed every check, for a sign-in of this browser.
struct Proven {
    transaction: LoginTransaction,
    card: VerifiedCard,
    acr: Acr,
    fresh: bool,
}

/// What a card proves whose PIN somebody else took.
fn authentication(person: PersonId, card: &VerifiedCard, acr: Acr, fresh: bool, now: Time) -> Authentication {
    Authentication {
        person,
        acr,
        amr: vec![Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa],
        auth_mode: AuthMode::Card,
        at: now,
        evidence: Evidence::CardCertificate {
            card_number: card.certificate.card_number.clone().unwrap_or_default(),
            certificate_sha256: hex::encode(card.fingerprint),
            serial: hex::encode(&card.certificate.serial),
            issuer: Some(hex::encode(card.issuer)),
            pin: "middleware".to_owned(),
            interface: "contact".to_owned(),
            fresh,
        },
    }
}

/// The two members of an address or a form, beside the language of an address.
fn read(encoded: &[u8]) -> Result<Brought, Refusal> {
    if encoded.len() > MAX_FORM_LEN {
        return Err(malformed("too long"));
    }
    let mut fields = form_urlencoded::parse(encoded).filter(|(name, _)| name != "ui_locales");
    match (fields.next(), fields.next(), fields.next()) {
        (Some((first, txn)), Some((second, handle)), None) if first == "txn" && second == "handle" => {
            let txn = txn.parse().map_err(|_| malformed("no sign-in is named"))?;
            Ok(Brought { txn, handle: Secret::from(handle.into_owned()) })
        }
        _ => Err(malformed("not a sign-in and a handle")),
    }
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(ProtocolError::Malformed(what.to_owned()))
}
