//! The trail as JSON lines, for the archive, the security centre or an auditor.
//!
//! Each line is `{"hash":"…","event":{…}}`. The hash, in hexadecimal, is SHA-256 over the text of the member `event`
//! exactly as it stands in the line; the event's `previous_hash` is the hash of the line before it in its node's chain.
//! An event that is not sealed yet has no hash, `sequence` or `previous_hash` (null).

use std::io::Write;

use serde::Serialize;
use serde_json::value::RawValue;

use super::chain::covered_text;
use crate::clock::Time;
use crate::store::audit::Row;
use crate::store::{self, Db, StoreError};

const PAGE: i64 = 1_000;

#[derive(Serialize)]
struct Line<'a> {
    hash: Option<String>,
    event: &'a RawValue,
}

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Where it is written to.
    #[error("the export could not be written: {0}")]
    Write(#[from] std::io::Error),
}

/// Writes the events from `since` to before `until`, oldest first. Answers how many.
///
/// # Errors
/// [`ExportError`].
pub async fn export(
    db: &Db,
    since: Option<Time>,
    until: Option<Time>,
    out: &mut (impl Write + Send),
) -> Result<usize, ExportError> {
    let (mut after, mut count) = (None, 0);
    loop {
        let rows = store::audit::page(db, after, since, until, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(count) };
        after = Some((last.at, last.id));
        for row in &rows {
            writeln!(out, "{}", line(row)?)?;
        }
        count += rows.len();
    }
}

/// One event as a line of an export, without its end.
///
/// # Errors
/// [`StoreError::Inconsistent`] where the row holds what cannot be written.
pub fn line(row: &Row) -> Result<String, StoreError> {
    let inconsistent = |_| StoreError::Inconsistent {
        table: "audit_event",
        id: row.id.to_string(),
        what: "it cannot be written as JSON",
    };
    let text = covered_text(row)?;
    let event: &RawValue = serde_json::from_str(&text).map_err(inconsistent)?;
    let hash = row.hash.as_deref().map(hex::encode);
    serde_json::to_string(&Line { hash, event }).map_err(inconsistent)
}
