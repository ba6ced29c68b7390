//! The terms on which a provider of others is told of people.

use sqlx::types::Json;

use super::super::audit::{NewRow, record};
use super::super::{Db, StoreError, write};
use crate::clock::Time;
use crate::session::Delegation;

/// Replaces what the client is told of people. Yields whether there is one of that id and profile.
///
/// # Errors
/// [`StoreError`].
pub async fn set_delegation(
    db: &Db,
    id: &str,
    terms: &Delegation,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let id = id.to_owned();
    write!(db, c => {
        let changed = sqlx::query(
            "UPDATE client SET delegation = $2, updated_at = $3 WHERE id = $1 AND profile = 'psc-delegation'",
        )
        .bind(id)
        .bind(Json(terms.clone()))
        .bind(now)
        .execute(&mut *c)
        .await?;
        if changed.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        Ok(true)
    })
}
