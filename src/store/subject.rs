//! Everything that decides on a person and that tokens say of them, in one question: it is asked again at each use of a
//! session, by far the most frequent reading of this database.

use sqlx::FromRow;

use super::directory::Entry;
use super::{Db, StoreError, read};
use crate::clock::Time;
use crate::directory::NationalId;
use crate::ids::PersonId;

/// A person as they stand now.
#[derive(Debug, Clone)]
pub struct Known {
    /// Family name, as we know it.
    pub family_name: String,
    /// Given name, as we know it.
    pub given_name: String,
    /// What was entered here of somebody who is not in the directory, in the text of `directory::model`.
    pub professional: Option<String>,
    /// An administrator disabled the person.
    pub disabled: bool,
    /// The person has a link with the establishment now.
    pub affiliated: bool,
    /// The national identifiers: the RPPS first, then in the order in which they were added.
    pub identifiers: Vec<NationalId>,
    /// The professional of the current directory who has one of them: the first that is found there.
    pub entry: Option<Entry>,
}

/// The person, once for each of their identifiers, or once without one.
#[derive(FromRow)]
struct Row {
    family_name: String,
    given_name: String,
    professional: Option<String>,
    disabled: bool,
    affiliated: bool,
    id_nat: Option<String>,
    entry_family_name: Option<String>,
    entry_given_name: Option<String>,
    entry_professional: Option<String>,
}

// The generation is worked out first, as a value: joined like a table, it tempts SQLite to walk through the directory.
pub(super) const KNOWN: &str =
    "SELECT p.family_name, p.given_name, p.professional, p.disabled_at IS NOT NULL AS disabled,
       EXISTS (SELECT 1 FROM affiliation a WHERE a.person_id = p.id AND a.started_at <= $2
         AND (a.ended_at IS NULL OR a.ended_at > $2)) AS affiliated,
       i.value AS id_nat, e.family_name AS entry_family_name, e.given_name AS entry_given_name,
       e.professional AS entry_professional
     FROM person p
       LEFT JOIN person_identifier i ON i.person_id = p.id
       LEFT JOIN directory_entry e ON e.id_nat = i.value
         AND e.generation = (SELECT g.id FROM directory_generation g WHERE g.current)
     WHERE p.id = $1
     ORDER BY CASE WHEN i.origin = 'RPPS' THEN 0 ELSE 1 END, i.created_at, i.value";

/// The person as they stand at `now`.
///
/// # Errors
/// [`StoreError`].
pub async fn known(db: &Db, person: PersonId, now: Time) -> Result<Option<Known>, StoreError> {
    let rows: Vec<Row> = read!(db, c => Ok::<_, StoreError>(
        sqlx::query_as(KNOWN).bind(person).bind(now).fetch_all(c).await?
    ))?;
    let identifiers =
        rows.iter().filter_map(|row| NationalId::of_source(row.id_nat.as_deref()?)).collect::<Vec<_>>();
    let entry = rows.iter().find_map(|row| {
        Some(Entry {
            id_nat: row.id_nat.clone()?,
            family_name: row.entry_family_name.clone()?,
            given_name: row.entry_given_name.clone()?,
            professional: row.entry_professional.clone()?,
        })
    });
    Ok(rows.into_iter().next().map(|row| Known {
        family_name: row.family_name,
        given_name: row.given_name,
        professional: row.professional,
        disabled: row.disabled,
        affiliated: row.affiliated,
        identifiers,
        entry,
    }))
}
