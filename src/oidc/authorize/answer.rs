//! The answers to an authorization request: a code with its grant, or an error, by the way that was asked for.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use url::Url;

use super::consent::Consent;
use super::error::AuthorizationError;
use super::request::{AuthorizationRequest, Prompt, is_outcome};
use super::response_mode::{Carrier, ResponseMode};
use super::{Asked, Failed, Visit, jarm};
use crate::audit::{Event, Kind};
use crate::crypto::digest::sha256;
use crate::ids::{GrantId, Secret};
use crate::oidc::profile;
use crate::session::{DelegatedMeans, Session};
use crate::store;
use crate::store::client::Client;
use crate::store::grant::NewGrant;
use crate::store::login_transaction::LoginTransaction;
use crate::web::cookies;
use crate::web::headers::form_target;
use crate::web::pages::form_post::FormPost;

/// Where an answer goes, and how: an address of the client, and its `state`.
#[derive(Debug, Clone)]
pub struct Address {
    /// The client.
    pub client: Client,
    /// One of its addresses.
    pub redirect_uri: String,
    /// Given back untouched.
    pub state: Option<String>,
    /// How the answer travels.
    pub mode: ResponseMode,
    /// The request was made where no page can be shown (`prompt=none`).
    pub silent: bool,
}

impl Address {
    /// Of a request whose redirect address was found to be the client's.
    pub fn of(request: &AuthorizationRequest, client: &Client) -> Self {
        Self {
            client: client.clone(),
            redirect_uri: request.redirect_uri.clone(),
            state: request.state.clone(),
            mode: request.response_mode,
            silent: request.prompt == Prompt::None,
        }
    }
}

impl Visit<'_> {
    /// Grants what was asked in this session and sends the code. `consent` is what the person has just agreed to.
    pub(super) async fn issue(
        &self,
        asked: &Asked,
        session: &Session,
        transaction: Option<&LoginTransaction>,
        consent: Option<Consent>,
    ) -> Result<Response, Failed> {
        let (provider, now) = (self.provider, self.provider.now());
        let Asked { request, client } = asked;
        if !client.demands().admit(&session.zone) {
            return Err(AuthorizationError::Zone.into());
        }
        // A sign-in that was made for this request answers it, unless it proves too little or somebody else.
        if request.levels.required && !request.levels.are_met_by(session) {
            return Err(AuthorizationError::LevelNotReached.into());
        }
        if !request.lets_tell_of(session, now) {
            return Err(AuthorizationError::NotPassedOn.into());
        }
        let subject = provider.subject(session.person_id, client).await?;
        if !request.expects(session.person_id)
            || request.expected_sub.as_ref().is_some_and(|sub| *sub != subject.sub)
        {
            return Err(AuthorizationError::OtherPerson.into());
        }
        store::session::touch(&provider.db, session, now).await?;
        let code = Secret::of_256_bits(&*provider.random);
        // A session that a new sign-in began is in the audit already; one that is used again is of its own interest.
        let is_new = transaction.is_some_and(|transaction| is_outcome(transaction, session));
        let kind = if is_new { Kind::CodeIssued } else { Kind::SessionUsed };
        let event = provider.trail.event(kind).person(session.person_id).id_nat(&subject.id_nat);
        let event = event.client(&client.id).session(session.id).caller(self.caller);
        let event = match &consent {
            Some(consent) => event.confirmed(&consent.in_words),
            None => event,
        };
        let event = if request.delegation.is_some() { told(event, session, is_new) } else { event };
        let grant = NewGrant {
            id: GrantId::new(now, &*provider.random),
            session_id: session.id,
            person_id: session.person_id,
            client_id: client.id.clone(),
            scope: request.scope.clone(),
            nonce: request.nonce.clone().unwrap_or_default(),
            code_hash: sha256(code.expose().as_bytes()),
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge.clone(),
            code_expires_at: now + provider.settings.lifetimes.code,
            transaction: transaction.map(|transaction| transaction.id),
            details: request.details(session),
            consent: consent.and_then(|consent| consent.remembered),
        };
        if !store::grant::issue(&provider.db, &grant, now, &(&event).into()).await? {
            return Err(AuthorizationError::SessionEnded.into());
        }
        let session_state = session.id.to_string();
        let mut parameters = vec![("code", code.expose()), ("iss", provider.settings.issuer.as_str())];
        if profile::of(client).rules().session_state {
            parameters.insert(1, ("session_state", session_state.as_str()));
        }
        let mut response = self.respond(&Address::of(request, client), &parameters).await?;
        if let Some(transaction) = transaction {
            response.headers_mut().append(header::SET_COOKIE, cookies::transaction(transaction.id).clear()?);
        }
        Ok(response)
    }

    /// Tells the relying party what went wrong.
    pub(super) async fn refuse(
        &self,
        address: &Address,
        error: &str,
        description: &str,
    ) -> Result<Response, AuthorizationError> {
        let issuer = self.provider.settings.issuer.as_str();
        self.respond(address, &[("error", error), ("error_description", description), ("iss", issuer)]).await
    }

    /// Sends parameters, and the `state`, the way that was asked for.
    async fn respond(
        &self,
        address: &Address,
        parameters: &[(&str, &str)],
    ) -> Result<Response, AuthorizationError> {
        let state = address.state.as_deref().map(|state| ("state", state));
        let plain: Vec<_> = parameters.iter().copied().chain(state).collect();
        let signed;
        let sent = if address.mode.signed {
            signed = jarm::sign(self.provider, &address.client, &plain).await?;
            vec![("response", signed.as_str())]
        } else {
            plain
        };
        let to = &address.redirect_uri;
        Ok(match address.mode.carrier {
            Carrier::Query => see_other(&with_parameters(to, sent.into_iter()), self.method.clone()),
            Carrier::Fragment => {
                see_other(&format!("{to}#{}", encoded(sent.into_iter())), self.method.clone())
            }
            Carrier::FormPost => {
                let target = Url::parse(to).ok().as_ref().and_then(form_target);
                let fields =
                    sent.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                let page = FormPost { action: to.clone(), fields, target };
                page.render(&self.provider.site.frame(self.language))
            }
        })
    }
}

/// What a provider that delegates to us is told, for the record; and that the person confirmed it, where the session was there
/// already.
fn told(event: Event, session: &Session, is_new: bool) -> Event {
    let means = DelegatedMeans::of(&session.evidence, session.auth_mode).map_or("", DelegatedMeans::as_str);
    let factors: Vec<String> = session.amr.iter().map(|factor| factor.as_str().to_owned()).collect();
    let event = event.means(means, None).level(session.acr.as_str(), &factors);
    if is_new { event } else { event.confirmed("person") }
}

fn encoded<'a>(parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// The address with parameters more. It is not parsed and written again: relying parties compare it.
pub(crate) fn with_parameters<'a>(
    address: &str,
    parameters: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let query = encoded(parameters);
    if query.is_empty() {
        return address.to_owned();
    }
    let separator = match address.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{address}{separator}{query}")
}

/// A redirect that is never stored: 302 for a GET, as PSC answers, and 303 for anything else, so that no form is sent
/// on (RFC 9700 §4.12).
pub(crate) fn see_other(address: &str, method: Method) -> Response {
    let status = if method == Method::GET { StatusCode::FOUND } else { StatusCode::SEE_OTHER };
    let Ok(location) = HeaderValue::from_str(address) else {
        tracing::error!("a redirect address holds characters that no header can");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (status, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_join_what_the_address_has() {
        let with = |address| with_parameters(address, [("code", "a b"), ("state", "é&=\r\n")].into_iter());
        assert_eq!(with("https://rp.example/cb"), "https://rp.example/cb?code=a+b&state=%C3%A9%26%3D%0D%0A");
        assert!(with("https://rp.example/cb?x=1").starts_with("https://rp.example/cb?x=1&code=a+b&"));
        assert!(with("https://rp.example/cb?").starts_with("https://rp.example/cb?code="));
        assert!(with("fr.example.app:/cb").starts_with("fr.example.app:/cb?code="));
    }
}
