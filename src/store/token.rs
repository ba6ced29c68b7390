//! Single tokens after they were issued: revoked by their client, or exchanged for one of another client.

use sqlx::types::Json;
use uuid::Uuid;

use super::audit::{NewRow, record};
use super::grant::Details;
use super::{Db, StoreError, write};
use crate::clock::Time;
use crate::ids::{GrantId, PersonId, SessionId};

/// Revokes one access token of a client. Yields whether it was good.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke_access_token(
    db: &Db,
    jti: Uuid,
    client_id: &str,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let client_id = client_id.to_owned();
    write!(db, c => {
        let revoked = sqlx::query(
            "DELETE FROM access_token
             WHERE jti = $1 AND grant_id IN (SELECT id FROM authorization_grant WHERE client_id = $2)",
        )
        .bind(jti)
        .bind(client_id)
        .execute(&mut *c)
        .await?;
        if revoked.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        Ok(true)
    })
}

/// Revokes the grant of a refresh token of a client, with every token that came of it (RFC 7009 §2.1). Yields whether it
/// was good.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke_refresh_token(
    db: &Db,
    token_hash: [u8; 32],
    client_id: &str,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let client_id = client_id.to_owned();
    write!(db, c => {
        let revoked = sqlx::query(
            "UPDATE authorization_grant SET revoked_at = $3, revoke_reason = 'revoked-by-client'
             WHERE client_id = $2 AND revoked_at IS NULL AND id IN
               (SELECT grant_id FROM refresh_token WHERE token_hash = $1)",
        )
        .bind(token_hash.to_vec())
        .bind(client_id)
        .bind(now)
        .execute(&mut *c)
        .await?;
        if revoked.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        Ok(true)
    })
}

/// An access token to keep that is given for another one (RFC 8693).
#[derive(Clone)]
pub struct Exchange {
    /// The `jti` of the token that is exchanged.
    pub subject_jti: Uuid,
    /// The grant of the new token.
    pub id: GrantId,
    /// The session of both.
    pub session_id: SessionId,
    /// The person of both.
    pub person_id: PersonId,
    /// Whom the new token is given to.
    pub client_id: String,
    /// Its scopes, separated by spaces.
    pub scope: String,
    /// What it is for.
    pub details: Details,
    /// The `jti` of the new token.
    pub access_jti: Uuid,
    /// When the new token is no longer good.
    pub expires_at: Time,
}

/// Keeps the grant and token of an exchange. Yields false, and keeps nothing, where the session has ended or is locked, or
/// the exchanged token is revoked or no longer good.
///
/// # Errors
/// [`StoreError`].
pub async fn exchange(db: &Db, new: &Exchange, now: Time, event: &NewRow) -> Result<bool, StoreError> {
    write!(db, c => {
        let granted = sqlx::query(
            "INSERT INTO authorization_grant
               (id, session_id, person_id, client_id, scope, nonce, created_at, details)
             SELECT $1, s.id, s.person_id, $3, $4, '', $5, $6
             FROM access_token t
             JOIN authorization_grant g ON g.id = t.grant_id
             JOIN session s ON s.id = g.session_id
             WHERE t.jti = $7 AND t.expires_at > $5 AND g.revoked_at IS NULL AND s.id = $2 AND s.person_id = $8
               AND s.ended_at IS NULL AND s.locked_at IS NULL AND s.expires_at > $5",
        )
        .bind(new.id)
        .bind(new.session_id)
        .bind(new.client_id.clone())
        .bind(new.scope.clone())
        .bind(now)
        .bind(Json(new.details.clone()))
        .bind(new.subject_jti)
        .bind(new.person_id)
        .execute(&mut *c)
        .await?;
        if granted.rows_affected() != 1 {
            return Ok(false);
        }
        sqlx::query("INSERT INTO access_token (jti, grant_id, expires_at) VALUES ($1, $2, $3)")
            .bind(new.access_jti)
            .bind(new.id)
            .bind(new.expires_at)
            .execute(&mut *c)
            .await?;
        record!(c, *event);
        Ok(true)
    })
}
