//! The answers to an authorization request: a redirect with a code or an error, and its grant.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};

use super::error::AuthorizationError;
use super::request::{AuthorizationRequest, Prompt};
use super::{Asked, Failed, Visit};
use crate::audit::Kind;
use crate::crypto::digest::sha256;
use crate::ids::{GrantId, Secret};
use crate::oidc::profile;
use crate::session::Session;
use crate::store;
use crate::store::grant::{Details, NewGrant};
use crate::store::login_transaction::{LoginTransaction, State};
use crate::web::cookies;

/// Where an answer goes: an address of the client, and its `state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The client.
    pub client_id: String,
    /// One of its addresses.
    pub redirect_uri: String,
    /// Given back untouched.
    pub state: Option<String>,
    /// The request was made where no page can be shown (`prompt=none`).
    pub silent: bool,
}

impl From<&AuthorizationRequest> for Address {
    fn from(request: &AuthorizationRequest) -> Self {
        Self {
            client_id: request.client_id.clone(),
            redirect_uri: request.redirect_uri.clone(),
            state: request.state.clone(),
            silent: request.prompt == Prompt::None,
        }
    }
}

impl Visit<'_> {
    /// Grants what was asked in this session and sends the code.
    pub(super) async fn issue(
        &self,
        asked: &Asked,
        session: &Session,
        transaction: Option<&LoginTransaction>,
    ) -> Result<Response, Failed> {
        let (provider, now) = (self.provider, self.provider.now());
        let Asked { request, client } = asked;
        if !client.demands().admit(&session.zone) {
            return Err(AuthorizationError::Zone.into());
        }
        let subject = provider.subject(session.person_id, client).await?;
        store::session::touch(&provider.db, session, now).await?;
        let code = Secret::of_256_bits(&*provider.random);
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
            details: Details::default(),
        };
        // A session that a new sign-in began is in the audit already; one that is used again is of its own interest.
        let is_new = transaction.is_some_and(|transaction| transaction.state == State::Done);
        let kind = if is_new { Kind::CodeIssued } else { Kind::SessionUsed };
        let event = provider.trail.event(kind).person(session.person_id).id_nat(&subject.id_nat);
        let event = event.client(&client.id).session(session.id).caller(self.caller);
        if !store::grant::issue(&provider.db, &grant, now, &(&event).into()).await? {
            return Err(AuthorizationError::SessionEnded.into());
        }
        let session_state = session.id.to_string();
        let mut parameters = vec![("code", code.expose()), ("iss", provider.settings.issuer.as_str())];
        if profile::of(client).rules().session_state {
            parameters.insert(1, ("session_state", session_state.as_str()));
        }
        let mut response = redirect(&Address::from(request), &parameters, self.method.clone());
        if let Some(transaction) = transaction {
            response.headers_mut().append(header::SET_COOKIE, cookies::transaction(transaction.id).clear()?);
        }
        Ok(response)
    }
}

/// Tells the relying party what went wrong.
pub(super) fn refuse(
    address: &Address,
    error: &str,
    description: &str,
    issuer: &str,
    method: Method,
) -> Response {
    let parameters = [("error", error), ("error_description", description), ("iss", issuer)];
    redirect(address, &parameters, method)
}

fn redirect(address: &Address, parameters: &[(&str, &str)], method: Method) -> Response {
    let state = address.state.as_deref().map(|state| ("state", state));
    let target = with_parameters(&address.redirect_uri, parameters.iter().copied().chain(state));
    see_other(&target, method)
}

/// The address with parameters more. It is not parsed and written again: relying parties compare it.
pub(crate) fn with_parameters<'a>(
    address: &str,
    parameters: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
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
