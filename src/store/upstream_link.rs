//! The identities that a person has at providers of others: listed, linked by hand, and unlinked.
//!
//! A person is told of the first and of the last, like of a means. What an unlinked identity has opened ends with it, and so does
//! what was granted to outlive that.

use super::audit::{NewRow, record};
use super::notice::{NewNotice, Told, queue_notice};
use super::session::{end_session, revoke_offline};
use super::upstream::take_back_professional;
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{PersonId, Random, SessionId};
use crate::session::EndReason;

/// An identity of a person at a provider.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Link {
    /// Whose it is here.
    pub person_id: PersonId,
    /// The issuer.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// What people call the provider; empty where that is not known.
    pub label: String,
    /// `provider`, `person`, `desk` or `command line`.
    pub linked_by: String,
    /// Since when.
    pub linked_at: Time,
    /// When it last signed in; as `linked_at` where it never did.
    pub last_used_at: Time,
}

impl Link {
    /// What to call the provider.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.label.is_empty() { &self.issuer } else { &self.label }
    }

    /// When it last signed in; none where it never did.
    #[must_use]
    pub fn last_used(&self) -> Option<Time> {
        (self.linked_by == BY_PROVIDER || self.last_used_at > self.linked_at).then_some(self.last_used_at)
    }
}

/// Who makes a link of what the provider tells.
const BY_PROVIDER: &str = "provider";

/// The identities of a person, in the order of their issuers.
///
/// # Errors
/// [`StoreError`].
pub async fn of_person(db: &Db, person: PersonId) -> Result<Vec<Link>, StoreError> {
    const SQL: &str = "SELECT person_id, issuer, subject, label, linked_by, linked_at, last_used_at
         FROM upstream_identity WHERE person_id = $1 ORDER BY issuer";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(person).fetch_all(&mut *c).await?))
}

/// A link made by hand.
#[derive(Debug, Clone)]
pub struct NewLink {
    /// Whose the identity is.
    pub person: PersonId,
    /// The issuer.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// What people call the provider.
    pub label: String,
    /// `desk` or `command line`.
    pub by: &'static str,
}

/// How a link by hand ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// It is made.
    Done,
    /// The identity is somebody's already.
    Taken,
    /// The person has another identity of this issuer.
    HasOther,
}

/// Makes a link by hand, tells its person and records it.
///
/// # Errors
/// [`StoreError`].
pub async fn link(
    db: &Db,
    new: &NewLink,
    event: &NewRow,
    now: Time,
    random: &dyn Random,
) -> Result<Linked, StoreError> {
    let NewLink { person, issuer, subject, label, by } = new.clone();
    write!(db, c => {
        let made = sqlx::query(
            "INSERT INTO upstream_identity (issuer, subject, person_id, label, linked_by, linked_at, last_used_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING",
        )
        .bind(issuer.clone())
        .bind(subject.clone())
        .bind(person)
        .bind(label.clone())
        .bind(by)
        .bind(now)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if made {
            let told = Told::IdentityLinked { provider: label, place: super::notice::Place::default() };
            queue_notice!(c, &NewNotice::new(person, told, now, random), now);
            record!(c, *event);
            return Ok(Linked::Done);
        }
        let holder: Option<PersonId> =
            sqlx::query_scalar("SELECT person_id FROM upstream_identity WHERE issuer = $1 AND subject = $2")
                .bind(issuer)
                .bind(subject)
                .fetch_optional(&mut *c)
                .await?;
        Ok(if holder.is_some() { Linked::Taken } else { Linked::HasOther })
    })
}

/// A link that is taken away.
pub struct Unlinking<'a> {
    /// Whose it is.
    pub person: PersonId,
    /// At which issuer; a person has one identity of each.
    pub issuer: &'a str,
    /// What is recorded of it, by who it was there: afterwards nobody could say.
    pub event: &'a (dyn Fn(&str) -> NewRow + Sync),
    /// What is recorded of each session that ends.
    pub ended: &'a (dyn Fn(SessionId) -> NewRow + Sync),
}

/// Takes a link away, and what its provider told of the professional; ends what the identity has opened, tells its person and
/// records it. Yields whether there was one.
///
/// # Errors
/// [`StoreError`].
pub async fn unlink(
    db: &Db,
    unlinking: &Unlinking<'_>,
    now: Time,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    let &Unlinking { person, issuer, event, ended } = unlinking;
    let issuer = issuer.to_owned();
    write!(db, c => {
        let gone: Option<(String, String)> = sqlx::query_as(
            "DELETE FROM upstream_identity WHERE person_id = $1 AND issuer = $2 RETURNING label, subject",
        )
        .bind(person)
        .bind(issuer.clone())
        .fetch_optional(&mut *c)
        .await?;
        let Some((label, subject)) = gone else { return Ok(false) };
        record!(c, event(&subject));
        let _ = take_back_professional!(c, issuer.clone(), person);
        let provider = if label.is_empty() { issuer.clone() } else { label };
        let told = Told::IdentityUnlinked { provider };
        queue_notice!(c, &NewNotice::new(person, told, now, random), now);
        let opened: Vec<SessionId> = sqlx::query_scalar(
            "SELECT u.session_id FROM upstream_session u JOIN session s ON s.id = u.session_id
             WHERE u.issuer = $1 AND s.person_id = $2 ORDER BY s.id",
        )
        .bind(issuer)
        .bind(person)
        .fetch_all(&mut *c)
        .await?;
        for session in opened {
            if end_session!(c, session, EndReason::Unlinked, now, random) {
                record!(c, ended(session));
            }
            revoke_offline!(c, "$1", session, EndReason::Unlinked, now);
        }
        Ok(true)
    })
}
