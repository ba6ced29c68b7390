//! A login transaction: its page, its end, and giving up.
//!
//! `GET /login/{id}` shows the sign-in page while nobody is signed in as asked, and answers the relying party once
//! somebody is. Reloading, coming back to the tab, signing in in another tab all end well. Only the browser that began
//! the transaction gets anywhere.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, Method, header};
use url::Url;

use super::answer::see_other;
use super::error::AuthorizationError;
use super::means::{Offer, ProviderTab};
use super::request::{AuthorizationRequest, Missing, Prompt, has_just_signed_in, is_outcome};
use super::{Asked, Failed, Question, Seen, Visit, accept_language, check, own_pages};
use crate::audit::Caller;
use crate::clock::Time;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::ids::{PersonId, TransactionId};
use crate::oidc::Provider;
use crate::oidc::client::redirect_uri;
use crate::oidc::delegation;
use crate::oidc::sessions;
use crate::session::{Authentication, DelegatedMeans, Session, Standing};
use crate::store;
use crate::store::StoreError;
use crate::store::login_transaction::{LoginTransaction, State as Stage};
use crate::store::means::{Kind as OwnKind, Means as OwnMeans, Standing as OwnStanding};
use crate::store::upstream::Pairing;
use crate::web::browser;
use crate::web::cookies;
use crate::web::headers::form_target;
use crate::web::language::Language;
use crate::web::pages::RelyingParty;
use crate::web::pages::sign_in::{
    Again, ApplicationPanel, CardPanel, KeyPanel, LOCKED, Means, MeansKind, PairingNotice, PhonePanel,
    ProviderPanel, SignIn,
};

/// What it says where the relying party wants the card watched and nobody does.
const UNWATCHED: &str = "SESSION-002";
/// What a sign-in notes of a provider that did not answer.
const AWAY: &str = "UPSTREAM-007";

/// The address of a login transaction.
pub const ROUTE: &str = "/login/{transaction}";
/// The address that gives up.
pub const CANCEL_ROUTE: &str = "/login/{transaction}/cancel";

/// Where a login transaction goes on: the sign-in page, and the relying party once signed in.
pub fn path(id: TransactionId) -> String {
    format!("/login/{id}")
}

/// Whether the relying party of a login transaction wants the person to prove anew who they are. Where that cannot be
/// read, it does.
pub fn wants_fresh_proof(transaction: &LoginTransaction) -> bool {
    AuthorizationRequest::of(transaction).map_or(true, |request| request.wants_fresh_proof())
}

/// Whether the relying party of a login transaction asks for nothing that a tap of this person's badge is not. Where that
/// cannot be read, it does.
pub fn is_content_with_badge(transaction: &LoginTransaction, person: PersonId) -> bool {
    AuthorizationRequest::of(transaction).is_ok_and(|request| request.is_content_with_badge_of(person))
}

/// Whether a session answers the request of a login transaction as it is. Where that cannot be read, it does not.
pub fn is_answered_by(transaction: &LoginTransaction, session: &Session, now: Time) -> bool {
    AuthorizationRequest::of(transaction).is_ok_and(|request| request.is_satisfied_by(session, None, now))
}

/// Whether a sign-in proves as much as the request of a login transaction insists on. Where that cannot be read, it does not.
pub fn is_enough(transaction: &LoginTransaction, proved: &Authentication) -> bool {
    AuthorizationRequest::of(transaction).is_ok_and(|request| request.is_enough(proved))
}

/// Whether a provider delegates the sign-in of a login transaction to us. Where that cannot be read, it is so treated.
pub fn is_passed_on(transaction: &LoginTransaction) -> bool {
    AuthorizationRequest::of(transaction).map_or(true, |request| request.delegation.is_some())
}

/// The provider by which the relying party of a login transaction wants its person to come.
pub fn idp_hint(transaction: &LoginTransaction) -> Option<String> {
    AuthorizationRequest::of(transaction).ok()?.idp_hint
}

/// `GET /login/{id}`
pub async fn answer(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit {
        provider: &provider,
        caller: &caller,
        headers: &headers,
        language: Language::choose(None, accept_language(&headers)),
        method: Method::GET,
    };
    let tabs = visit.provider_tabs();
    let chosen = chosen_means(query.as_deref(), &tabs);
    let switched = Language::of_query(query.as_deref());
    match visit.resume(&id, switched, chosen).await {
        Ok(response) => response,
        Err(failed) => visit.fail(failed, id.parse().ok()).await,
    }
}

/// `GET /login/{id}/cancel`
pub async fn cancel(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit {
        provider: &provider,
        caller: &caller,
        headers: &headers,
        language: Language::choose(None, accept_language(&headers)),
        method: Method::GET,
    };
    let mut response = match visit.give_up(&id).await {
        Ok(page) => see_other(page, Method::GET),
        Err(failed) => visit.fail(failed, id.parse().ok()).await,
    };
    if let Ok(id) = id.parse()
        && let Ok(forget) = cookies::transaction(id).clear()
    {
        response.headers_mut().append(header::SET_COOKIE, forget);
    }
    response
}

impl Visit<'_> {
    /// `switched` is the language that the person chose at the foot of the page.
    async fn resume(
        &mut self,
        id: &str,
        switched: Option<Language>,
        chosen: Option<MeansKind>,
    ) -> Result<Response, Failed> {
        let transaction = self.transaction(id).await?;
        let asked = self.asked(&transaction).await?;
        let locales = asked.request.ui_locales.as_deref();
        self.language = switched.unwrap_or_else(|| Language::choose(locales, accept_language(self.headers)));
        self.go_on(&transaction, &asked, switched, chosen).await.map_err(|failed| failed.of(&asked))
    }

    async fn go_on(
        &self,
        transaction: &LoginTransaction,
        asked: &Asked,
        switched: Option<Language>,
        chosen: Option<MeansKind>,
    ) -> Result<Response, Failed> {
        let now = self.provider.now();
        let seen = self.session(&asked.client).await?;
        let notice = seen.as_ref().and_then(|seen| match seen.standing {
            Standing::Locked => Some(LOCKED),
            Standing::Unwatched => Some(UNWATCHED),
            Standing::Alive | Standing::Expired | Standing::Ended => None,
        });
        let earlier = seen.as_ref().map(|seen| seen.session.clone());
        let pairing = store::upstream::pairing(&self.provider.db, transaction.id, now).await?;
        let again = seen.as_ref().filter(|seen| seen.standing == Standing::Alive);
        let again = again.and_then(|seen| asked.request.missing(&seen.session, now));
        if let Some(Seen { session, standing: Standing::Alive, cookie }) = seen
            && asked.request.is_satisfied_by(&session, Some(transaction), now)
            // Whoever pairs signs in for it, also where a session lies open.
            && (pairing.is_none() || is_outcome(transaction, &session))
            // Who has just signed in, and is somebody else, is not asked to sign in again: that is an error.
            && (is_outcome(transaction, &session) || self.is_of_expected_sub(asked, &session).await?)
        {
            if let (Some(pairing), Some(providers)) = (&pairing, &self.provider.means.providers) {
                return Ok(see_other(&providers.pairing_page(&pairing.provider, transaction), Method::GET));
            }
            if let Some(page) = own_pages::of(asked, self.provider) {
                return Ok(see_other(page, Method::GET));
            }
            let silent = asked.request.prompt == Prompt::None;
            return match self.question(asked, &session, has_just_signed_in(transaction, &session)).await? {
                None => self.issue(asked, &session, Some(transaction), None).await,
                Some(question) if silent => Err(question.unasked().into()),
                Some(Question::Name) => self.confirmation_page(transaction, asked, &session, &cookie).await,
                Some(Question::Consent) => self.consent_page(transaction, asked, &session, &cookie).await,
            };
        }
        if asked.request.prompt == Prompt::None {
            return Err(AuthorizationError::LoginRequired.into());
        }
        if pairing.is_none()
            && chosen.is_none()
            && transaction.error_code.is_none()
            && let Some(there) = self.straight_to_provider(transaction, asked)
            // Once: whoever comes back without being signed in chooses for themselves.
            && !store::upstream::was_sent(&self.provider.db, transaction.id).await?
        {
            return Ok(see_other(&there, Method::GET));
        }
        if pairing.is_none() {
            self.can_come_by_the_one_provider(transaction, asked)?;
        }
        self.sign_in_page(transaction, asked, (earlier, again), (notice, pairing), switched, chosen).await
    }

    /// Who takes people by one provider alone is told where that is of no use, and has no page without a way on.
    fn can_come_by_the_one_provider(
        &self,
        transaction: &LoginTransaction,
        asked: &Asked,
    ) -> Result<(), AuthorizationError> {
        let Some(only) = &asked.request.only_by else { return Ok(()) };
        let tabs = self.provider_tabs();
        let tab = tabs.iter().find(|tab| tab.name == *only && !self.is_of(tab, asked));
        let tab = tab.ok_or(AuthorizationError::NoSuchProvider)?;
        if !tab.answers || transaction.error_code.as_deref() == Some(AWAY) {
            return Err(AuthorizationError::ProviderAway);
        }
        match self.offered_of(Some(only), false, asked, &tabs).is_empty() {
            true => Err(AuthorizationError::LevelUnreachable),
            false => Ok(()),
        }
    }

    /// Yields our own page where no relying party waits for an answer.
    async fn give_up(&mut self, id: &str) -> Result<&'static str, Failed> {
        let transaction = self.transaction(id).await?;
        let asked = self.asked(&transaction).await?;
        store::login_transaction::cancel(&self.provider.db, transaction.id, self.provider.now()).await?;
        match asked.client.is_own_pages() {
            true => Ok(sessions::ROUTE),
            false => Err(Failed::from(AuthorizationError::GivenUp).of(&asked)),
        }
    }

    /// The transaction, if this browser began it and it is not over.
    pub(super) async fn transaction(&self, id: &str) -> Result<LoginTransaction, AuthorizationError> {
        let id: TransactionId = id.parse().map_err(|_| AuthorizationError::TransactionOver)?;
        let cookie = cookies::transaction(id).read(self.headers);
        let cookie = cookie.ok_or(AuthorizationError::TransactionOver)?;
        let found = store::login_transaction::by_id(&self.provider.db, id).await?;
        let found = found.ok_or(AuthorizationError::TransactionOver)?;
        let browser_hash = sha256(cookie.expose().as_bytes());
        if !constant_time_eq(&found.browser_hash, &browser_hash) || found.expires_at <= self.provider.now() {
            return Err(AuthorizationError::TransactionOver);
        }
        match found.state {
            Stage::Open | Stage::Done => Ok(found),
            Stage::Answered | Stage::Cancelled => Err(AuthorizationError::TransactionAnswered),
        }
    }

    /// Its request and its client, who may have been changed, disabled or removed in the meantime.
    pub(super) async fn asked(&self, transaction: &LoginTransaction) -> Result<Asked, AuthorizationError> {
        let mut request = AuthorizationRequest::of(transaction)?;
        let client = store::client::for_sign_in(&self.provider.db, &request.client_id).await?;
        let client = client.ok_or(AuthorizationError::ClientUnknown)?;
        if client.disabled_at.is_some() {
            return Err(AuthorizationError::ClientDisabled);
        }
        if !delegation::serves(&client, self.caller) {
            return Err(AuthorizationError::NotServedHere);
        }
        // Its terms are those of this moment, and not of when the sign-in began.
        request.delegation = check::delegation::demand(&client, &self.provider.settings);
        if client.is_own_pages() {
            return Ok(Asked { request, client });
        }
        let sandbox = self.provider.settings.sandbox;
        if !redirect_uri::is_of(&client, &request.redirect_uri, sandbox) {
            return Err(AuthorizationError::RedirectUriUnknown);
        }
        Ok(Asked { request, client })
    }

    async fn sign_in_page(
        &self,
        transaction: &LoginTransaction,
        asked: &Asked,
        (earlier, again): (Option<Session>, Option<Missing>),
        (notice, pairing): (Option<&str>, Option<Pairing>),
        switched: Option<Language>,
        chosen: Option<MeansKind>,
    ) -> Result<Response, Failed> {
        let page = path(transaction.id);
        let cancel = format!("{page}/cancel");
        let touch = match (&self.provider.means.security_keys, &earlier) {
            (Some(keys), Some(session)) => {
                keys.offers_touch(transaction, session).await.map_err(AuthorizationError::Means)?
            }
            _ => false,
        };
        let tabs = self.provider_tabs();
        // Whose account at a provider is to be paired signs in by a means of ours, whatever is taken.
        let only = asked.request.only_by.as_deref().filter(|_| pairing.is_none());
        let mut offered = self.offered_of(only, touch, asked, &tabs);
        if pairing.is_some() {
            offered.retain(|kind| matches!(kind, MeansKind::Card | MeansKind::SecurityKey));
        }
        let named = asked.request.idp_hint.as_ref();
        let named =
            named.and_then(|hint| tabs.iter().position(|tab| tab.name == *hint)).map(MeansKind::Provider);
        let wished = chosen.or(named).filter(|kind| offered.contains(kind));
        let selected = wished.or_else(|| offered.first().copied());
        let with = |kind: Option<MeansKind>, language: Option<Language>| {
            let kind = kind.map(|kind| format!("means={}{}", kind.name(), name_of(kind, &tabs)));
            let language = language.map(|language| format!("ui_locales={}", language.tag()));
            let query: Vec<String> = kind.into_iter().chain(language).collect();
            match query.is_empty() {
                true => page.clone(),
                false => format!("{page}?{}", query.join("&")),
            }
        };
        let here = with(chosen, switched);
        let (relying_party, form_targets) = asked.shown();
        let card = match &self.provider.means.card {
            Some(card) if selected == Some(MeansKind::Card) => {
                let panel = card.panel(transaction, &relying_party, here.clone(), earlier.as_ref()).await;
                let panel = panel.map_err(AuthorizationError::Means)?;
                // What the host of certificates leads back to is not there on the Internet.
                Some(if self.caller.outside { CardPanel { certificate: None, ..panel } } else { panel })
            }
            _ => None,
        };
        let key = || KeyPanel { transaction: transaction.id.to_string(), next: page.clone() };
        let touch_panel = (selected == Some(MeansKind::Touch)).then(key);
        let key = (selected == Some(MeansKind::SecurityKey))
            .then(|| KeyPanel { transaction: transaction.id.to_string(), next: here.clone() });
        let phone = (selected == Some(MeansKind::Phone))
            .then(|| PhonePanel { transaction: transaction.id.to_string(), next: here.clone() });
        let provider = match (selected, &self.provider.means.providers) {
            (Some(MeansKind::Provider(place)), Some(providers)) => tabs.get(place).map(|tab| ProviderPanel {
                label: tab.label.clone(),
                start: providers.start(&tab.name, transaction),
                answers: tab.answers,
            }),
            _ => None,
        };
        let application = match selected {
            Some(MeansKind::Application(place)) => tabs.get(place).and_then(|tab| {
                let application = tab.application.as_ref()?;
                Some(ApplicationPanel {
                    transaction: transaction.id.to_string(),
                    next: here.clone(),
                    provider: tab.name.clone(),
                    label: tab.label.clone(),
                    name: application.name.clone(),
                    mobile: application.mobile,
                    card: application.card,
                    answers: tab.answers,
                })
            }),
            _ => None,
        };
        let persons = match &self.provider.means.test_persons {
            Some(_) if only.is_some() => None,
            Some(persons) => match persons.offer(transaction).await.map_err(AuthorizationError::Means)? {
                Offer::Choice(panel) => Some(panel),
                Offer::Scripted(path) => return Ok(see_other(&path, self.method.clone())),
            },
            None => None,
        };
        let means = offered.into_iter().map(|kind| Means {
            kind,
            label: match kind {
                MeansKind::Provider(place) => tabs.get(place).map(|tab| tab.label.clone()),
                MeansKind::Application(place) => {
                    tabs.get(place).and_then(|tab| tab.application.as_ref().map(|own| own.name.clone()))
                }
                _ => None,
            },
            href: with(Some(kind), switched),
            selected: selected == Some(kind),
        });
        let sign_in = SignIn {
            means: means.collect(),
            card,
            key,
            touch: touch_panel,
            phone,
            provider,
            application,
            persons,
            pairing: pairing.map(|pairing| PairingNotice {
                provider: tabs.iter().find(|tab| tab.name == pairing.provider).map(|tab| tab.label.clone()),
                name: pairing.name,
                leave: self
                    .provider
                    .means
                    .providers
                    .as_ref()
                    .map(|all| all.leaving_pairing(&pairing.provider)),
                transaction: transaction.id.to_string(),
            }),
            again: match (again, touch) {
                (Some(Missing::Level), false) => Some(self.higher(earlier.as_ref(), asked).await?),
                // The touch says so itself.
                (Some(Missing::Level), true) | (Some(Missing::Person), _) | (None, _) => None,
                (Some(Missing::Moment), _) => Some(Again::Moment),
                (Some(Missing::Means), _) => Some(Again::Means),
            },
            notice: transaction.error_code.clone().or_else(|| notice.map(str::to_owned)),
            give_up: Some(cancel),
            expected: asked.request.login_hint.clone().filter(|hint| is_a_name(hint)),
            form_targets,
            relying_party: Some(relying_party),
        };
        let mut frame = self.provider.site.frame(self.language);
        frame.switch = Some(with(chosen, Some(frame.other())));
        let mut page = sign_in.render(&frame);
        if let Some(cookie) = browser::introduce(self.headers, &*self.provider.random) {
            page.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(page)
    }

    /// The means that have a tab, the first of them shown where nobody chose. A touch that is all that is missing goes first;
    /// keys that cannot reach what the service insists on, whoever has one, are left out.
    fn offered(&self, touch: bool, asked: &Asked, tabs: &[ProviderTab]) -> Vec<MeansKind> {
        let request = &asked.request;
        let (means, levels) = (&self.provider.means, &request.levels);
        let is_passed_on = |of: &[DelegatedMeans]| {
            let demand = request.delegation.as_ref();
            demand.is_none_or(|demand| demand.means.iter().any(|means| of.contains(means)))
        };
        let card = means.card.as_ref().filter(|_| is_passed_on(&[DelegatedMeans::Card]));
        let card = card.map(|_| MeansKind::Card);
        let key = means.security_keys.as_ref();
        let key = key.filter(|_| is_passed_on(&[DelegatedMeans::SecurityKey, DelegatedMeans::Passkey]));
        let key = key.filter(|keys| !levels.required || keys.reach_any(&levels.any_of));
        let key = key.map(|_| MeansKind::SecurityKey);
        let phone = means.phones.filter(|highest| is_passed_on(&[]) && levels.leave_room_for(*highest));
        let phone = phone.map(|_| MeansKind::Phone);
        // Whoever delegates to us is not sent on: neither to itself nor to another.
        let providers = tabs.iter().enumerate();
        let providers = providers.filter(|(_, tab)| is_passed_on(&[]) && levels.leave_room_for(tab.level));
        let providers = providers.filter(|(_, tab)| !self.is_of(tab, asked));
        let providers = providers.flat_map(|(place, tab)| {
            let application = tab.application.as_ref();
            let application = application.filter(|own| levels.leave_room_for(own.level));
            let application = application.map(|_| MeansKind::Application(place));
            [Some(MeansKind::Provider(place)), application].into_iter().flatten()
        });
        let ours = [touch.then_some(MeansKind::Touch), card, key, phone];
        ours.into_iter().flatten().chain(providers).collect()
    }

    /// The same, for who takes people by one provider alone: its tab, and that of its application.
    fn offered_of(
        &self,
        only: Option<&str>,
        touch: bool,
        asked: &Asked,
        tabs: &[ProviderTab],
    ) -> Vec<MeansKind> {
        let mut offered = self.offered(touch, asked, tabs);
        let is_the_one = |place: usize| tabs.get(place).is_some_and(|tab| Some(tab.name.as_str()) == only);
        offered.retain(|kind| match kind {
            MeansKind::Provider(place) | MeansKind::Application(place) => {
                only.is_none() || is_the_one(*place)
            }
            _ => only.is_none(),
        });
        offered
    }

    /// Whether the relying party is that provider itself, which would have its own sign-in back.
    fn is_of(&self, tab: &ProviderTab, asked: &Asked) -> bool {
        let providers = self.provider.means.providers.as_ref();
        providers
            .is_some_and(|all| asked.client.redirect_uris.iter().any(|address| all.is_at(&tab.name, address)))
    }

    /// Where the browser goes past the sign-in page: the relying party names a provider, and the configuration lets it.
    fn straight_to_provider(&self, transaction: &LoginTransaction, asked: &Asked) -> Option<String> {
        let hint = asked.request.idp_hint.as_ref()?;
        // Somebody has said here that whoever is signed in there is not them.
        if cookies::not_me(hint).read(self.headers).is_some() {
            return None;
        }
        let tabs = self.provider_tabs();
        let place = tabs.iter().position(|tab| tab.name == *hint && tab.direct && tab.answers)?;
        if !self.offered(false, asked, &tabs).contains(&MeansKind::Provider(place)) {
            return None;
        }
        Some(self.provider.means.providers.as_ref()?.start(hint, transaction))
    }

    /// The providers of others.
    fn provider_tabs(&self) -> Vec<ProviderTab> {
        self.provider.means.providers.as_ref().map(|providers| providers.tabs()).unwrap_or_default()
    }

    /// What is said to somebody whose session reaches less than is asked for.
    async fn higher(&self, session: Option<&Session>, asked: &Asked) -> Result<Again, StoreError> {
        let Some(session) = session else { return Ok(Again::Level) };
        let (db, now) = (&self.provider.db, self.provider.now());
        let own = store::means::of_person(db, session.person_id).await?;
        let reaches = |means: &OwnMeans| match means.kind {
            OwnKind::Card => true,
            OwnKind::SecurityKey | OwnKind::Phone => asked.request.levels.any_of.iter().any(|level| {
                // Without a level of assurance it asks for what resists phishing.
                level.assurance().map_or(means.kind == OwnKind::SecurityKey, |asked| asked <= means.level)
            }),
            OwnKind::SecondFactor => false,
        };
        let has_any = own.iter().any(|means| means.standing(now) == OwnStanding::Active && reaches(means));
        Ok(if has_any { Again::Level } else { Again::NoneReaches })
    }
}

/// The tab that the person chose.
fn chosen_means(query: Option<&str>, tabs: &[ProviderTab]) -> Option<MeansKind> {
    let value = query?.split('&').find_map(|pair| pair.strip_prefix("means="))?;
    let of_others = |place| [MeansKind::Provider(place), MeansKind::Application(place)];
    let all = MeansKind::OURS.into_iter().chain((0..tabs.len()).flat_map(of_others));
    all.into_iter()
        .find(|kind| value.strip_prefix(kind.name()).is_some_and(|rest| rest == name_of(*kind, tabs)))
}

/// The name of a provider of others; empty of what is ours.
fn name_of(kind: MeansKind, tabs: &[ProviderTab]) -> &str {
    match kind {
        MeansKind::Provider(place) | MeansKind::Application(place) => {
            tabs.get(place).map_or("", |tab| &tab.name)
        }
        _ => "",
    }
}

/// Whether a `login_hint` can be shown: an identifier or a mail address, and nothing that a stranger could write a message
/// with.
fn is_a_name(hint: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '-' | '_' | '+' | '/');
    hint.len() <= 80 && hint.chars().all(of_name)
}

impl Asked {
    /// The relying party as pages show it, and where a form of theirs may end.
    pub(super) fn shown(&self) -> (RelyingParty, Vec<String>) {
        let target = Url::parse(&self.request.redirect_uri).ok();
        let host = target.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
        let form_targets = target.as_ref().and_then(form_target).into_iter().collect();
        (RelyingParty { name: self.client.name.clone(), host }, form_targets)
    }
}
