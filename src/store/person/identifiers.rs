//! The national identifiers of people: an identifier is one person's, and a person may have several.

use sqlx::QueryBuilder;

use super::{Db, StoreError, end_sessions_of, read, write};
use crate::audit::Event;
use crate::clock::Time;
use crate::directory::NationalId;
use crate::ids::{PersonId, Random};
use crate::session::EndReason;
use crate::store::audit::{NewRow, record};

/// The national identifiers of a person: the RPPS first, then in the order in which they were added.
///
/// # Errors
/// [`StoreError`].
pub async fn identifiers(db: &Db, person: PersonId) -> Result<Vec<NationalId>, StoreError> {
    let values: Vec<String> = read!(db, c => Ok::<_, StoreError>(sqlx::query_scalar(
        "SELECT value FROM person_identifier WHERE person_id = $1 \
         ORDER BY CASE WHEN origin = 'RPPS' THEN 0 ELSE 1 END, created_at, value",
    ).bind(person).fetch_all(c).await?))?;
    Ok(values.iter().filter_map(|value| NationalId::of_source(value)).collect())
}

/// Those of them that a provider of others told, each with its issuer.
///
/// # Errors
/// [`StoreError`].
pub async fn told_identifiers(db: &Db, person: PersonId) -> Result<Vec<(String, String)>, StoreError> {
    const SQL: &str = "SELECT value, told_by FROM person_identifier WHERE person_id = $1 AND told_by <> ''
         ORDER BY created_at, value";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(person).fetch_all(c).await?))
}

/// Whose these identifiers are: those that somebody here has, each with its person.
///
/// # Errors
/// [`StoreError`].
pub async fn holders(db: &Db, ids: &[NationalId]) -> Result<Vec<(String, PersonId)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    read!(db, c => {
        let mut query = QueryBuilder::new("SELECT value, person_id FROM person_identifier WHERE value IN (");
        let mut values = query.separated(", ");
        for id in ids {
            values.push_bind(id.as_str().to_owned());
        }
        query.push(") ORDER BY value");
        Ok(query.build_query_as().fetch_all(c).await?)
    })
}

/// The identifiers of people who have more than one.
///
/// # Errors
/// [`StoreError`].
pub async fn alternatives(db: &Db) -> Result<Vec<(String, PersonId)>, StoreError> {
    const SQL: &str = "SELECT value, person_id FROM person_identifier WHERE person_id IN
           (SELECT person_id FROM person_identifier GROUP BY person_id HAVING COUNT(*) > 1)";
    read!(db, c => Ok(sqlx::query_as(SQL).fetch_all(c).await?))
}

/// When an identifier becomes a person's that they get now, inside a `write!` body: after all those that they have,
/// also where they got one at this very moment. So what services call somebody stays the same.
macro_rules! after_the_others {
    ($c:expr, $person:expr, $now:expr) => {{
        let last: Option<$crate::clock::Time> = sqlx::query_scalar(
            "SELECT created_at FROM person_identifier WHERE person_id = $1 ORDER BY created_at DESC LIMIT 1",
        )
        .bind($person)
        .fetch_optional(&mut *$c)
        .await?;
        last.map_or($now, |last| $now.max(last + chrono::TimeDelta::microseconds(1)))
    }};
}
pub(crate) use after_the_others;

/// Inserts an identifier that a person has from `at` on, inside a `write!` body.
macro_rules! add_identifier {
    ($c:expr, $person:expr, $id:expr, $at:expr) => {
        sqlx::query(
            "INSERT INTO person_identifier (value, person_id, origin, quality, created_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind($id.as_str())
        .bind($person)
        .bind($id.origin())
        .bind($id.quality())
        .bind($at)
        .execute(&mut *$c)
        .await?
    };
}
pub(super) use add_identifier;

/// Gives a person another national identifier. [`StoreError::is_duplicate`] where somebody has it.
///
/// # Errors
/// [`StoreError`].
pub async fn identify(
    db: &Db,
    person: PersonId,
    id: &NationalId,
    now: Time,
    event: &Event,
) -> Result<(), StoreError> {
    write!(db, c => {
        let at = after_the_others!(c, person, now);
        add_identifier!(c, person, id, at);
        record!(c, *event);
        Ok(())
    })
}

/// Takes an identifier away from a person who has another one, and ends their sessions: what it opened may be somebody else's.
/// Yields whether it was theirs, and not the last.
///
/// # Errors
/// [`StoreError`].
pub async fn take_identifier_away(
    db: &Db,
    person: PersonId,
    id: &NationalId,
    now: Time,
    random: &dyn Random,
    event: &Event,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let gone = sqlx::query(
            "DELETE FROM person_identifier WHERE person_id = $1 AND value = $2
               AND EXISTS (SELECT 1 FROM person_identifier o WHERE o.person_id = $1 AND o.value <> $2)",
        )
        .bind(person)
        .bind(id.as_str())
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if gone {
            end_sessions_of!(c, person, EndReason::Administrator, now, random);
            record!(c, *event);
        }
        Ok(gone)
    })
}

/// An identifier that a provider of others tells of somebody who signs in by it.
#[derive(Debug, Clone)]
pub struct ToldIdentifier {
    /// The identifier.
    pub id: NationalId,
    /// What is recorded where it becomes theirs.
    pub event: NewRow,
}

/// Inserts an identifier that a provider told, inside a `write!` body. Yields whether it was inserted.
macro_rules! add_told_identifier {
    ($c:expr, $id:expr, $issuer:expr, $person:expr, $at:expr, $where_taken:literal) => {
        sqlx::query(concat!(
            "INSERT INTO person_identifier (value, person_id, origin, quality, created_at, told_by)
             VALUES ($1, $2, $3, $4, $5, $6) ",
            $where_taken
        ))
        .bind($id.as_str().to_owned())
        .bind($person)
        .bind($id.origin())
        .bind($id.quality())
        .bind($at)
        .bind($issuer)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    };
}
pub(crate) use add_told_identifier;

/// Inside a `write!` body that begins the session: what `issuer` tells of the person becomes theirs, with where it comes
/// from. Where another sign-in of theirs learns it at this moment it is theirs all the same; where somebody else has it, it
/// is a duplicate, and nothing of the sign-in stays.
macro_rules! learn_identifiers {
    ($c:expr, $told:expr, $issuer:expr, $person:expr, $now:expr) => {
        for told in $told {
            let told: &$crate::store::person::ToldIdentifier = told;
            let at = $crate::store::person::after_the_others!($c, $person, $now);
            let mut is_new = $crate::store::person::add_told_identifier!(
                $c,
                told.id,
                $issuer,
                $person,
                at,
                "ON CONFLICT (value) DO NOTHING"
            );
            if !is_new {
                let holder: Option<$crate::ids::PersonId> =
                    sqlx::query_scalar("SELECT person_id FROM person_identifier WHERE value = $1")
                        .bind(told.id.as_str().to_owned())
                        .fetch_optional(&mut *$c)
                        .await?;
                // Of somebody else it is refused here.
                is_new = holder != Some($person)
                    && $crate::store::person::add_told_identifier!($c, told.id, $issuer, $person, at, "");
            }
            if is_new {
                record!($c, told.event);
            }
        }
    };
}
pub(crate) use learn_identifiers;

/// As if `issuer` had told it at a sign-in.
///
/// # Errors
/// [`StoreError`].
#[cfg(test)]
pub(crate) async fn learn_for_test(
    db: &Db,
    person: PersonId,
    id: &NationalId,
    issuer: &'static str,
    now: Time,
    event: &Event,
) -> Result<(), StoreError> {
    let told = [ToldIdentifier { id: id.clone(), event: event.into() }];
    write!(db, c => {
        learn_identifiers!(c, &told, issuer, person, now);
        Ok(())
    })
}
