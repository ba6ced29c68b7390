//! Proofs that are good once: whoever reads one on its way cannot send it again, to this node or another.
//!
//! Only a digest is kept, and only as long as the proof would be accepted for its age.

use super::{Db, StoreError, write};
use crate::clock::Time;
use crate::crypto::digest::sha256;

/// What a proof is for. A `jti` of one kind says nothing about another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofKind {
    /// A client's assertion (RFC 7523 §3, point 7): unique for each client.
    ClientAssertion,
    /// A DPoP proof (RFC 9449 §11.1): unique for each key.
    Dpop,
    /// A request object (RFC 9101): unique for each client.
    RequestObject,
    /// What a phone says of its subscription: unique for each phone.
    PhonePush,
}

impl ProofKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::ClientAssertion => "client-assertion",
            Self::Dpop => "dpop",
            Self::RequestObject => "request-object",
            Self::PhonePush => "phone-push",
        }
    }
}

/// Marks the proof `jti` of `owner` as used. Yields false where it was used before: of two that come at once, one wins.
///
/// # Errors
/// [`StoreError`].
pub async fn use_once(
    db: &Db,
    kind: ProofKind,
    owner: &str,
    jti: &str,
    expires_at: Time,
) -> Result<bool, StoreError> {
    let digest = digest(kind, owner, jti);
    write!(db, c => {
        let marked = sqlx::query(
            "INSERT INTO used_proof (digest, expires_at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        )
        .bind(digest.to_vec())
        .bind(expires_at)
        .execute(&mut *c)
        .await?;
        Ok(marked.rows_affected() == 1)
    })
}

/// Deletes what expired before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM used_proof
             WHERE digest IN (SELECT digest FROM used_proof WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}

/// Each part with its length before it, so that no two triples are one text.
fn digest(kind: ProofKind, owner: &str, jti: &str) -> [u8; 32] {
    let mut text = Vec::with_capacity(owner.len() + jti.len() + 48);
    for part in [kind.as_str(), owner, jti] {
        text.extend_from_slice(&part.len().to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    sha256(&text)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn a_proof_is_good_once_for_each_kind_and_owner() {
        on_both(async |db| {
            let now = MockClock::default().now();
            let until = now + TimeDelta::minutes(1);
            let once = async |kind, owner, jti| use_once(&db, kind, owner, jti, until).await.unwrap();
            assert!(once(ProofKind::ClientAssertion, "rp", "a").await);
            assert!(!once(ProofKind::ClientAssertion, "rp", "a").await);
            assert!(once(ProofKind::ClientAssertion, "rpa", "").await, "another cut of the same text");
            assert!(once(ProofKind::ClientAssertion, "other", "a").await);
            assert!(once(ProofKind::Dpop, "rp", "a").await);
            assert_eq!(delete_expired(&db, now, 10).await.unwrap(), 0);
            assert_eq!(delete_expired(&db, until, 3).await.unwrap(), 3);
            assert_eq!(delete_expired(&db, until, 3).await.unwrap(), 1);
        })
        .await;
    }

    #[tokio::test]
    async fn of_two_at_once_one_wins() {
        on_both(async |db| {
            let until = MockClock::default().now() + TimeDelta::minutes(1);
            let once = || use_once(&db, ProofKind::Dpop, "key", "same", until);
            let (a, b, c, d) = tokio::join!(once(), once(), once(), once());
            assert_eq!([a, b, c, d].into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
        })
        .await;
    }
}
