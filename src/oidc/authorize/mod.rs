//! The authorization endpoint (OpenID Connect Core §3.1.2, RFC 6749 §4.1, RFC 9207), by GET and POST.
//!
//! Where a relying party pushed its request beforehand, the browser brings a handle instead ([`pushed`]).
//!
//! A request goes through one table of [`checks`]. Then either the browser's session answers it at once, or a login
//! transaction is begun: bound to this browser by a cookie, shown at `/login/{id}`, and resumed there when a session
//! satisfies it. Until the redirect address is known to be the client's, every error is a page.

pub(super) mod answer;
mod check;
pub(super) mod checks;
pub mod confirm;
mod consent;
pub mod error;
mod jarm;
pub mod means;
pub mod own_pages;
pub mod pushed;
pub mod request;
pub(super) mod request_object;
pub mod response_mode;
pub mod resume;
mod sealed_object;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::host::AskedHost;
use super::id_token_hint::Hint;
use super::parameters::{Parameters, UnreadableForm};
use super::{Provider, Settings, delegation, psc};
use crate::audit::{Caller, Kind};
use crate::crypto::digest::sha256;
use crate::ids::{PersonId, Secret, TransactionId};
use crate::session::{Session, Standing};
use crate::store::client::Client;
use crate::store::login_transaction::NewTransaction;
use crate::store::{self, StoreError};
use crate::web::cookies::{self, NoCookie};
use crate::web::error_page::ErrorPage;
use crate::web::language::Language;
pub(crate) use answer::see_other;
use checks::Endpoint;
use error::AuthorizationError;
use pushed::Incoming;
use request::AuthorizationRequest;
use request_object::Purpose;

pub(super) use check::duplicates::REPEATED;
pub(super) use check::scope::OFFLINE;
pub(super) use sealed_object::MANAGEMENT as REQUEST_OBJECT_ENCRYPTION;

/// What the page says where a service that nobody vouches for made a request that fails.
const UNVOUCHED: &str = "OIDC-170";

/// What becomes of a request's parameters without a server: whether the table lets them pass for this client, in the form
/// that a login transaction keeps. For made-up input.
pub fn try_request(encoded: &[u8], client: &Client, settings: &Settings) -> Option<serde_json::Value> {
    let parameters = Parameters::parse(encoded);
    let sent = checks::Sent::default();
    let passed = checks::run(Endpoint::Pushed, &parameters, sent, Some(client), settings);
    passed.ok().map(|request| request.to_json())
}

/// A request that was checked, and who sent it.
struct Asked {
    request: AuthorizationRequest,
    client: Client,
}

/// `GET` and `POST` of the authorization endpoint, at all its addresses.
pub(super) async fn answer(
    State(provider): State<Arc<Provider>>,
    method: Method,
    caller: Caller,
    host: AskedHost,
    headers: HeaderMap,
    parameters: Result<Parameters, UnreadableForm>,
) -> Response {
    let parameters = match parameters {
        Ok(parameters) => parameters,
        Err(unreadable) => return unreadable.into_response(),
    };
    if host.is_issuer_apart(&provider) {
        // Pages and cookies live on the front host only. 303 makes a GET of a POST.
        let [front, _] = psc::FRONT_AUTHORIZATION;
        let address = format!("{}?{}", provider.settings().front_address(front), parameters.encode());
        return answer::see_other(&address, Method::POST);
    }
    let language = Language::choose(parameters.first("ui_locales"), accept_language(&headers));
    let mut visit = Visit { provider: &provider, caller: &caller, headers: &headers, language, method };
    match visit.begin(&parameters).await {
        Ok(response) => response,
        Err(error) => visit.fail(error, None).await,
    }
}

/// The session of a browser, as one client sees it.
struct Seen {
    session: Session,
    standing: Standing,
    cookie: Secret,
}

impl Seen {
    fn alive(self) -> Option<Session> {
        (self.standing == Standing::Alive).then_some(self.session)
    }
}

/// What a person is asked before a relying party is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    /// Whether the session is theirs.
    Name,
    /// Whether the service may have what it asks for. The page says whose session it is, too.
    Consent,
}

impl Question {
    /// The answer where nobody may be asked (`prompt=none`).
    fn unasked(self) -> AuthorizationError {
        match self {
            Self::Name => AuthorizationError::ConfirmationRequired,
            Self::Consent => AuthorizationError::ConsentRequired,
        }
    }
}

/// One request of a browser.
struct Visit<'a> {
    provider: &'a Provider,
    caller: &'a Caller,
    headers: &'a HeaderMap,
    language: Language,
    method: Method,
}

impl Visit<'_> {
    async fn begin(&mut self, parameters: &Parameters) -> Result<Response, Failed> {
        let provider = self.provider;
        let client = match parameters.first("client_id") {
            Some(id) => store::client::by_id(&provider.db, id).await?,
            None => None,
        };
        if client.as_ref().is_some_and(|client| !delegation::serves(client, self.caller)) {
            return Err(AuthorizationError::NotServedHere.into());
        }
        let Incoming { parameters, sent } = self.taken_out(client.as_ref(), parameters).await?;
        self.language = Language::choose(parameters.first("ui_locales"), accept_language(self.headers));
        let mut request =
            checks::run(Endpoint::Authorization, &parameters, sent, client.as_ref(), &provider.settings)?;
        request.expected_person = self.expected_person(&parameters).await?;
        let Some(client) = client else { return Err(AuthorizationError::ClientUnknown.into()) };
        let asked = Asked { request, client };
        // A POST from another site comes without the session's cookie (SameSite): the transaction's address, fetched by
        // a GET, finds it.
        if self.method == Method::POST {
            return self.begin_transaction(&asked).await.map_err(|error| error.of(&asked));
        }
        self.answer_or_ask(&asked).await.map_err(|error| error.of(&asked))
    }

    /// What the browser brings, or what its handle or its request object holds. Of a client that is unknown or disabled
    /// nothing is opened: the table refuses it.
    async fn taken_out(&self, client: Option<&Client>, brought: &Parameters) -> Result<Incoming, Failed> {
        let provider = self.provider;
        let plain = Incoming { parameters: brought.clone(), sent: checks::Sent::default() };
        let Some(client) = client.filter(|client| client.disabled_at.is_none()) else { return Ok(plain) };
        if let Some(pushed) = pushed::open(provider, client, brought).await? {
            return Ok(pushed);
        }
        request_object::open(provider, client, plain, Purpose::Authorization)
            .await
            .map_err(|error| Failed { error, asked: checks::address(brought, client, &provider.settings) })
    }

    /// Answers by the browser's session where that is enough; else the person is asked, if they may be.
    async fn answer_or_ask(&self, asked: &Asked) -> Result<Response, Failed> {
        let silent = asked.request.prompt == request::Prompt::None;
        let session = self.session(&asked.client).await?.and_then(Seen::alive);
        let session = match session {
            Some(session)
                if asked.request.is_satisfied_by(&session, None, self.provider.now())
                    && self.is_of_expected_sub(asked, &session).await? =>
            {
                session
            }
            _ if silent => return Err(AuthorizationError::LoginRequired.into()),
            _ => return self.begin_transaction(asked).await,
        };
        let question = self.question(asked, &session, false).await?;
        match question {
            None => self.issue(asked, &session, None, None).await,
            Some(question) if silent => Err(question.unasked().into()),
            Some(_) => self.begin_transaction(asked).await,
        }
    }

    /// What the person has to be asked before the relying party is answered from this session, if anything.
    /// `has_just_signed_in`: the session came out of this very request.
    async fn question(
        &self,
        asked: &Asked,
        session: &Session,
        has_just_signed_in: bool,
    ) -> Result<Option<Question>, StoreError> {
        if self.needs_consent(asked, session).await? {
            return Ok(Some(Question::Consent));
        }
        let is_passed_on = asked.request.delegation.is_some();
        let is_to_be_named = is_passed_on || asked.request.select_account || self.is_to_be_confirmed(session);
        Ok((is_to_be_named && !has_just_signed_in).then_some(Question::Name))
    }

    /// Whether the next person may well be another: then nobody is signed on silently.
    fn is_to_be_confirmed(&self, session: &Session) -> bool {
        self.provider.settings.policies.is_shared(&session.station())
    }

    /// Whether the session is of the `sub` that the relying party asks about, where it asks about one.
    async fn is_of_expected_sub(&self, asked: &Asked, session: &Session) -> Result<bool, StoreError> {
        let Some(expected) = &asked.request.expected_sub else { return Ok(true) };
        let sub = self.provider.sub(session.person_id, &asked.client).await?;
        Ok(sub.as_ref() == Some(expected))
    }

    /// Whom an `id_token_hint` names. One that is not ours says nothing, and is ignored as Keycloak does. Somebody who is gone
    /// altogether is nobody, and nobody's session answers.
    async fn expected_person(&self, parameters: &Parameters) -> Result<Option<PersonId>, StoreError> {
        let Some(token) = parameters.first("id_token_hint") else { return Ok(None) };
        let Some(hint) = Hint::of(self.provider, token).await else { return Ok(None) };
        Ok(Some(hint.person(&self.provider.db).await?.unwrap_or(PersonId(uuid::Uuid::nil()))))
    }

    /// Begins a login transaction, bound to this browser, and sends it to the sign-in page.
    async fn begin_transaction(&self, asked: &Asked) -> Result<Response, Failed> {
        let provider = self.provider;
        let now = provider.now();
        let id = TransactionId::new(now, &*provider.random);
        let browser = Secret::of_256_bits(&*provider.random);
        let lifetime = provider.settings.lifetimes.login_transaction;
        let new = NewTransaction {
            id,
            browser_hash: sha256(browser.expose().as_bytes()),
            client_id: asked.client.id.clone(),
            request: asked.request.to_json(),
            expires_at: now + lifetime,
        };
        store::login_transaction::begin(&provider.db, &new, now).await?;
        let cookie = cookies::transaction(id).set(&browser, Some(lifetime))?;
        let mut response = answer::see_other(&resume::path(id), Method::POST);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(response)
    }

    /// The browser's session, and how it stands for the client.
    async fn session(&self, client: &Client) -> Result<Option<Seen>, StoreError> {
        let Some(cookie) = cookies::session().read(self.headers) else { return Ok(None) };
        let session =
            store::session::by_cookie(&self.provider.db, sha256(cookie.expose().as_bytes())).await?;
        let provider = self.provider;
        let seen = |session: Session| Seen {
            standing: session.standing(provider.settings.policy(&session, client), provider.now()),
            session,
            cookie,
        };
        Ok(session.map(seen))
    }

    /// Tells what went wrong: to the relying party where the standard says so, else to the person.
    async fn fail(&self, failed: Failed, transaction: Option<TransactionId>) -> Response {
        let Failed { error, asked } = failed;
        let (code, provider) = (error.code(), self.provider);
        if error.is_ours() {
            tracing::error!(code, %error, "an authorization request could not be served");
        } else if matches!(
            error,
            AuthorizationError::LoginRequired
                | AuthorizationError::ConfirmationRequired
                | AuthorizationError::ConsentRequired
        ) {
            // The answer to a question that relying parties ask all the time, and no refusal.
            tracing::debug!(code, "nobody is signed in as asked, or nobody that is known to be there");
        } else {
            tracing::warn!(code, %error, "an authorization request was refused");
            let mut event = provider.trail.event(Kind::AuthorizationRefused).denied(code).caller(self.caller);
            if let Some(asked) = &asked {
                event = event.client(&asked.client.id);
            }
            if let Some(transaction) = transaction {
                event = event.transaction(transaction);
            }
            if error.is_of_somebody() {
                if let Err(error) = store::audit::append(&provider.db, &event).await {
                    tracing::error!(code = error.code(), %error, "an event could not be recorded");
                }
            } else {
                let client = asked.as_ref().map_or("", |asked| asked.client.id.as_str());
                let about = (client, self.caller.address);
                provider.repeats.record_of_anybody(&provider.db, about, code, event, provider.now()).await;
            }
        }
        let silent = asked.as_ref().is_some_and(|asked| asked.silent);
        let name = if silent { error.for_silent_client() } else { error.for_client() };
        let (Some(name), Some(asked)) = (name, asked) else { return self.page(&error) };
        let is_known = silent || transaction.is_some() || self.may_be_sent_on(&asked.client).await;
        match self.refuse(&asked, name, &error.to_string()).await {
            Ok(response) if is_known => response,
            Ok(response) => self.unvouched_page(&asked, &response),
            Err(fault) => {
                tracing::error!(code = fault.code(), error = %fault, "a refusal could not be told");
                self.page(&fault)
            }
        }
    }

    /// Whether the address of this client is trusted, or somebody is signed in here: else a link to us would lead to a
    /// stranger's site by itself (RFC 9700 §4.11.2).
    async fn may_be_sent_on(&self, client: &Client) -> bool {
        if !client.self_registered {
            return true;
        }
        match self.session(client).await {
            Ok(seen) => seen.and_then(Seen::alive).is_some(),
            Err(error) => {
                tracing::error!(code = error.code(), %error, "whether somebody is signed in is not known");
                false
            }
        }
    }

    /// Says whose request failed, and leaves it to the person whether to go there.
    fn unvouched_page(&self, asked: &answer::Address, refusal: &Response) -> Response {
        let target = Url::parse(&asked.redirect_uri).ok();
        let host = target.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
        let operation = self.caller.operation.map(|id| id.to_string()).unwrap_or_default();
        let page = ErrorPage::new(StatusCode::BAD_REQUEST, UNVOUCHED, operation).with("host", host);
        let there = refusal.headers().get(header::LOCATION).and_then(|address| address.to_str().ok());
        let page = there.map_or_else(|| page.clone(), |there| page.clone().back(there));
        page.render(&self.provider.site.frame(self.language))
    }

    fn page(&self, error: &AuthorizationError) -> Response {
        let status = if error.is_ours() { StatusCode::INTERNAL_SERVER_ERROR } else { error.status() };
        let operation = self.caller.operation.map(|id| id.to_string()).unwrap_or_default();
        ErrorPage::new(status, error.code(), operation).render(&self.provider.site.frame(self.language))
    }
}

/// Why a request failed, and where its answer may go.
struct Failed {
    error: AuthorizationError,
    /// Known once the redirect address was found to be the client's.
    asked: Option<answer::Address>,
}

impl Failed {
    fn of(mut self, asked: &Asked) -> Self {
        self.asked = Some(answer::Address::of(&asked.request, &asked.client));
        self
    }
}

impl<E: Into<AuthorizationError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self { error: error.into(), asked: None }
    }
}

impl From<Box<checks::Refused>> for Failed {
    fn from(refused: Box<checks::Refused>) -> Self {
        Self { error: refused.error, asked: refused.address }
    }
}

impl From<NoCookie> for AuthorizationError {
    fn from(_: NoCookie) -> Self {
        Self::Cookie
    }
}

fn accept_language(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok())
}
