//! The generations of the national directory, and what the establishment wants of it.

use chrono::{DateTime, Utc};

use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::PersonId;

/// A professional of the current generation.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Entry {
    /// The national identifier.
    pub id_nat: String,
    /// Family name in practice.
    pub family_name: String,
    /// Given name in practice.
    pub given_name: String,
    /// Practices, in the text of `directory::model`.
    pub professional: String,
}

/// One import.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Generation {
    /// Its number.
    pub id: i64,
    /// The names of the files.
    pub source: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was complete.
    pub finished_at: Option<DateTime<Utc>>,
    /// Lines read.
    pub line_count: i64,
    /// People in it.
    pub person_count: i64,
    /// Lines that could not be used.
    pub rejected_count: i64,
}

/// The professional with that identifier.
///
/// # Errors
/// [`StoreError`].
pub async fn entry(db: &Db, id_nat: &str) -> Result<Option<Entry>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT e.id_nat, e.family_name, e.given_name, e.professional FROM directory_generation g \
         JOIN directory_entry e ON e.generation = g.id WHERE g.current AND e.id_nat = $1",
    ).bind(id_nat).fetch_optional(c).await?))
}

/// The professional who has one of the person's identifiers: the RPPS before others.
///
/// # Errors
/// [`StoreError`].
pub async fn entry_of_person(db: &Db, person: PersonId) -> Result<Option<Entry>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT e.id_nat, e.family_name, e.given_name, e.professional FROM person_identifier i \
         JOIN directory_generation g ON g.current \
         JOIN directory_entry e ON e.generation = g.id AND e.id_nat = i.value WHERE i.person_id = $1 \
         ORDER BY CASE WHEN i.origin = 'RPPS' THEN 0 ELSE 1 END, i.created_at, i.value LIMIT 1",
    ).bind(person).fetch_optional(c).await?))
}

/// The generation in use.
///
/// # Errors
/// [`StoreError`].
pub async fn current(db: &Db) -> Result<Option<Generation>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT id, source, started_at, finished_at, line_count, person_count, rejected_count \
         FROM directory_generation WHERE current",
    ).fetch_optional(c).await?))
}

/// Begins a generation that nobody reads yet, and answers its number. Unfinished ones of before are left to
/// [`drop_others`].
///
/// # Errors
/// [`StoreError`].
pub async fn begin(db: &Db, source: &str, now: Time) -> Result<i64, StoreError> {
    write!(db, c => {
        let id: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM directory_generation")
            .fetch_one(&mut *c).await?;
        sqlx::query(
            "INSERT INTO directory_generation \
             (id, source, started_at, current, line_count, person_count, rejected_count) \
             VALUES ($1, $2, $3, FALSE, 0, 0, 0)",
        )
        .bind(id).bind(source).bind(now).execute(&mut *c).await?;
        Ok(id)
    })
}
