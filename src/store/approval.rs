//! Questions to people: whether a sign-in that waits elsewhere is theirs. One row from the question to the use of its answer,
//! so that both survive a restart and any node can take the answer.
//!
//! An answer counts once, in its time, for what was shown. Nobody can be asked more often than they can look.
//!
//! Whoever waits hears of a change by its number ([`moves_since`]): one question of each node for all who wait there.

mod moves;

use chrono::TimeDelta;
use sqlx::types::Json;

use super::audit::{NewRow, record};
use super::notice::{NewNotice, queue_notice, queue_notice_to};
use super::phone::guard_person;
use super::webauthn_credential::{Used, consume_signature};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{ApprovalId, PersonId, TransactionId};
use crate::session::Authentication;
use crate::session::asking::{Channel, Context};

pub(crate) use moves::note_moves;
pub use moves::{Move, last_move, moves_since};

/// How long a question waits for its answer (Pro Santé Connect: 120 s).
pub const LIFETIME: TimeDelta = TimeDelta::seconds(120);
/// How many questions one person may have waiting. Another way of signing in is never kept from them by it.
pub const MOST_WAITING: i64 = 5;
/// How many of them one source may hold: an address, a browser or a client.
pub const MOST_OF_SOURCE: i64 = 2;

/// How what waits and who answers are tied together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Way {
    /// The waiting page shows a number, which is typed on the phone.
    Number,
    /// The waiting page shows a code that changes, which the phone scans.
    Scan,
    /// A program shows a number of its own, which is typed where the person is asked.
    Ciba,
}

/// How a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    /// Nobody has answered.
    Waiting,
    /// The person said that it is theirs.
    Approved,
    /// The person said no.
    Refused,
    /// Somebody typed a wrong number: there is one try.
    Mistyped,
    /// Whoever asked gave up.
    Withdrawn,
    /// A session came of it.
    Used,
}

/// A question.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Approval {
    /// Its key.
    pub id: ApprovalId,
    /// How what waits and who answers are tied together.
    pub way: Way,
    /// Where it is asked.
    pub channel: Channel,
    /// Who is asked; none where nobody has the identifier that was typed, and of a scan until somebody has scanned it.
    pub person_id: Option<PersonId>,
    /// The relying party.
    pub client_id: String,
    /// The sign-in that waits, where a browser does.
    pub transaction_id: Option<TransactionId>,
    /// SHA-256 of the cookie by which the waiting browser is known (32 bytes); none of a program, and of a browser without.
    pub browser: Option<Vec<u8>>,
    /// What stands for whoever asks (32 bytes), in whose share of the person's questions it counts; none of a scan.
    pub source: Option<Vec<u8>>,
    /// Whether the waiting browser is one that the person has used with what resists phishing.
    pub is_known: bool,
    /// What the person is shown.
    #[sqlx(json)]
    pub context: Context,
    /// What the person has to type; none of a scan.
    pub digits: Option<String>,
    /// How it stands.
    pub state: State,
    /// What the answer proved, where it was approved.
    #[sqlx(json(nullable))]
    pub authentication: Option<Authentication>,
    /// When it was asked.
    pub created_at: Time,
    /// When it is no longer good.
    pub expires_at: Time,
}

impl Approval {
    /// Whether an answer can still come.
    #[must_use]
    pub fn is_waiting(&self, now: Time) -> bool {
        self.state == State::Waiting && self.expires_at > now
    }
}

macro_rules! columns {
    () => {
        "id, way, channel, person_id, client_id, transaction_id, browser, source, is_known, context, digits, state,
         authentication, created_at, expires_at"
    };
}

/// Holds the row of a person until the end of the transaction, inside a `write!` body.
macro_rules! hold_person {
    ($c:expr, $person:expr) => {
        sqlx::query("UPDATE person SET id = id WHERE id = $1").bind($person).execute(&mut *$c).await?
    };
}
pub(crate) use hold_person;

/// Keeps a question, inside a `write!` body. A person has so many waiting on each channel, a source so many of these: what is
/// beyond becomes one for nobody, which cannot be told from another.
///
/// Of one source the newest stay. Of all, the oldest give way that come from no browser of the person: whoever floods is old
/// when the person looks, and has to go on and on at the price of growing waits. A browser that the person has used with what
/// resists phishing always has a place. Codes that the phone itself has scanned are not counted. Yields whether it is theirs,
/// and is kept: of two that are asked for one sign-in at once the first is, as if the second had come before it.
macro_rules! insert_approval {
    ($c:expr, $new:expr) => {{
        let new: &$crate::store::approval::Approval = $new;
        let is_theirs = match new.person_id {
            None => true,
            Some(person) => {
                // Whoever asks at the same time waits here.
                $crate::store::approval::hold_person!($c, person);
                // What gives way waits on for nobody: its asker sees no difference.
                sqlx::query(
                    "UPDATE approval SET person_id = NULL WHERE id IN
                       (SELECT id FROM approval
                        WHERE person_id = $1 AND source = $2 AND state = 'waiting' AND way <> 'scan' AND expires_at > $3
                          AND channel = $5
                        ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET $4)",
                )
                .bind(person)
                .bind(new.source.clone())
                .bind(new.created_at)
                .bind($crate::store::approval::MOST_OF_SOURCE - 1)
                .bind(new.channel)
                .execute(&mut *$c)
                .await?;
                sqlx::query(
                    "UPDATE approval SET person_id = NULL WHERE id IN
                       (SELECT id FROM approval
                        WHERE person_id = $1 AND state = 'waiting' AND way <> 'scan' AND expires_at > $2
                          AND channel = $5
                        ORDER BY is_known DESC, created_at DESC, id DESC LIMIT 1000 OFFSET $3)
                       AND (NOT is_known OR $4)",
                )
                .bind(person)
                .bind(new.created_at)
                .bind($crate::store::approval::MOST_WAITING - 1)
                .bind(new.is_known)
                .bind(new.channel)
                .execute(&mut *$c)
                .await?;
                let waiting: i64 = sqlx::query_scalar(
                    "SELECT COUNT(*) FROM approval
                     WHERE person_id = $1 AND state = 'waiting' AND way <> 'scan' AND expires_at > $2 AND channel = $3",
                )
                .bind(person)
                .bind(new.created_at)
                .bind(new.channel)
                .fetch_one(&mut *$c)
                .await?;
                waiting < $crate::store::approval::MOST_WAITING
            }
        };
        let kept = sqlx::query(
            "INSERT INTO approval (id, way, channel, person_id, client_id, transaction_id, browser, context, digits,
               state, created_at, expires_at, source, is_known)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', $10, $11, $12, $13)
             ON CONFLICT (transaction_id) DO NOTHING",
        )
        .bind(new.id)
        .bind(new.way)
        .bind(new.channel)
        .bind(new.person_id.filter(|_| is_theirs))
        .bind(new.client_id.clone())
        .bind(new.transaction_id)
        .bind(new.browser.clone())
        .bind(sqlx::types::Json(new.context.clone()))
        .bind(new.digits.clone())
        .bind(new.created_at)
        .bind(new.expires_at)
        .bind(new.source.clone())
        .bind(new.is_known)
        .execute(&mut *$c)
        .await?;
        is_theirs && kept.rows_affected() == 1
    }};
}
pub(crate) use insert_approval;

/// Takes the answer of an approved question, inside a `write!` body: once, in its time, for the sign-in that asked where one
/// did, and while what it was given with may still sign in. Yields whether it was there.
macro_rules! use_approval {
    ($c:expr, $id:expr, $transaction:expr, $proved:expr, $now:expr) => {{
        let id: $crate::ids::ApprovalId = $id;
        let transaction: Option<$crate::ids::TransactionId> = $transaction;
        let proved: &$crate::session::Authentication = $proved;
        let used = sqlx::query(
            "UPDATE approval SET state = 'used' WHERE id = $1 AND state = 'approved' AND expires_at > $2
               AND (transaction_id = $3 OR (transaction_id IS NULL AND way = 'ciba'))",
        )
        .bind(id)
        .bind($now)
        .bind(transaction)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1;
        // The row of the phone is held, by whoever halts it too: of the two the one sees what the other did.
        used && match proved.evidence.means() {
            Some(means) => {
                sqlx::query(
                    "UPDATE means SET last_used_at = $2
                     WHERE id = $1 AND revoked_at IS NULL AND suspended_at IS NULL AND expires_at > $2",
                )
                .bind(means)
                .bind($now)
                .execute(&mut *$c)
                .await?
                .rows_affected()
                    == 1
            }
            // Whether a card was halted is asked in a place of its own.
            None => true,
        }
    }};
}
pub(crate) use use_approval;

/// Asks: of a sign-in there is one question at a time, the last. Yields whether the person has not too many waiting already;
/// else it is nobody's, and whoever waits sees no difference.
///
/// # Errors
/// [`StoreError`].
pub async fn ask(db: &Db, new: &Approval) -> Result<bool, StoreError> {
    write!(db, c => {
        // The person before any question: so does everybody who holds more than one.
        if let Some(person) = new.person_id {
            hold_person!(c, person);
        }
        let mut replaced = 0;
        if let Some(transaction) = new.transaction_id {
            replaced = sqlx::query("DELETE FROM approval WHERE transaction_id = $1")
                .bind(transaction)
                .execute(&mut *c)
                .await?
                .rows_affected();
        }
        let is_theirs = insert_approval!(c, new);
        // Another page of that sign-in may show what is gone.
        if replaced > 0 {
            note_moves!(c, &[new.id]);
        }
        Ok(is_theirs)
    })
}

/// The question of that key, whatever its state.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM approval WHERE id = $1");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(id).fetch_optional(&mut *c).await?))
}

/// The question of a sign-in.
///
/// # Errors
/// [`StoreError`].
pub async fn of_transaction(db: &Db, transaction: TransactionId) -> Result<Option<Approval>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM approval WHERE transaction_id = $1");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(transaction).fetch_optional(&mut *c).await?))
}

/// The questions that wait for a person on a channel, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn waiting_for(
    db: &Db,
    person: PersonId,
    channel: Channel,
    now: Time,
) -> Result<Vec<Approval>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM approval WHERE person_id = $1 AND channel = $2 AND state = 'waiting' AND expires_at > $3
         ORDER BY created_at, id"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(person).bind(channel).bind(now).fetch_all(&mut *c).await?))
}

/// What a person answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is theirs, and this proves who they are.
    Approve(Authentication),
    /// It is not.
    Refuse,
    /// They asked for nothing: for a while no stranger asks them anything, and what waits of them does no longer.
    Disown(Disowned),
    /// They typed another number.
    Mistype,
}

/// What follows when somebody says that a question was none of theirs.
#[derive(Debug, Clone)]
pub struct Disowned {
    /// Until when no stranger asks them anything.
    pub until: Time,
    /// What they are told, where it can be sent; once in that time, however often they say so.
    pub told: NewNotice,
    /// What the security contact is told, and at which address; where there is one. So many an hour altogether
    /// ([`MOST_ALARMS`]): whoever asks everybody in the house fills no mailbox.
    pub alarm: Option<(NewNotice, String)>,
}

/// Alarms to the security contact within an hour.
pub const MOST_ALARMS: i64 = 10;
const ALARMS_WITHIN: TimeDelta = TimeDelta::hours(1);
/// The language of the security contact.
const ALARM_LANGUAGE: &str = "fr";

/// Makes a code that was scanned the question of whoever scanned it, with what they are shown. Yields whether nobody had.
///
/// # Errors
/// [`StoreError`].
pub async fn scan(
    db: &Db,
    id: ApprovalId,
    person: PersonId,
    context: &Context,
    now: Time,
) -> Result<bool, StoreError> {
    let context = context.clone();
    write!(db, c => {
        let scanned = sqlx::query(
            "UPDATE approval SET person_id = $2, context = $3
             WHERE id = $1 AND way = 'scan' AND person_id IS NULL AND state = 'waiting' AND expires_at > $4",
        )
        .bind(id)
        .bind(person)
        .bind(Json(context))
        .bind(now)
        .execute(&mut *c)
        .await?;
        let is_first = scanned.rows_affected() == 1;
        if is_first {
            note_moves!(c, &[id]);
        }
        Ok(is_first)
    })
}

/// Keeps the answer of `person`, and records `event` if it was the first and in time. With a `signature`, which whoever
/// approves brings, it counts only where that does. Yields whether it was kept.
///
/// # Errors
/// [`StoreError`].
pub async fn answer(
    db: &Db,
    id: ApprovalId,
    person: PersonId,
    answer: &Answer,
    signature: Option<&Used>,
    event: &NewRow,
    now: Time,
) -> Result<bool, StoreError> {
    let (state, authentication) = match answer {
        Answer::Approve(authentication) => (State::Approved, Some(Json(authentication.clone()))),
        Answer::Refuse | Answer::Disown(_) => (State::Refused, None),
        Answer::Mistype => (State::Mistyped, None),
    };
    let disowned = if let Answer::Disown(disowned) = answer { Some(disowned) } else { None };
    write!(db, c => {
        if let Some(used) = signature
            && !consume_signature!(c, used, now)
        {
            return Ok(false);
        }
        if disowned.is_some() {
            hold_person!(c, person);
        }
        let kept = sqlx::query(
            "UPDATE approval SET state = $3, authentication = $4, answered_at = $5
             WHERE id = $1 AND person_id = $2 AND state = 'waiting' AND expires_at > $5",
        )
        .bind(id)
        .bind(person)
        .bind(state)
        .bind(authentication)
        .bind(now)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        let mut moved = vec![id];
        if kept && let Some(Disowned { until, told, alarm }) = disowned {
            let is_first = guard_person!(c, person, *until, now);
            if is_first {
                queue_notice!(c, told, now);
            }
            if is_first && let Some((alarm, address)) = alarm {
                let lately: i64 =
                    sqlx::query_scalar("SELECT COUNT(*) FROM guarded_person WHERE guarded_since > $1")
                        .bind(now - ALARMS_WITHIN)
                        .fetch_one(&mut *c)
                        .await?;
                if lately <= MOST_ALARMS {
                    queue_notice_to!(c, alarm, address.clone(), ALARM_LANGUAGE, now);
                }
            }
            let withdrawn: Vec<ApprovalId> = sqlx::query_scalar(
                "UPDATE approval SET state = 'withdrawn' WHERE person_id = $1 AND state = 'waiting' RETURNING id",
            )
            .bind(person)
            .fetch_all(&mut *c)
            .await?;
            moved.extend(withdrawn);
        }
        if kept {
            record!(c, *event);
            note_moves!(c, &moved);
        }
        Ok(kept)
    })
}

/// Takes a question back that nobody has answered. Yields whether it waited.
///
/// # Errors
/// [`StoreError`].
pub async fn withdraw(db: &Db, id: ApprovalId) -> Result<bool, StoreError> {
    write!(db, c => {
        let withdrawn =
            sqlx::query("UPDATE approval SET state = 'withdrawn' WHERE id = $1 AND state = 'waiting'")
                .bind(id)
                .execute(&mut *c)
                .await?;
        let did_wait = withdrawn.rows_affected() == 1;
        if did_wait {
            note_moves!(c, &[id]);
        }
        Ok(did_wait)
    })
}

/// Deletes the questions that expired before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM approval WHERE id IN (SELECT id FROM approval WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}

#[cfg(test)]
pub(crate) mod tests;
