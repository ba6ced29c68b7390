//! Changes of questions, numbered in the order in which they become visible, so that every node hears of those that another has
//! taken, and depends on no clock (ADR 0020).

use crate::ids::{ApprovalId, TransactionId};
use crate::store::{Db, StoreError, read};

/// Numbers the changes of these questions, inside a `write!` body. It comes last: whoever changes another question waits from
/// here to the end of the transaction, and holds nothing meanwhile that this one still wants.
macro_rules! note_moves {
    ($c:expr, $ids:expr) => {{
        let ids: &[$crate::ids::ApprovalId] = $ids;
        if !ids.is_empty() {
            let number: i64 = sqlx::query_scalar(
                "UPDATE approval_clock SET moved = moved + 1 WHERE id = 1 RETURNING moved",
            )
            .fetch_one(&mut *$c)
            .await?;
            for id in ids {
                sqlx::query("UPDATE approval SET moved = $2 WHERE id = $1")
                    .bind(*id)
                    .bind(number)
                    .execute(&mut *$c)
                    .await?;
            }
        }
    }};
}
pub(crate) use note_moves;

/// A question whose standing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Move {
    /// The number of the change.
    #[sqlx(rename = "moved")]
    pub number: i64,
    /// The question.
    pub id: ApprovalId,
    /// The sign-in that waits, where a browser does.
    pub transaction_id: Option<TransactionId>,
}

/// The number of the last change of any question.
///
/// # Errors
/// [`StoreError`].
pub async fn last_move(db: &Db) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT moved FROM approval_clock WHERE id = 1";
    read!(db, c => Ok(sqlx::query_scalar(SQL).fetch_one(&mut *c).await?))
}

/// The changes after that number, in their order; of a question that has changed since, the last.
///
/// # Errors
/// [`StoreError`].
pub async fn moves_since(db: &Db, number: i64) -> Result<Vec<Move>, StoreError> {
    const SQL: &str = "SELECT moved, id, transaction_id FROM approval WHERE moved > $1 ORDER BY moved";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(number).fetch_all(&mut *c).await?))
}
