//! The metadata of models of security keys, as it was published last: one document, whose number never goes back while its
//! publisher stays. Another publisher counts from a number of its own.

use super::{Db, StoreError, read, write};
use crate::clock::Time;

/// A publication.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Kept {
    /// Whose it is.
    pub publisher: String,
    /// Its number.
    pub number: i64,
    /// As it was signed: a JWS in compact form.
    pub document: String,
    /// When it was verified and kept.
    pub received_at: Time,
}

/// Keeps a publication in the place of another publisher's, or of one with a lower number: yields the number that is there
/// where it is neither.
///
/// # Errors
/// [`StoreError`].
pub async fn keep(db: &Db, new: &Kept) -> Result<Option<i64>, StoreError> {
    write!(db, c => {
        let kept = sqlx::query(
            "INSERT INTO fido_metadata (only_row, publisher, number, document, received_at) VALUES (1, $1, $2, $3, $4)
             ON CONFLICT (only_row) DO UPDATE SET publisher = excluded.publisher, number = excluded.number,
               document = excluded.document, received_at = excluded.received_at
             WHERE fido_metadata.publisher <> excluded.publisher OR fido_metadata.number < excluded.number",
        )
        .bind(new.publisher.clone())
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

/// The number of what is kept of that publisher.
///
/// # Errors
/// [`StoreError`].
pub async fn number(db: &Db, publisher: &str) -> Result<Option<i64>, StoreError> {
    const SQL: &str = "SELECT number FROM fido_metadata WHERE publisher = $1";
    let publisher = publisher.to_owned();
    read!(db, c => Ok(sqlx::query_scalar(SQL).bind(publisher).fetch_optional(&mut *c).await?))
}

/// What is kept of that publisher.
///
/// # Errors
/// [`StoreError`].
pub async fn kept(db: &Db, publisher: &str) -> Result<Option<Kept>, StoreError> {
    const SQL: &str =
        "SELECT publisher, number, document, received_at FROM fido_metadata WHERE publisher = $1";
    let publisher = publisher.to_owned();
    read!(db, c => Ok(sqlx::query_as(SQL).bind(publisher).fetch_optional(&mut *c).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn the_number_of_a_publication_never_goes_back_while_its_publisher_stays() {
        on_both(async |db| {
            let publication = |publisher: &str, number: i64, document: &str| Kept {
                publisher: publisher.into(),
                number,
                document: document.into(),
                received_at: MockClock::default().now(),
            };
            assert_eq!((number(&db, "a").await.unwrap(), kept(&db, "a").await.unwrap()), (None, None));
            assert_eq!(keep(&db, &publication("a", 7, "seven")).await.unwrap(), None);
            assert_eq!(keep(&db, &publication("a", 6, "six")).await.unwrap(), Some(7));
            assert_eq!(keep(&db, &publication("a", 7, "another seven")).await.unwrap(), Some(7));
            assert_eq!(kept(&db, "a").await.unwrap(), Some(publication("a", 7, "seven")));
            assert_eq!(keep(&db, &publication("a", 9, "nine")).await.unwrap(), None);
            assert_eq!(number(&db, "a").await.unwrap(), Some(9));
            assert_eq!((number(&db, "b").await.unwrap(), kept(&db, "b").await.unwrap()), (None, None));
            assert_eq!(keep(&db, &publication("b", 2, "two")).await.unwrap(), None);
            assert_eq!((number(&db, "a").await.unwrap(), number(&db, "b").await.unwrap()), (None, Some(2)));
        })
        .await;
    }
}
