//! The metadata of models of security keys, as it was published last: one document, whose number never goes back.

use super::{Db, StoreError, read, write};
use crate::clock::Time;

/// A publication.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Kept {
    /// Its number.
    pub number: i64,
    /// As it was signed: a JWS in compact form.
    pub document: String,
    /// When it was verified and kept.
    pub received_at: Time,
}

/// Keeps a publication, unless one with its number or a higher one is there: yields that number then.
///
/// # Errors
/// [`StoreError`].
pub async fn keep(db: &Db, new: &Kept) -> Result<Option<i64>, StoreError> {
    write!(db, c => {
        let kept = sqlx::query(
            "INSERT INTO fido_metadata (only_row, number, document, received_at) VALUES (1, $1, $2, $3)
             ON CONFLICT (only_row) DO UPDATE SET number = excluded.number, document = excluded.document,
               received_at = excluded.received_at
             WHERE fido_metadata.number < excluded.number",
        )
        .bind(new.number)
        .bind(new.document.clone())
        .bind(new.received_at)
        .execute(&mut *c)
        .await?;
        if kept.rows_affected() == 1 {
            return Ok(None);
        }
        Ok(Some(sqlx::query_scalar("SELECT number FROM fido_metadata").fetch_one(&mut *c).await?))
    })
}

/// The number of what is kept.
///
/// # Errors
/// [`StoreError`].
pub async fn number(db: &Db) -> Result<Option<i64>, StoreError> {
    read!(db, c => Ok(sqlx::query_scalar("SELECT number FROM fido_metadata").fetch_optional(&mut *c).await?))
}

/// What is kept.
///
/// # Errors
/// [`StoreError`].
pub async fn kept(db: &Db) -> Result<Option<Kept>, StoreError> {
    const SQL: &str = "SELECT number, document, received_at FROM fido_metadata";
    read!(db, c => Ok(sqlx::query_as(SQL).fetch_optional(&mut *c).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn the_number_of_a_publication_never_goes_back() {
        on_both(async |db| {
            let publication = |number: i64, document: &str| Kept {
                number,
                document: document.into(),
                received_at: MockClock::default().now(),
            };
            assert_eq!((number(&db).await.unwrap(), kept(&db).await.unwrap()), (None, None));
            assert_eq!(keep(&db, &publication(7, "seven")).await.unwrap(), None);
            assert_eq!(keep(&db, &publication(6, "six")).await.unwrap(), Some(7));
            assert_eq!(keep(&db, &publication(7, "another seven")).await.unwrap(), Some(7));
            assert_eq!(kept(&db).await.unwrap(), Some(publication(7, "seven")));
            assert_eq!(keep(&db, &publication(9, "nine")).await.unwrap(), None);
            assert_eq!(number(&db).await.unwrap(), Some(9));
        })
        .await;
    }
}
