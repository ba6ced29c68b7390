//! Identity checks at the desk: somebody stood there and showed a document, and somebody of the desk looked at both.
//!
//! A check is good for ten minutes, for one act, in the session in which it was recorded; the act takes it out in its own
//! transaction. What stays afterwards is in the audit trail and in the evidence of what was issued. Never the number of a
//! document, nor a picture of it.

use super::audit::{NewRow, record};
use super::means::{Kind, Means};
use super::notice::{NewNotice, queue_notice};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{IdentityCheckId, MeansId, PersonId, SessionId};
use crate::session::Acr;

/// What was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum Document {
    /// A national identity card.
    IdentityCard,
    /// A passport.
    Passport,
    /// A residence permit.
    ResidencePermit,
    /// A driving licence.
    DrivingLicence,
    /// A card of the establishment with a photograph.
    StaffCard,
}

impl Document {
    /// Every kind, in the order of the page.
    pub const ALL: [Self; 5] =
        [Self::IdentityCard, Self::Passport, Self::ResidencePermit, Self::DrivingLicence, Self::StaffCard];

    /// The name, as in the database, the audit and forms.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdentityCard => "identity-card",
            Self::Passport => "passport",
            Self::ResidencePermit => "residence-permit",
            Self::DrivingLicence => "driving-licence",
            Self::StaffCard => "staff-card",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|document| document.as_str() == name)
    }

    /// The highest level of a means that is issued on it: substantial asks for a document that the state issued to prove an
    /// identity (Implementing Regulation 2015/1502, annex, 2.1.2). High asks for more than a desk can do.
    #[must_use]
    pub fn highest_level(self) -> Acr {
        match self {
            Self::IdentityCard | Self::Passport | Self::ResidencePermit => Acr::Eidas2,
            Self::DrivingLicence | Self::StaffCard => Acr::Eidas1,
        }
    }
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct IdentityCheck {
    /// Its key.
    pub id: IdentityCheckId,
    /// Who was there.
    pub person_id: PersonId,
    /// Who of the desk looked.
    pub checked_by: PersonId,
    /// In which session.
    pub session_id: SessionId,
    /// What was shown.
    pub document: Document,
    /// When.
    pub checked_at: Time,
    /// When it is no longer good.
    pub expires_at: Time,
}

/// Keeps a check, in the place of those of the same person in the same session, and records `event`.
///
/// # Errors
/// [`StoreError`].
pub async fn keep(db: &Db, new: &IdentityCheck, event: &NewRow) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query(
            "INSERT INTO identity_check (id, person_id, checked_by, session_id, document, checked_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (session_id, person_id) DO UPDATE SET id = excluded.id, checked_by = excluded.checked_by,
               document = excluded.document, checked_at = excluded.checked_at, expires_at = excluded.expires_at,
               used_at = NULL",
        )
        .bind(new.id)
        .bind(new.person_id)
        .bind(new.checked_by)
        .bind(new.session_id)
        .bind(new.document)
        .bind(new.checked_at)
        .bind(new.expires_at)
        .execute(&mut *c)
        .await?;
        record!(c, *event);
        Ok(())
    })
}

/// The check of that person that is still good in that session.
///
/// # Errors
/// [`StoreError`].
pub async fn good(
    db: &Db,
    session: SessionId,
    person: PersonId,
    now: Time,
) -> Result<Option<IdentityCheck>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT id, person_id, checked_by, session_id, document, checked_at, expires_at FROM identity_check
         WHERE session_id = $1 AND person_id = $2 AND used_at IS NULL AND expires_at > $3",
    )
    .bind(session)
    .bind(person)
    .bind(now)
    .fetch_optional(&mut *c)
    .await?))
}

/// Uses a check up, inside a `write!` body. Yields whether it was there and still good.
macro_rules! consume_check {
    ($c:expr, $check:expr, $now:expr) => {
        sqlx::query(
            "UPDATE identity_check SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND expires_at > $2",
        )
        .bind($check)
        .bind($now)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    };
}
pub(crate) use consume_check;

/// A means that is handed to its person.
#[derive(Debug)]
pub struct HandOut<'a> {
    /// Which.
    pub means: &'a Means,
    /// On which check.
    pub check: IdentityCheckId,
    /// The highest level that the document of the check justifies: a means that it gives back reaches no more. A card keeps
    /// the level that it has from its authority.
    pub highest: Acr,
    /// By whom.
    pub by: PersonId,
    /// What its person is told where that ends its suspension; else it has to be active.
    pub resumed: Option<&'a NewNotice>,
    /// What is recorded of it.
    pub event: &'a NewRow,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedOut {
    /// It was handed out.
    Done,
    /// The check was used, or is too old.
    CheckOver,
    /// The means does not stand as it did on the page; the check is used all the same.
    Changed,
}

/// Hands a means to its person, on a check.
///
/// # Errors
/// [`StoreError`].
pub async fn hand_out(db: &Db, handed: &HandOut<'_>, now: Time) -> Result<HandedOut, StoreError> {
    let &HandOut { means, check, highest, by, resumed, event } = handed;
    let level = if means.kind == Kind::Card { means.level } else { means.level.min(highest) };
    write!(db, c => {
        if !consume_check!(c, check, now) {
            return Ok(HandedOut::CheckOver);
        }
        let stands = match resumed {
            Some(_) => sqlx::query(
                "UPDATE means SET suspended_at = NULL, reason = NULL, level = $3
                 WHERE id = $1 AND suspended_at IS NOT NULL AND revoked_at IS NULL
                   AND (kind = 'card' OR expires_at > $2)",
            )
            .bind(means.id)
            .bind(now)
            .bind(level),
            // Holds the row as it stands until the end of this transaction.
            None => sqlx::query(
                "UPDATE means SET reason = reason
                 WHERE id = $1 AND suspended_at IS NULL AND revoked_at IS NULL AND expires_at > $2",
            )
            .bind(means.id)
            .bind(now),
        };
        if stands.execute(&mut *c).await?.rows_affected() != 1 {
            return Ok(HandedOut::Changed);
        }
        sqlx::query(
            "INSERT INTO means_handed_out (means_id, handed_out_at, handed_out_by) VALUES ($1, $2, $3)
             ON CONFLICT (means_id) DO UPDATE SET handed_out_at = excluded.handed_out_at,
               handed_out_by = excluded.handed_out_by",
        )
        .bind(means.id)
        .bind(now)
        .bind(by)
        .execute(&mut *c)
        .await?;
        if let Some(notice) = resumed {
            queue_notice!(c, notice, now);
        }
        record!(c, *event);
        Ok(HandedOut::Done)
    })
}

/// When the means of a person were last handed to them.
///
/// # Errors
/// [`StoreError`].
pub async fn handed_out(db: &Db, person: PersonId) -> Result<Vec<(MeansId, Time)>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT h.means_id, h.handed_out_at FROM means_handed_out h JOIN means m ON m.id = h.means_id
         WHERE m.person_id = $1",
    )
    .bind(person)
    .fetch_all(&mut *c)
    .await?))
}

/// Deletes the checks that are good no more, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM identity_check
             WHERE id IN (SELECT id FROM identity_check WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}
