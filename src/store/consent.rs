//! What people allowed services to have (OpenID Connect Core §3.1.2.4), so that they are not asked each time.
//!
//! It is written with the grant that it allows, by [`grant::issue`](super::grant::issue), and goes with person and service.

use super::{Db, StoreError, read};
use crate::ids::PersonId;

/// A consent to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConsent {
    /// Who allows.
    pub person_id: PersonId,
    /// Whom.
    pub client_id: String,
    /// What: scopes, and addresses of resources.
    pub scopes: Vec<String>,
}

/// Remembers a consent, inside a `write!` body.
macro_rules! remember {
    ($c:expr, $consent:expr, $now:expr) => {{
        let consent: &$crate::store::consent::NewConsent = $consent;
        for scope in &consent.scopes {
            sqlx::query(
                "INSERT INTO consent (person_id, client_id, scope, given_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (person_id, client_id, scope) DO UPDATE SET given_at = $4",
            )
            .bind(consent.person_id)
            .bind(consent.client_id.clone())
            .bind(scope.clone())
            .bind($now)
            .execute(&mut *$c)
            .await?;
        }
    }};
}
pub(crate) use remember;

/// What the person allowed the client so far.
///
/// # Errors
/// [`StoreError`].
pub async fn scopes(db: &Db, person: PersonId, client_id: &str) -> Result<Vec<String>, StoreError> {
    let client_id = client_id.to_owned();
    read!(db, c => Ok(sqlx::query_scalar(
        "SELECT scope FROM consent WHERE person_id = $1 AND client_id = $2 ORDER BY scope",
    )
    .bind(person)
    .bind(client_id)
    .fetch_all(&mut *c)
    .await?))
}
