//! The generations of the national directory, and what the establishment wants of it.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use super::audit::record;
use super::job_lease::{Holder, holds};
use super::{Db, Promise, StoreError, read, write};
use crate::audit::Event;
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

// The generation in use is worked out first, as a value: joined like a table, it tempts SQLite to walk through the whole
// directory.
pub(super) const ENTRY: &str = "SELECT id_nat, family_name, given_name, professional FROM directory_entry
     WHERE id_nat = $1 AND generation = (SELECT g.id FROM directory_generation g WHERE g.current)";
pub(super) const ENTRY_OF_PERSON: &str = "SELECT e.id_nat, e.family_name, e.given_name, e.professional
     FROM person_identifier i CROSS JOIN directory_entry e
     WHERE i.person_id = $1 AND e.id_nat = i.value
       AND e.generation = (SELECT g.id FROM directory_generation g WHERE g.current)
     ORDER BY CASE WHEN i.origin = 'RPPS' THEN 0 ELSE 1 END, i.created_at, i.value LIMIT 1";

/// The professional with that identifier.
///
/// # Errors
/// [`StoreError`].
pub async fn entry(db: &Db, id_nat: &str) -> Result<Option<Entry>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        ENTRY,
    ).bind(id_nat).fetch_optional(c).await?))
}

/// The professional who has one of the person's identifiers: the RPPS before others.
///
/// # Errors
/// [`StoreError`].
pub async fn entry_of_person(db: &Db, person: PersonId) -> Result<Option<Entry>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        ENTRY_OF_PERSON,
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

/// Begins a generation that nobody reads yet, and answers its number; none where the lease is lost.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(db: &Db, lease: &Holder, source: &str, now: Time) -> Result<Option<i64>, StoreError> {
    write!(db, c => {
        if !holds!(c, lease) {
            return Ok(None);
        }
        let id: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM directory_generation")
            .fetch_one(&mut *c).await?;
        sqlx::query(
            "INSERT INTO directory_generation \
             (id, source, started_at, current, line_count, person_count, rejected_count) \
             VALUES ($1, $2, $3, FALSE, 0, 0, 0)",
        )
        .bind(id).bind(source).bind(now).execute(&mut *c).await?;
        Ok(Some(id))
    })
}

/// Writes people into a generation, replacing those it has, in one transaction. False, and nothing is written, where the
/// lease is lost. Nobody reads them before [`switch`], which brings them to the disk.
///
/// The one place where the engines differ: PostgreSQL takes arrays, SQLite a statement of [`ROWS`] rows that is
/// prepared once.
///
/// # Errors
/// [`StoreError`].
pub async fn fill(db: &Db, lease: &Holder, generation: i64, entries: Vec<Entry>) -> Result<bool, StoreError> {
    match db {
        Db::Postgres(pool) => {
            let column = |value: fn(&Entry) -> &String| entries.iter().map(value).collect::<Vec<_>>();
            let sql = format!(
                "INSERT INTO directory_entry (generation, id_nat, family_name, given_name, professional) \
                 SELECT $1, * FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[]){CONFLICT}"
            );
            let mut transaction = pool.begin().await?;
            if !holds!(transaction, lease) {
                return Ok(false);
            }
            sqlx::query(AssertSqlSafe(sql))
                .bind(generation)
                .bind(column(|entry| &entry.id_nat))
                .bind(column(|entry| &entry.family_name))
                .bind(column(|entry| &entry.given_name))
                .bind(column(|entry| &entry.professional))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(true)
        }
        Db::Sqlite(_) => {
            static MANY: OnceLock<Arc<str>> = OnceLock::new();
            let (many, one) = (MANY.get_or_init(|| insert_rows(ROWS)), insert_rows(1));
            let whole = entries.len() - entries.len() % ROWS;
            let mut entries = entries.into_iter();
            write!(db, c => {
                if !holds!(c, lease) {
                    return Ok(false);
                }
                let mut written = 0;
                while entries.len() > 0 {
                    let (sql, rows) = if written < whole { (many, ROWS) } else { (&one, 1) };
                    let mut query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
                    for entry in entries.by_ref().take(rows) {
                        query = query
                            .bind(generation)
                            .bind(entry.id_nat)
                            .bind(entry.family_name)
                            .bind(entry.given_name)
                            .bind(entry.professional);
                    }
                    query.execute(&mut *c).await?;
                    written += rows;
                }
                Ok(true)
            }, Promise::Order)
        }
    }
}

/// Rows of one SQLite statement: enough that the way to the database's thread does not count.
const ROWS: usize = 100;

const CONFLICT: &str = " ON CONFLICT (generation, id_nat) DO UPDATE SET family_name = excluded.family_name, \
    given_name = excluded.given_name, professional = excluded.professional";

/// SQLite's statement for so many rows. Its parameters have no numbers: to bind one that has, the driver looks it up in a
/// list of all that have.
fn insert_rows(rows: usize) -> Arc<str> {
    let values = vec!["(?, ?, ?, ?, ?)"; rows].join(", ");
    format!(
        "INSERT INTO directory_entry (generation, id_nat, family_name, given_name, professional) \
         VALUES {values}{CONFLICT}"
    )
    .into()
}

/// A person of a generation that is being filled.
///
/// # Errors
/// [`StoreError`].
pub async fn entry_of_generation(
    db: &Db,
    generation: i64,
    id_nat: &str,
) -> Result<Option<Entry>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT id_nat, family_name, given_name, professional FROM directory_entry \
         WHERE generation = $1 AND id_nat = $2",
    ).bind(generation).bind(id_nat).fetch_optional(c).await?))
}

/// What an import found, to be kept with its generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines read.
    pub lines: i64,
    /// People in it.
    pub people: i64,
    /// Lines that could not be used.
    pub rejected: i64,
}

/// What the establishment wants of the directory, to be kept with the switch.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The structures, each with an activity there (empty where none was found); none: as before.
    pub structures: Vec<(String, String)>,
    /// The list; none: as before.
    pub list: Option<Vec<String>>,
}

/// Puts a generation in use, in one small transaction. False, and nothing changes, where the lease is lost: somebody else
/// may have begun to remove what was filled.
///
/// # Errors
/// [`StoreError`].
pub async fn switch(
    db: &Db,
    lease: &Holder,
    generation: i64,
    counts: Counts,
    wanted: &Wanted,
    now: Time,
    event: &Event,
) -> Result<bool, StoreError> {
    write!(db, c => {
        if !holds!(c, lease) {
            return Ok(false);
        }
        sqlx::query("UPDATE directory_generation SET current = FALSE WHERE current").execute(&mut *c).await?;
        let switched = sqlx::query(
            "UPDATE directory_generation SET current = TRUE, finished_at = $2, line_count = $3, person_count = $4, \
             rejected_count = $5 WHERE id = $1",
        )
        .bind(generation).bind(now).bind(counts.lines).bind(counts.people).bind(counts.rejected)
        .execute(&mut *c).await?.rows_affected();
        if switched != 1 {
            return Err(StoreError::Inconsistent {
                table: "directory_generation",
                id: generation.to_string(),
                what: "it was removed while it was being filled",
            });
        }
        sqlx::query("DELETE FROM establishment_structure").execute(&mut *c).await?;
        for (structure, activity) in &wanted.structures {
            sqlx::query("INSERT INTO establishment_structure (structure, activity) VALUES ($1, $2)")
                .bind(structure).bind(activity).execute(&mut *c).await?;
        }
        if let Some(list) = &wanted.list {
            sqlx::query("DELETE FROM establishment_list").execute(&mut *c).await?;
            for id_nat in list {
                sqlx::query("INSERT INTO establishment_list (id_nat) VALUES ($1)")
                    .bind(id_nat).execute(&mut *c).await?;
            }
        }
        record!(c, *event);
        Ok(true)
    })
}

/// How far [`drop_unused`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// There may be more to remove.
    More,
    /// Nothing is left of unused generations.
    All,
    /// The lease is lost: nothing was removed, since what is not in use may be what somebody else is filling.
    NotOurs,
}

/// Removes up to `limit` people of generations that are not in use, and those generations where nobody is left.
///
/// # Errors
/// [`StoreError`].
pub async fn drop_unused(db: &Db, lease: &Holder, limit: i64) -> Result<Dropped, StoreError> {
    write!(db, c => {
        if !holds!(c, lease) {
            return Ok(Dropped::NotOurs);
        }
        let unused: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM directory_generation WHERE NOT current ORDER BY id LIMIT 1",
        ).fetch_optional(&mut *c).await?;
        let Some(unused) = unused else { return Ok(Dropped::All) };
        let removed = sqlx::query(
            "DELETE FROM directory_entry WHERE generation = $1 AND id_nat <= (SELECT MAX(first.id_nat) FROM \
             (SELECT id_nat FROM directory_entry WHERE generation = $1 ORDER BY id_nat LIMIT $2) AS first)",
        ).bind(unused).bind(limit).execute(&mut *c).await?.rows_affected();
        if removed == 0 {
            sqlx::query("DELETE FROM directory_generation WHERE id = $1").bind(unused).execute(&mut *c).await?;
        }
        Ok(Dropped::More)
    }, Promise::Order)
}

/// The structures of this establishment, each with an activity there as the directory describes it (may be empty).
///
/// # Errors
/// [`StoreError`].
pub async fn structures(db: &Db) -> Result<Vec<(String, String)>, StoreError> {
    read!(db, c => Ok(sqlx::query_as("SELECT structure, activity FROM establishment_structure ORDER BY structure")
        .fetch_all(c).await?))
}

/// The national identifiers that the establishment admits by list.
///
/// # Errors
/// [`StoreError`].
pub async fn listed(db: &Db) -> Result<Vec<String>, StoreError> {
    read!(db, c => Ok(sqlx::query_scalar("SELECT id_nat FROM establishment_list ORDER BY id_nat")
        .fetch_all(c).await?))
}
