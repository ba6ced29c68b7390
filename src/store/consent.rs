//! What people allowed services to have (OpenID Connect Core §3.1.2.4), so that they are not asked each time.
//!
//! It is written with the grant that it allows, by [`grant::issue`](super::grant::issue), and goes with person and service,
//! or when the person takes it back.

use std::collections::BTreeMap;

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
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

/// What a person allowed one service, and what it may do for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consented {
    /// The service.
    pub client_id: String,
    /// Its name, as its users know it.
    pub name: String,
    /// What it may have: scopes, addresses of resources, `claim:` names.
    pub scopes: Vec<String>,
    /// Since when.
    pub since: Time,
    /// It can act now for the person who has left: it holds a refresh token for that.
    pub offline: bool,
}

/// A service, one word or several of what it was allowed, and when.
type Allowed = (String, String, String, Time);

/// Everything that a person allowed, by name of the service: what is remembered, and what was granted on one occasion for the
/// time after it (`offline_access` with details, RFC 9396).
///
/// # Errors
/// [`StoreError`].
pub async fn of_person(db: &Db, person: PersonId, now: Time) -> Result<Vec<Consented>, StoreError> {
    const REMEMBERED: &str = "SELECT c.id, c.name, k.scope, k.given_at
         FROM consent k JOIN client c ON c.id = k.client_id WHERE k.person_id = $1 ORDER BY k.scope";
    const OFFLINE: &str = "SELECT c.id, c.name, g.scope, g.created_at
         FROM session s
         JOIN authorization_grant g ON g.session_id = s.id
         JOIN client c ON c.id = g.client_id
         WHERE s.person_id = $1 AND g.offline AND g.revoked_at IS NULL
           AND EXISTS (SELECT 1 FROM refresh_token r
             WHERE r.grant_id = g.id AND r.consumed_at IS NULL AND r.expires_at > $2)";
    let (remembered, offline): (Vec<Allowed>, Vec<Allowed>) = read!(db, c => {
        let remembered = sqlx::query_as(REMEMBERED).bind(person).fetch_all(&mut *c).await?;
        let offline = sqlx::query_as(OFFLINE).bind(person).bind(now).fetch_all(&mut *c).await?;
        (remembered, offline)
    });
    let kept = remembered.into_iter().map(|row| (row, false));
    let mut found: BTreeMap<(String, String), Consented> = BTreeMap::new();
    for ((client_id, name, words, at), offline) in kept.chain(offline.into_iter().map(|row| (row, true))) {
        let service = found.entry((name.clone(), client_id.clone())).or_insert_with(|| Consented {
            client_id,
            name,
            scopes: Vec::new(),
            since: at,
            offline: false,
        });
        service.since = service.since.min(at);
        service.offline |= offline;
        for word in words.split_ascii_whitespace() {
            if !service.scopes.iter().any(|known| known == word) {
                service.scopes.push(word.to_owned());
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Takes a consent back: it is forgotten, and everything that the client was granted for this person is revoked, with its
/// codes and tokens. Yields false, and changes nothing, where the person allowed that client nothing.
///
/// # Errors
/// [`StoreError`].
pub async fn withdraw(
    db: &Db,
    person: PersonId,
    client_id: &str,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let client_id = client_id.to_owned();
    write!(db, c => {
        let forgotten = sqlx::query("DELETE FROM consent WHERE person_id = $1 AND client_id = $2")
            .bind(person)
            .bind(client_id.clone())
            .execute(&mut *c)
            .await?
            .rows_affected();
        let outlives: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM authorization_grant
             WHERE client_id = $2 AND offline AND revoked_at IS NULL
               AND session_id IN (SELECT id FROM session WHERE person_id = $1)",
        )
        .bind(person)
        .bind(client_id.clone())
        .fetch_one(&mut *c)
        .await?;
        if forgotten == 0 && outlives == 0 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE authorization_grant SET revoked_at = $3, revoke_reason = 'consent-withdrawn'
             WHERE client_id = $2 AND revoked_at IS NULL
               AND session_id IN (SELECT id FROM session WHERE person_id = $1)",
        )
        .bind(person)
        .bind(client_id)
        .bind(now)
        .execute(&mut *c)
        .await?;
        record!(c, *event);
        Ok(true)
    })
}
