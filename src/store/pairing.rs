//! Phones that are being paired: from the code on the page until the digits that the phone shows are typed there.
//!
//! The code is taken once, by the first phone that scans it; what that phone brings counts once; and it becomes a means of
//! its person only by the digits, typed in the very session that vouched for it.

use chrono::TimeDelta;
use sqlx::types::Json;

use super::audit::{NewRow, record};
use super::identity_check::consume_check;
use super::means::insert_means;
use super::notice::{NewNotice, queue_notice};
use super::phone::Phone;
use super::webauthn_credential::{Registered, insert_credential};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{IdentityCheckId, PairingId, PersonId, SessionId};

/// How long a code waits to be scanned.
pub const CODE_LIFETIME: TimeDelta = TimeDelta::seconds(90);
/// How long the rest may take once it was.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// How often something else than the digits may be typed.
pub const TRIES: i32 = 3;

/// A phone that is being paired.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Pairing {
    /// Its key.
    pub id: PairingId,
    /// Whose phone it becomes.
    pub person_id: PersonId,
    /// The session that vouches, and in which the digits are typed.
    pub session_id: SessionId,
    /// Who of the desk vouches, where the desk does.
    pub desk_person_id: Option<PersonId>,
    /// The identity check that is used up by it.
    pub identity_check_id: Option<IdentityCheckId>,
    /// The ceremony of its passkey, once a phone has taken the code and until it has brought one.
    #[sqlx(json(nullable))]
    pub ceremony: Option<serde_json::Value>,
    /// What it brought.
    #[sqlx(json(nullable))]
    pub candidate: Option<serde_json::Value>,
    /// The digits that it shows since.
    pub digits: Option<String>,
    /// Whether a phone has taken the code.
    pub is_taken: bool,
    /// When it is no longer good.
    pub expires_at: Time,
}

macro_rules! columns {
    () => {
        "id, person_id, session_id, desk_person_id, identity_check_id, ceremony, candidate, digits, handle_hash IS NOT NULL AS is_taken, expires_at"
    };
}

/// Who vouches for a phone.
#[derive(Debug, Clone, Copy)]
pub struct Vouching {
    /// Whose phone it becomes.
    pub person: PersonId,
    /// The session in which the digits are typed.
    pub session: SessionId,
    /// Who of the desk, and the identity check that is used up; none where its person vouches by that session.
    pub desk: Option<(PersonId, IdentityCheckId)>,
}

/// Begins, in the place of what the same session had begun before.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(
    db: &Db,
    id: PairingId,
    vouching: Vouching,
    secret_hash: [u8; 32],
    now: Time,
) -> Result<(), StoreError> {
    let Vouching { person, session, desk } = vouching;
    write!(db, c => {
        sqlx::query("DELETE FROM pairing WHERE session_id = $1").bind(session).execute(&mut *c).await?;
        sqlx::query(
            "INSERT INTO pairing (id, person_id, session_id, secret_hash, created_at, expires_at, desk_person_id,
               identity_check_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id)
        .bind(person)
        .bind(session)
        .bind(secret_hash.to_vec())
        .bind(now)
        .bind(now + CODE_LIFETIME)
        .bind(desk.map(|(person, _)| person))
        .bind(desk.map(|(_, check)| check))
        .execute(&mut *c)
        .await?;
        Ok(())
    })
}

/// The pairing of that key, if it is still good.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, id: PairingId, now: Time) -> Result<Option<Pairing>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM pairing WHERE id = $1 AND expires_at > $2");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(id).bind(now).fetch_optional(&mut *c).await?))
}

/// The pairing whose code that is, if no phone has taken it.
///
/// # Errors
/// [`StoreError`].
pub async fn by_secret(db: &Db, secret_hash: [u8; 32], now: Time) -> Result<Option<Pairing>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM pairing WHERE secret_hash = $1 AND handle_hash IS NULL AND expires_at > $2"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(secret_hash.to_vec()).bind(now).fetch_optional(&mut *c).await?))
}

/// The pairing of the phone that holds this handle, if it is still good.
///
/// # Errors
/// [`StoreError`].
pub async fn by_handle(db: &Db, handle_hash: [u8; 32], now: Time) -> Result<Option<Pairing>, StoreError> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM pairing WHERE handle_hash = $1 AND expires_at > $2");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(handle_hash.to_vec()).bind(now).fetch_optional(&mut *c).await?))
}

/// The phone with this handle takes the code. Yields whether it was the first.
///
/// # Errors
/// [`StoreError`].
pub async fn take(
    db: &Db,
    id: PairingId,
    handle_hash: [u8; 32],
    ceremony: &serde_json::Value,
    now: Time,
) -> Result<bool, StoreError> {
    let ceremony = Json(ceremony.clone());
    write!(db, c => {
        let taken = sqlx::query(
            "UPDATE pairing SET handle_hash = $2, ceremony = $3, expires_at = $4
             WHERE id = $1 AND handle_hash IS NULL AND expires_at > $5",
        )
        .bind(id)
        .bind(handle_hash.to_vec())
        .bind(ceremony)
        .bind(now + LIFETIME)
        .bind(now)
        .execute(&mut *c)
        .await?;
        Ok(taken.rows_affected() == 1)
    })
}

/// Keeps what the phone brought, and the digits that it shows since. Yields whether it was asked for: its ceremony is used up.
///
/// # Errors
/// [`StoreError`].
pub async fn bring(
    db: &Db,
    id: PairingId,
    candidate: &serde_json::Value,
    digits: &str,
    now: Time,
) -> Result<bool, StoreError> {
    let (candidate, digits) = (Json(candidate.clone()), digits.to_owned());
    write!(db, c => {
        let kept = sqlx::query(
            "UPDATE pairing SET candidate = $2, digits = $3, ceremony = NULL
             WHERE id = $1 AND ceremony IS NOT NULL AND expires_at > $4",
        )
        .bind(id)
        .bind(candidate)
        .bind(digits)
        .bind(now)
        .execute(&mut *c)
        .await?;
        Ok(kept.rows_affected() == 1)
    })
}

/// Forgets a pairing that went wrong. Yields whether it was there.
///
/// # Errors
/// [`StoreError`].
pub async fn forget(db: &Db, id: PairingId) -> Result<bool, StoreError> {
    write!(db, c => {
        let gone = sqlx::query("DELETE FROM pairing WHERE id = $1").bind(id).execute(&mut *c).await?;
        Ok(gone.rows_affected() == 1)
    })
}

/// Counts that something else than the digits was typed; after [`TRIES`] the pairing is gone. Yields whether it is not.
///
/// # Errors
/// [`StoreError`].
pub async fn mistype(db: &Db, id: PairingId) -> Result<bool, StoreError> {
    write!(db, c => {
        sqlx::query("UPDATE pairing SET mistyped = mistyped + 1 WHERE id = $1").bind(id).execute(&mut *c).await?;
        let gone = sqlx::query("DELETE FROM pairing WHERE id = $1 AND mistyped >= $2")
            .bind(id)
            .bind(TRIES)
            .execute(&mut *c)
            .await?;
        Ok(gone.rows_affected() == 0)
    })
}

/// Makes the phone a means of its person, who is not disabled, uses the identity check up where there is one, tells them by
/// `notice` and records `event`.
///
/// # Errors
/// [`StoreError`].
pub async fn complete(
    db: &Db,
    pairing: &Pairing,
    phone: &Phone,
    notice: &NewNotice,
    event: &NewRow,
    now: Time,
) -> Result<Registered, StoreError> {
    write!(db, c => {
        // Whoever disables them at this moment was first, or finds the phone.
        let person = sqlx::query("UPDATE person SET id = id WHERE id = $1 AND disabled_at IS NULL")
            .bind(pairing.person_id)
            .execute(&mut *c)
            .await?;
        let held = sqlx::query(
            "UPDATE session SET last_seen_at = last_seen_at
             WHERE id = $1 AND ended_at IS NULL AND locked_at IS NULL AND expires_at > $2",
        )
        .bind(pairing.session_id)
        .bind(now)
        .execute(&mut *c)
        .await?;
        let taken = sqlx::query("DELETE FROM pairing WHERE id = $1 AND digits IS NOT NULL AND expires_at > $2")
            .bind(pairing.id)
            .bind(now)
            .execute(&mut *c)
            .await?;
        if held.rows_affected() != 1 || taken.rows_affected() != 1 || person.rows_affected() != 1 {
            return Ok(Registered::CeremonyOver);
        }
        if let Some(check) = pairing.identity_check_id
            && !consume_check!(c, check, now)
        {
            return Ok(Registered::CheckOver);
        }
        if !insert_means!(c, &phone.passkey.means) {
            return Ok(Registered::KnownAlready);
        }
        insert_credential!(c, &phone.passkey);
        sqlx::query("INSERT INTO phone (means_id, installation_key) VALUES ($1, $2)")
            .bind(phone.passkey.means.id)
            .bind(Json(phone.installation_key.clone()))
            .execute(&mut *c)
            .await?;
        queue_notice!(c, notice, now);
        record!(c, *event);
        Ok(Registered::Done)
    })
}

/// Deletes the pairings that expired before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM pairing WHERE id IN (SELECT id FROM pairing WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}
