//! Questions of programs on their way to a card: which wait, to which workstation each was sent, and whose the cards are.
//!
//! The question itself, and its answer, are a row of `approval`. Here is one row for each workstation that it was sent to:
//! the one that may answer it, with the one card that it has reported. Several may hold one; the first answer counts.

use sqlx::types::Json;

use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{ApprovalId, PersonId, WorkstationId};
use crate::session::asking::{Context, Workstations};

/// The most questions that are looked at together.
const MOST: i64 = 1000;

/// A question that waits for a card.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Waiting {
    /// Its key.
    #[sqlx(rename = "id")]
    pub approval_id: ApprovalId,
    /// Who is asked.
    pub person_id: PersonId,
    /// The relying party.
    pub client_id: String,
    /// What the person is shown.
    #[sqlx(json)]
    pub context: Context,
    /// Where the relying party may ask.
    #[sqlx(json, rename = "card_workstations")]
    pub workstations: Workstations,
    /// When it is no longer good.
    pub expires_at: Time,
}

/// The questions that wait for cards at `now`, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn waiting(db: &Db, now: Time) -> Result<Vec<Waiting>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT a.id, a.person_id, a.client_id, a.context, a.expires_at, c.card_workstations
         FROM approval a JOIN client c ON c.id = a.client_id
         WHERE a.channel = 'card' AND a.state = 'waiting' AND a.person_id IS NOT NULL AND a.expires_at > $1
           AND c.disabled_at IS NULL
         ORDER BY a.created_at, a.id LIMIT $2",
    )
    .bind(now)
    .bind(MOST)
    .fetch_all(&mut *c)
    .await?))
}

/// A question on its way to a workstation.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct CardQuestion {
    /// The member `txn` of the request.
    pub txn: String,
    /// The question.
    pub approval_id: ApprovalId,
    /// The workstation that it is for.
    pub workstation_id: WorkstationId,
    /// Which of its cards: SHA-256 of the certificate, in hexadecimal.
    pub certificate: String,
    /// The card request, byte for byte.
    pub request: String,
    /// When the right number was typed there.
    pub typed_at: Option<Time>,
}

const BY_TXN: &str =
    "SELECT txn, approval_id, workstation_id, certificate, request, typed_at FROM card_question
     WHERE txn = $1";

/// Keeps a question that is to be sent, and records `event`; where the same was sent to the same workstation before, that one
/// stays. Yields the one that stands; none where nobody waits for it any more.
///
/// # Errors
/// [`StoreError`].
pub async fn offer(
    db: &Db,
    new: &CardQuestion,
    event: &NewRow,
    now: Time,
) -> Result<Option<CardQuestion>, StoreError> {
    write!(db, c => {
        let waits: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM approval WHERE id = $1 AND state = 'waiting' AND expires_at > $2",
        )
        .bind(new.approval_id)
        .bind(now)
        .fetch_one(&mut *c)
        .await?;
        if waits == 0 {
            return Ok(None);
        }
        let kept = sqlx::query(
            "INSERT INTO card_question (txn, approval_id, workstation_id, certificate, request, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (approval_id, workstation_id, certificate) DO NOTHING",
        )
        .bind(new.txn.clone())
        .bind(new.approval_id)
        .bind(new.workstation_id)
        .bind(new.certificate.clone())
        .bind(new.request.clone())
        .bind(now)
        .execute(&mut *c)
        .await?;
        if kept.rows_affected() == 1 {
            record!(c, *event);
            return Ok(Some(new.clone()));
        }
        Ok(sqlx::query_as(
            "SELECT txn, approval_id, workstation_id, certificate, request, typed_at FROM card_question
             WHERE approval_id = $1 AND workstation_id = $2 AND certificate = $3",
        )
        .bind(new.approval_id)
        .bind(new.workstation_id)
        .bind(new.certificate.clone())
        .fetch_optional(&mut *c)
        .await?)
    })
}

/// The question of a workstation that was sent before, if it was.
///
/// # Errors
/// [`StoreError`].
pub async fn sent(
    db: &Db,
    approval: ApprovalId,
    workstation: WorkstationId,
    certificate: &str,
) -> Result<Option<CardQuestion>, StoreError> {
    let certificate = certificate.to_owned();
    read!(db, c => Ok(sqlx::query_as(
        "SELECT txn, approval_id, workstation_id, certificate, request, typed_at FROM card_question
         WHERE approval_id = $1 AND workstation_id = $2 AND certificate = $3",
    )
    .bind(approval)
    .bind(workstation)
    .bind(certificate)
    .fetch_optional(&mut *c)
    .await?))
}

/// The question of that `txn`.
///
/// # Errors
/// [`StoreError`].
pub async fn by_txn(db: &Db, txn: &str) -> Result<Option<CardQuestion>, StoreError> {
    let txn = txn.to_owned();
    read!(db, c => Ok(sqlx::query_as(BY_TXN).bind(txn).fetch_optional(&mut *c).await?))
}

/// Notes that the right number was typed. Yields whether the question still waited.
///
/// # Errors
/// [`StoreError`].
pub async fn typed(db: &Db, txn: &str, now: Time) -> Result<bool, StoreError> {
    let txn = txn.to_owned();
    write!(db, c => {
        let noted = sqlx::query(
            "UPDATE card_question SET typed_at = $2 WHERE txn = $1 AND approval_id IN
               (SELECT id FROM approval WHERE state = 'waiting' AND expires_at > $2)",
        )
        .bind(txn)
        .bind(now)
        .execute(&mut *c)
        .await?;
        Ok(noted.rows_affected() == 1)
    })
}

/// Whether a question reached any workstation.
///
/// # Errors
/// [`StoreError`].
pub async fn was_sent(db: &Db, approval: ApprovalId) -> Result<bool, StoreError> {
    read!(db, c => {
        let sent: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM card_question WHERE approval_id = $1")
            .bind(approval)
            .fetch_one(&mut *c)
            .await?;
        Ok(sent > 0)
    })
}

/// Notes whose a card is, inside a `write!` body, by SHA-256 of its certificate in hexadecimal.
macro_rules! note_holder {
    ($c:expr, $certificate:expr, $person:expr, $now:expr) => {{
        let certificate: String = $certificate;
        let now: $crate::clock::Time = $now;
        sqlx::query(
            "INSERT INTO card_holder (certificate, person_id, seen_at) VALUES ($1, $2, $3)
             ON CONFLICT (certificate) DO UPDATE SET person_id = $2, seen_at = $3",
        )
        .bind(certificate)
        .bind($person)
        .bind(now)
        .execute(&mut *$c)
        .await?;
    }};
}
pub(crate) use note_holder;

/// Notes whose a card is.
///
/// # Errors
/// [`StoreError`].
pub async fn note(db: &Db, certificate: &str, person: PersonId, now: Time) -> Result<(), StoreError> {
    write!(db, c => {
        note_holder!(c, certificate.to_owned(), person, now);
        Ok(())
    })
}

/// Whose a card is, where that is known.
///
/// # Errors
/// [`StoreError`].
pub async fn holder(db: &Db, certificate: &str) -> Result<Option<PersonId>, StoreError> {
    let certificate = certificate.to_owned();
    read!(db, c => Ok(sqlx::query_scalar("SELECT person_id FROM card_holder WHERE certificate = $1")
        .bind(certificate)
        .fetch_optional(&mut *c)
        .await?))
}

/// Forgets whose the cards are that were not seen since `before`. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_unseen(db: &Db, before: Time) -> Result<u64, StoreError> {
    write!(db, c => {
        let gone = sqlx::query("DELETE FROM card_holder WHERE seen_at <= $1").bind(before).execute(&mut *c).await?;
        Ok(gone.rows_affected())
    })
}

/// Replaces the workstations at which a client may ask people for their card, and records `event`. Yields whether it exists.
///
/// # Errors
/// [`StoreError`].
pub async fn set_workstations(
    db: &Db,
    client: &str,
    workstations: &Workstations,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let (client, workstations) = (client.to_owned(), Json(workstations.clone()));
    write!(db, c => {
        let changed = sqlx::query("UPDATE client SET card_workstations = $2, updated_at = $3 WHERE id = $1")
            .bind(client)
            .bind(workstations)
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
