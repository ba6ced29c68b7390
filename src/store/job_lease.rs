//! Which node runs a job that only one of them should run.
//!
//! A lease runs out by the clock, and clocks jump, computers are suspended: its holder may believe in it for longer than
//! it lasts. What must not be done by two is therefore fenced: the writing command itself asks with
//! [`holds!`](crate::store::job_lease::holds) whether the lease is still its own.

use super::{Db, StoreError, write};
use crate::clock::Time;

/// Who holds which lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The job.
    pub job: &'static str,
    /// The name that the lease was taken with.
    pub node: String,
}

/// Whether nobody else has taken the lease since, inside the body of `write!`: until its transaction ends nobody can.
macro_rules! holds {
    ($c:expr, $holder:expr) => {
        sqlx::query("UPDATE job_lease SET node = node WHERE name = $1 AND node = $2")
            .bind($holder.job)
            .bind($holder.node.clone())
            .execute(&mut *$c)
            .await?
            .rows_affected()
            == 1
    };
}
pub(crate) use holds;

/// Takes or renews the lease of `job` for `node` until `until`. Yields whether it is this node's now.
///
/// # Errors
/// Where the database does not answer.
pub async fn take(
    db: &Db,
    job: &'static str,
    node: &str,
    now: Time,
    until: Time,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let sql = "INSERT INTO job_lease (name, node, until) VALUES ($1, $2, $3)
                   ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until
                   WHERE job_lease.node = excluded.node OR job_lease.until <= $4";
        let taken = sqlx::query(sql).bind(job).bind(node).bind(until).bind(now).execute(&mut *c).await?;
        Ok(taken.rows_affected() == 1)
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn one_node_holds_a_lease_until_it_runs_out() {
        on_both(async |db| {
            let now = MockClock::default().now();
            let minute = TimeDelta::minutes(1);
            assert!(take(&db, "clean-up", "a", now, now + minute).await.unwrap());
            assert!(!take(&db, "clean-up", "b", now, now + minute).await.unwrap());
            assert!(take(&db, "clean-up", "a", now, now + minute * 2).await.unwrap(), "its holder renews it");
            assert!(take(&db, "rotation", "b", now, now + minute).await.unwrap(), "another job");
            let later = now + minute * 2;
            assert!(take(&db, "clean-up", "b", later, later + minute).await.unwrap(), "it ran out");
            assert!(!take(&db, "clean-up", "a", later, later + minute).await.unwrap());
        })
        .await;
    }
}
