//! Clients that register themselves (RFC 7591), and manage what they registered (RFC 7592).

use sqlx::types::Json;

use super::NewClient;
use crate::clock::Time;
use crate::store::audit::{NewRow, record};
use crate::store::{Db, StoreError, write};

/// Registers a client by an initial access token, of which it takes one use. Yields false, and keeps nothing, where the
/// token is unknown, expired or used up.
///
/// # Errors
/// [`StoreError`].
pub async fn register_itself(
    db: &Db,
    token_hash: [u8; 32],
    new: &NewClient,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let used = sqlx::query(
            "UPDATE initial_access_token SET uses_left = uses_left - 1
             WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2",
        )
        .bind(token_hash.to_vec())
        .bind(now)
        .execute(&mut *c)
        .await?;
        if used.rows_affected() != 1 {
            return Ok(false);
        }
        super::insert!(c, new, now);
        record!(c, *event);
        Ok(true)
    })
}

/// Replaces what a client registered, where it has this registration access token. Yields whether it has.
///
/// # Errors
/// [`StoreError`].
pub async fn replace(
    db: &Db,
    token_hash: [u8; 32],
    new: &NewClient,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let changed = sqlx::query(
            "UPDATE client SET name = $3, redirect_uris = $4, post_logout_redirect_uris = $5,
               backchannel_logout_uri = $6, metadata = $7, secret_hash = $8, updated_at = $9,
               previous_secret_hash = NULL, previous_secret_until = NULL
             WHERE id = $1 AND registration_token_hash = $2 AND self_registered AND disabled_at IS NULL",
        )
        .bind(new.id.clone())
        .bind(token_hash.to_vec())
        .bind(new.name.clone())
        .bind(Json(new.redirect_uris.clone()))
        .bind(Json(new.post_logout_redirect_uris.clone()))
        .bind(new.backchannel_logout_uri.clone())
        .bind(Json(new.metadata.clone()))
        .bind(new.secret_hash.map(|hash| hash.to_vec()))
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

/// Removes a client with everything it was granted, where it has this registration access token. Yields whether it has.
///
/// # Errors
/// [`StoreError`].
pub async fn remove_itself(
    db: &Db,
    id: &str,
    token_hash: [u8; 32],
    event: &NewRow,
) -> Result<bool, StoreError> {
    let id = id.to_owned();
    write!(db, c => {
        let removed = sqlx::query(
            "DELETE FROM client
             WHERE id = $1 AND registration_token_hash = $2 AND self_registered AND disabled_at IS NULL",
        )
        .bind(id)
        .bind(token_hash.to_vec())
        .execute(&mut *c)
        .await?;
        if removed.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock as _, MockClock};
    use crate::store::client::by_id;
    use crate::store::client::tests::{event, new_client};
    use crate::store::initial_access_token::{self, InitialAccessToken};
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn a_token_registers_as_many_as_it_is_for_and_manages_its_own_client_alone() {
        on_both(async |db| {
            let clock = MockClock::default();
            let (now, event) = (clock.now(), || event(Kind::ClientAdded, &clock));
            let token = InitialAccessToken {
                name: "essai".into(),
                token_hash: vec![1; 32],
                created_at: now,
                expires_at: now + TimeDelta::hours(1),
                uses_left: 2,
            };
            assert!(initial_access_token::add(&db, &token, &event()).await.unwrap());
            assert!(!initial_access_token::add(&db, &token, &event()).await.unwrap(), "the name is taken");
            let own = |id: &str, hash: u8| NewClient {
                self_registered: true,
                registration_token_hash: Some([hash; 32]),
                ..new_client(id)
            };
            let register = async |id: &str, token: u8, at| {
                register_itself(&db, [token; 32], &own(id, 7), at, &event()).await.unwrap()
            };
            assert!(!register("a", 2, now).await, "unknown");
            assert!(!register("a", 1, token.expires_at).await, "expired");
            assert!(register("a", 1, now).await && register("b", 1, now).await);
            assert!(!register("c", 1, now).await, "used up");
            assert!(by_id(&db, "c").await.unwrap().is_none());
            assert!(by_id(&db, "a").await.unwrap().unwrap().self_registered);
            assert_eq!(initial_access_token::all(&db).await.unwrap()[0].uses_left, 0);

            let renamed = NewClient { name: "Autre".into(), secret_hash: None, ..own("a", 7) };
            assert!(!replace(&db, [8; 32], &renamed, now, &event()).await.unwrap());
            assert!(replace(&db, [7; 32], &renamed, now, &event()).await.unwrap());
            let client = by_id(&db, "a").await.unwrap().unwrap();
            assert_eq!((client.name.as_str(), client.secret_hash), ("Autre", None));
            assert!(!remove_itself(&db, "a", [8; 32], &event()).await.unwrap());
            assert!(remove_itself(&db, "a", [7; 32], &event()).await.unwrap());
            // A client of an administrator has no such token.
            crate::store::client::add(&db, &new_client("rp"), now, &event()).await.unwrap();
            assert!(!remove_itself(&db, "rp", [7; 32], &event()).await.unwrap());
            assert!(initial_access_token::remove(&db, "essai", &event()).await.unwrap());
            assert!(!initial_access_token::remove(&db, "essai", &event()).await.unwrap());
        })
        .await;
    }
}
