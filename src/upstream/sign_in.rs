//! The way to a provider and back (OpenID Connect Core §3.1).
//!
//! What it stops. *A code of somebody else* brought into a person's browser: `state` is good in the browser that left with it,
//! once, and the browser is known by the cookie of its sign-in, not by `state`. *The answer of another provider* (mix-up): the
//! address of the way back is the provider's own, and `iss` has to be its issuer. *A code caught on the way*: the verifier
//! stays here, sealed. *A link of a stranger*: nobody is sent anywhere by another site's page. *Whoever sat here before*: a
//! session that they left open at the provider is not taken where nobody could say whose it is.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use super::identity::{Known, authentication, signed_in_at, stable_subject, told, told_professional};
use super::provider::{Kept, Provider, ProviderError, Said, Wishes};
use super::{Refusal, Upstreams};
use crate::audit::{Caller, Event, Kind};
use crate::crypto::digest::sha256;
use crate::directory::NationalId;
use crate::ids::TransactionId;
use crate::session::Station;
use crate::store;
use crate::store::audit::NewRow;
use crate::store::client::Client;
use crate::store::login_transaction::{LoginTransaction, Proof, State as Stage};
use crate::store::person::ToldIdentifier;
use crate::store::upstream::{Brought, Identified, NewUpstreamSignIn};
use crate::web::cookies;
use crate::web::error_page::ErrorPage;
use crate::web::headers::Policy;
use crate::web::language::Language;
use crate::web::new_session::{
    Beginning, NotBegun, admitted_station, relying_party, station, transaction_of,
};
use crate::web::pages::card::{Finish, Outcome};

/// `GET START_ROUTE?txn=…` sends the browser to the provider.
pub const START_ROUTE: &str = "/login/provider/{name}";
/// Where the provider sends it back.
pub const CALLBACK_ROUTE: &str = "/login/provider/{name}/callback";

/// The name of this way in the audit.
pub(super) const MEANS: &str = "upstream";
/// The longest code that is passed on.
const LONGEST_CODE: usize = 2048;
/// So many sign-ins of one browser that are at one provider, all begun within this time and none of them back: nobody clicks
/// so, and two providers that send people to each other do.
const MOST_ON_THEIR_WAY: u32 = 3;
const AT_ONCE: TimeDelta = TimeDelta::seconds(60);
/// Of so many sign-ins of a browser it is looked up.
const MOST_LOOKED_AT: usize = 12;
/// By how much the clocks of provider and installation may differ where a fresh sign-in is asked for.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// The link of the sign-in page to a provider.
#[must_use]
pub fn start_path(name: &str, transaction: TransactionId) -> String {
    format!("/login/provider/{name}?txn={transaction}")
}

/// The address that has to be registered at a provider.
#[must_use]
pub fn callback_address(front: &Url, name: &str) -> String {
    format!("{}/login/provider/{name}/callback", front.origin().ascii_serialization())
}

/// `GET /login/provider/{name}?txn=…`
pub(super) async fn start(
    State(upstreams): State<Arc<Upstreams>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::new(&upstreams, &caller, &headers);
    match visit.start(&name, query.as_deref().unwrap_or_default(), language).await {
        Ok(address) => redirect(&address),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `GET /login/provider/{name}/callback?code=…&state=…`
pub(super) async fn callback(
    State(upstreams): State<Arc<Upstreams>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::new(&upstreams, &caller, &headers);
    let mut response = match visit.come_back(&name, query.as_deref().unwrap_or_default()).await {
        // Who they are here they say by another means, on the page of the same sign-in.
        Ok((transaction, None)) => redirect(&(upstreams.parts.next)(transaction)),
        Ok((transaction, Some(cookie))) => {
            let mut response = goes_on(&upstreams, transaction, language);
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Err(refusal) => return visit.refuse(&refusal, language).await,
    };
    // Whose session there is now, they have just proved there.
    let mark = cookies::not_me(&name);
    if mark.read(&headers).is_some()
        && let Ok(cleared) = mark.clear()
    {
        response.headers_mut().append(header::SET_COOKIE, cleared);
    }
    response
}

/// A page, and no redirect: the form of the page before, the provider's or ours, may not lead on to a relying party, because
/// browsers hold the whole chain against its `form-action`.
pub(super) fn goes_on(upstreams: &Upstreams, transaction: TransactionId, language: Language) -> Response {
    let page = Finish {
        transaction: transaction.to_string(),
        outcome: Outcome::Done,
        next: (upstreams.parts.next)(transaction),
        same_tab: true,
    };
    page.render(&upstreams.parts.site.frame(language))
}

/// A parameter that is there once, and has a value.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(n, _)| n == name);
    match (found.next(), found.next()) {
        (Some((_, value)), None) if !value.is_empty() => Some(value.into_owned()),
        _ => None,
    }
}

/// The place that what stays here is sealed for.
fn place(state_hash: &[u8; 32]) -> String {
    format!("upstream_sign_in/{}", hex::encode(state_hash))
}

/// One request of a browser.
pub(super) struct Visit<'a> {
    pub(super) upstreams: &'a Upstreams,
    pub(super) caller: &'a Caller,
    pub(super) headers: &'a HeaderMap,
    pub(super) event: Event,
    /// The sign-in, once it is certain that this browser began it.
    pub(super) transaction: Option<TransactionId>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(upstreams: &'a Upstreams, caller: &'a Caller, headers: &'a HeaderMap) -> Self {
        let event = upstreams.parts.trail.event(Kind::SignIn).caller(caller).means(MEANS, None);
        Self { upstreams, caller, headers, event, transaction: None }
    }

    pub(super) fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }

    async fn start(&mut self, name: &str, query: &str, language: Language) -> Result<String, Refusal> {
        let says = |name: &str, wanted: &str| self.headers.get(name).is_none_or(|value| value == wanted);
        if !says("sec-fetch-mode", "navigate") || self.headers.contains_key("sec-purpose") {
            return Err(Refusal::Forged);
        }
        let parts = &self.upstreams.parts;
        let provider = self.upstreams.provider(name)?;
        let id = parameter(query, "txn").and_then(|txn| txn.parse().ok()).ok_or(Refusal::NoSignIn)?;
        // Nobody is sent there by another site's page, or by a browser that looks ahead; unless the relying party says so, and
        // the configuration lets it.
        let is_ours = says("sec-fetch-site", "same-origin");
        if !is_ours && !provider.settings.direct {
            return Err(Refusal::Forged);
        }
        let transaction = self.open(id).await?;
        let hint = (parts.idp_hint)(&transaction);
        if !is_ours && (hint.as_deref() != Some(name) || transaction.error_code.is_some()) {
            return Err(Refusal::Forged);
        }
        self.learn(|event| event.upstream(name));
        self.does_not_turn_in_circles(provider, &transaction).await?;
        let is_ours = |hint: &String| self.upstreams.provider(hint).is_ok();
        let wishes = Wishes {
            fresh: self.wants_them_anew(provider, &transaction).await?,
            language: language.tag(),
            idp_hint: hint.filter(|hint| !is_ours(hint)),
        };
        let started = provider.start(wishes).await?;
        let state_hash = sha256(started.state.expose().as_bytes());
        let kept = serde_json::to_vec(&started.kept).unwrap_or_default();
        let new = NewUpstreamSignIn {
            state_hash,
            transaction_id: transaction.id,
            provider: name.to_owned(),
            sealed: parts.seal.seal(&place(&state_hash), &kept, &*parts.random)?,
            expires_at: transaction.expires_at,
        };
        store::upstream::begin(&parts.db, &new).await?;
        Ok(started.address.into())
    }

    /// Whether a session that lies open at the provider counts for nothing: the relying party wants a proof of now; somebody
    /// has said in this browser that the last one was not theirs; or nobody has said anything in it yet, because the relying
    /// party sends people straight there, and the desk may be one that several people use.
    async fn wants_them_anew(
        &self,
        provider: &Provider,
        transaction: &LoginTransaction,
    ) -> Result<bool, Refusal> {
        let parts = &self.upstreams.parts;
        if (parts.wants_fresh_proof)(transaction)
            || cookies::not_me(&provider.name).read(self.headers).is_some()
        {
            return Ok(true);
        }
        let goes_straight = provider.settings.direct
            && transaction.error_code.is_none()
            && (parts.idp_hint)(transaction).as_deref() == Some(&provider.name);
        Ok(goes_straight && parts.policies.is_shared(&station(&parts.db, &parts.policies).await?))
    }

    /// A provider that sends somebody here has them back from here by a means of ours, and not by itself.
    async fn does_not_turn_in_circles(
        &self,
        provider: &Provider,
        transaction: &LoginTransaction,
    ) -> Result<(), Refusal> {
        let parts = &self.upstreams.parts;
        let client = relying_party(&parts.db, &transaction.client_id).await?;
        self.is_for_others(provider, transaction, &client)?;
        let mut on_their_way = 0;
        // Browsers send the oldest cookies first, and a circle is made of the youngest.
        let mut others = cookies::transactions(self.headers);
        others.sort_by_key(|other| std::cmp::Reverse(other.0));
        for other in others.into_iter().take(MOST_LOOKED_AT) {
            let since = self.upstreams.now() - AT_ONCE;
            if other != transaction.id
                && store::upstream::is_on_its_way(&parts.db, other, &provider.name, since).await?
            {
                on_their_way += 1;
            }
        }
        if on_their_way >= MOST_ON_THEIR_WAY { Err(Refusal::Circle) } else { Ok(()) }
    }

    /// Whoever delegates its sign-in to us has people sign in here, by a means of ours.
    pub(super) fn is_for_others(
        &self,
        provider: &Provider,
        transaction: &LoginTransaction,
        client: &Client,
    ) -> Result<(), Refusal> {
        if (self.upstreams.parts.is_passed_on)(transaction) {
            return Err(Refusal::PassedOn);
        }
        match client.redirect_uris.iter().any(|address| provider.is_at(address)) {
            true => Err(Refusal::Circle),
            false => Ok(()),
        }
    }

    /// Yields no cookie where the identity is yet to be paired.
    async fn come_back(
        &mut self,
        name: &str,
        query: &str,
    ) -> Result<(TransactionId, Option<HeaderValue>), Refusal> {
        let (parts, now) = (&self.upstreams.parts, self.upstreams.now());
        let provider = self.upstreams.provider(name)?;
        let state = parameter(query, "state").ok_or(Refusal::UnknownState)?;
        let state_hash = sha256(state.as_bytes());
        // Taken first: whoever brings it, it is no use a second time.
        let taken = store::upstream::take(&parts.db, state_hash, now).await?.ok_or(Refusal::UnknownState)?;
        // Whoever brings it: it belongs to that sign-in, and is recorded there.
        self.transaction = Some(taken.transaction_id);
        self.learn(|event| event.transaction(taken.transaction_id).upstream(name));
        let found = transaction_of(&parts.db, taken.transaction_id, self.headers).await?;
        let transaction = found.ok_or(Refusal::OtherBrowser)?;
        self.learn(|event| event.client(&transaction.client_id));
        if taken.provider != name {
            return Err(Refusal::UnknownState);
        }
        if transaction.expires_at <= now {
            return Err(Refusal::Late);
        }
        if transaction.state != Stage::Open {
            return Err(Refusal::NoSignIn);
        }
        provider.check_issuer(parameter(query, "iss").as_deref()).await?;
        if let Some(error) = parameter(query, "error") {
            return Err(refused_there(&error));
        }
        // What no provider sends is not passed on to one: whatever stands before it might answer in its place.
        let is_a_code =
            |code: &String| code.len() <= LONGEST_CODE && code.chars().all(|c| c.is_ascii_graphic());
        let code = parameter(query, "code")
            .filter(is_a_code)
            .ok_or_else(|| ProviderError::Untrue("it answers with neither a code nor an error".into()))?;
        let kept: Kept = serde_json::from_slice(&parts.seal.open(&place(&state_hash), &taken.sealed)?)
            .map_err(|_| Refusal::UnknownState)?;
        let cookie = self.sign_in(provider, &transaction, state_hash, (kept, code)).await?;
        Ok((transaction.id, cookie))
    }

    async fn sign_in(
        &mut self,
        provider: &Provider,
        transaction: &LoginTransaction,
        state_hash: [u8; 32],
        (kept, code): (Kept, String),
    ) -> Result<Option<HeaderValue>, Refusal> {
        let towards = self.towards(transaction).await?;
        let said = provider.finish(kept, code).await?;
        self.begin(provider, transaction, towards, said, Brought::State(state_hash)).await
    }

    /// The relying party of a sign-in, and where the session is opened, if it takes it there.
    pub(super) async fn towards(
        &mut self,
        transaction: &LoginTransaction,
    ) -> Result<(Client, Station), Refusal> {
        let parts = &self.upstreams.parts;
        let client = relying_party(&parts.db, &transaction.client_id).await?;
        self.learn(|event| event.application(&client.name));
        let station = admitted_station(&parts.db, &parts.policies, &client).await?;
        Ok((client, station))
    }

    /// Whoever the provider says it is, signed in here. Yields no cookie where the identity is yet to be paired.
    pub(super) async fn begin(
        &mut self,
        provider: &Provider,
        transaction: &LoginTransaction,
        (client, station): (Client, Station),
        said: Said,
        by: Brought,
    ) -> Result<Option<HeaderValue>, Refusal> {
        let (parts, now) = (&self.upstreams.parts, self.upstreams.now());
        let is_fresh = signed_in_at(&said, now).is_some_and(|at| at + SKEW >= transaction.created_at);
        let wants_them_anew = match by {
            Brought::State(_) => self.wants_them_anew(provider, transaction).await?,
            // Whoever answered a question did so for this sign-in.
            Brought::Answer(_) => (parts.wants_fresh_proof)(transaction),
        };
        if !is_fresh && wants_them_anew {
            return Err(Refusal::NotFresh);
        }
        let subject = stable_subject(provider, &said)?;
        // Also where nobody is linked to it: whoever links by hand reads it in the trail.
        self.learn(|event| event.means(MEANS, Some(&subject)));
        let all = told(provider, &said);
        if let (Brought::State(_), Some(first)) = (by, all.first()) {
            self.learn(|event| event.id_nat(first.as_str()));
        }
        let known = self.upstreams.person(provider, &said, &subject, client.audience, now).await;
        if let Err(Refusal::Clash) = &known {
            let all: Vec<_> = all.iter().map(NationalId::as_str).collect();
            self.learn(|event| event.note(&format!("told {}", all.join(" "))));
        }
        let (person, may_link, news) = match known? {
            Known::Linked(person, news) => (person, false, news),
            Known::Told(person, news) => (person, true, news),
            Known::Unpaired => {
                // Pairing goes by the provider's own page.
                let Brought::State(state_hash) = by else { return Err(Refusal::NotLinked) };
                self.keep_for_pairing(provider, transaction, state_hash, (subject, &said)).await?;
                return Ok(None);
            }
        };
        self.learn(|event| event.person(person));
        let highest = match by {
            Brought::State(_) => provider.level,
            Brought::Answer(_) => provider.answer_level(),
        };
        let authentication = authentication(provider, &said, person, highest, now);
        if !(parts.is_enough)(transaction, &authentication) {
            return Err(Refusal::TooLow);
        }
        let linked = parts.trail.event(Kind::IdentityLinked).person(person).caller(self.caller);
        let linked = linked.upstream(&provider.name).means(MEANS, Some(&subject));
        let refreshed = parts.trail.event(Kind::PersonRefreshed).person(person).caller(self.caller);
        let refreshed = refreshed.upstream(&provider.name);
        let identifiers = news.into_iter().map(|id| {
            let event = parts.trail.event(Kind::PersonIdentified).person(person).caller(self.caller);
            let event = event.upstream(&provider.name).id_nat(id.as_str());
            ToldIdentifier { event: NewRow::from(&event), id }
        });
        let (there, issued_at) = self.upstreams.there(provider, &said, now)?;
        if store::upstream_session::was_ended_there(&parts.db, &there, issued_at).await? {
            return Err(Refusal::EndedThere);
        }
        let identified = Identified {
            by,
            issuer: there.issuer.clone(),
            subject,
            there,
            issued_at,
            label: provider.settings.label.clone(),
            linked: NewRow::from(&linked),
            may_link,
            identifiers: identifiers.collect(),
            professional: told_professional(provider, &said),
            refreshed: NewRow::from(&refreshed),
        };
        let beginning = Beginning {
            db: &parts.db,
            trail: &parts.trail,
            policies: &parts.policies,
            random: &*parts.random,
            caller: self.caller,
            headers: self.headers,
            transaction: transaction.id,
            station,
        };
        let begun =
            beginning.begin(Proof::Upstream(&identified), authentication, self.event.clone(), now).await;
        begun.map(Some).map_err(|error| match error {
            NotBegun::Raced => Refusal::Raced,
            // Two first sign-ins of one person at once, by two identities; or what is told became somebody else's a moment
            // ago.
            NotBegun::Store(error) if error.is_duplicate() => Refusal::Raced,
            NotBegun::Store(error) => error.into(),
            NotBegun::Cookie(error) => error.into(),
        })
    }

    /// The sign-in of that key, if it is open and this browser began it.
    pub(super) async fn open(&mut self, id: TransactionId) -> Result<LoginTransaction, Refusal> {
        let found = transaction_of(&self.upstreams.parts.db, id, self.headers).await?;
        let now = self.upstreams.now();
        let found = found.filter(|found| found.state == Stage::Open && found.expires_at > now);
        let found = found.ok_or(Refusal::NoSignIn)?;
        self.transaction = Some(id);
        self.learn(|event| event.transaction(id).client(&found.client_id));
        Ok(found)
    }

    /// Where the sign-in goes on by other means, its page says why this one did not do.
    pub(super) async fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        let (parts, code) = (&self.upstreams.parts, refusal.code());
        tracing::warn!(code, "a sign-in by another provider does not go on: {refusal}");
        if let Some(transaction) = self.transaction.filter(|_| !refusal.was_recorded()) {
            let (event, from) = (self.event.clone(), self.caller.address);
            self.upstreams.note_refusal(refusal, transaction, event, from).await;
            if refusal.leaves_the_rest() {
                match store::login_transaction::note_failure(&parts.db, transaction, code).await {
                    Ok(()) => return redirect(&(parts.next)(transaction)),
                    Err(error) => tracing::error!(code = error.code(), "{error}"),
                }
            }
        }
        let operation = self.caller.operation.map(|id| id.to_string()).unwrap_or_default();
        let page = ErrorPage::new(refusal.status(), code, operation);
        let page = match self.transaction.filter(|_| refusal.leaves_the_session()) {
            Some(transaction) => page.back((parts.next)(transaction)),
            None => page,
        };
        page.render(&parts.site.frame(language))
    }
}

/// What the provider says instead of a code, in printable characters.
fn refused_there(error: &str) -> Refusal {
    let printable = |c: &char| c.is_ascii_graphic();
    match error {
        // RFC 6749 §4.1.2.1: it is the provider that fails.
        "server_error" | "temporarily_unavailable" => {
            Refusal::Away(ProviderError::Unusable(format!("it answers {error}")))
        }
        _ => Refusal::RefusedThere(error.chars().filter(printable).take(64).collect()),
    }
}

pub(super) fn redirect(address: &str) -> Response {
    let Ok(mut location) = HeaderValue::try_from(address) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    location.set_sensitive(true);
    let mut response = StatusCode::SEE_OTHER.into_response();
    *response.headers_mut() = Policy::default().headers();
    response.headers_mut().insert(header::LOCATION, location);
    response
}
