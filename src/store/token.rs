//! Single tokens after they were issued: revoked by their client, or exchanged for one of another client.

use sqlx::types::Json;
use uuid::Uuid;

use super::audit::{NewRow, record};
use super::grant::{Details, Grant, NewTokens, chain, chain_is_good, insert_grant, insert_tokens};
use super::session::{NewSession, begin_session};
use super::upstream_session::{UpstreamSession, come_from_upstream, pass_gate, was_logged_out};
use super::{Db, StoreError, write};
use crate::clock::Time;
use crate::ids::{GrantId, PersonId, SessionId};
use crate::session::Authentication;

/// Revokes one access token of a client, with what it was exchanged for. Yields whether it was good.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke_access_token(
    db: &Db,
    jti: Uuid,
    client_id: &str,
    now: Time,
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
        // What was exchanged again ends with these: each token looks back at all it came of.
        sqlx::query(
            "UPDATE authorization_grant SET revoked_at = $2, revoke_reason = 'source-revoked'
             WHERE source_jti = $1 AND revoked_at IS NULL",
        )
        .bind(jti)
        .bind(now)
        .execute(&mut *c)
        .await?;
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

/// Keeps the grant and token of an exchange, which end with the exchanged token and all it came of. Yields false, and keeps
/// nothing, where the session has ended or is locked, the exchanged token or anything it came of is revoked or no longer
/// good, or a client is disabled.
///
/// # Errors
/// [`StoreError`].
pub async fn exchange(db: &Db, new: &Exchange, now: Time, event: &NewRow) -> Result<bool, StoreError> {
    const KEEP: &str = concat!(
        "INSERT INTO authorization_grant
           (id, session_id, person_id, client_id, scope, nonce, created_at, details, source_id, source_jti) ",
        chain!(),
        " SELECT $2, s.id, s.person_id, own.id, $5, '', $6, $7, g.id, t.jti
         FROM access_token t
         JOIN authorization_grant g ON g.id = t.grant_id
         JOIN session s ON s.id = g.session_id
         JOIN client own ON own.id = $4
         WHERE t.jti = $1 AND t.expires_at > $6 AND s.id = $3 AND s.person_id = $8 AND own.disabled_at IS NULL
           AND s.ended_at IS NULL AND s.locked_at IS NULL AND s.expires_at > $6 AND ",
        chain_is_good!()
    );
    write!(db, c => {
        // Whoever revokes the token at this moment waits until its exchange is kept, and then finds it, or was first.
        sqlx::query("UPDATE access_token SET expires_at = expires_at WHERE jti = $1")
            .bind(new.subject_jti)
            .execute(&mut *c)
            .await?;
        let granted = sqlx::query(KEEP)
        .bind(new.subject_jti)
        .bind(new.id)
        .bind(new.session_id)
        .bind(new.client_id.clone())
        .bind(new.scope.clone())
        .bind(now)
        .bind(Json(new.details.clone()))
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

/// An access token of another provider that is good now, and meant for the service that brings it.
#[derive(Debug, Clone)]
pub struct ForeignToken {
    /// The person here, and what they proved there.
    pub authentication: Authentication,
    /// The session there that it is of.
    pub there: UpstreamSession,
    /// Where the person is here because they are linked: who they are there for good.
    pub linked: Option<String>,
    /// When it was issued there: what the provider has ended since begins nothing.
    pub issued_at: Time,
    /// The client there that it was issued to.
    pub client_id: String,
    /// What it gives there, separated by spaces.
    pub scope: String,
}

/// What a client gets for an access token of another provider (RFC 8693).
#[derive(Clone)]
pub struct ForeignExchange {
    /// The session that begins: of no browser, so that nobody has its cookie.
    pub session: NewSession,
    /// What was brought.
    pub brought: ForeignToken,
    /// What is granted.
    pub grant: Grant,
    /// The new token.
    pub tokens: NewTokens,
}

/// Begins the session of an exchange, keeps grant and token, and records the events. Yields false, and keeps nothing, where the
/// provider has ended the session there, the link was taken away, or the person or the client is disabled.
///
/// # Errors
/// [`StoreError`].
pub async fn exchange_foreign(
    db: &Db,
    new: &ForeignExchange,
    events: &[NewRow],
    now: Time,
) -> Result<bool, StoreError> {
    let ForeignExchange { session, brought, grant, tokens } = new;
    let ForeignToken { there, linked, issued_at, .. } = brought;
    let (session, issued_at) = (session.clone(), *issued_at);
    let person_id = session.authentication.person;
    write!(db, c => {
        pass_gate!(c, there.issuer.clone());
        if was_logged_out!(c, there, issued_at) {
            return Ok(false);
        }
        // Each row that decides is held: whoever disables or unlinks at this moment was first, or finds the session.
        let person = sqlx::query("UPDATE person SET id = id WHERE id = $1 AND disabled_at IS NULL")
            .bind(person_id)
            .execute(&mut *c)
            .await?;
        let client = sqlx::query("UPDATE client SET id = id WHERE id = $1 AND disabled_at IS NULL")
            .bind(grant.client_id.clone())
            .execute(&mut *c)
            .await?;
        if person.rows_affected() != 1 || client.rows_affected() != 1 {
            return Ok(false);
        }
        if let Some(subject) = linked {
            let link = sqlx::query(
                "UPDATE upstream_identity SET last_used_at = $4 WHERE issuer = $1 AND subject = $2 AND person_id = $3",
            )
            .bind(there.issuer.clone())
            .bind(subject.clone())
            .bind(person_id)
            .bind(now)
            .execute(&mut *c)
            .await?;
            if link.rows_affected() != 1 {
                return Ok(false);
            }
        }
        begin_session!(c, &session, now);
        come_from_upstream!(c, session.id, there);
        if !insert_grant!(c, grant, now) {
            // Nothing of this command is kept.
            return Err(StoreError::Inconsistent {
                table: "authorization_grant",
                id: grant.id.to_string(),
                what: "a session that has just begun takes no grant",
            });
        }
        insert_tokens!(c, grant.id, tokens, now);
        for event in events {
            record!(c, *event);
        }
        Ok(true)
    })
}
