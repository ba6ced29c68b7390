//! Channels of workstations, and what a card's coming and going does to sessions.
//!
//! A message counts if its channel is open, its number is higher than any before, and its workstation is neither revoked
//! nor waiting for approval: all judged in the transaction that takes its effect, on whatever node it arrives. A card
//! that is there renews the lease of a session that is in order and does nothing else; it never opens a locked one. A
//! card that is not there locks or ends.
//!
//! Where several people use one computer, its key is theirs together: it does not tell whose agent speaks. The agent's
//! name does, which nobody else knows; here stands its hash alone. A session that was begun with such a name hangs on that
//! agent's reports, and no other's renews, locks or ends it.

use std::collections::BTreeSet;

use sqlx::types::Json;

use super::audit::{NewRow, record};
use super::session::{end_session, lock_session};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{ChannelId, PersonId, Random, SessionId, WorkstationId};
use crate::session::{CardOut, EndReason, Policies, Station};

/// A channel that is open.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Channel {
    /// Its name in messages.
    pub id: ChannelId,
    /// Whose it is.
    pub workstation_id: WorkstationId,
    /// Which of the workstation's agents: SHA-256 of its name, in hexadecimal.
    pub agent: String,
    /// The number of the last message.
    pub number: i64,
    /// The cards that it reported: SHA-256 of their certificates, in hexadecimal.
    #[sqlx(json)]
    pub cards: Vec<String>,
    /// When the last message came.
    pub seen_at: Time,
    /// Whether its agent understands badge requests.
    pub takes_badge: bool,
    /// Whether its agent understands questions of other programs.
    pub takes_questions: bool,
}

/// A channel to offer.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Its name in messages.
    pub id: ChannelId,
    /// Whose it will be.
    pub workstation: WorkstationId,
    /// Which of the workstation's agents: SHA-256 of its name, in hexadecimal.
    pub agent: String,
    /// Whether it understands badge requests.
    pub takes_badge: bool,
    /// Whether it understands questions of other programs.
    pub takes_questions: bool,
}

/// Offers of one workstation that are kept: each is taken up within moments.
const MOST_OFFERS: i64 = 8;

/// Offers a channel to a workstation: it is open once a message comes over it. Forgets the workstation's offers that are
/// older than `stale`.
///
/// # Errors
/// [`StoreError`].
pub async fn offer(db: &Db, new: &Offer, stale: Time, now: Time) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query("DELETE FROM workstation_channel WHERE workstation_id = $1 AND number = 0 AND created_at <= $2")
            .bind(new.workstation)
            .bind(stale)
            .execute(&mut *c)
            .await?;
        sqlx::query(
            "INSERT INTO workstation_channel (id, workstation_id, agent, number, cards, created_at, seen_at, takes_badge,
               takes_questions)
             VALUES ($1, $2, $3, 0, $4, $5, $5, $6, $7)",
        )
        .bind(new.id)
        .bind(new.workstation)
        .bind(new.agent.clone())
        .bind(Json(Vec::<String>::new()))
        .bind(now)
        .bind(new.takes_badge)
        .bind(new.takes_questions)
        .execute(&mut *c)
        .await?;
        // The oldest go: refusing the next would let one program keep every other from its channel.
        sqlx::query(
            "DELETE FROM workstation_channel WHERE workstation_id = $1 AND number = 0 AND id NOT IN (
               SELECT id FROM workstation_channel WHERE workstation_id = $1 AND number = 0
               ORDER BY id DESC LIMIT $2)",
        )
        .bind(new.workstation)
        .bind(MOST_OFFERS)
        .execute(&mut *c)
        .await?;
        Ok(())
    })
}

/// The open channels of a workstation: one, unless several people use it at the same time.
///
/// # Errors
/// [`StoreError`].
pub async fn of(db: &Db, workstation: WorkstationId) -> Result<Vec<Channel>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT id, workstation_id, agent, number, cards, seen_at, takes_badge, takes_questions
         FROM workstation_channel WHERE workstation_id = $1 AND number > 0 ORDER BY id",
    )
    .bind(workstation)
    .fetch_all(&mut *c)
    .await?))
}

/// What a workstation reports.
#[derive(Debug, Clone)]
pub struct Report {
    /// Over which channel.
    pub channel: ChannelId,
    /// Who.
    pub workstation: WorkstationId,
    /// The message's number, from 1.
    pub number: i64,
    /// The cards in its readers: SHA-256 of their certificates, in hexadecimal.
    pub cards: Vec<String>,
    /// An offer that was made before this is no longer good.
    pub stale: Time,
}

/// What came of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// It was taken, with these sessions locked or ended.
    Taken(Vec<(SessionId, CardOut)>),
    /// There is no such channel: never offered, offered too long ago, or another has taken its place.
    Unknown,
    /// A message with this number or a higher one has come before.
    Replayed,
    /// The workstation is revoked, or waits for approval.
    Refused,
}

/// A session that hangs on a card.
#[derive(sqlx::FromRow)]
struct Hanging {
    id: SessionId,
    person_id: PersonId,
    card: String,
    watched_by: Option<String>,
    leased_until: Time,
    locked_at: Option<Time>,
    zone: String,
    shared: bool,
}

/// Makes what is recorded of a session that is locked or ended.
pub type EventOf<'a> = &'a (dyn Fn(SessionId, PersonId, CardOut) -> NewRow + Sync);

/// Takes a report, and does to the sessions of the workstation what the policies say.
///
/// # Errors
/// [`StoreError`].
pub async fn report(
    db: &Db,
    report: &Report,
    policies: &Policies,
    event: EventOf<'_>,
    now: Time,
    random: &dyn Random,
) -> Result<Reported, StoreError> {
    write!(db, c => {
        let channel: Option<(i64, Time, String)> = sqlx::query_as(
            "SELECT number, created_at, agent FROM workstation_channel WHERE id = $1 AND workstation_id = $2",
        )
        .bind(report.channel)
        .bind(report.workstation)
        .fetch_optional(&mut *c)
        .await?;
        let (opening, agent) = match channel {
            None => return Ok(Reported::Unknown),
            Some((last, ..)) if last >= report.number => return Ok(Reported::Replayed),
            Some((0, offered, _)) if offered <= report.stale => return Ok(Reported::Unknown),
            Some((last, _, agent)) => (last == 0, agent),
        };
        let allowed: Option<WorkstationId> = sqlx::query_scalar(
            "SELECT id FROM workstation WHERE id = $1 AND revoked_at IS NULL AND approved_at IS NOT NULL
               AND (good_until IS NULL OR good_until > $2)",
        )
        .bind(report.workstation)
        .bind(now)
        .fetch_optional(&mut *c)
        .await?;
        if allowed.is_none() {
            return Ok(Reported::Refused);
        }
        // Of two messages at once the one with the higher number stays.
        let taken = sqlx::query("UPDATE workstation_channel SET number = $2, cards = $3, seen_at = $4 WHERE id = $1 AND number < $2")
            .bind(report.channel)
            .bind(report.number)
            .bind(Json(report.cards.clone()))
            .bind(now)
            .execute(&mut *c)
            .await?;
        if taken.rows_affected() != 1 {
            return Ok(Reported::Replayed);
        }
        if opening {
            sqlx::query("DELETE FROM workstation_channel WHERE workstation_id = $1 AND agent = $3 AND id <> $2 AND number > 0")
                .bind(report.workstation)
                .bind(report.channel)
                .bind(agent.clone())
                .execute(&mut *c)
                .await?;
            sqlx::query("UPDATE workstation SET channel_since = $2 WHERE id = $1 AND channel_since IS NULL")
                .bind(report.workstation)
                .bind(now)
                .execute(&mut *c)
                .await?;
        }
        // A session that names no agent goes by all of the workstation's: what another one has just reported is there as well.
        let others: Vec<Json<Vec<String>>> = sqlx::query_scalar(
            "SELECT cards FROM workstation_channel
             WHERE workstation_id = $1 AND id <> $2 AND number > 0 AND seen_at > $3",
        )
        .bind(report.workstation)
        .bind(report.channel)
        .bind(now - policies.general.lease)
        .fetch_all(&mut *c)
        .await?;
        let present: BTreeSet<&String> =
            report.cards.iter().chain(others.iter().flat_map(|Json(cards)| cards)).collect();
        let hanging: Vec<Hanging> = sqlx::query_as(
            "SELECT id, person_id, card, watched_by, leased_until, locked_at, zone, shared FROM session
             WHERE workstation_id = $1 AND ended_at IS NULL AND leased_until IS NOT NULL AND card IS NOT NULL
               AND (watched_by IS NULL OR watched_by = $2)",
        )
        .bind(report.workstation)
        .bind(agent)
        .fetch_all(&mut *c)
        .await?;
        let mut changed = Vec::new();
        for session in hanging {
            let policy = policies.at(&Station { zone: session.zone.clone(), shared: session.shared });
            let is_there = match session.watched_by {
                Some(_) => report.cards.contains(&session.card),
                None => present.contains(&session.card),
            };
            if is_there {
                if session.locked_at.is_none() && policy.holds(session.leased_until, now) {
                    sqlx::query("UPDATE session SET leased_until = $2 WHERE id = $1 AND locked_at IS NULL")
                        .bind(session.id)
                        .bind(now + policy.lease)
                        .execute(&mut *c)
                        .await?;
                }
                continue;
            }
            let demanded: Vec<CardOut> = sqlx::query_scalar(
                "SELECT DISTINCT c.card_out FROM authorization_grant g JOIN client c ON c.id = g.client_id
                 WHERE g.session_id = $1 AND g.revoked_at IS NULL AND c.card_out IS NOT NULL",
            )
            .bind(session.id)
            .fetch_all(&mut *c)
            .await?;
            let reaction = demanded.into_iter().fold(policy.card_out, Ord::max);
            let done = match reaction {
                CardOut::Ignore => false,
                CardOut::Lock => lock_session!(c, session.id, now),
                CardOut::End => end_session!(c, session.id, EndReason::CardRemoved, now, random),
            };
            if done {
                record!(c, event(session.id, session.person_id, reaction));
                changed.push((session.id, reaction));
            }
        }
        Ok(Reported::Taken(changed))
    })
}

/// Locks the sessions that no channel vouches for any more, `limit` at a time; those whose card may be taken along are
/// left alone. Yields how many rows were looked at; `event` makes what is recorded of each that is locked.
///
/// They serve nobody from the moment their lease has run out: this writes it down, with its event.
///
/// # Errors
/// [`StoreError`].
pub async fn lock_lapsed(
    db: &Db,
    policies: &Policies,
    limit: i64,
    event: EventOf<'_>,
    now: Time,
) -> Result<usize, StoreError> {
    write!(db, c => {
        let lapsed: Vec<Hanging> = sqlx::query_as(
            "SELECT id, person_id, card, watched_by, leased_until, locked_at, zone, shared FROM session
             WHERE ended_at IS NULL AND locked_at IS NULL AND card IS NOT NULL AND leased_until <= $1
             ORDER BY leased_until LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(&mut *c)
        .await?;
        for session in &lapsed {
            let policy = policies.at(&Station { zone: session.zone.clone(), shared: session.shared });
            if policy.card_out == CardOut::Ignore {
                // Somebody has loosened the zone's rule since: the lease is of no interest any more.
                sqlx::query("UPDATE session SET leased_until = NULL WHERE id = $1").bind(session.id).execute(&mut *c).await?;
            } else if lock_session!(c, session.id, now) {
                record!(c, event(session.id, session.person_id, CardOut::Lock));
            }
        }
        Ok(lapsed.len())
    })
}

/// Deletes the offers that nobody took up and the channels that fell silent before `before`. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_silent(db: &Db, before: Time) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query("DELETE FROM workstation_channel WHERE seen_at <= $1")
            .bind(before)
            .execute(&mut *c)
            .await?;
        Ok(deleted.rows_affected())
    })
}

#[cfg(test)]
mod tests;
