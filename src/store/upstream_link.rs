//! The identities that a person has at providers of others: listed, linked by hand, and unlinked.
//!
//! A person is told of the first and of the last, like of a means. What an unlinked identity has opened ends with it, and so does
//! what was granted to outlive that.

use super::audit::{Filter, NewRow, record};
use super::identity_check::consume_check;
use super::notice::{NewNotice, Told, queue_notice};
use super::session::{end_session, revoke_offline};
use super::upstream::take_back_professional;
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::directory::NationalId;
use crate::ids::{IdentityCheckId, PersonId, Random, SessionId};
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

/// So many events are looked at, of each code.
const MOST_REFUSED: i64 = 50;
/// What the note of a contradiction begins with, before all that was told.
const TOLD: &str = "told ";
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
    /// The identity check that it is made on, and uses up; none on the command line.
    pub check: Option<IdentityCheckId>,
}

/// Whether a provider may call somebody so: at most 255 ASCII characters (OpenID Connect Core §2), and no space.
#[must_use]
pub fn is_subject(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && text.chars().all(|c| c.is_ascii_graphic())
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
    /// The identity check was used, or is too old.
    CheckOver,
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
    match try_to_link(db, new, event, now, random).await {
        // Somebody linked the one or the other at this moment, and nothing of ours is kept: now it is seen.
        Err(error) if error.is_duplicate() => try_to_link(db, new, event, now, random).await,
        done => done,
    }
}

async fn try_to_link(
    db: &Db,
    new: &NewLink,
    event: &NewRow,
    now: Time,
    random: &dyn Random,
) -> Result<Linked, StoreError> {
    let NewLink { person, issuer, subject, label, by, check } = new.clone();
    write!(db, c => {
        let there: Vec<(String, PersonId)> = sqlx::query_as(
            "SELECT subject, person_id FROM upstream_identity WHERE issuer = $1 AND (subject = $2 OR person_id = $3)",
        )
        .bind(issuer.clone())
        .bind(subject.clone())
        .bind(person)
        .fetch_all(&mut *c)
        .await?;
        if there.iter().any(|(of, _)| *of == subject) {
            return Ok(Linked::Taken);
        }
        if !there.is_empty() {
            return Ok(Linked::HasOther);
        }
        if let Some(check) = check
            && !consume_check!(c, check, now)
        {
            return Ok(Linked::CheckOver);
        }
        sqlx::query(
            "INSERT INTO upstream_identity (issuer, subject, person_id, label, linked_by, linked_at, last_used_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(issuer)
        .bind(subject)
        .bind(person)
        .bind(label.clone())
        .bind(by)
        .bind(now)
        .execute(&mut *c)
        .await?;
        let told = Told::IdentityLinked { provider: label, place: super::notice::Place::default() };
        queue_notice!(c, &NewNotice::new(person, told, now, random), now);
        record!(c, *event);
        Ok(Linked::Done)
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

/// An identity that was refused at a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Who it is there.
    pub subject: String,
    /// The national identifier that was told of them, where one was.
    pub id_nat: Option<String>,
    /// That one, and all others that the refusals tell of.
    pub told: Vec<NationalId>,
    /// When it was refused last.
    pub at: Time,
}

/// What an event has of it.
#[derive(serde::Deserialize)]
struct Detail {
    upstream: Option<String>,
    means: Option<String>,
    means_id: Option<String>,
    id_nat: Option<String>,
    note: Option<String>,
}

impl Detail {
    /// What was told of it: of a contradiction the note has all.
    fn told(&self) -> Vec<NationalId> {
        let noted = self.note.as_deref().and_then(|note| note.strip_prefix(TOLD)).unwrap_or_default();
        let all = self.id_nat.as_deref().into_iter().chain(noted.split(' '));
        all.filter_map(NationalId::of_source).collect()
    }
}

/// The identities of events of that kind, after `since`, that were refused with one of these codes: the newest first, each
/// once.
///
/// # Errors
/// [`StoreError`].
pub async fn refused(db: &Db, kind: &str, codes: &[&str], since: Time) -> Result<Vec<Refused>, StoreError> {
    let mut rows = Vec::new();
    for code in codes {
        let filter = Filter {
            since: Some(since),
            kind: Some(kind.to_owned()),
            code: Some((*code).to_owned()),
            limit: MOST_REFUSED,
            ..Filter::default()
        };
        rows.extend(super::audit::list(db, &filter).await?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse((row.at, row.id)));
    let mut refused: Vec<Refused> = Vec::new();
    for row in rows {
        let Ok(detail) = serde_json::from_str::<Detail>(&row.detail) else { continue };
        let told = detail.told();
        let Detail { upstream: Some(provider), means: Some(means), means_id: Some(subject), id_nat, .. } =
            detail
        else {
            continue;
        };
        if means != "upstream" {
            continue;
        }
        match refused.iter_mut().find(|known| known.provider == provider && known.subject == subject) {
            Some(known) => known.told.extend(told),
            None => refused.push(Refused { provider, subject, id_nat, told, at: row.at }),
        }
    }
    Ok(refused)
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
