//! Questions that are put to people at a provider of others (CIBA): one row from the question to the use of its answer, so
//! that any node goes on where another stopped.
//!
//! Whoever waits looks for the answer, by turns: a turn is taken for a while, and no two nodes look at once; what a node brings
//! after its while is not kept. Nobody is asked more often than they can look; what is beyond is for nobody, and looks the
//! same. A question that the provider has cannot be taken back: it holds its place until it is over, also where its sign-in
//! has asked anew.

use super::approval::{MOST_OF_SOURCE, MOST_WAITING, hold_person};
use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{PersonId, TransactionId, UpstreamQuestionId};

/// How often one sign-in may ask.
pub const MOST_OF_SIGN_IN: i64 = 5;

/// Where somebody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Channel {
    /// In the application of the provider.
    Mobile,
    /// At the reader of the workstation where they sit.
    Card,
}

/// How a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    /// The provider does not know of it yet.
    New,
    /// The provider asks.
    Asked,
    /// Nobody is asked, which is nothing to tell.
    Nobody,
    /// The person said yes.
    Approved,
    /// It is over; the row says why.
    Failed,
}

/// A question.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Question {
    /// Its key.
    pub id: UpstreamQuestionId,
    /// The sign-in that waits.
    pub transaction_id: TransactionId,
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Where it is asked.
    pub channel: Channel,
    /// How it stands.
    pub state: State,
    /// Why it failed: a code of `docs/errors.md`.
    pub code: Option<String>,
    /// Who is asked, the provider's handle and what it said, sealed.
    pub sealed: Vec<u8>,
    /// Seconds between two looks.
    #[sqlx(rename = "poll_interval")]
    pub interval: i64,
    /// Looks in a row that failed.
    pub failures: i64,
    /// When the next look is due.
    pub due_at: Time,
    /// When it was kept; as long as nobody has taken a turn it is due since then.
    pub created_at: Time,
    /// When it is no longer good.
    pub expires_at: Time,
}

/// A question to keep.
#[derive(Debug, Clone)]
pub struct NewQuestion {
    /// Its key.
    pub id: UpstreamQuestionId,
    /// The sign-in that waits.
    pub transaction_id: TransactionId,
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Where it is asked.
    pub channel: Channel,
    /// Who is asked, where they have a row of ours.
    pub person: Option<PersonId>,
    /// Whether somebody is asked.
    pub is_put: bool,
    /// A keyed hash of who is asked (32 bytes).
    pub name_hash: [u8; 32],
    /// What stands for whoever asks (32 bytes).
    pub source: [u8; 32],
    /// Whether the person has used this browser with what resists phishing.
    pub is_known: bool,
    /// Who is asked, sealed.
    pub sealed: Vec<u8>,
    /// When it is no longer good.
    pub expires_at: Time,
}

/// Keeps a question in the place of the one before. Yields false, and keeps nothing, where this sign-in has asked too often.
///
/// # Errors
/// [`StoreError`].
pub async fn ask(db: &Db, new: &NewQuestion, now: Time) -> Result<bool, StoreError> {
    write!(db, c => {
        // Whoever asks at the same time waits here.
        if let Some(person) = new.person {
            hold_person!(c, person);
        }
        let before: Option<i64> = sqlx::query_scalar("SELECT times FROM upstream_question WHERE transaction_id = $1")
            .bind(new.transaction_id)
            .fetch_optional(&mut *c)
            .await?;
        let times = before.unwrap_or_default();
        if times >= MOST_OF_SIGN_IN {
            return Ok(false);
        }
        // What a node has begun to ask goes on at the provider: it belongs to no sign-in any more, and holds its place.
        sqlx::query(
            "UPDATE upstream_question SET transaction_id = id
             WHERE transaction_id = $1 AND expires_at > $2
               AND (state = 'asked' OR (state = 'new' AND due_at > created_at))",
        )
        .bind(new.transaction_id)
        .bind(now)
        .execute(&mut *c)
        .await?;
        let (all, own): (i64, i64) = sqlx::query_as(
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN source = $2 THEN 1 ELSE 0 END), 0) FROM upstream_question
             WHERE name_hash = $1 AND state IN ('new', 'asked') AND expires_at > $3 AND transaction_id <> $4",
        )
        .bind(new.name_hash.to_vec())
        .bind(new.source.to_vec())
        .bind(now)
        .bind(new.transaction_id)
        .fetch_one(&mut *c)
        .await?;
        // A browser of theirs always has a place.
        let is_put = new.is_put && own < MOST_OF_SOURCE && (all < MOST_WAITING || new.is_known);
        sqlx::query(
            "INSERT INTO upstream_question (id, transaction_id, provider, channel, name_hash, source, times, state, code,
               sealed, poll_interval, failures, due_at, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9, 0, 0, $10, $10, $11)
             ON CONFLICT (transaction_id) DO UPDATE SET id = excluded.id, provider = excluded.provider,
               channel = excluded.channel, name_hash = excluded.name_hash, source = excluded.source,
               times = excluded.times, state = excluded.state, code = NULL, sealed = excluded.sealed, poll_interval = 0,
               failures = 0, due_at = excluded.due_at, created_at = excluded.created_at, expires_at = excluded.expires_at",
        )
        .bind(new.id)
        .bind(new.transaction_id)
        .bind(new.provider.clone())
        .bind(new.channel)
        .bind(new.name_hash.to_vec())
        .bind(new.source.to_vec())
        .bind(times + 1)
        .bind(if is_put { State::New } else { State::Nobody })
        .bind(new.sealed.clone())
        .bind(now)
        .bind(new.expires_at)
        .execute(&mut *c)
        .await?;
        Ok(true)
    })
}

/// The question of a sign-in.
///
/// # Errors
/// [`StoreError`].
pub async fn of_transaction(db: &Db, transaction: TransactionId) -> Result<Option<Question>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT id, transaction_id, provider, channel, state, code, sealed, poll_interval, failures, due_at, created_at,
           expires_at
         FROM upstream_question WHERE transaction_id = $1",
    )
    .bind(transaction)
    .fetch_optional(&mut *c)
    .await?))
}

/// Takes the turn to look at the provider, until `until`. Yields whether it was there to take.
///
/// # Errors
/// [`StoreError`].
pub async fn take_turn(db: &Db, id: UpstreamQuestionId, until: Time, now: Time) -> Result<bool, StoreError> {
    write!(db, c => {
        let taken = sqlx::query(
            "UPDATE upstream_question SET due_at = $2
             WHERE id = $1 AND state IN ('new', 'asked') AND due_at <= $3 AND expires_at > $3",
        )
        .bind(id)
        .bind(until)
        .bind(now)
        .execute(&mut *c)
        .await?;
        Ok(taken.rows_affected() == 1)
    })
}

/// How a question stands after a turn.
#[derive(Debug, Clone)]
pub struct Turned {
    /// How it stands.
    pub state: State,
    /// Why it failed.
    pub code: Option<&'static str>,
    /// What is kept, sealed.
    pub sealed: Vec<u8>,
    /// Seconds between two looks.
    pub interval: i64,
    /// Looks in a row that failed.
    pub failures: i64,
    /// When the next look is due.
    pub due_at: Time,
    /// When it is no longer good.
    pub expires_at: Time,
}

/// Keeps what a turn brought that was taken until `until`, and records `event`; unless another node has the turn since then,
/// or the question is over. Yields whether it was kept.
///
/// # Errors
/// [`StoreError`].
pub async fn turn(
    db: &Db,
    id: UpstreamQuestionId,
    until: Time,
    turned: &Turned,
    event: Option<&NewRow>,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let kept = sqlx::query(
            "UPDATE upstream_question SET state = $2, code = $3, sealed = $4, poll_interval = $5, failures = $6, due_at = $7,
               expires_at = $8
             WHERE id = $1 AND state IN ('new', 'asked') AND due_at = $9",
        )
        .bind(id)
        .bind(turned.state)
        .bind(turned.code)
        .bind(turned.sealed.clone())
        .bind(turned.interval)
        .bind(turned.failures)
        .bind(turned.due_at)
        .bind(turned.expires_at)
        .bind(until)
        .execute(&mut *c)
        .await?;
        let is_kept = kept.rows_affected() == 1;
        if let Some(event) = event.filter(|_| is_kept) {
            record!(c, *event);
        }
        Ok(is_kept)
    })
}

/// Notes that nobody answered in time, and records `event`; once.
///
/// # Errors
/// [`StoreError`].
pub async fn give_up(
    db: &Db,
    id: UpstreamQuestionId,
    code: &'static str,
    event: &NewRow,
    now: Time,
) -> Result<(), StoreError> {
    write!(db, c => {
        let given_up = sqlx::query(
            "UPDATE upstream_question SET state = 'failed', code = $2
             WHERE id = $1 AND state IN ('new', 'asked', 'nobody') AND expires_at <= $3",
        )
        .bind(id)
        .bind(code)
        .bind(now)
        .execute(&mut *c)
        .await?;
        if given_up.rows_affected() == 1 {
            record!(c, *event);
        }
        Ok(())
    })
}

/// Deletes the questions whose sign-in is over for long, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM upstream_question WHERE id IN
               (SELECT id FROM upstream_question WHERE expires_at <= $1 LIMIT $2)",
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

    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock as _, MockClock};
    use crate::ids::{CountingRandom, uuid_v4};
    use crate::store::client::tests::event;
    use crate::store::testing::on_both;

    fn question(now: Time, random: &CountingRandom) -> NewQuestion {
        NewQuestion {
            id: UpstreamQuestionId::new(now, random),
            transaction_id: TransactionId(uuid_v4(random)),
            provider: "psc".into(),
            channel: Channel::Mobile,
            person: None,
            is_put: true,
            name_hash: [1; 32],
            source: [2; 32],
            is_known: false,
            sealed: vec![0],
            expires_at: now + TimeDelta::seconds(120),
        }
    }

    fn pending(now: Time) -> Turned {
        Turned {
            state: State::Asked,
            code: None,
            sealed: vec![1],
            interval: 5,
            failures: 0,
            due_at: now + TimeDelta::seconds(5),
            expires_at: now + TimeDelta::seconds(120),
        }
    }

    #[tokio::test]
    async fn of_all_who_wait_one_looks_and_a_turn_that_was_lost_comes_back() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let now = clock.now();
            let asked = question(now, &random);
            assert!(ask(&db, &asked, now).await.unwrap());
            let lease = TimeDelta::seconds(60);
            let take = async || {
                let now = clock.now();
                take_turn(&db, asked.id, now + lease, now).await.unwrap()
            };
            assert!(take().await && !take().await);
            clock.advance(lease);
            assert!(take().await, "the node that had it is gone");
            // It is not: it was slow.
            let late = Turned { state: State::Failed, code: Some("UPSTREAM-016"), ..pending(clock.now()) };
            let record = event(Kind::SignIn, &clock);
            assert!(!turn(&db, asked.id, clock.now(), &late, Some(&record)).await.unwrap());
            assert!(turn(&db, asked.id, clock.now() + lease, &pending(clock.now()), None).await.unwrap());
            assert!(!take().await, "not before it is due");
            clock.advance(TimeDelta::seconds(5));
            assert!(take().await);
            // Another page asks: what the turn brings is of a question that is nobody's any more.
            let again = NewQuestion { id: UpstreamQuestionId::new(clock.now(), &random), ..asked.clone() };
            assert!(ask(&db, &again, clock.now()).await.unwrap());
            assert!(turn(&db, asked.id, clock.now() + lease, &pending(clock.now()), None).await.unwrap());
            let kept = of_transaction(&db, asked.transaction_id).await.unwrap().unwrap();
            assert_eq!((kept.id, kept.state, kept.interval), (again.id, State::New, 0));
        })
        .await;
    }

    #[tokio::test]
    async fn a_question_that_was_begun_holds_its_place_whatever_its_sign_in_asks_next() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let first = question(clock.now(), &random);
            let next = |name: u8| NewQuestion {
                id: UpstreamQuestionId::new(clock.now(), &random),
                name_hash: [name; 32],
                ..first.clone()
            };
            let stands = async || of_transaction(&db, first.transaction_id).await.unwrap().unwrap().state;
            // Asked and never begun: that rings nowhere, and holds nothing.
            assert!(ask(&db, &first, clock.now()).await.unwrap());
            for (name, state) in [(1, State::New), (9, State::New), (1, State::New), (1, State::Nobody)] {
                let new = next(name);
                let now = clock.now();
                assert!(ask(&db, &new, now).await.unwrap());
                assert_eq!(stands().await, state, "{name}");
                // Begun, and replaced before the provider has answered.
                assert_eq!(
                    take_turn(&db, new.id, now + TimeDelta::seconds(60), now).await.unwrap(),
                    state == State::New
                );
            }
            assert!(!ask(&db, &next(2), clock.now()).await.unwrap(), "five of a sign-in");
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_over_for_long_is_deleted_and_nothing_else() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let mut asked = Vec::new();
            for _ in 0..3 {
                let new = question(clock.now(), &random);
                assert!(ask(&db, &new, clock.now()).await.unwrap());
                asked.push(new.transaction_id);
                clock.advance(TimeDelta::seconds(60));
            }
            let now = clock.now();
            assert_eq!(delete_expired(&db, now, 1).await.unwrap(), 1);
            assert_eq!(delete_expired(&db, now, 10).await.unwrap(), 1);
            assert_eq!(delete_expired(&db, now, 10).await.unwrap(), 0);
            assert!(of_transaction(&db, asked[0]).await.unwrap().is_none());
            assert!(of_transaction(&db, asked[2]).await.unwrap().is_some());
        })
        .await;
    }
}
