//! Notices: what a person is told by mail of what happened to their means of identification.
//!
//! A row is written by [`queue_notice!`] inside the transaction of the change that it tells of, so that neither exists
//! without the other; only where the person has a verified address. One node takes it, sends it and deletes it; a node that
//! stops in between is replaced after a lease, so that a mail may come twice, under one `Message-ID`, and never gets lost.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::audit::{NewRow, record};
use super::means::Kind;
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{ContactCodeId, EventId, NoticeId, PersonId, Random};

/// Where something happened, in words of ours: what a browser says of itself could be a message to the reader.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The zone of the configuration; empty where there is none.
    pub zone: String,
    /// The browser and its system, such as `Firefox (Windows)`; empty where it is not known.
    pub browser: String,
}

impl Place {
    /// `Firefox (Windows), bloc`; empty where nothing is known.
    #[must_use]
    pub fn in_words(&self) -> String {
        let parts = [self.browser.as_str(), self.zone.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

/// What a notice tells. No name, number or label: whoever caused it may have chosen them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Told {
    /// A means was registered, or a card used here for the first time.
    MeansIssued {
        /// What it is.
        means: Kind,
        /// Where.
        place: Place,
    },
    /// A means was issued anew before its time was over.
    MeansRenewed {
        /// What it is.
        means: Kind,
        /// Where.
        place: Place,
    },
    /// A means was suspended.
    MeansSuspended {
        /// What it is.
        means: Kind,
    },
    /// The suspension of a means was lifted.
    MeansResumed {
        /// What it is.
        means: Kind,
    },
    /// A means was revoked.
    MeansRevoked {
        /// What it is.
        means: Kind,
    },
    /// An identity of the person at a provider of others signs in here from now on.
    IdentityLinked {
        /// What the configuration calls the provider.
        provider: String,
        /// Where.
        place: Place,
    },
    /// It does not any more.
    IdentityUnlinked {
        /// What the configuration calls the provider.
        provider: String,
    },
    /// Somebody signed in in a browser that the person had not used before.
    NewBrowser {
        /// Where.
        place: Place,
    },
    /// The person said on their phone that a sign-in was none of theirs.
    Disowned {
        /// Where it was asked from.
        place: Place,
    },
    /// To the security contact: somebody said so.
    Alarm {
        /// The event of the audit trail that says who.
        event: EventId,
        /// Where it was asked from.
        place: Place,
    },
    /// The person was given a role.
    RoleGranted {
        /// Its name: `desk`, `admin`, `auditor`.
        role: String,
    },
    /// A role was taken back.
    RoleRevoked {
        /// Its name.
        role: String,
    },
    /// Notices go to another address from now on.
    AddressChanged,
    /// Notices go to this address from now on, by an administrator.
    AddressSet,
    /// The code that verifies an address.
    AddressCode {
        /// What it is derived from.
        code: ContactCodeId,
    },
    /// What this version cannot read: that of another node may, and the others do not wait for it. Written by nobody.
    #[serde(skip)]
    Unreadable,
}

impl From<String> for Told {
    fn from(written: String) -> Self {
        serde_json::from_str(&written).unwrap_or(Self::Unreadable)
    }
}

impl Told {
    /// The name, for the audit and the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MeansIssued { .. } => "means-issued",
            Self::MeansRenewed { .. } => "means-renewed",
            Self::MeansSuspended { .. } => "means-suspended",
            Self::MeansResumed { .. } => "means-resumed",
            Self::MeansRevoked { .. } => "means-revoked",
            Self::IdentityLinked { .. } => "identity-linked",
            Self::IdentityUnlinked { .. } => "identity-unlinked",
            Self::NewBrowser { .. } => "new-browser",
            Self::Disowned { .. } => "disowned",
            Self::Alarm { .. } => "alarm",
            Self::RoleGranted { .. } => "role-granted",
            Self::RoleRevoked { .. } => "role-revoked",
            Self::AddressChanged => "address-changed",
            Self::AddressSet => "address-set",
            Self::AddressCode { .. } => "address-code",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A notice to write.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// Its key.
    pub id: NoticeId,
    /// Whom it is for.
    pub person: PersonId,
    /// What it tells.
    pub told: Told,
}

impl NewNotice {
    /// One of now.
    pub fn new(person: PersonId, told: Told, now: Time, random: &dyn Random) -> Self {
        Self { id: NoticeId::new(now, random), person, told }
    }
}

/// A notice that waits to be sent.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Notice {
    /// Its key; also the first part of the `Message-ID`.
    pub id: NoticeId,
    /// Whom it is for.
    pub person_id: PersonId,
    /// Where it goes.
    pub address: String,
    /// `fr` or `en`.
    pub language: String,
    /// What it tells.
    #[sqlx(try_from = "String")]
    pub told: Told,
    /// When that happened.
    pub created_at: Time,
    /// How often it was tried.
    pub attempts: i64,
}

/// Writes a notice inside the body of `write!`, where its person has a verified address; nothing where not.
///
/// `queue_notice!(c, notice, now)`, where `c` is the connection of the body and `notice` a `&NewNotice`.
macro_rules! queue_notice {
    ($c:expr, $notice:expr, $now:expr) => {{
        let notice: &$crate::store::notice::NewNotice = $notice;
        sqlx::query($crate::store::notice::INSERT)
            .bind(notice.id)
            .bind(notice.person)
            .bind(sqlx::types::Json(notice.told.clone()))
            .bind($now)
            .execute(&mut *$c)
            .await?;
    }};
}
pub(crate) use queue_notice;

pub(crate) const INSERT: &str =
    "INSERT INTO notice (id, person_id, address, language, told, created_at, next_attempt_at)
     SELECT $1, $2, address, language, $3, $4, $4 FROM person_contact WHERE person_id = $2";

/// As [`queue_notice!`], to an address that is not, or no longer, the person's.
macro_rules! queue_notice_to {
    ($c:expr, $notice:expr, $address:expr, $language:expr, $now:expr) => {{
        let notice: &$crate::store::notice::NewNotice = $notice;
        sqlx::query(
            "INSERT INTO notice (id, person_id, address, language, told, created_at, next_attempt_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(notice.id)
        .bind(notice.person)
        .bind($address)
        .bind($language)
        .bind(sqlx::types::Json(notice.told.clone()))
        .bind($now)
        .execute(&mut *$c)
        .await?;
    }};
}
pub(crate) use queue_notice_to;

/// Queues a notice of nothing that is stored.
///
/// # Errors
/// [`StoreError`].
#[cfg(test)]
pub(crate) async fn queue(db: &Db, notice: &NewNotice, now: Time) -> Result<(), StoreError> {
    write!(db, c => {
        queue_notice!(c, notice, now);
        Ok(())
    })
}

/// Takes at most `limit` notices that are due, and puts each off by `lease`, so that no other node takes it meanwhile.
///
/// # Errors
/// [`StoreError`].
pub async fn take_due(db: &Db, limit: i64, lease: TimeDelta, now: Time) -> Result<Vec<Notice>, StoreError> {
    const DUE: &str = "SELECT COUNT(*) FROM notice WHERE next_attempt_at <= $1";
    let due: i64 = read!(db, c => sqlx::query_scalar(DUE).bind(now).fetch_one(&mut *c).await?);
    if due == 0 {
        return Ok(Vec::new());
    }
    // Two nodes may choose the same rows: the second finds them put off and updates none, because the condition is judged
    // again after the wait.
    write!(db, c => {
        Ok(sqlx::query_as(
            "UPDATE notice SET next_attempt_at = $2, attempts = attempts + 1
             WHERE next_attempt_at <= $1 AND id IN
               (SELECT id FROM notice WHERE next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT $3)
             RETURNING id, person_id, address, language, CAST(told AS TEXT) AS told, created_at, attempts",
        )
        .bind(now)
        .bind(now + lease)
        .bind(limit)
        .fetch_all(&mut *c)
        .await?)
    })
}

/// Forgets a notice: it was sent, or never will be. `event` is recorded with it. Yields whether it was still there.
///
/// # Errors
/// [`StoreError`].
pub async fn done(db: &Db, id: NoticeId, event: &NewRow) -> Result<bool, StoreError> {
    write!(db, c => {
        let there = sqlx::query("DELETE FROM notice WHERE id = $1").bind(id).execute(&mut *c).await?;
        // Another node may have sent it after our lease.
        let was_there = there.rows_affected() == 1;
        if was_there {
            record!(c, *event);
        }
        Ok(was_there)
    })
}

/// Notes the code of what went wrong, and that it is tried again at `next`.
///
/// # Errors
/// [`StoreError`].
pub async fn put_off(db: &Db, id: NoticeId, code: &'static str, next: Time) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query("UPDATE notice SET last_error = $2, next_attempt_at = $3 WHERE id = $1")
            .bind(id)
            .bind(code)
            .bind(next)
            .execute(&mut *c)
            .await?;
        Ok(())
    })
}

/// Lets every notice that was put off be tried at once: for a mail server that answers again.
///
/// # Errors
/// [`StoreError`].
pub async fn hurry(db: &Db, now: Time) -> Result<u64, StoreError> {
    write!(db, c => {
        let hurried =
            sqlx::query("UPDATE notice SET next_attempt_at = $1 WHERE last_error IS NOT NULL AND next_attempt_at > $1")
                .bind(now)
                .execute(&mut *c)
                .await?;
        Ok(hurried.rows_affected())
    })
}

/// What waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    /// How many.
    pub count: i64,
    /// Since when the oldest does.
    pub since: Option<Time>,
    /// How many of them were tried in vain.
    pub failed: i64,
}

/// What waits to be sent.
///
/// # Errors
/// [`StoreError`].
pub async fn waiting(db: &Db) -> Result<Waiting, StoreError> {
    const SQL: &str =
        "SELECT COUNT(*) AS count, MIN(created_at) AS since, COUNT(last_error) AS failed FROM notice";
    read!(db, c => Ok(sqlx::query_as(SQL).fetch_one(&mut *c).await?))
}

/// The oldest `limit` notices that were written before `before`: nobody has sent them, and nobody will.
///
/// # Errors
/// [`StoreError`].
pub async fn older_than(db: &Db, before: Time, limit: i64) -> Result<Vec<Notice>, StoreError> {
    const SQL: &str =
        "SELECT id, person_id, address, language, CAST(told AS TEXT) AS told, created_at, attempts FROM notice
         WHERE created_at <= $1 ORDER BY created_at LIMIT $2";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(before).bind(limit).fetch_all(&mut *c).await?))
}

/// Spoils what every notice tells: as a later version writes it, or somebody who edits the database.
///
/// # Errors
/// [`StoreError`].
#[cfg(test)]
pub(crate) async fn spoil(db: &Db) -> Result<u64, StoreError> {
    write!(db, c => {
        Ok(sqlx::query("UPDATE notice SET told = $1")
            .bind(sqlx::types::Json(serde_json::json!({"of": "something-new"})))
            .execute(&mut *c)
            .await?
            .rows_affected())
    })
}
