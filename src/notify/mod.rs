//! Notices: mails that tell a person what happened to their means of identification.
//!
//! A hospital gets from it that nobody's means is added, suspended or revoked, and nobody signs in in a browser that they
//! never used, without its person hearing of it where an intruder does not look; and that the mail is written with the
//! change (RIE v2: the holder is informed of each event in the life of a means). A mail server that is down delays a mail
//! and nothing else: the queue is in the database, any node sends, and what could not be sent for a day is given up in the
//! audit trail.
//!
//! Never in a mail: a name, a number, a label, a link that does something, a picture, anything that tells who reads it.
//! Never on the wire: a mail or a password without TLS, but to this machine.

pub mod address;
pub mod code;
mod letter;
mod smtp;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::TimeDelta;

pub use letter::Letterhead;
pub use smtp::{OpenError, SendError, Smtp};

use crate::audit::{Kind, Trail};
use crate::clock::{SharedClock, Time};
use crate::store::notice::{self, Notice, Told};
use crate::store::{Db, StoreError};
use code::Codes;

/// How long a taken notice is ours: longer than an attempt may last.
const LEASE: TimeDelta = TimeDelta::minutes(3);
/// How many are sent at once.
const BATCH: i64 = 8;
/// After the first attempt; each pause is four times the one before.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(30);
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(4);
/// A notice that could not be sent for so long is given up.
pub const PATIENCE: TimeDelta = TimeDelta::days(1);

/// What sends notices is made of.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: SharedClock,
    /// What makes audit events.
    pub trail: Trail,
    /// What derives codes.
    pub codes: Codes,
    /// Sender, and whom people turn to.
    pub letterhead: Letterhead,
    /// The mail server.
    pub smtp: Smtp,
}

/// What sends notices.
#[derive(Debug)]
pub struct Outbox(Parts);

/// How one attempt ended.
enum End {
    Sent,
    Later(&'static str, Time),
    Never(&'static str),
}

impl Outbox {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self(parts))
    }

    /// Sends what is due. Yields how many attempts were made; call again at once while that is not zero.
    ///
    /// # Errors
    /// Where the database does not answer; a mail server that does not is no error.
    pub async fn deliver_due(&self) -> Result<usize, StoreError> {
        let parts = &self.0;
        let due = notice::take_due(&parts.db, BATCH, LEASE, parts.clock.now()).await?;
        let attempts = due.iter().map(|notice| self.attempt(notice));
        let made = futures_util::future::join_all(attempts).await;
        made.into_iter().collect::<Result<Vec<()>, _>>().map(|made| made.len())
    }

    async fn attempt(&self, notice: &Notice) -> Result<(), StoreError> {
        let parts = &self.0;
        let end = self.send(notice).await;
        let event = parts.trail.event(Kind::NoticeSent).person(notice.person_id).note(notice.told.name());
        match end {
            End::Sent => {
                notice::done(&parts.db, notice.id, &(&event).into()).await?;
            }
            End::Later(code, next) => notice::put_off(&parts.db, notice.id, code, next).await?,
            End::Never(code) => {
                tracing::warn!(code, notice = notice.told.name(), "a notice was given up");
                notice::done(&parts.db, notice.id, &(&event.failure(code)).into()).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, notice: &Notice) -> End {
        let parts = &self.0;
        if notice.told.is_over(notice.created_at, parts.clock.now()) {
            return End::Never("MAIL-007");
        }
        if notice.told == Told::Unreadable {
            return self.again(notice, "MAIL-015");
        }
        let letter = match parts.letterhead.letter(notice, &parts.codes) {
            Ok(letter) => letter,
            Err(error) => {
                tracing::error!(code = error.code(), %error, "a notice could not be written");
                return End::Never(error.code());
            }
        };
        let Err(error) = parts.smtp.send(&letter).await else { return End::Sent };
        let code = error.code();
        tracing::warn!(code, %error, notice = notice.told.name(), attempts = notice.attempts, "a notice was not sent");
        if error.is_final() { End::Never(code) } else { self.again(notice, code) }
    }

    /// Another attempt after a pause, for a day.
    fn again(&self, notice: &Notice, code: &'static str) -> End {
        let next = self.0.clock.now() + pause(notice.attempts);
        match next < notice.created_at + PATIENCE {
            true => End::Later(code, next),
            false => End::Never("MAIL-007"),
        }
    }
}

/// Gives up what has waited for a day, where nothing sends mail any more.
///
/// # Errors
/// [`StoreError`].
pub async fn give_up_old(db: &Db, trail: &Trail, now: Time) -> Result<usize, StoreError> {
    let old = notice::older_than(db, now - PATIENCE, BATCH).await?;
    for notice in &old {
        let event = trail.event(Kind::NoticeSent).person(notice.person_id).note(notice.told.name());
        notice::done(db, notice.id, &(&event.failure("MAIL-007")).into()).await?;
    }
    Ok(old.len())
}

impl Told {
    /// Whether nobody needs it any more: a code that is no longer good.
    fn is_over(&self, created_at: Time, now: Time) -> bool {
        matches!(self, Self::AddressCode { .. }) && created_at + code::LIFETIME <= now
    }
}

fn pause(attempts: i64) -> TimeDelta {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(8);
    (FIRST_PAUSE * 4_i32.saturating_pow(doublings)).min(LONGEST_PAUSE)
}
