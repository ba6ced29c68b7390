//! What relying parties were granted: the grant, and its codes and tokens.
//!
//! Codes and refresh tokens are kept as hashes and consumed by one conditional update each: of two redemptions only
//! one can win, and the loser revokes what the winner got (RFC 6749 §4.1.2, RFC 9700 §4.14.2). A consumed code or
//! token is therefore kept as long as its grant.

use super::audit::{NewRow, record};
use super::consent::{NewConsent, remember};
use super::session::session_columns;
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{GrantId, PersonId, SessionId, TransactionId};
use crate::session::{Level, Session};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What one relying party was granted in one session.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Grant {
    /// Its key.
    #[sqlx(rename = "grant_id")]
    pub id: GrantId,
    /// The session it was granted in, and ends with.
    pub session_id: SessionId,
    /// The person who signed in.
    #[sqlx(rename = "granted_to")]
    pub person_id: PersonId,
    /// The relying party.
    pub client_id: String,
    /// The scopes, separated by spaces.
    pub scope: String,
    /// The `nonce` of the request; empty where there was none.
    pub nonce: String,
    /// When it was granted.
    #[sqlx(rename = "granted_at")]
    pub created_at: Time,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Time>,
    /// What else it holds.
    #[sqlx(json)]
    pub details: Details,
}

/// What a grant holds beyond its scope.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// The `claims` parameter (OpenID Connect Core §5.5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Value>,
    /// The resources that its access tokens may be for (RFC 8707).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// What it allows in detail (RFC 9396).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<Value>,
    /// It outlives the session (`offline_access`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// What its code and the refresh tokens of a public client are bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// The level that is told, where one was asked for and reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<Level>,
    /// The levels of which one had to be reached; none, where what was asked for was a wish.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_levels: Vec<Level>,
}

/// What a token is bound to: the claim `cnf` (RFC 7800).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confirmation {
    /// The RFC 7638 thumbprint of a DPoP key (RFC 9449 §6).
    #[serde(rename = "jkt")]
    Key(String),
    /// SHA-256 of a TLS certificate, in base64url (RFC 8705 §3.1).
    #[serde(rename = "x5t#S256")]
    Certificate(String),
}

/// A grant and its session: nothing is said of one without a look at the other, so they are read at once.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Granted {
    /// What was granted.
    #[sqlx(flatten)]
    pub grant: Grant,
    /// The session it was granted in, whatever its standing.
    #[sqlx(flatten)]
    pub session: Session,
}

/// A grant to keep, with its code.
#[derive(Clone)]
pub struct NewGrant {
    /// Its key.
    pub id: GrantId,
    /// The session it is granted in.
    pub session_id: SessionId,
    /// The person who signed in.
    pub person_id: PersonId,
    /// The relying party.
    pub client_id: String,
    /// The scopes, separated by spaces.
    pub scope: String,
    /// The `nonce` of the request.
    pub nonce: String,
    /// SHA-256 of the code.
    pub code_hash: [u8; 32],
    /// Where the code is sent.
    pub redirect_uri: String,
    /// The PKCE challenge (S256).
    pub code_challenge: Option<String>,
    /// When the code is no longer good.
    pub code_expires_at: Time,
    /// The sign-in that this answers, where there was one.
    pub transaction: Option<TransactionId>,
    /// What else it holds.
    pub details: Details,
    /// What the person has just agreed to, to be remembered.
    pub consent: Option<NewConsent>,
}

/// A code with its grant.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Code {
    /// What was granted, and where.
    #[sqlx(flatten)]
    pub granted: Granted,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// The PKCE challenge (S256).
    pub code_challenge: Option<String>,
    /// When the code is no longer good.
    #[sqlx(rename = "good_until")]
    pub expires_at: Time,
    /// When it was redeemed, if it was.
    pub consumed_at: Option<Time>,
}

/// A refresh token with its grant.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct RefreshToken {
    /// What was granted, and where.
    #[sqlx(flatten)]
    pub granted: Granted,
    /// When the token was issued.
    pub issued_at: Time,
    /// When the token is no longer good.
    #[sqlx(rename = "good_until")]
    pub expires_at: Time,
    /// When it was used, if it was.
    pub consumed_at: Option<Time>,
}

/// The tokens that a redemption gives.
#[derive(Clone)]
pub struct NewTokens {
    /// The `jti` of the access token.
    pub access_jti: Uuid,
    /// When the access token is no longer good.
    pub access_expires_at: Time,
    /// SHA-256 of the refresh token, where the client gets one, and when it is no longer good.
    pub refresh: Option<([u8; 32], Time)>,
}

/// What is recorded of a redemption.
#[derive(Clone)]
pub struct Events {
    /// Where the tokens are kept.
    pub done: NewRow,
    /// Where the grant is revoked because of a replay.
    pub replayed: NewRow,
}

/// How a redemption ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeemed {
    /// The tokens are kept.
    Done,
    /// It had been redeemed before: what it gave is revoked.
    Replayed,
    /// Not of this client, redirect URI or verifier; or expired, revoked, its session or client gone. Nothing changed.
    Refused,
}

/// The columns of [`Granted`], of rows `g` and `s`.
macro_rules! granted_columns {
    () => {
        concat!(
            "g.id AS grant_id, g.session_id, g.person_id AS granted_to, g.client_id, g.scope, g.nonce,
             g.created_at AS granted_at, g.revoked_at, g.details, ",
            session_columns!()
        )
    };
}

/// Keeps a grant in its session, inside a `write!` body. Yields false where the session has ended or is locked, or the client
/// is gone or disabled.
macro_rules! insert_grant {
    ($c:expr, $new:expr, $now:expr) => {
        sqlx::query(
            "INSERT INTO authorization_grant
               (id, session_id, person_id, client_id, scope, nonce, created_at, details, offline, means_id,
                second_means_id)
             SELECT $1, s.id, s.person_id, c.id, $4, $5, $6, $8, $9, s.means_id, s.second_means_id
             FROM session s JOIN client c ON c.id = $3
             WHERE s.id = $2 AND s.person_id = $7 AND s.ended_at IS NULL AND s.locked_at IS NULL
               AND s.expires_at > $6 AND c.disabled_at IS NULL",
        )
        .bind($new.id)
        .bind($new.session_id)
        .bind($new.client_id.clone())
        .bind($new.scope.clone())
        .bind($new.nonce.clone())
        .bind($now)
        .bind($new.person_id)
        .bind(sqlx::types::Json($new.details.clone()))
        .bind($new.details.offline)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    };
}
pub(super) use insert_grant;

/// Keeps a grant with its code, and ends the sign-in that it answers. Yields false, and keeps nothing, where the
/// session has ended or is locked, the client is gone or disabled, or the sign-in was answered before. `event` is
/// recorded with it.
///
/// # Errors
/// [`StoreError`].
pub async fn issue(db: &Db, new: &NewGrant, now: Time, event: &NewRow) -> Result<bool, StoreError> {
    write!(db, c => {
        if !insert_grant!(c, new, now) {
            return Ok(false);
        }
        if let Some(transaction) = new.transaction {
            let answered = sqlx::query(
                "UPDATE login_transaction SET state = 'answered', session_id = $2, ended_at = $3
                 WHERE id = $1 AND state IN ('open', 'done') AND expires_at > $3",
            )
            .bind(transaction)
            .bind(new.session_id)
            .bind(now)
            .execute(&mut *c)
            .await?;
            if answered.rows_affected() != 1 {
                sqlx::query("DELETE FROM authorization_grant WHERE id = $1").bind(new.id).execute(&mut *c).await?;
                return Ok(false);
            }
        }
        sqlx::query(
            "INSERT INTO authorization_code (code_hash, grant_id, redirect_uri, code_challenge, expires_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(new.code_hash.to_vec())
        .bind(new.id)
        .bind(new.redirect_uri.clone())
        .bind(new.code_challenge.clone())
        .bind(new.code_expires_at)
        .execute(&mut *c)
        .await?;
        if let Some(consent) = &new.consent {
            remember!(c, consent, now);
        }
        record!(c, *event);
        Ok(true)
    })
}

/// The code of that hash, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn code(db: &Db, code_hash: [u8; 32]) -> Result<Option<Code>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        granted_columns!(),
        ", a.redirect_uri, a.code_challenge, a.expires_at AS good_until, a.consumed_at
         FROM authorization_code a JOIN authorization_grant g ON g.id = a.grant_id
           JOIN session s ON s.id = g.session_id WHERE a.code_hash = $1"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(code_hash.to_vec()).fetch_optional(&mut *c).await?))
}

/// The refresh token of that hash, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn refresh_token(db: &Db, token_hash: [u8; 32]) -> Result<Option<RefreshToken>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        granted_columns!(),
        ", r.issued_at, r.expires_at AS good_until, r.consumed_at
         FROM refresh_token r JOIN authorization_grant g ON g.id = r.grant_id
           JOIN session s ON s.id = g.session_id WHERE r.token_hash = $1"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(token_hash.to_vec()).fetch_optional(&mut *c).await?))
}

/// What the access token `$1` came of by exchange (RFC 8693): its grant, the grant of the token that was exchanged for it, and
/// so on. A token is good while nothing in this chain is revoked, and nobody in it is disabled.
macro_rules! chain {
    () => {
        "WITH RECURSIVE chain (id, source_id, client_id, revoked_at) AS (
           SELECT g.id, g.source_id, g.client_id, g.revoked_at
           FROM access_token t JOIN authorization_grant g ON g.id = t.grant_id WHERE t.jti = $1
           UNION ALL
           SELECT g.id, g.source_id, g.client_id, g.revoked_at
           FROM authorization_grant g JOIN chain ON g.id = chain.source_id)"
    };
}
macro_rules! chain_is_good {
    () => {
        "NOT EXISTS (SELECT 1 FROM chain JOIN client c ON c.id = chain.client_id
           WHERE chain.revoked_at IS NOT NULL OR c.disabled_at IS NOT NULL)"
    };
}
pub(super) use {chain, chain_is_good};

/// The grant of an access token that is good at `now`, with everything that it came of.
///
/// # Errors
/// [`StoreError`].
pub async fn of_access_token(db: &Db, jti: Uuid, now: Time) -> Result<Option<Granted>, StoreError> {
    const SQL: &str = concat!(
        chain!(),
        " SELECT ",
        granted_columns!(),
        " FROM access_token t JOIN authorization_grant g ON g.id = t.grant_id JOIN session s ON s.id = g.session_id
         WHERE t.jti = $1 AND t.expires_at > $2 AND ",
        chain_is_good!()
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(jti).bind(now).fetch_optional(&mut *c).await?))
}

/// Keeps tokens of a grant, inside a `write!` body.
macro_rules! insert_tokens {
    ($c:expr, $grant:expr, $tokens:expr, $now:expr) => {{
        let tokens: &$crate::store::grant::NewTokens = $tokens;
        sqlx::query("INSERT INTO access_token (jti, grant_id, expires_at) VALUES ($1, $2, $3)")
            .bind(tokens.access_jti)
            .bind($grant)
            .bind(tokens.access_expires_at)
            .execute(&mut *$c)
            .await?;
        if let Some((hash, expires_at)) = tokens.refresh {
            sqlx::query(
                "INSERT INTO refresh_token (token_hash, grant_id, issued_at, expires_at) VALUES ($1, $2, $3, $4)",
            )
            .bind(hash.to_vec())
            .bind($grant)
            .bind($now)
            .bind(expires_at)
            .execute(&mut *$c)
            .await?;
        }
    }};
}

pub(super) use insert_tokens;

/// A code to redeem, with everything it is bound to.
#[derive(Clone)]
pub struct CodeRedemption {
    /// SHA-256 of the code.
    pub code_hash: [u8; 32],
    /// The client that authenticated.
    pub client_id: String,
    /// The `redirect_uri` it repeats.
    pub redirect_uri: String,
    /// S256 of the verifier it sends; `None` where it sends none.
    pub code_challenge: Option<String>,
    /// What it shall get.
    pub tokens: NewTokens,
}

// EXISTS and not IN: SQLite would first make the list of everything that was ever granted to the client.
pub(super) const REDEEM_CODE: &str = "UPDATE authorization_code SET consumed_at = $2
     WHERE code_hash = $1 AND consumed_at IS NULL AND expires_at > $2 AND redirect_uri = $4
       AND code_challenge IS NOT DISTINCT FROM $5
       AND EXISTS (SELECT 1 FROM authorization_grant g JOIN session s ON s.id = g.session_id
           JOIN client c ON c.id = g.client_id
         WHERE g.id = authorization_code.grant_id AND g.client_id = $3 AND g.revoked_at IS NULL
           AND s.ended_at IS NULL AND s.locked_at IS NULL AND s.expires_at > $2 AND c.disabled_at IS NULL)
     RETURNING grant_id";

/// Redeems a code, once.
///
/// # Errors
/// [`StoreError`].
pub async fn redeem_code(
    db: &Db,
    redemption: &CodeRedemption,
    now: Time,
    events: &Events,
) -> Result<Redeemed, StoreError> {
    write!(db, c => {
        let grant: Option<GrantId> = sqlx::query_scalar(REDEEM_CODE)
        .bind(redemption.code_hash.to_vec())
        .bind(now)
        .bind(redemption.client_id.clone())
        .bind(redemption.redirect_uri.clone())
        .bind(redemption.code_challenge.clone())
        .fetch_optional(&mut *c)
        .await?;
        if let Some(grant) = grant {
            insert_tokens!(c, grant, &redemption.tokens, now);
            record!(c, events.done);
            return Ok(Redeemed::Done);
        }
        let revoked = sqlx::query(
            "UPDATE authorization_grant SET revoked_at = $3, revoke_reason = 'code-replayed'
             WHERE client_id = $2 AND revoked_at IS NULL AND id IN
               (SELECT grant_id FROM authorization_code WHERE code_hash = $1 AND consumed_at IS NOT NULL)",
        )
        .bind(redemption.code_hash.to_vec())
        .bind(redemption.client_id.clone())
        .bind(now)
        .execute(&mut *c)
        .await?;
        if revoked.rows_affected() != 1 {
            return Ok(Redeemed::Refused);
        }
        record!(c, events.replayed);
        Ok(Redeemed::Replayed)
    })
}

/// A refresh token to exchange, with everything it is bound to.
#[derive(Clone)]
pub struct RefreshRedemption {
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// The client that authenticated.
    pub client_id: String,
    /// A token that was used after this moment is good once more: two requests of one client crossed.
    pub grace_since: Time,
    /// What it shall get.
    pub tokens: NewTokens,
}

// A token that was used in what a clock set back calls the future has no grace.
pub(super) const REDEEM_REFRESH_TOKEN: &str = "UPDATE refresh_token SET consumed_at = COALESCE(consumed_at, $2)
     WHERE token_hash = $1 AND (consumed_at IS NULL OR (consumed_at > $4 AND consumed_at <= $2)) AND expires_at > $2
       AND EXISTS (SELECT 1 FROM authorization_grant g JOIN session s ON s.id = g.session_id
           JOIN client c ON c.id = g.client_id
         WHERE g.id = refresh_token.grant_id AND g.client_id = $3 AND g.revoked_at IS NULL AND c.disabled_at IS NULL
           AND (g.offline OR (s.ended_at IS NULL AND s.locked_at IS NULL AND s.expires_at > $2)))
     RETURNING grant_id";

/// Exchanges a refresh token, once; that counts as a use of the session, but for a grant that outlives it.
///
/// # Errors
/// [`StoreError`].
pub async fn redeem_refresh_token(
    db: &Db,
    redemption: &RefreshRedemption,
    now: Time,
    events: &Events,
) -> Result<Redeemed, StoreError> {
    write!(db, c => {
        let grant: Option<GrantId> = sqlx::query_scalar(REDEEM_REFRESH_TOKEN)
        .bind(redemption.token_hash.to_vec())
        .bind(now)
        .bind(redemption.client_id.clone())
        .bind(redemption.grace_since)
        .fetch_optional(&mut *c)
        .await?;
        if let Some(grant) = grant {
            insert_tokens!(c, grant, &redemption.tokens, now);
            sqlx::query(
                "UPDATE session SET last_seen_at = $2 WHERE last_seen_at < $2
                   AND id IN (SELECT session_id FROM authorization_grant WHERE id = $1 AND NOT offline)",
            )
            .bind(grant)
            .bind(now)
            .execute(&mut *c)
            .await?;
            record!(c, events.done);
            return Ok(Redeemed::Done);
        }
        let revoked = sqlx::query(
            "UPDATE authorization_grant SET revoked_at = $3, revoke_reason = 'refresh-token-reused'
             WHERE client_id = $2 AND revoked_at IS NULL AND id IN
               (SELECT grant_id FROM refresh_token WHERE token_hash = $1 AND consumed_at IS NOT NULL)",
        )
        .bind(redemption.token_hash.to_vec())
        .bind(redemption.client_id.clone())
        .bind(now)
        .execute(&mut *c)
        .await?;
        if revoked.rows_affected() != 1 {
            return Ok(Redeemed::Refused);
        }
        record!(c, events.replayed);
        Ok(Redeemed::Replayed)
    })
}

/// Deletes the tokens that expired before `before`, and the grants whose session was over by then, `limit` of each.
/// Yields how many rows went.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let mut deleted = 0;
        for sql in [
            "DELETE FROM access_token
             WHERE jti IN (SELECT jti FROM access_token WHERE expires_at <= $1 LIMIT $2)",
            "DELETE FROM refresh_token
             WHERE token_hash IN (SELECT token_hash FROM refresh_token WHERE expires_at <= $1 LIMIT $2)",
            // Codes go with their grant: until then a replay must be recognised.
            "DELETE FROM authorization_grant WHERE id IN
               (SELECT g.id FROM authorization_grant g JOIN session s ON s.id = g.session_id
                WHERE (s.expires_at <= $1 OR s.ended_at <= $1)
                  AND NOT (g.offline AND g.revoked_at IS NULL
                    AND EXISTS (SELECT 1 FROM refresh_token r WHERE r.grant_id = g.id)) LIMIT $2)",
        ] {
            deleted += sqlx::query(sql).bind(before).bind(limit).execute(&mut *c).await?.rows_affected();
        }
        Ok(deleted)
    })
}

#[cfg(test)]
mod tests;
