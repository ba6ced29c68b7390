//! Asking a provider whether an access token of its own is good, and whose it is (RFC 7662).
//!
//! Nobody signs in by it: what goes wrong here closes no tab, and what goes well opens none.

use http::StatusCode;
use serde_json::{Map, Value};

use super::documents::NO_INTROSPECTION;
use super::{Provider, ProviderError, WITHIN};

/// The longest answer that is read, in bytes: a person with every practice and claim has a tenth of it.
const LONGEST: usize = 32 * 1024;

impl Provider {
    /// What the provider says of an access token; none where it is not good, or not for us to know.
    ///
    /// # Errors
    /// [`ProviderError`]. Whatever is no answer about the token is of the provider, or of what it lets us ask (RFC 7662 §2.3).
    pub(in crate::upstream) async fn introspect(
        &self,
        token: &str,
    ) -> Result<Option<Map<String, Value>>, ProviderError> {
        let known = self.known().await?;
        let endpoint = known.introspection.as_ref();
        let endpoint = endpoint.ok_or_else(|| ProviderError::Unusable(NO_INTROSPECTION.to_owned()))?;
        let form = [("token", token), ("token_type_hint", "access_token")];
        let answer = self.post_beside(endpoint.as_str(), &form, WITHIN).await?;
        let status = answer.status();
        if status != StatusCode::OK || answer.body().len() > LONGEST {
            let why = format!("it answers {status} where it is asked about a token");
            return Err(ProviderError::Unusable(why));
        }
        let said: Map<String, Value> = serde_json::from_slice(answer.body()).map_err(|error| {
            ProviderError::Unusable(format!("what it says of a token cannot be read: {error}"))
        })?;
        Ok((said.get("active") == Some(&Value::Bool(true))).then_some(said))
    }
}
