//! Asking somebody of a provider who is at no browser of its (CIBA Core 1.0, poll mode): the two calls, and what their answers
//! mean. `openidconnect` knows nothing of CIBA; what it yields is verified by it all the same.

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use openidconnect::Nonce;
use openidconnect::core::CoreTokenResponse;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::call::Refused;
use super::documents::Documents;
use super::{Provider, ProviderError, Said, WITHIN, untrue};
use crate::config::UpstreamProfile;
use crate::store::upstream_question::Channel;

/// The grant of what was approved (CIBA Core §10.1).
const GRANT: &str = "urn:openid:params:grant-type:ciba";
/// The claim that ties an ID token to a question (CIBA Core §10.3.1).
const AUTH_REQ_ID: &str = "urn:openid:params:jwt:claim:auth_req_id";
/// How long a look may last: a provider may hold it until there is an answer (CIBA Core §7.3: 30 s).
const LOOK_WITHIN: Duration = Duration::from_secs(35);
/// How long a look may last with all that an answer needs besides: less than a turn, for it is had once.
const APPROVED_WITHIN: Duration = Duration::from_secs(50);
/// Between two looks, where the provider does not say (CIBA Core §7.3).
const INTERVAL: i64 = 5;
/// At most so: whoever waits is at a page.
const LONGEST_INTERVAL: i64 = 60;
/// The longest handle that is kept.
const LONGEST_HANDLE: usize = 8192;

/// Whom to ask, and how.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Who.
    pub login_hint: &'a str,
    /// What the page shows, and is typed where they are asked.
    pub digits: &'a str,
    /// Where.
    pub channel: Channel,
}

/// What the provider says to a question.
#[derive(Debug)]
pub enum Answer {
    /// It asks, with this handle there; so many seconds are between two looks.
    Asks { auth_req_id: String, interval: i64 },
    /// It knows nobody of that identifier.
    Unknown(String),
    /// It is asked too often, for that person or by us.
    TooOften,
}

/// How a question stands there.
#[derive(Debug)]
pub enum Look {
    /// Nobody has answered.
    Pending,
    /// The same, and the next look has to wait longer.
    SlowDown,
    /// The person said yes.
    Approved(Box<Said>),
    /// The person said no.
    Denied,
    /// Nobody has answered in time.
    Expired,
    /// It is not known there any more: it was answered, and a look whose answer was lost had it.
    Gone,
}

/// Whether an ID token is of that question, where it says of which it is.
fn is_of_question(id_token: &Map<String, Value>, auth_req_id: &str) -> bool {
    id_token.get(AUTH_REQ_ID).is_none_or(|own| own == auth_req_id)
}

/// Nothing was sent that a nonce could tie an answer to: the handle is what only we have.
fn no_nonce(_: Option<&Nonce>) -> Result<(), String> {
    Ok(())
}

#[derive(Deserialize)]
struct Taken {
    auth_req_id: String,
    expires_in: i64,
    #[serde(default)]
    interval: Option<i64>,
}

impl Provider {
    /// Whether it answers and asks people, so far as is known; where that was long ago it is asked first. Told alike to
    /// everybody, whoever they ask for.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn can_ask(&self) -> Result<(), ProviderError> {
        self.known_to_be_there().await?.backchannel.as_ref().map(|_| ()).ok_or(ProviderError::NoBackchannel)
    }

    /// Asks somebody (CIBA Core §7.1). It is not done twice: their phone may have rung although no answer came.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer, ProviderError> {
        let known = self.known().await?;
        let endpoint = known.backchannel.as_ref().ok_or(ProviderError::NoBackchannel)?;
        let scope = self.settings.scope.split_ascii_whitespace().filter(|scope| *scope != "openid");
        let scope = ["openid"].into_iter().chain(scope).collect::<Vec<_>>().join(" ");
        let mut form = vec![("scope", scope.as_str())];
        if !self.settings.acr_values.is_empty() {
            form.push(("acr_values", &self.settings.acr_values));
        }
        form.extend([("login_hint", ask.login_hint), ("binding_message", ask.digits)]);
        if self.settings.profile == UpstreamProfile::Psc {
            // Its own parameter: no other provider knows it.
            let channel = match ask.channel {
                Channel::Mobile => "MOBILE",
                Channel::Card => "CARD",
            };
            form.push(("channel", channel));
        }
        let answer = self.post(endpoint.as_str(), &form, WITHIN).await?;
        if answer.status() == StatusCode::OK {
            let taken: Taken = self.json(&answer)?;
            let handle = &taken.auth_req_id;
            if handle.is_empty() || handle.len() > LONGEST_HANDLE || taken.expires_in <= 0 {
                return Err(untrue("it takes a question without a handle, or without a time"));
            }
            let interval = taken.interval.unwrap_or(INTERVAL).clamp(1, LONGEST_INTERVAL);
            return Ok(Answer::Asks { auth_req_id: taken.auth_req_id, interval });
        }
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            return Ok(Answer::TooOften);
        }
        if answer.status().is_server_error() {
            // Keycloak says so also where it cannot reach one person: that is nobody else's business.
            let is_of_its_own = serde_json::from_slice::<Refused>(answer.body()).is_ok();
            return Err(self.fails(&answer, !is_of_its_own));
        }
        let refused: Refused = self.json(&answer)?;
        // Keycloak, of which Pro Santé Connect is one, calls somebody unknown a mistake of the request.
        let description = refused.error_description.as_deref().unwrap_or_default();
        let is_unknown = refused.error == "unknown_user_id"
            || (refused.error == "invalid_request" && description.contains("invalid_user"));
        match (is_unknown, refused.into_error()) {
            (true, ProviderError::Refused(why)) => Ok(Answer::Unknown(why)),
            (_, error) => Err(error),
        }
    }

    /// Looks whether there is an answer (CIBA Core §10.1, §11).
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn look_for_answer(&self, auth_req_id: &str) -> Result<Look, ProviderError> {
        let until = Instant::now() + APPROVED_WITHIN;
        let known = self.known().await?;
        let endpoint = known.client.token_uri().map_or_else(
            || Err(ProviderError::Unusable("its document has no token_endpoint".into())),
            |endpoint| Ok(endpoint.as_str().to_owned()),
        )?;
        let form = [("grant_type", GRANT), ("auth_req_id", auth_req_id)];
        let answer = self.post(&endpoint, &form, LOOK_WITHIN).await?;
        if answer.status() == StatusCode::OK {
            let said = self.approved(&known, &answer, auth_req_id, until).await?;
            return Ok(Look::Approved(Box::new(said)));
        }
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            return Ok(Look::SlowDown);
        }
        if answer.status().is_server_error() {
            return Err(self.fails(&answer, true));
        }
        let refused: Refused = self.json(&answer)?;
        match refused.error.as_str() {
            "authorization_pending" => Ok(Look::Pending),
            "slow_down" => Ok(Look::SlowDown),
            "access_denied" => Ok(Look::Denied),
            "expired_token" => Ok(Look::Expired),
            "invalid_grant" => Ok(Look::Gone),
            _ => Err(refused.into_error()),
        }
    }

    async fn approved(
        &self,
        known: &Arc<Documents>,
        answer: &Response<Vec<u8>>,
        auth_req_id: &str,
        until: Instant,
    ) -> Result<Said, ProviderError> {
        let response: CoreTokenResponse = serde_json::from_slice(answer.body())
            .map_err(|error| untrue(&format!("its tokens cannot be read: {error}")))?;
        let said = self.said(known, &response, || no_nonce, until).await?;
        match is_of_question(&said.id_token, auth_req_id) {
            true => Ok(said),
            false => Err(untrue("the ID token is of another question")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_token_of_another_question_is_not_taken() {
        for (claims, is_ours) in [
            (json!({}), true),
            (json!({ AUTH_REQ_ID: "ours" }), true),
            (json!({ AUTH_REQ_ID: "theirs" }), false),
            (json!({ AUTH_REQ_ID: null }), false),
            (json!({ AUTH_REQ_ID: ["ours"] }), false),
        ] {
            assert_eq!(is_of_question(claims.as_object().unwrap(), "ours"), is_ours, "{claims}");
        }
    }
}
