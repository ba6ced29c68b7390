//! Pairing: whoever comes by an identity that nobody here is linked to says who they are by a means of ours, in the same
//! sign-in, and confirms that the two are one person ("Appairage du compte" at Pro Santé Connect).
//!
//! What it stops. *Somebody else's identity in my name*: the page names both, at a desk where the one before left a provider
//! open, and nothing is linked without its click. *A link made with less than it gives*: the means has to resist phishing.
//! *Two at once*: an identity is one person's, and a person has one identity of each provider; the first wins, the second is
//! refused and recorded. *Another identity than the one that was shown*: the answer names it. *An identity that is somebody
//! else's by the provider's own word*: a national identifier that it tells is that of whoever pairs. No address and no name ever
//! makes a link. Whoever says that the account is not theirs, before they sign in or after, goes on without it.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, header};
use serde::Deserialize;

use super::identity::{news, told};
use super::provider::{Provider, Said};
use super::sign_in::{MEANS, Visit, goes_on, parameter};
use super::{Refusal, Upstreams};
use crate::audit::{Caller, Event, Kind};
use crate::crypto::digest::sha256;
use crate::directory::{self, NationalId, Subject};
use crate::ids::{Secret, TransactionId};
use crate::session::{DelegatedMeans, Session};
use crate::store;
use crate::store::login_transaction::{LoginTransaction, State as Stage};
use crate::store::upstream::{NewPairing, Paired, Pairing};
use crate::web::cookies;
use crate::web::csrf;
use crate::web::language::Language;
use crate::web::new_session::{alive, relying_party, transaction_of};
use crate::web::pages::pairing::PairingPage;
use crate::web::text::line;

/// `GET PAIR_ROUTE?txn=…` asks, `POST PAIR_ROUTE` answers.
pub const PAIR_ROUTE: &str = "/login/provider/{name}/pair";
/// `POST LEAVE_ROUTE`: "this is not my account", by whoever has not signed in yet.
pub const LEAVE_ROUTE: &str = "/login/provider/{name}/leave";
/// What the audit says, and the page of the sign-in, where the account was left.
const LEFT: &str = "UPSTREAM-047";
/// The longest name of somebody there.
const LONGEST_NAME: usize = 100;

/// Where a sign-in that has an identity to pair goes once its person has signed in.
#[must_use]
pub fn pair_path(name: &str, transaction: TransactionId) -> String {
    format!("/login/provider/{name}/pair?txn={transaction}")
}

/// Where whoever has not signed in yet says that an account is not theirs.
#[must_use]
pub fn leave_path(name: &str) -> String {
    LEAVE_ROUTE.replace("{name}", name)
}

/// What the form holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Posted {
    csrf: String,
    txn: String,
    /// The account that the page showed.
    shown: String,
    decision: Decision,
}

/// What the form of whoever has not signed in yet holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leaving {
    txn: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Pair,
    Leave,
}

/// `GET /login/provider/{name}/pair?txn=…`
pub(super) async fn ask(
    State(upstreams): State<Arc<Upstreams>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::new(&upstreams, &caller, &headers);
    let txn = parameter(query.as_deref().unwrap_or_default(), "txn").unwrap_or_default();
    match visit.ask_to_pair(&name, &txn, language).await {
        Ok(response) => response,
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /login/provider/{name}/pair`
pub(super) async fn answer(
    State(upstreams): State<Arc<Upstreams>>,
    Path(name): Path<String>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(posted): Form<Posted>,
) -> Response {
    let mut visit = Visit::new(&upstreams, &caller, &headers);
    match visit.pair(&name, &posted).await {
        Ok(transaction) if posted.decision == Decision::Leave => {
            goes_on_without(&upstreams, &name, transaction, language)
        }
        Ok(transaction) => goes_on(&upstreams, transaction, language),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /login/provider/{name}/leave`
pub(super) async fn leave(
    State(upstreams): State<Arc<Upstreams>>,
    Path(name): Path<String>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(posted): Form<Leaving>,
) -> Response {
    let mut visit = Visit::new(&upstreams, &caller, &headers);
    match visit.leave(&name, &posted.txn).await {
        Ok(transaction) => goes_on_without(&upstreams, &name, transaction, language),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// Whose session the provider has, nobody here has proved: the next one there from this browser is asked for anew.
fn goes_on_without(
    upstreams: &Upstreams,
    name: &str,
    transaction: TransactionId,
    language: Language,
) -> Response {
    let mut response = goes_on(upstreams, transaction, language);
    if let Ok(mark) = cookies::not_me(name).set_mark() {
        response.headers_mut().append(header::SET_COOKIE, mark);
    }
    response
}

/// What a form says of the account that its page showed.
fn mark(shown: &Pairing) -> String {
    hex::encode(sha256([&shown.issuer, "\0", &shown.subject, "\0", &shown.name].concat().as_bytes()))
}

/// What a provider calls somebody, for people to read: it finds nobody.
pub(super) fn spoken_name(said: &Said) -> String {
    let text = |name: &str| {
        let told = said.id_token.get(name).or_else(|| said.userinfo.get(name));
        let told = told.and_then(serde_json::Value::as_str).map(|text| line(text, LONGEST_NAME));
        told.filter(|text| !text.is_empty())
    };
    // A name many people choose for themselves: what they sign in with stands before it.
    let account = ["preferred_username", "upn", "email"].into_iter().find_map(text);
    match (account, text("name")) {
        (Some(account), Some(name)) => format!("{account} ({name})"),
        (account, name) => account.or(name).unwrap_or_default(),
    }
}

/// What the form says of that account, for whoever answers a page that was never shown.
#[cfg(test)]
pub(crate) fn mark_for_test(shown: &Pairing) -> String {
    mark(shown)
}

/// Who is there, and what there is to pair.
struct Here {
    transaction: LoginTransaction,
    pairing: Pairing,
    session: Session,
    cookie: Secret,
}

impl Visit<'_> {
    /// Keeps an identity that nobody is linked to until its person has signed in.
    pub(super) async fn keep_for_pairing(
        &self,
        provider: &Provider,
        transaction: &LoginTransaction,
        state_hash: [u8; 32],
        (subject, said): (String, &Said),
    ) -> Result<(), Refusal> {
        let parts = &self.upstreams.parts;
        let new = NewPairing {
            transaction_id: transaction.id,
            provider: provider.name.clone(),
            issuer: provider.settings.issuer.clone(),
            subject,
            name: spoken_name(said),
            told: told(provider, said).iter().map(NationalId::as_str).collect::<Vec<_>>().join(" "),
            expires_at: transaction.expires_at,
        };
        match store::upstream::keep_for_pairing(&parts.db, state_hash, &new, self.upstreams.now()).await? {
            true => Ok(()),
            false => Err(Refusal::Raced),
        }
    }

    async fn here(&mut self, name: &str, txn: &str) -> Result<Here, Refusal> {
        let (parts, now) = (&self.upstreams.parts, self.upstreams.now());
        let id: TransactionId = txn.parse().map_err(|_| Refusal::NothingToPair)?;
        let found = transaction_of(&parts.db, id, self.headers).await?;
        let transaction = found.filter(|found| found.expires_at > now).ok_or(Refusal::NothingToPair)?;
        self.transaction = Some(id);
        self.learn(|event| event.transaction(id).client(&transaction.client_id).upstream(name));
        let pairing = store::upstream::pairing(&parts.db, id, now).await?;
        let pairing = pairing.filter(|pairing| pairing.provider == name).ok_or(Refusal::NothingToPair)?;
        let had = alive(&parts.db, self.headers, &parts.policies, now).await?;
        let (session, cookie) = had.ok_or(Refusal::NotPairedHere)?;
        self.learn(|event| event.person(session.person_id).session(session.id));
        // Whoever pairs has signed in for it, here and now: a session that lay open is nobody's word, nor is a card that lay in
        // a reader. What is paired opens the door from now on, so that it takes what we would vouch for to others.
        let came_of_it = transaction.state == Stage::Done && transaction.session_id == Some(session.id);
        if !came_of_it || DelegatedMeans::of(&session.evidence, session.auth_mode).is_none() {
            return Err(Refusal::NotPairedHere);
        }
        Ok(Here { transaction, pairing, session, cookie })
    }

    /// Whoever pairs, unless the provider says by a national identifier that the account is somebody else's: it is forgotten
    /// then, or its page would ask for ever.
    async fn suits(&self, here: &Here) -> Result<Subject, Refusal> {
        let parts = &self.upstreams.parts;
        let client = relying_party(&parts.db, &here.transaction.client_id).await?;
        let (person, now) = (here.session.person_id, self.upstreams.now());
        let subject = directory::admitted(&parts.db, person, client.audience, now).await??;
        let told: Vec<NationalId> =
            here.pairing.told.split_ascii_whitespace().filter_map(NationalId::of_source).collect();
        let own = &subject.identifiers;
        let holders = store::person::holders(&parts.db, &told).await?;
        // As at a sign-in by a link: one at least is theirs, and none is somebody else's.
        let is_theirs = told.is_empty() || told.iter().any(|id| own.contains(id));
        if is_theirs && news(&told, own, Some(person), &holders).is_ok() {
            return Ok(subject);
        }
        let refusal = Refusal::Contradicted;
        let note = format!("told {}", here.pairing.told);
        let event = self.of_link(here).note(&note).denied(refusal.code());
        let (id, code) = (here.transaction.id, refusal.code());
        store::upstream::leave_unpaired(&parts.db, id, code, &(&event).into()).await?;
        Err(refusal)
    }

    /// What is recorded of a link that is made, or is not: which identity, and whose word it is by what proof.
    fn of_link(&self, here: &Here) -> Event {
        let Here { transaction, pairing, session, .. } = here;
        let factors: Vec<String> = session.amr.iter().map(|factor| factor.as_str().to_owned()).collect();
        let event = self.of_identity(transaction, pairing);
        event.person(session.person_id).session(session.id).level(session.acr.as_str(), &factors)
    }

    fn of_identity(&self, transaction: &LoginTransaction, pairing: &Pairing) -> Event {
        let event = self.upstreams.parts.trail.event(Kind::IdentityLinked).caller(self.caller);
        let event = event.upstream(&pairing.provider).means(MEANS, Some(&pairing.subject));
        event.transaction(transaction.id).client(&transaction.client_id)
    }

    async fn leave(&mut self, name: &str, txn: &str) -> Result<TransactionId, Refusal> {
        let (parts, now) = (&self.upstreams.parts, self.upstreams.now());
        parts.own.check_origin(self.headers)?;
        let transaction = self.open(txn.parse().map_err(|_| Refusal::NothingToPair)?).await?;
        self.learn(|event| event.upstream(name));
        let pairing = store::upstream::pairing(&parts.db, transaction.id, now).await?;
        let pairing = pairing.filter(|pairing| pairing.provider == name).ok_or(Refusal::NothingToPair)?;
        let event = self.of_identity(&transaction, &pairing).failure(LEFT);
        match store::upstream::leave_unpaired(&parts.db, transaction.id, LEFT, &(&event).into()).await? {
            true => Ok(transaction.id),
            false => Err(Refusal::NothingToPair),
        }
    }

    async fn ask_to_pair(&mut self, name: &str, txn: &str, language: Language) -> Result<Response, Refusal> {
        let here = self.here(name, txn).await?;
        let parts = &self.upstreams.parts;
        let provider = self.upstreams.provider(name)?;
        let subject = self.suits(&here).await?;
        let page = PairingPage {
            person: format!("{} {}", subject.given_name, subject.family_name),
            provider: provider.settings.label.clone(),
            shown: mark(&here.pairing),
            name: here.pairing.name,
            action: PAIR_ROUTE.replace("{name}", name),
            txn: here.transaction.id.to_string(),
            csrf: csrf::token(&here.cookie),
        };
        Ok(page.render(&parts.site.frame(language)))
    }

    async fn pair(&mut self, name: &str, posted: &Posted) -> Result<TransactionId, Refusal> {
        let parts = &self.upstreams.parts;
        parts.own.check_origin(self.headers)?;
        let here = self.here(name, &posted.txn).await?;
        csrf::check_token(&here.cookie, &posted.csrf)?;
        let (transaction, now) = (here.transaction.id, self.upstreams.now());
        if posted.decision == Decision::Leave {
            let event = self.of_link(&here).failure(LEFT);
            store::upstream::leave_unpaired(&parts.db, transaction, LEFT, &(&event).into()).await?;
            return Ok(transaction);
        }
        if posted.shown != mark(&here.pairing) {
            return Err(Refusal::OtherShown);
        }
        self.suits(&here).await?;
        let event = self.of_link(&here);
        let person = here.session.person_id;
        let label = self.upstreams.provider(name)?.settings.label.as_str();
        let (shown, made) = ((transaction, &here.pairing), (label, &(&event).into()));
        match store::upstream::pair(&parts.db, shown, person, made, now, &*parts.random).await? {
            Paired::Linked => Ok(transaction),
            Paired::Gone => Err(Refusal::NothingToPair),
            Paired::Taken => Err(Refusal::PairedElsewhere),
        }
    }
}
