//! Sign-ins that have gone to a provider of others, and who its people are here.
//!
//! Of a `state` the hash is kept; it is taken once, by whichever browser brings it, and completes nothing but the sign-in that
//! it was made for. A person is one of each provider: a second one that claims to be them gets nowhere.

use super::audit::{NewRow, record};
use super::notice::{NewNotice, Place, Told, queue_notice};
use super::person::ToldIdentifier;
use super::upstream_session::UpstreamSession;
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{PersonId, Random, TransactionId, UpstreamQuestionId};

/// A sign-in that goes to a provider.
#[derive(Debug, Clone)]
pub struct NewUpstreamSignIn {
    /// SHA-256 of `state` (32 bytes).
    pub state_hash: [u8; 32],
    /// The sign-in here that waits for it.
    pub transaction_id: TransactionId,
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Nonce and code verifier, sealed.
    pub sealed: Vec<u8>,
    /// When the sign-in here is no longer good.
    pub expires_at: Time,
}

/// A sign-in that has come back.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct UpstreamSignIn {
    /// The sign-in here that waits for it.
    pub transaction_id: TransactionId,
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Nonce and code verifier, sealed.
    pub sealed: Vec<u8>,
}

/// Who came of it: what completes the sign-in, and makes or refreshes the link.
#[derive(Debug, Clone)]
pub struct Identified {
    /// What brought it.
    pub by: Brought,
    /// Whose subject it is.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// The session there that this one comes from.
    pub there: UpstreamSession,
    /// When its ID token was issued: what the provider has ended since begins nothing.
    pub issued_at: Time,
    /// What people call the provider.
    pub label: String,
    /// What is recorded where the link is new.
    pub linked: NewRow,
    /// Whether it may become somebody's by this sign-in: the provider's word found them, and no link.
    pub may_link: bool,
    /// National identifiers that it tells and that were not theirs.
    pub identifiers: Vec<ToldIdentifier>,
    /// What the provider tells of the professional.
    pub professional: ToldProfessional,
    /// What is recorded where that is news.
    pub refreshed: NewRow,
}

/// What a provider tells of a professional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToldProfessional {
    /// It says nothing of that: what is known stays.
    Silent,
    /// It tells of a professional without a practice: what it told before holds no longer.
    NoPractice,
    /// This, in the text of `directory::model`.
    Practices(String),
}

/// What brought an identity here: it does so once.
#[derive(Debug, Clone, Copy)]
pub enum Brought {
    /// The browser came back; SHA-256 of `state` (32 bytes).
    State([u8; 32]),
    /// The person answered a question.
    Answer(UpstreamQuestionId),
}

/// Sends a sign-in to a provider, in the place of one that went before.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(db: &Db, new: &NewUpstreamSignIn) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query(
            "INSERT INTO upstream_sign_in (state_hash, transaction_id, provider, sealed, expires_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (transaction_id) DO UPDATE SET state_hash = excluded.state_hash,
               provider = excluded.provider, sealed = excluded.sealed, expires_at = excluded.expires_at, taken_at = NULL",
        )
        .bind(new.state_hash.to_vec())
        .bind(new.transaction_id)
        .bind(new.provider.clone())
        .bind(new.sealed.clone())
        .bind(new.expires_at)
        .execute(&mut *c)
        .await?;
        Ok(())
    })
}

/// Takes what comes back: the second time there is nothing.
///
/// # Errors
/// [`StoreError`].
pub async fn take(db: &Db, state_hash: [u8; 32], now: Time) -> Result<Option<UpstreamSignIn>, StoreError> {
    write!(db, c => {
        Ok(sqlx::query_as(
            "UPDATE upstream_sign_in SET taken_at = $2 WHERE state_hash = $1 AND taken_at IS NULL
             RETURNING transaction_id, provider, sealed",
        )
        .bind(state_hash.to_vec())
        .bind(now)
        .fetch_optional(&mut *c)
        .await?)
    })
}

/// Inside a `write!` body: whether this came back for this sign-in. It does so once.
macro_rules! use_upstream {
    ($c:expr, $identified:expr, $transaction:expr, $now:expr) => {{
        let identified: &$crate::store::upstream::Identified = $identified;
        let taken = match identified.by {
            $crate::store::upstream::Brought::State(state_hash) => sqlx::query(
                "DELETE FROM upstream_sign_in
                 WHERE state_hash = $1 AND transaction_id = $2 AND taken_at IS NOT NULL AND expires_at > $3",
            )
            .bind(state_hash.to_vec()),
            $crate::store::upstream::Brought::Answer(question) => sqlx::query(
                "DELETE FROM upstream_question
                 WHERE id = $1 AND transaction_id = $2 AND state = 'approved' AND expires_at > $3",
            )
            .bind(question),
        };
        taken.bind($transaction).bind($now).execute(&mut *$c).await?.rows_affected() == 1
    }};
}
pub(crate) use use_upstream;

/// Inside a `write!` body that begins the session: whether the identity is the person's, or may become theirs by this sign-in.
/// The link is held until the session is there, so that whoever takes it away at the same moment ends that session too.
macro_rules! may_come {
    ($c:expr, $identified:expr, $person:expr) => {{
        let identified: &$crate::store::upstream::Identified = $identified;
        identified.may_link
            || sqlx::query(
                "UPDATE upstream_identity SET label = $4 WHERE issuer = $1 AND subject = $2 AND person_id = $3",
            )
            .bind(identified.issuer.clone())
            .bind(identified.subject.clone())
            .bind($person)
            .bind(identified.label.clone())
            .execute(&mut *$c)
            .await?
            .rows_affected()
                == 1
    }};
}
pub(crate) use may_come;

/// Inside a `write!` body that begins the session: makes the link of an identity to a person, or notes its use. Where the one
/// or the other is linked elsewhere it is a duplicate, and nothing of the sign-in stays. Yields whether the link is new.
macro_rules! link_upstream {
    ($c:expr, $identified:expr, $person:expr, $now:expr) => {{
        let identified: &$crate::store::upstream::Identified = $identified;
        let used = sqlx::query(
            "UPDATE upstream_identity SET last_used_at = $4, label = $5
             WHERE issuer = $1 AND subject = $2 AND person_id = $3",
        )
        .bind(identified.issuer.clone())
        .bind(identified.subject.clone())
        .bind($person)
        .bind($now)
        .bind(identified.label.clone())
        .execute(&mut *$c)
        .await?;
        let is_new = used.rows_affected() == 0;
        if is_new {
            sqlx::query(
                "INSERT INTO upstream_identity (issuer, subject, person_id, linked_at, last_used_at, label)
                 VALUES ($1, $2, $3, $4, $4, $5)",
            )
            .bind(identified.issuer.clone())
            .bind(identified.subject.clone())
            .bind($person)
            .bind($now)
            .bind(identified.label.clone())
            .execute(&mut *$c)
            .await?;
        }
        is_new
    }};
}
pub(crate) use link_upstream;

/// An identity that nobody here is linked to, until its person has signed in by another means.
#[derive(Debug, Clone)]
pub struct NewPairing {
    /// The sign-in in which it is paired.
    pub transaction_id: TransactionId,
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Whose subject it is.
    pub issuer: String,
    /// Who it is there, for good.
    pub subject: String,
    /// What they are called there, for the page that asks.
    pub name: String,
    /// The national identifiers that the provider tells, separated by spaces.
    pub told: String,
    /// When the sign-in is no longer good.
    pub expires_at: Time,
}

/// The same, as the page that asks needs it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Pairing {
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Whose subject it is.
    pub issuer: String,
    /// Who it is there, for good.
    pub subject: String,
    /// What they are called there.
    pub name: String,
    /// The national identifiers that the provider tells, separated by spaces.
    pub told: String,
}

/// What became of a pairing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paired {
    /// The identity is that person's, from now on or already.
    Linked,
    /// There is nothing to pair, or no longer.
    Gone,
    /// The identity is another's, or the person has another of this provider.
    Taken,
}

/// Keeps an identity for pairing in the place of the way back that brought it, which is used up. Yields whether it was there,
/// in a sign-in that nobody has completed: what is shown to whoever has signed in is not replaced.
///
/// # Errors
/// [`StoreError`].
pub async fn keep_for_pairing(
    db: &Db,
    state_hash: [u8; 32],
    new: &NewPairing,
    now: Time,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let used = sqlx::query(
            "DELETE FROM upstream_sign_in
             WHERE state_hash = $1 AND transaction_id = $2 AND taken_at IS NOT NULL AND expires_at > $3
               AND EXISTS (SELECT 1 FROM login_transaction t WHERE t.id = $2 AND t.state = 'open')",
        )
        .bind(state_hash.to_vec())
        .bind(new.transaction_id)
        .bind(now)
        .execute(&mut *c)
        .await?;
        if used.rows_affected() != 1 {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO upstream_pairing (transaction_id, provider, issuer, subject, name, told, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (transaction_id) DO UPDATE SET provider = excluded.provider, issuer = excluded.issuer,
               subject = excluded.subject, name = excluded.name, told = excluded.told,
               expires_at = excluded.expires_at",
        )
        .bind(new.transaction_id)
        .bind(new.provider.clone())
        .bind(new.issuer.clone())
        .bind(new.subject.clone())
        .bind(new.name.clone())
        .bind(new.told.clone())
        .bind(new.expires_at)
        .execute(&mut *c)
        .await?;
        Ok(true)
    })
}

/// What there is to pair in a sign-in, if anything.
///
/// # Errors
/// [`StoreError`].
pub async fn pairing(db: &Db, transaction: TransactionId, now: Time) -> Result<Option<Pairing>, StoreError> {
    const SQL: &str = "SELECT provider, issuer, subject, name, told FROM upstream_pairing
         WHERE transaction_id = $1 AND expires_at > $2";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(transaction).bind(now).fetch_optional(&mut *c).await?))
}

/// Forgets what there was to pair in a sign-in, whose page says why (`code`) where it still waits. Yields whether there was
/// anything; `event` is recorded then.
///
/// # Errors
/// [`StoreError`].
pub async fn leave_unpaired(
    db: &Db,
    transaction: TransactionId,
    code: &'static str,
    event: &NewRow,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let left = sqlx::query("DELETE FROM upstream_pairing WHERE transaction_id = $1")
            .bind(transaction)
            .execute(&mut *c)
            .await?;
        if left.rows_affected() != 1 {
            return Ok(false);
        }
        sqlx::query("UPDATE login_transaction SET error_code = $2 WHERE id = $1 AND state = 'open'")
            .bind(transaction)
            .bind(code)
            .execute(&mut *c)
            .await?;
        record!(c, *event);
        Ok(true)
    })
}

/// Links the identity that a person was shown, and that still waits in their sign-in, with them, once, and tells them.
/// `event` is recorded where a link is made; `label` is what people call the provider.
///
/// # Errors
/// [`StoreError`].
pub async fn pair(
    db: &Db,
    (transaction, shown): (TransactionId, &Pairing),
    person: PersonId,
    (label, event): (&str, &NewRow),
    now: Time,
    random: &dyn Random,
) -> Result<Paired, StoreError> {
    let label = label.to_owned();
    let (issuer, subject) = (shown.issuer.clone(), shown.subject.clone());
    write!(db, c => {
        let kept = sqlx::query(
            "DELETE FROM upstream_pairing
             WHERE transaction_id = $1 AND issuer = $2 AND subject = $3 AND expires_at > $4",
        )
        .bind(transaction)
        .bind(issuer.clone())
        .bind(subject.clone())
        .bind(now)
        .execute(&mut *c)
        .await?;
        if kept.rows_affected() != 1 {
            return Ok(Paired::Gone);
        }
        let linked = sqlx::query(
            "INSERT INTO upstream_identity (issuer, subject, person_id, linked_at, last_used_at, label, linked_by)
             VALUES ($1, $2, $3, $4, $4, $5, 'person') ON CONFLICT DO NOTHING",
        )
        .bind(issuer.clone())
        .bind(subject.clone())
        .bind(person)
        .bind(now)
        .bind(label.clone())
        .execute(&mut *c)
        .await?;
        if linked.rows_affected() == 1 {
            let told = Told::IdentityLinked { provider: label, place: Place::default() };
            queue_notice!(c, &NewNotice::new(person, told, now, random), now);
            record!(c, *event);
            return Ok(Paired::Linked);
        }
        let whose: Option<PersonId> =
            sqlx::query_scalar("SELECT person_id FROM upstream_identity WHERE issuer = $1 AND subject = $2")
                .bind(issuer)
                .bind(subject)
                .fetch_optional(&mut *c)
                .await?;
        Ok(if whose == Some(person) { Paired::Linked } else { Paired::Taken })
    })
}

/// Whether a sign-in that began after `since` is at a provider, and has not come back.
///
/// # Errors
/// [`StoreError`].
pub async fn is_on_its_way(
    db: &Db,
    transaction: TransactionId,
    provider: &str,
    since: Time,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "SELECT COUNT(*) FROM upstream_sign_in s JOIN login_transaction t ON t.id = s.transaction_id
         WHERE s.transaction_id = $1 AND s.provider = $2 AND s.taken_at IS NULL AND t.created_at > $3";
    let provider = provider.to_owned();
    let count: i64 = read!(db, c => sqlx::query_scalar(SQL).bind(transaction).bind(provider).bind(since).fetch_one(&mut *c).await?);
    Ok(count > 0)
}

/// Whether a sign-in was sent to a provider and nothing came of it, yet or at all.
///
/// # Errors
/// [`StoreError`].
pub async fn was_sent(db: &Db, transaction: TransactionId) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM upstream_sign_in WHERE transaction_id = $1";
    let count: i64 = read!(db, c => sqlx::query_scalar(SQL).bind(transaction).fetch_one(&mut *c).await?);
    Ok(count > 0)
}

/// Inside a `write!` body: takes back what a provider told of a professional, and nobody else. Yields whether there was any.
macro_rules! take_back_professional {
    ($c:expr, $issuer:expr, $person:expr) => {
        sqlx::query(
            "UPDATE person SET professional = NULL, professional_origin = ''
             WHERE id = $1 AND professional IS NOT NULL AND professional_origin = $2",
        )
        .bind($person)
        .bind($issuer)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    };
}
pub(crate) use take_back_professional;

/// Inside a `write!` body that begins the session: keeps what the provider tells of a professional, with its issuer. Never in the
/// place of what somebody entered here, nor of somebody whom the directory has. Yields whether it is news.
macro_rules! refresh_professional {
    ($c:expr, $identified:expr, $person:expr) => {{
        let identified: &$crate::store::upstream::Identified = $identified;
        match &identified.professional {
            $crate::store::upstream::ToldProfessional::Silent => false,
            $crate::store::upstream::ToldProfessional::NoPractice => {
                $crate::store::upstream::take_back_professional!($c, identified.issuer.clone(), $person)
            }
            $crate::store::upstream::ToldProfessional::Practices(told) => {
                sqlx::query(
                    "UPDATE person SET professional = $2, professional_origin = $3
                     WHERE id = $1 AND (professional IS NULL
                         OR (professional_origin <> '' AND (professional <> $2 OR professional_origin <> $3)))
                       AND NOT EXISTS (SELECT 1 FROM person_identifier i JOIN directory_entry e ON e.id_nat = i.value
                         WHERE i.person_id = $1
                           AND e.generation = (SELECT g.id FROM directory_generation g WHERE g.current))",
                )
                .bind($person)
                .bind(told.clone())
                .bind(identified.issuer.clone())
                .execute(&mut *$c)
                .await?
                .rows_affected()
                    == 1
            }
        }
    }};
}
pub(crate) use refresh_professional;

/// Who this one of a provider is here, where that is known.
///
/// # Errors
/// [`StoreError`].
pub async fn person_of(db: &Db, issuer: &str, subject: &str) -> Result<Option<PersonId>, StoreError> {
    const SQL: &str = "SELECT person_id FROM upstream_identity WHERE issuer = $1 AND subject = $2";
    let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
    read!(db, c => Ok(sqlx::query_scalar(SQL).bind(issuer).bind(subject).fetch_optional(&mut *c).await?))
}

/// Whom a person is at a provider, where that is known.
///
/// # Errors
/// [`StoreError`].
pub async fn subject_of(db: &Db, issuer: &str, person: PersonId) -> Result<Option<String>, StoreError> {
    const SQL: &str = "SELECT subject FROM upstream_identity WHERE issuer = $1 AND person_id = $2";
    let issuer = issuer.to_owned();
    read!(db, c => Ok(sqlx::query_scalar(SQL).bind(issuer).bind(person).fetch_optional(&mut *c).await?))
}

/// Deletes the sign-ins that never came back in time, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM upstream_sign_in WHERE state_hash IN
               (SELECT state_hash FROM upstream_sign_in WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        let unpaired = sqlx::query(
            "DELETE FROM upstream_pairing WHERE transaction_id IN
               (SELECT transaction_id FROM upstream_pairing WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected() + unpaired.rows_affected())
    })
}

/// Another subject in the place of every link: as if the provider had called its people so.
///
/// # Errors
/// [`StoreError`].
#[cfg(test)]
pub(crate) async fn rename_for_test(db: &Db, subject: &'static str) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query("UPDATE upstream_identity SET subject = $1").bind(subject).execute(&mut *c).await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests;
