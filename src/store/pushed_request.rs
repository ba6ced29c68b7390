//! Authorization requests that relying parties pushed (RFC 9126), between the push and the browser that brings the handle.
//!
//! The handle is kept as a hash. It is good for the client that pushed, until it expires, and once: taking it out deletes
//! it, so that of two browsers with the same handle only one gets anywhere.

use serde_json::Value;
use sqlx::types::Json;

use super::{Db, StoreError, write};
use crate::clock::Time;

/// A request to keep.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// SHA-256 of its handle.
    pub handle_hash: [u8; 32],
    /// The client that pushed it.
    pub client_id: String,
    /// The request, in the shape of `oidc::authorize`.
    pub request: Value,
    /// When the handle is no longer good.
    pub expires_at: Time,
}

/// Keeps a request.
///
/// # Errors
/// [`StoreError`].
pub async fn push(db: &Db, new: &NewRequest) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query("INSERT INTO pushed_request (handle_hash, client_id, request, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(new.handle_hash.to_vec())
            .bind(new.client_id.clone())
            .bind(Json(new.request.clone()))
            .bind(new.expires_at)
            .execute(&mut *c)
            .await?;
        Ok(())
    })
}

/// Takes the request of that handle out, if it is the client's and not expired. Of somebody else's nothing changes.
///
/// # Errors
/// [`StoreError`].
pub async fn take(
    db: &Db,
    handle_hash: [u8; 32],
    client_id: &str,
    now: Time,
) -> Result<Option<Value>, StoreError> {
    let client_id = client_id.to_owned();
    write!(db, c => {
        let taken: Option<Json<Value>> = sqlx::query_scalar(
            "DELETE FROM pushed_request WHERE handle_hash = $1 AND client_id = $2 AND expires_at > $3 RETURNING request",
        )
        .bind(handle_hash.to_vec())
        .bind(client_id)
        .bind(now)
        .fetch_optional(&mut *c)
        .await?;
        Ok(taken.map(|Json(request)| request))
    })
}

/// Deletes the requests that expired before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM pushed_request
             WHERE handle_hash IN (SELECT handle_hash FROM pushed_request WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock as _, MockClock};
    use crate::store::client;
    use crate::store::client::tests::{event, new_client};
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn a_request_is_taken_once_in_time_and_by_its_client() {
        on_both(async |db| {
            let clock = MockClock::default();
            let now = clock.now();
            for id in ["rp", "other"] {
                client::add(&db, &new_client(id), now, &event(Kind::ClientAdded, &clock)).await.unwrap();
            }
            let soon = now + TimeDelta::seconds(90);
            for handle in [1, 2, 3] {
                let new = NewRequest {
                    handle_hash: [handle; 32],
                    client_id: "rp".into(),
                    request: json!({ "handle": handle }),
                    expires_at: soon,
                };
                push(&db, &new).await.unwrap();
            }
            let take =
                async |handle: u8, client: &str, at| take(&db, [handle; 32], client, at).await.unwrap();
            assert_eq!(take(1, "other", now).await, None, "of another client");
            assert_eq!(take(1, "rp", now).await, Some(json!({ "handle": 1 })));
            assert_eq!(take(1, "rp", now).await, None, "once");
            assert_eq!(take(2, "rp", soon).await, None, "too late");
            assert_eq!(take(9, "rp", now).await, None, "never pushed");
            assert_eq!(delete_expired(&db, now, 5).await.unwrap(), 0);
            assert_eq!(delete_expired(&db, soon, 1).await.unwrap(), 1);
            client::remove(&db, "rp", &event(Kind::ClientRemoved, &clock)).await.unwrap();
            assert_eq!(take(3, "rp", now).await, None, "gone with its client");
        })
        .await;
    }
}
