//! Initial access tokens (RFC 7591 §3): who may register clients, how many, and until when.
//!
//! A token is ours, of 256 random bits, so its SHA-256 is enough to keep.

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;

/// An initial access token.
#[derive(Clone, sqlx::FromRow)]
pub struct InitialAccessToken {
    /// What an administrator calls it.
    pub name: String,
    /// SHA-256 of the token.
    pub token_hash: Vec<u8>,
    /// When it was made.
    pub created_at: Time,
    /// When it is no longer good.
    pub expires_at: Time,
    /// How many clients may still register with it.
    pub uses_left: i64,
}

impl std::fmt::Debug for InitialAccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InitialAccessToken").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Keeps a token. Yields false where the name is taken.
///
/// # Errors
/// [`StoreError`].
pub async fn add(db: &Db, new: &InitialAccessToken, event: &NewRow) -> Result<bool, StoreError> {
    write!(db, c => {
        let added = sqlx::query(
            "INSERT INTO initial_access_token (name, token_hash, created_at, expires_at, uses_left)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO NOTHING",
        )
        .bind(new.name.clone())
        .bind(new.token_hash.clone())
        .bind(new.created_at)
        .bind(new.expires_at)
        .bind(new.uses_left)
        .execute(&mut *c)
        .await?;
        if added.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        Ok(true)
    })
}

/// Whether a token with this hash is good at `now`.
///
/// # Errors
/// [`StoreError`].
pub async fn is_good(db: &Db, token_hash: [u8; 32], now: Time) -> Result<bool, StoreError> {
    read!(db, c => {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT uses_left FROM initial_access_token
             WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2",
        )
        .bind(token_hash.to_vec())
        .bind(now)
        .fetch_optional(&mut *c)
        .await?;
        Ok(found.is_some())
    })
}

/// Every token, by name; those that are used up or expired as well.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &Db) -> Result<Vec<InitialAccessToken>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT name, token_hash, created_at, expires_at, uses_left FROM initial_access_token ORDER BY name",
    )
    .fetch_all(&mut *c)
    .await?))
}

/// Takes a token no longer. Yields whether there was one of that name. What registered with it stays.
///
/// # Errors
/// [`StoreError`].
pub async fn remove(db: &Db, name: &str, event: &NewRow) -> Result<bool, StoreError> {
    let name = name.to_owned();
    write!(db, c => {
        let removed =
            sqlx::query("DELETE FROM initial_access_token WHERE name = $1").bind(name).execute(&mut *c).await?;
        if removed.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        Ok(true)
    })
}
