//! JWT Secured Authorization Response Mode (JARM): the answer as one JWT of the provider, for that client, for ten minutes.
//!
//! What a hospital gets: a relying party can tell who answered, and that nothing was changed or exchanged in the browser
//! (mix-up, code injection). Encrypted to the client's key where that is registered, so that nothing of it is read either.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::error::AuthorizationError;
use crate::oidc::encryption::{self, Registered};
use crate::oidc::{Provider, signing};
use crate::store::client::Client;

/// How long an answer is good (JARM §2.1: ten minutes at most).
const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// The answer as a JWT (JARM §2.1, §2.2).
///
/// # Errors
/// Where it cannot be signed, or not encrypted to the client.
pub(super) async fn sign(
    provider: &Provider,
    client: &Client,
    parameters: &[(&str, &str)],
) -> Result<String, AuthorizationError> {
    let mut claims: Map<String, Value> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    // After the parameters: nothing of a request can stand in their place.
    claims.insert("iss".into(), json!(provider.settings.issuer.as_str()));
    claims.insert("aud".into(), json!(client.id));
    claims.insert("exp".into(), json!((provider.now() + LIFETIME).timestamp()));
    let signed = provider.token_keys.sign(signing::of_authorization(client), "JWT", &claims).await?;
    let registered = Registered::of_authorization(client);
    let answer = encryption::encrypted(provider, client, registered, signed).await;
    answer.map_err(|error| AuthorizationError::AnswerKeys(error.to_string()))
}
