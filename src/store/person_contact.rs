//! The mail address of a person, which somebody verified: by a code that was sent there, or an administrator who answers
//! for it.

use super::audit::{NewRow, record};
use super::notice::{NewNotice, queue_notice, queue_notice_to};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{ContactCodeId, PersonId};

/// Where notices to a person go.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Contact {
    /// The address.
    pub address: String,
    /// `fr` or `en`.
    pub language: String,
    /// Who verified it.
    pub verified_by: Verifier,
    /// When.
    pub verified_at: Time,
}

/// Who verified an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum Verifier {
    /// Its person, by the code that was sent there.
    Code,
    /// An administrator.
    Administrator,
}

impl Verifier {
    /// The name, as in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Administrator => "administrator",
        }
    }
}

/// The verified address of a person, if there is one.
///
/// # Errors
/// [`StoreError`].
pub async fn of_person(db: &Db, person: PersonId) -> Result<Option<Contact>, StoreError> {
    const SQL: &str =
        "SELECT address, language, verified_by, verified_at FROM person_contact WHERE person_id = $1";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(person).fetch_optional(&mut *c).await?))
}

/// A code that was sent to an address.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct OpenCode {
    /// What it is derived from.
    pub id: ContactCodeId,
    /// Where it was sent.
    pub address: String,
    /// In which language.
    pub language: String,
    /// When it is no longer good.
    pub expires_at: Time,
}

/// The code that this person can type, if there is one: the last that was asked for, in its time, not tried too often.
///
/// # Errors
/// [`StoreError`].
pub async fn open_code(
    db: &Db,
    person: PersonId,
    most_tries: i64,
    now: Time,
) -> Result<Option<OpenCode>, StoreError> {
    const SQL: &str = "SELECT id, address, language, expires_at FROM contact_code
         WHERE person_id = $1 AND closed_at IS NULL AND expires_at > $2 AND tries < $3";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(person).bind(now).bind(most_tries).fetch_optional(&mut *c).await?))
}

/// A code to send.
#[derive(Debug)]
pub struct NewCode<'a> {
    /// What it is derived from.
    pub id: ContactCodeId,
    /// Whose address it verifies.
    pub person: PersonId,
    /// Where it goes.
    pub address: &'a str,
    /// `fr` or `en`.
    pub language: &'static str,
    /// When it is no longer good.
    pub expires_at: Time,
    /// The mail.
    pub notice: &'a NewNotice,
    /// Codes that were asked for since then count.
    pub since: Time,
    /// How many of them a person may have asked for, to whatever address.
    pub most_of_person: i64,
    /// How many may have been asked for to this address, by whomever.
    pub most_of_address: i64,
}

/// Puts a new code in the place of the one before, and queues its mail. Yields false, and does nothing, where too many were
/// asked for.
///
/// # Errors
/// [`StoreError`].
pub async fn send_code(db: &Db, new: &NewCode<'_>, now: Time) -> Result<bool, StoreError> {
    let sent = write!(db, c => {
        let of_person: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM contact_code WHERE person_id = $1 AND created_at > $2")
                .bind(new.person)
                .bind(new.since)
                .fetch_one(&mut *c)
                .await?;
        let of_address: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM contact_code WHERE LOWER(address) = LOWER($1) AND created_at > $2",
        )
        .bind(new.address.to_owned())
        .bind(new.since)
        .fetch_one(&mut *c)
        .await?;
        if of_person >= new.most_of_person || of_address >= new.most_of_address {
            return Ok(false);
        }
        sqlx::query("UPDATE contact_code SET closed_at = $2 WHERE person_id = $1 AND closed_at IS NULL")
            .bind(new.person)
            .bind(now)
            .execute(&mut *c)
            .await?;
        sqlx::query(
            "INSERT INTO contact_code (id, person_id, address, language, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(new.id)
        .bind(new.person)
        .bind(new.address.to_owned())
        .bind(new.language)
        .bind(now)
        .bind(new.expires_at)
        .execute(&mut *c)
        .await?;
        queue_notice_to!(c, new.notice, new.address.to_owned(), new.language, now);
        Ok(true)
    });
    match sent {
        // Another tab asked at the same moment.
        Err(error) if error.is_duplicate() => Ok(false),
        sent => sent,
    }
}

/// A code that was typed.
pub struct Typed<'a> {
    /// The code that is open.
    pub code: &'a OpenCode,
    /// Whose.
    pub person: PersonId,
    /// Whether it is the right one.
    pub is_right: bool,
    /// How often one may be wrong.
    pub most_tries: i64,
    /// What is told to the address before, where there was another.
    pub notice: &'a NewNotice,
    /// What is recorded of it.
    pub event: &'a NewRow,
}

/// What became of a code that was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The address is the person's from now on.
    Verified,
    /// It is another code.
    Wrong,
    /// It was used before, is too old, or was tried too often.
    Over,
}

/// Counts one try of the code; where it is the right one, takes the address as the person's and tells the one before. A try
/// counts before it can succeed, so that many at once are no more than many in turn.
///
/// # Errors
/// [`StoreError`].
pub async fn try_code(db: &Db, typed: &Typed<'_>, now: Time) -> Result<Verdict, StoreError> {
    let Typed { code, person, is_right, most_tries, notice, event } = *typed;
    write!(db, c => {
        let counted = sqlx::query(
            "UPDATE contact_code SET tries = tries + 1 WHERE id = $1 AND person_id = $2 AND closed_at IS NULL
               AND expires_at > $3 AND tries < $4",
        )
        .bind(code.id)
        .bind(person)
        .bind(now)
        .bind(most_tries)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if !counted {
            return Ok(Verdict::Over);
        }
        record!(c, *event);
        if !is_right {
            return Ok(Verdict::Wrong);
        }
        sqlx::query("UPDATE contact_code SET closed_at = $2 WHERE id = $1")
            .bind(code.id)
            .bind(now)
            .execute(&mut *c)
            .await?;
        let contact = Contact {
            address: code.address.clone(),
            language: code.language.clone(),
            verified_by: Verifier::Code,
            verified_at: now,
        };
        put_contact!(c, person, &contact, notice, now);
        Ok(Verdict::Verified)
    })
}

/// Puts an address in the place of the one before, which is told, inside a `write!` body.
macro_rules! put_contact {
    ($c:expr, $person:expr, $contact:expr, $told_before:expr, $now:expr) => {{
        let contact: &Contact = $contact;
        let before: Option<String> =
            sqlx::query_scalar("SELECT address FROM person_contact WHERE person_id = $1")
                .bind($person)
                .fetch_optional(&mut *$c)
                .await?;
        if before.is_some_and(|before| !before.eq_ignore_ascii_case(&contact.address)) {
            queue_notice!($c, $told_before, $now);
        }
        sqlx::query(
            "INSERT INTO person_contact (person_id, address, language, verified_by, verified_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (person_id) DO UPDATE SET address = $2, language = $3, verified_by = $4, verified_at = $5",
        )
        .bind($person)
        .bind(contact.address.clone())
        .bind(contact.language.clone())
        .bind(contact.verified_by)
        .bind(contact.verified_at)
        .execute(&mut *$c)
        .await?;
    }};
}
use put_contact;

/// What an administrator sets.
pub struct Setting<'a> {
    /// Whose address it is.
    pub person: PersonId,
    /// The address.
    pub contact: &'a Contact,
    /// What is told to the address before, where there was another.
    pub told_before: &'a NewNotice,
    /// What is told to the new address.
    pub told_now: &'a NewNotice,
    /// What is recorded of it.
    pub event: &'a NewRow,
}

/// Sets the address of a person, which an administrator answers for.
///
/// # Errors
/// [`StoreError`].
pub async fn set(db: &Db, setting: &Setting<'_>, now: Time) -> Result<(), StoreError> {
    let Setting { person, contact, told_before, told_now, event } = *setting;
    write!(db, c => {
        put_contact!(c, person, contact, told_before, now);
        queue_notice!(c, told_now, now);
        record!(c, *event);
        Ok(())
    })
}

/// Forgets the address of a person, and tells it so. Yields whether there was one.
///
/// # Errors
/// [`StoreError`].
pub async fn remove(
    db: &Db,
    person: PersonId,
    told: &NewNotice,
    event: &NewRow,
    now: Time,
) -> Result<bool, StoreError> {
    write!(db, c => {
        queue_notice!(c, told, now);
        let removed =
            sqlx::query("DELETE FROM person_contact WHERE person_id = $1").bind(person).execute(&mut *c).await?;
        let removed = removed.rows_affected() == 1;
        if removed {
            record!(c, *event);
        }
        Ok(removed)
    })
}

/// Forgets the codes that were asked for before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_old_codes(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM contact_code WHERE id IN (SELECT id FROM contact_code WHERE created_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}
