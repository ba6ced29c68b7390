//! People, their national identifiers and their links with this establishment.

mod folded;
mod identifiers;
mod merge;

use chrono::{DateTime, Utc};

use super::audit::record;
use super::session::end_sessions_of;
use super::{Db, StoreError, read, write};
use crate::audit::Event;
use crate::clock::Time;
use crate::directory::NationalId;
use crate::ids::{AffiliationId, PersonId, Random, SessionId};
use crate::session::EndReason;

use self::identifiers::add_identifier;
#[cfg(test)]
pub(crate) use self::identifiers::learn_for_test;
pub use self::identifiers::{
    ToldIdentifier, alternatives, holders, identifiers, identify, take_identifier_away, told_identifiers,
};
pub(crate) use self::identifiers::{add_told_identifier, after_the_others, learn_identifiers};
pub use self::merge::{Merged, Merging, merge};

/// A person.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Person {
    /// Our key.
    pub id: PersonId,
    /// Family name.
    pub family_name: String,
    /// Given name.
    pub given_name: String,
    /// What was entered here of somebody who is not in the directory, or told of them by a provider of others, in the text of
    /// `directory::model`.
    pub professional: Option<String>,
    /// The issuer that told it; empty where it was entered here.
    pub professional_origin: String,
    /// Since when we know them.
    pub created_at: DateTime<Utc>,
    /// Since when they may not sign in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Why, in the administrator's words.
    pub disabled_reason: Option<String>,
}

/// A person to add, with everything that makes them.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// Our key.
    pub id: PersonId,
    /// Family name.
    pub family_name: String,
    /// Given name.
    pub given_name: String,
    /// Professional data of somebody who is not in the directory.
    pub professional: Option<String>,
    /// At least one.
    pub identifiers: Vec<NationalId>,
    /// Links with the establishment.
    pub affiliations: Vec<NewAffiliation>,
}

/// A link to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAffiliation {
    /// Where it comes from.
    pub source: Source,
    /// `1` + FINESS, `3` + SIRET, or empty.
    pub structure: String,
    /// From when on.
    pub started_at: Time,
    /// Until when, where that is known.
    pub ended_at: Option<Time>,
}

/// Where a link comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Source {
    /// An activity in the directory.
    Directory,
    /// The establishment's list.
    List,
    /// An administrator.
    Desk,
}

impl Source {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::List => "list",
            Self::Desk => "desk",
        }
    }
}

/// A link with the establishment.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Affiliation {
    /// Its key.
    pub id: AffiliationId,
    /// Where it comes from.
    pub source: Source,
    /// `1` + FINESS, `3` + SIRET, or empty.
    pub structure: String,
    /// From when on.
    pub started_at: DateTime<Utc>,
    /// Until when.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended.
    pub end_reason: Option<String>,
}

/// What decides on a sign-in.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Standing {
    /// Our key.
    #[sqlx(rename = "id")]
    pub person: PersonId,
    /// An administrator disabled the person.
    pub disabled: bool,
    /// The person has a link with the establishment now.
    pub affiliated: bool,
}

/// The standing at `now` of the person who holds a national identifier.
///
/// # Errors
/// [`StoreError`].
pub async fn standing_by_identifier(
    db: &Db,
    id_nat: &str,
    now: Time,
) -> Result<Option<Standing>, StoreError> {
    const SQL: &str = "SELECT p.id, p.disabled_at IS NOT NULL AS disabled,
           EXISTS (SELECT 1 FROM affiliation a WHERE a.person_id = p.id AND a.started_at <= $2
             AND (a.ended_at IS NULL OR a.ended_at > $2)) AS affiliated
         FROM person p JOIN person_identifier i ON i.person_id = p.id WHERE i.value = $1";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(id_nat).bind(now).fetch_optional(c).await?))
}

/// The person with that key.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, person: PersonId) -> Result<Option<Person>, StoreError> {
    read!(db, c => Ok(sqlx::query_as("SELECT * FROM person WHERE id = $1").bind(person).fetch_optional(c).await?))
}

/// The person who holds a national identifier.
///
/// # Errors
/// [`StoreError`].
pub async fn by_identifier(db: &Db, id_nat: &str) -> Result<Option<Person>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT p.* FROM person p JOIN person_identifier i ON i.person_id = p.id WHERE i.value = $1",
    ).bind(id_nat).fetch_optional(c).await?))
}

/// The links of a person with the establishment, newest first.
///
/// # Errors
/// [`StoreError`].
pub async fn affiliations(db: &Db, person: PersonId) -> Result<Vec<Affiliation>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT id, source, structure, started_at, ended_at, end_reason FROM affiliation \
         WHERE person_id = $1 ORDER BY started_at DESC, id DESC",
    ).bind(person).fetch_all(c).await?))
}

/// One line of a list of people.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Listed {
    /// Our key.
    pub id: PersonId,
    /// The identifier that sorts first.
    pub id_nat: String,
    /// Family name.
    pub family_name: String,
    /// Given name.
    pub given_name: String,
    /// Disabled.
    pub disabled: bool,
    /// Has a link with the establishment now.
    pub affiliated: bool,
}

/// People whose names, in either order, or whose identifier contain `text`, by name: accents, capitals and hyphens do not
/// matter.
///
/// # Errors
/// [`StoreError`].
pub async fn list(db: &Db, text: &str, limit: i64, now: Time) -> Result<Vec<Listed>, StoreError> {
    let containing =
        |text: String| format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
    let (names, identifier) = (containing(folded::fold(text)), containing(text.to_lowercase()));
    read!(db, c => Ok(sqlx::query_as(
        "SELECT p.id, MIN(i.value) AS id_nat, p.family_name, p.given_name, p.disabled_at IS NOT NULL AS disabled, \
         EXISTS (SELECT 1 FROM affiliation a WHERE a.person_id = p.id AND a.started_at <= $2 \
                 AND (a.ended_at IS NULL OR a.ended_at > $2)) AS affiliated \
         FROM person p JOIN person_identifier i ON i.person_id = p.id \
         WHERE p.sought LIKE $1 ESCAPE '\\' OR LOWER(i.value) LIKE $4 ESCAPE '\\' \
         GROUP BY p.id, p.family_name, p.given_name, p.disabled_at \
         ORDER BY p.family_name, p.given_name, p.id LIMIT $3",
    ).bind(names).bind(now).bind(limit).bind(identifier).fetch_all(c).await?))
}

/// Inserts a link, inside a `write!` body.
macro_rules! add_affiliation {
    ($c:expr, $person:expr, $new:expr, $now:expr, $random:expr) => {
        sqlx::query(
            "INSERT INTO affiliation (id, person_id, source, structure, started_at, ended_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(AffiliationId::new($now, $random))
        .bind($person)
        .bind($new.source.as_str())
        .bind($new.structure.as_str())
        .bind($new.started_at)
        .bind($new.ended_at)
        .execute(&mut *$c)
        .await?
    };
}

/// Inserts a person with identifiers and links, inside a `write!` body.
macro_rules! add_person {
    ($c:expr, $new:expr, $now:expr, $random:expr) => {{
        sqlx::query(
            "INSERT INTO person (id, family_name, given_name, sought, professional, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind($new.id)
        .bind($new.family_name.as_str())
        .bind($new.given_name.as_str())
        .bind(folded::sought(&$new.family_name, &$new.given_name))
        .bind($new.professional.as_deref())
        .bind($now)
        .execute(&mut *$c)
        .await?;
        let mut at = $now;
        for id in &$new.identifiers {
            add_identifier!($c, $new.id, id, at);
            at += chrono::TimeDelta::microseconds(1);
        }
        for affiliation in &$new.affiliations {
            add_affiliation!($c, $new.id, affiliation, $now, $random);
        }
    }};
}

/// Adds a person. [`StoreError::is_duplicate`] where somebody has one of the identifiers.
///
/// # Errors
/// [`StoreError`].
pub async fn add(
    db: &Db,
    new: &NewPerson,
    now: Time,
    random: &dyn Random,
    event: &Event,
) -> Result<(), StoreError> {
    write!(db, c => {
        add_person!(c, new, now, random);
        record!(c, *event);
        Ok(())
    })
}

/// Links a person with the establishment.
///
/// # Errors
/// [`StoreError`].
pub async fn affiliate(
    db: &Db,
    person: PersonId,
    new: &NewAffiliation,
    now: Time,
    random: &dyn Random,
    event: &Event,
) -> Result<(), StoreError> {
    write!(db, c => {
        add_affiliation!(c, person, new, now, random);
        record!(c, *event);
        Ok(())
    })
}

/// Disables a person and ends their sessions. None where they were disabled already; else the sessions that ended.
///
/// # Errors
/// [`StoreError`].
pub async fn disable(
    db: &Db,
    person: PersonId,
    reason: &str,
    now: Time,
    random: &dyn Random,
    event: &Event,
) -> Result<Option<Vec<SessionId>>, StoreError> {
    write!(db, c => {
        let changed = sqlx::query(
            "UPDATE person SET disabled_at = $2, disabled_reason = $3 WHERE id = $1 AND disabled_at IS NULL",
        )
        .bind(person).bind(now).bind(reason).execute(&mut *c).await?.rows_affected();
        if changed == 0 {
            return Ok(None);
        }
        let ended = end_sessions_of!(c, person, EndReason::PersonDisabled, now, random);
        record!(c, *event);
        Ok(Some(ended))
    })
}

/// Lets a disabled person sign in again. False where they were not disabled.
///
/// # Errors
/// [`StoreError`].
pub async fn enable(db: &Db, person: PersonId, event: &Event) -> Result<bool, StoreError> {
    write!(db, c => {
        let changed = sqlx::query(
            "UPDATE person SET disabled_at = NULL, disabled_reason = NULL WHERE id = $1 AND disabled_at IS NOT NULL",
        )
        .bind(person).execute(&mut *c).await?.rows_affected();
        if changed == 1 {
            record!(c, *event);
        }
        Ok(changed == 1)
    })
}

/// How many links of a person run, inside a `write!` body.
macro_rules! running_links {
    ($c:expr, $person:expr, $now:expr) => {{
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM affiliation WHERE person_id = $1 AND started_at <= $2 \
             AND (ended_at IS NULL OR ended_at > $2)",
        )
        .bind($person)
        .bind($now)
        .fetch_one(&mut *$c)
        .await?;
        count
    }};
}

/// Ends, inside a `write!` body, a link that runs, and the person's sessions where it was the last. Yields whether it
/// ran, and the sessions.
macro_rules! end_affiliation {
    ($c:expr, $person:expr, $affiliation:expr, $reason:expr, $now:expr, $random:expr) => {{
        let ended = sqlx::query(
            "UPDATE affiliation SET ended_at = $2, end_reason = $3 \
             WHERE id = $1 AND (ended_at IS NULL OR ended_at > $2)",
        )
        .bind($affiliation)
        .bind($now)
        .bind($reason)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1;
        let sessions = if ended && running_links!($c, $person, $now) == 0 {
            end_sessions_of!($c, $person, EndReason::AffiliationEnded, $now, $random)
        } else {
            Vec::new()
        };
        (ended, sessions)
    }};
}

/// Ends a link with the establishment now, and with the last one the person's sessions. False where it did not run.
///
/// # Errors
/// [`StoreError`].
pub async fn end_affiliation(
    db: &Db,
    person: PersonId,
    affiliation: AffiliationId,
    reason: &str,
    now: Time,
    random: &dyn Random,
    event: &Event,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let (ended, _) = end_affiliation!(c, person, affiliation, reason, now, random);
        if ended {
            record!(c, *event);
        }
        Ok(ended)
    })
}

/// Gives the links whose term has come an end that is recorded, and ends the sessions of those who have no other link:
/// up to `limit` of them, all in one transaction. Answers how many.
///
/// # Errors
/// [`StoreError`].
pub async fn end_due_links(
    db: &Db,
    limit: i64,
    now: Time,
    random: &dyn Random,
    event: &(dyn Fn(PersonId) -> Event + Sync),
) -> Result<usize, StoreError> {
    write!(db, c => {
        let due: Vec<(AffiliationId, PersonId)> = sqlx::query_as(
            "SELECT id, person_id FROM affiliation WHERE ended_at <= $1 AND end_reason IS NULL \
             ORDER BY person_id, id LIMIT $2",
        ).bind(now).bind(limit).fetch_all(&mut *c).await?;
        for (link, person) in &due {
            sqlx::query("UPDATE affiliation SET end_reason = $2 WHERE id = $1")
                .bind(*link).bind(TERM).execute(&mut *c).await?;
            if running_links!(c, *person, now) == 0 {
                end_sessions_of!(c, *person, EndReason::AffiliationEnded, now, random);
            }
            record!(c, event(*person).note(TERM));
        }
        Ok(due.len())
    })
}

const TERM: &str = "its term";

/// A link that an import may end.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ImportedLink {
    /// Its key.
    pub id: AffiliationId,
    /// Whose.
    pub person_id: PersonId,
    /// Directory or list.
    pub source: Source,
    /// `1` + FINESS, `3` + SIRET, or empty.
    pub structure: String,
    /// One of the person's national identifiers: a link is answered once for each.
    pub id_nat: String,
}

/// The links that run at `now` and come from the directory or the list.
///
/// # Errors
/// [`StoreError`].
pub async fn imported_links(db: &Db, now: Time) -> Result<Vec<ImportedLink>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT a.id, a.person_id, a.source, a.structure, i.value AS id_nat FROM affiliation a \
         JOIN person_identifier i ON i.person_id = a.person_id \
         WHERE a.source IN ('directory', 'list') AND a.started_at <= $1 AND (a.ended_at IS NULL OR a.ended_at > $1) \
         ORDER BY a.person_id, a.id",
    ).bind(now).fetch_all(c).await?))
}

/// What an import changes of one person.
#[derive(Debug, Clone)]
pub struct LinkChange {
    /// The person; with `new`, the key to make.
    pub person: PersonId,
    /// The person to add first.
    pub new: Option<(NewPerson, Event)>,
    /// Links to begin.
    pub start: Vec<(NewAffiliation, Event)>,
    /// Links to end.
    pub end: Vec<(AffiliationId, Event)>,
}

/// Makes the changes, all or none. Answers how many sessions ended.
///
/// # Errors
/// [`StoreError`]; [`StoreError::is_duplicate`] where somebody to be added was added meanwhile.
pub async fn change_links(
    db: &Db,
    changes: &[LinkChange],
    reason: &str,
    now: Time,
    random: &dyn Random,
) -> Result<usize, StoreError> {
    write!(db, c => {
        let mut sessions = 0;
        for change in changes {
            if let Some((new, event)) = &change.new {
                add_person!(c, new, now, random);
                record!(c, *event);
            }
            // Begins before it ends: whoever moves inside the establishment stays signed in.
            for (affiliation, event) in &change.start {
                add_affiliation!(c, change.person, affiliation, now, random);
                record!(c, *event);
            }
            for (affiliation, event) in &change.end {
                let (_, ended) = end_affiliation!(c, change.person, *affiliation, reason, now, random);
                sessions += ended.len();
                record!(c, *event);
            }
        }
        Ok(sessions)
    })
}

/// As if nobody had entered anything of a professional.
///
/// # Errors
/// [`StoreError`].
#[cfg(test)]
pub(crate) async fn forget_professional_for_test(db: &Db, person: PersonId) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query("UPDATE person SET professional = NULL WHERE id = $1").bind(person).execute(&mut *c).await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests;
