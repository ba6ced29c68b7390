//! WebAuthn ceremonies on their way: from the challenge that a page was given until its one answer.
//!
//! A ceremony is for one purpose and, for a sign-in, for one login transaction; for a registration, for one session and one
//! person. Its answer takes it out of the database in the transaction of what comes of it, so of two answers only one can
//! win, and one that was refused is no use a second time.

use sqlx::types::Json;

use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{PersonId, SessionId, TransactionId};

/// What a challenge is for. It is refused everywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum Purpose {
    /// A key is registered, by its person.
    Register,
    /// A key is registered at the desk, for the person who stands there.
    RegisterAtDesk,
    /// A key that need not verify its person is registered, by its person.
    RegisterSecondFactor,
    /// Such a key is registered at the desk.
    RegisterSecondFactorAtDesk,
    /// A key is renewed, by its person.
    Renew,
    /// A key is renewed at the desk.
    RenewAtDesk,
    /// A person signs in.
    SignIn,
    /// A person who has tapped a badge touches a key besides.
    SecondFactor,
    /// A phone answers for its person what another browser, or a program, waits for.
    Approve,
}

/// A ceremony on its way.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Ceremony {
    /// SHA-256 of the handle that the page holds (32 bytes).
    pub handle_hash: Vec<u8>,
    /// What it is for.
    pub purpose: Purpose,
    /// The sign-in that it is for.
    pub transaction_id: Option<TransactionId>,
    /// The session in which a key is registered.
    pub session_id: Option<SessionId>,
    /// Whose key it is, where that is known beforehand.
    pub person_id: Option<PersonId>,
    /// In the form of the library.
    #[sqlx(json)]
    pub state: serde_json::Value,
    /// When it is no longer good.
    pub expires_at: Time,
}

/// Takes a ceremony out, inside a `write!` body. Yields whether it was there and still good.
macro_rules! consume_ceremony {
    ($c:expr, $handle_hash:expr, $now:expr) => {{
        let handle_hash: &[u8; 32] = $handle_hash;
        sqlx::query("DELETE FROM webauthn_ceremony WHERE handle_hash = $1 AND expires_at > $2")
            .bind(handle_hash.to_vec())
            .bind($now)
            .execute(&mut *$c)
            .await?
            .rows_affected()
            == 1
    }};
}
pub(crate) use consume_ceremony;

/// Challenges that the phones of one person may have open: as often as they are asked, on a few phones.
const MOST_TO_APPROVE: i64 = 20;

/// Keeps a ceremony that begins, and of those before it in the same sign-in or session the seven newest; of those by which the
/// phones of one person approve, so many.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(db: &Db, new: &Ceremony, now: Time) -> Result<(), StoreError> {
    write!(db, c => {
        if new.purpose == Purpose::Approve {
            sqlx::query(
                "DELETE FROM webauthn_ceremony
                 WHERE purpose = 'approve' AND person_id = $1 AND handle_hash NOT IN (
                   SELECT handle_hash FROM webauthn_ceremony WHERE purpose = 'approve' AND person_id = $1
                   ORDER BY created_at DESC, handle_hash LIMIT $2)",
            )
            .bind(new.person_id)
            .bind(MOST_TO_APPROVE - 1)
            .execute(&mut *c)
            .await?;
        }
        // A page has one that waits for a click and one that the browser suggests; a person has a few tabs.
        sqlx::query(
            "DELETE FROM webauthn_ceremony
             WHERE purpose = $3 AND (transaction_id = $1 OR session_id = $2) AND handle_hash NOT IN (
               SELECT handle_hash FROM webauthn_ceremony
               WHERE purpose = $3 AND (transaction_id = $1 OR session_id = $2)
               ORDER BY created_at DESC, handle_hash LIMIT 7)",
        )
        .bind(new.transaction_id)
        .bind(new.session_id)
        .bind(new.purpose)
        .execute(&mut *c)
        .await?;
        sqlx::query(
            "INSERT INTO webauthn_ceremony (handle_hash, purpose, transaction_id, session_id, person_id, state,
               created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(new.handle_hash.clone())
        .bind(new.purpose)
        .bind(new.transaction_id)
        .bind(new.session_id)
        .bind(new.person_id)
        .bind(Json(new.state.clone()))
        .bind(now)
        .bind(new.expires_at)
        .execute(&mut *c)
        .await?;
        Ok(())
    })
}

/// The ceremony of a handle, for this purpose, while it is good.
///
/// # Errors
/// [`StoreError`].
pub async fn by_handle(
    db: &Db,
    handle_hash: [u8; 32],
    purpose: Purpose,
    now: Time,
) -> Result<Option<Ceremony>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT handle_hash, purpose, transaction_id, session_id, person_id, state, expires_at FROM webauthn_ceremony
         WHERE handle_hash = $1 AND purpose = $2 AND expires_at > $3",
    )
    .bind(handle_hash.to_vec())
    .bind(purpose)
    .bind(now)
    .fetch_optional(&mut *c)
    .await?))
}

/// Forgets a ceremony whose answer was refused. Yields whether it was there.
///
/// # Errors
/// [`StoreError`].
pub async fn forget(db: &Db, handle_hash: [u8; 32]) -> Result<bool, StoreError> {
    write!(db, c => {
        let forgotten = sqlx::query("DELETE FROM webauthn_ceremony WHERE handle_hash = $1")
            .bind(handle_hash.to_vec())
            .execute(&mut *c)
            .await?;
        Ok(forgotten.rows_affected() == 1)
    })
}

/// Deletes the ceremonies that expired before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM webauthn_ceremony
             WHERE handle_hash IN (SELECT handle_hash FROM webauthn_ceremony WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}
