//! A client is switched off, and on again. What it was granted before is revoked for good: who was switched off for a reason
//! begins anew.

use crate::clock::Time;
use crate::store::approval::note_moves;
use crate::store::audit::{NewRow, record};
use crate::store::{Db, StoreError, write};

/// Takes back the questions that a client has asked people and got no tokens for, inside a `write!` body. Yields them: that
/// they have changed is noted last ([`note_moves!`]).
macro_rules! withdraw_questions {
    ($c:expr, $id:expr) => {{
        let withdrawn: Vec<$crate::ids::ApprovalId> = sqlx::query_scalar(
            "UPDATE approval SET state = 'withdrawn' WHERE client_id = $1 AND state IN ('waiting', 'approved')
             RETURNING id",
        )
        .bind($id.clone())
        .fetch_all(&mut *$c)
        .await?;
        withdrawn
    }};
}
pub(super) use withdraw_questions;

/// Revokes everything that a client holds, inside a `write!` body: grants with their codes and tokens, the requests that it
/// pushed, and what it asked people. Yields the questions of these, as [`withdraw_questions!`] does.
macro_rules! take_everything {
    ($c:expr, $id:expr, $now:expr) => {{
        sqlx::query(
            "UPDATE authorization_grant SET revoked_at = $2, revoke_reason = 'client-disabled'
             WHERE client_id = $1 AND revoked_at IS NULL",
        )
        .bind($id.clone())
        .bind($now)
        .execute(&mut *$c)
        .await?;
        sqlx::query("DELETE FROM pushed_request WHERE client_id = $1")
            .bind($id.clone())
            .execute(&mut *$c)
            .await?;
        withdraw_questions!($c, $id)
    }};
}

/// Disables a client and revokes what it holds; sessions of people stay. Yields false, and changes nothing, where there is no
/// such client, or it is disabled already.
///
/// # Errors
/// [`StoreError`].
pub async fn disable(db: &Db, id: &str, now: Time, event: &NewRow) -> Result<bool, StoreError> {
    let id = id.to_owned();
    write!(db, c => {
        let disabled = sqlx::query(
            "UPDATE client SET disabled_at = $2, updated_at = $2 WHERE id = $1 AND disabled_at IS NULL",
        )
        .bind(id.clone())
        .bind(now)
        .execute(&mut *c)
        .await?;
        if disabled.rows_affected() != 1 {
            return Ok(false);
        }
        let withdrawn = take_everything!(c, id, now);
        record!(c, *event);
        note_moves!(c, &withdrawn);
        Ok(true)
    })
}

/// Enables a disabled client. Yields false, and changes nothing, where there is no such client, or it is not disabled.
///
/// # Errors
/// [`StoreError`].
pub async fn enable(db: &Db, id: &str, now: Time, event: &NewRow) -> Result<bool, StoreError> {
    let id = id.to_owned();
    write!(db, c => {
        let enabled = sqlx::query(
            "UPDATE client SET disabled_at = NULL, updated_at = $2 WHERE id = $1 AND disabled_at IS NOT NULL",
        )
        .bind(id.clone())
        .bind(now)
        .execute(&mut *c)
        .await?;
        if enabled.rows_affected() != 1 {
            return Ok(false);
        }
        // What another node wrote while the client was being disabled was good for nothing, and stays so.
        let withdrawn = take_everything!(c, id, now);
        record!(c, *event);
        note_moves!(c, &withdrawn);
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock as _, MockClock};
    use crate::store::client::tests::{event, new_client};
    use crate::store::client::{add, by_id};
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn a_client_is_disabled_once_and_enabled_once() {
        on_both(async |db| {
            let clock = MockClock::default();
            let (now, event) = (clock.now(), || event(Kind::ClientDisabled, &clock));
            add(&db, &new_client("rp"), now, &event()).await.unwrap();
            assert!(!enable(&db, "rp", now, &event()).await.unwrap(), "it is enabled");
            assert!(disable(&db, "rp", now, &event()).await.unwrap());
            assert!(!disable(&db, "rp", now, &event()).await.unwrap());
            assert_eq!(by_id(&db, "rp").await.unwrap().unwrap().disabled_at, Some(now));
            assert!(enable(&db, "rp", now, &event()).await.unwrap());
            assert_eq!(by_id(&db, "rp").await.unwrap().unwrap().disabled_at, None);
            assert!(!disable(&db, "nobody", now, &event()).await.unwrap());
        })
        .await;
    }
}
