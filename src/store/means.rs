//! The registry of means of identification: every card and security key that a person was given or has used here.
//!
//! Whatever its kind, a means has an issuer, the evidence it was issued on, a level, an end after three years at most, and
//! a state that its person, the desk and an administrator read in the same words. Suspending or revoking one ends, in the
//! same transaction, the sessions that were opened with it and what outlives them.

use super::audit::{NewRow, record};
use super::notice::{NewNotice, Place, Told, queue_notice};
use super::session::{end_session, revoke_offline};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{MeansId, PersonId, Random, SessionId};
use crate::session::{Acr, Authentication, EndReason, Evidence as Sight};
use chrono::TimeDelta;

/// How long a means is good before it has to be issued anew (RIE v2, PS 08: three years).
pub const LONGEST_LIFE: TimeDelta = TimeDelta::days(3 * 365);

/// For so long before its end a means can be renewed by its person.
const DUE: TimeDelta = TimeDelta::days(90);

/// A means of identification.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Means {
    /// Its key.
    pub id: MeansId,
    /// Whose it is.
    pub person_id: PersonId,
    /// What it is.
    pub kind: Kind,
    /// What names it in the world: the number of a card, the credential id of a key (base64url).
    pub reference: String,
    /// What its person calls it.
    pub label: String,
    /// The level that it reached when it was issued.
    pub level: Acr,
    /// Who issued it.
    pub issued_by: Issuer,
    /// Who of the desk did, where it was the desk.
    pub issuer_id: Option<PersonId>,
    /// On what it was issued.
    #[sqlx(json)]
    pub evidence: Evidence,
    /// When it was issued, or first seen.
    pub issued_at: Time,
    /// When it is no longer good.
    pub expires_at: Time,
    /// Since when it is suspended, if it is.
    pub suspended_at: Option<Time>,
    /// When it was revoked, if it was. There is no way back.
    pub revoked_at: Option<Time>,
    /// Why it was suspended or revoked last.
    pub reason: Option<String>,
    /// When it was last used.
    pub last_used_at: Option<Time>,
    /// Where: the zone, or the browser as it calls itself; empty where that is not known.
    pub last_used_where: String,
}

/// What a means is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type, serde::Serialize, serde::Deserialize)]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A card of the CPS family.
    Card,
    /// A security key or passkey (WebAuthn).
    SecurityKey,
    /// A security key that need not verify its person: it signs nobody in alone, and counts after a badge.
    SecondFactor,
    /// A phone that answers for its person.
    Phone,
}

impl Kind {
    /// The name, as in the database, the audit and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::SecurityKey => "security-key",
            Self::SecondFactor => "second-factor",
            Self::Phone => "phone",
        }
    }

    /// Whether it signs its person in by itself.
    #[must_use]
    pub fn signs_in_alone(self) -> bool {
        match self {
            Self::Card | Self::SecurityKey | Self::Phone => true,
            Self::SecondFactor => false,
        }
    }
}

/// Who issued a means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum Issuer {
    /// A national authority: a card.
    National,
    /// Its person, signed in with a means that they had.
    Person,
    /// The desk, after an identity check.
    Desk,
}

/// On what a means was issued.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "on", rename_all = "kebab-case")]
pub enum Evidence {
    /// The certificate of the card, at its first sign-in here.
    Certificate {
        /// SHA-256 of it, in hexadecimal.
        sha256: String,
    },
    /// A sign-in with another means.
    SignIn {
        /// The session in which it was registered.
        session: SessionId,
        /// When its person had proved who they are.
        at: Time,
        /// At which level.
        acr: Acr,
    },
    /// An identity check at the desk.
    IdentityCheck {
        /// What was shown: a kind of document, never its number.
        document: String,
        /// When it was looked at.
        at: Time,
    },
}

/// Where a means stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It signs in.
    Active,
    /// It is kept from signing in until somebody lifts that.
    Suspended,
    /// Its time is over: it has to be renewed.
    Expired,
    /// It never signs in again.
    Revoked,
}

impl Means {
    /// How it stands at `now`.
    #[must_use]
    pub fn standing(&self, now: Time) -> Standing {
        if self.revoked_at.is_some() {
            Standing::Revoked
        } else if self.suspended_at.is_some() {
            Standing::Suspended
        } else if self.expires_at <= now {
            Standing::Expired
        } else {
            Standing::Active
        }
    }

    /// Whether a suspension can be lifted: there is one, and the means would sign in then. The time of a card begins anew
    /// at each sign-in, so that it does not count here.
    #[must_use]
    pub fn can_be_resumed(&self, now: Time) -> bool {
        self.standing(now) == Standing::Suspended && (self.kind == Kind::Card || self.expires_at > now)
    }
}

impl Means {
    /// Whether its device has to be taken for the same again: a means that stands, and not shortly before its end.
    #[must_use]
    pub fn is_to_be_told_apart(&self, now: Time) -> bool {
        self.standing(now) == Standing::Active && (self.kind != Kind::Phone || self.expires_at - now > DUE)
    }

    /// Whether it can be renewed: a key, not long before its end; at the desk also after it. A card follows its certificate,
    /// and a phone is paired anew.
    #[must_use]
    pub fn is_due(&self, at_desk: bool, now: Time) -> bool {
        let is_near = self.expires_at - now <= DUE;
        let is_key = matches!(self.kind, Kind::SecurityKey | Kind::SecondFactor);
        match self.standing(now) {
            Standing::Active => is_key && is_near,
            Standing::Expired => is_key && at_desk,
            Standing::Suspended | Standing::Revoked => false,
        }
    }
}

macro_rules! means_columns {
    () => {
        "m.id, m.person_id, m.kind, m.reference, m.label, m.level, m.issued_by, m.issuer_id, m.evidence, m.issued_at,
         m.expires_at, m.suspended_at, m.revoked_at, m.reason, m.last_used_at, m.last_used_where"
    };
}
pub(crate) use means_columns;

/// Inserts a means, inside a `write!` body. Yields whether nothing of its kind had that reference before.
macro_rules! insert_means {
    ($c:expr, $means:expr) => {{
        let new: &$crate::store::means::Means = $means;
        sqlx::query(
            "INSERT INTO means (id, person_id, kind, reference, label, level, issued_by, issuer_id, evidence, issued_at,
               expires_at, last_used_at, last_used_where)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT DO NOTHING",
        )
        .bind(new.id)
        .bind(new.person_id)
        .bind(new.kind)
        .bind(new.reference.clone())
        .bind(new.label.clone())
        .bind(new.level)
        .bind(new.issued_by)
        .bind(new.issuer_id)
        .bind(sqlx::types::Json(new.evidence.clone()))
        .bind(new.issued_at)
        .bind(new.expires_at)
        .bind(new.last_used_at)
        .bind(new.last_used_where.clone())
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    }};
}
pub(crate) use insert_means;

/// Whether the card that was shown was suspended or revoked here, inside a `write!` body. What has no number has no row.
macro_rules! is_halted_card {
    ($c:expr, $proved:expr) => {{
        let proved: &$crate::session::Authentication = $proved;
        // First of all its row is held, by whoever halts it too: of the two the one sees what the other did.
        sqlx::query("UPDATE means SET last_used_at = last_used_at WHERE kind = 'card' AND reference = $1")
            .bind(proved.evidence.card_number().map(str::to_owned))
            .execute(&mut *$c)
            .await?;
        let halted: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM means WHERE kind = 'card' AND reference = $1
               AND (revoked_at IS NOT NULL OR suspended_at IS NOT NULL)",
        )
        .bind(proved.evidence.card_number().map(str::to_owned))
        .fetch_one(&mut *$c)
        .await?;
        halted > 0
    }};
}
pub(crate) use is_halted_card;

/// Notes in the registry that a card opened a session, inside a `write!` body: its row, at its first sign-in here, of which
/// its person is told. Whose it is says its certificate each time; and its time begins anew, for the national authority
/// answers for how long it is good.
macro_rules! note_card {
    ($c:expr, $session:expr, $proved:expr, $place:expr, $now:expr, $random:expr) => {{
        let now: $crate::clock::Time = $now;
        let place: $crate::store::notice::Place = $place;
        if let Some(seen) = $crate::store::means::seen_card($proved, now, $random) {
            if $crate::store::means::insert_means!($c, &seen) {
                let told =
                    $crate::store::notice::Told::MeansIssued { means: seen.kind, place: place.clone() };
                let notice = $crate::store::notice::NewNotice::new(seen.person_id, told, now, $random);
                $crate::store::notice::queue_notice!($c, &notice, now);
            }
            sqlx::query(
                "UPDATE means SET person_id = $2, last_used_at = $3, expires_at = $4, last_used_where = $5
                 WHERE kind = 'card' AND reference = $1",
            )
            .bind(seen.reference.clone())
            .bind(seen.person_id)
            .bind(now)
            .bind(seen.expires_at)
            .bind(place.in_words())
            .execute(&mut *$c)
            .await?;
        }
        if let Some($crate::store::means::Evidence::Certificate { sha256 }) =
            $crate::store::means::seen_card($proved, now, $random).map(|seen| seen.evidence)
        {
            $crate::store::card_question::note_holder!($c, sha256, $proved.person, now);
        }
        // A badge is the same card without its PIN: what it opens ends with it too.
        let proved: &$crate::session::Authentication = $proved;
        if let Some(number) = proved.evidence.card_number() {
            sqlx::query(
                "UPDATE session SET means_id = (SELECT id FROM means WHERE kind = 'card' AND reference = $2)
                 WHERE id = $1",
            )
            .bind($session)
            .bind(number.to_owned())
            .execute(&mut *$c)
            .await?;
        }
    }};
}
pub(crate) use note_card;

/// The row of a card that has just signed in; none for one without a number, and for what is no card.
pub(super) fn seen_card(proved: &Authentication, now: Time, random: &dyn Random) -> Option<Means> {
    let shown = match &proved.evidence {
        Sight::CardAsked { card } => card,
        shown => shown,
    };
    let (Sight::Card { certificate_sha256, .. } | Sight::CardCertificate { certificate_sha256, .. }) = shown
    else {
        return None;
    };
    let number = proved.evidence.card_number()?;
    Some(Means {
        id: MeansId::new(now, random),
        person_id: proved.person,
        kind: Kind::Card,
        reference: number.to_owned(),
        label: String::new(),
        // The card's own, and not that of an answer to another program.
        level: if matches!(proved.evidence, Sight::CardAsked { .. }) { Acr::Eidas3 } else { proved.acr },
        issued_by: Issuer::National,
        issuer_id: None,
        evidence: Evidence::Certificate { sha256: certificate_sha256.clone() },
        issued_at: now,
        expires_at: now + LONGEST_LIFE,
        suspended_at: None,
        revoked_at: None,
        reason: None,
        last_used_at: Some(now),
        last_used_where: String::new(),
    })
}

/// The means of that key, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, id: MeansId) -> Result<Option<Means>, StoreError> {
    const SQL: &str = concat!("SELECT ", means_columns!(), " FROM means m WHERE m.id = $1");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(id).fetch_optional(&mut *c).await?))
}

/// The means of a kind with that reference, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_reference(db: &Db, kind: Kind, reference: &str) -> Result<Option<Means>, StoreError> {
    const SQL: &str =
        concat!("SELECT ", means_columns!(), " FROM means m WHERE m.kind = $1 AND m.reference = $2");
    let reference = reference.to_owned();
    read!(db, c => Ok(sqlx::query_as(SQL).bind(kind).bind(reference).fetch_optional(&mut *c).await?))
}

/// The means of a person, oldest first, whatever their standing.
///
/// # Errors
/// [`StoreError`].
pub async fn of_person(db: &Db, person: PersonId) -> Result<Vec<Means>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        means_columns!(),
        " FROM means m WHERE m.person_id = $1 ORDER BY m.issued_at, m.id"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(person).fetch_all(&mut *c).await?))
}

/// Who has a card that may sign in, each card once, for a configuration that is tried.
///
/// # Errors
/// [`StoreError`].
pub async fn holders_of_cards(db: &Db, now: Time) -> Result<Vec<PersonId>, StoreError> {
    const SQL: &str = "SELECT person_id FROM means
         WHERE kind = 'card' AND revoked_at IS NULL AND suspended_at IS NULL AND expires_at > $1";
    read!(db, c => Ok(sqlx::query_scalar(SQL).bind(now).fetch_all(&mut *c).await?))
}

/// Gives a means of this person another label, and records `event`. Yields whether there was one.
///
/// # Errors
/// [`StoreError`].
pub async fn rename(
    db: &Db,
    id: MeansId,
    person: PersonId,
    label: &str,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let label = label.to_owned();
    write!(db, c => {
        let renamed = sqlx::query(
            "UPDATE means SET label = $3 WHERE id = $1 AND person_id = $2 AND revoked_at IS NULL",
        )
        .bind(id)
        .bind(person)
        .bind(label)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if renamed {
            record!(c, *event);
        }
        Ok(renamed)
    })
}

/// What keeps a means from signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// For a time.
    Suspend,
    /// For ever.
    Revoke,
}

/// A means that is suspended or revoked.
pub struct Halting<'a> {
    /// Which.
    pub id: MeansId,
    /// For how long.
    pub halt: Halt,
    /// Why, in the words of whoever does it.
    pub reason: &'a str,
    /// What is recorded of it.
    pub event: &'a NewRow,
    /// What is recorded of each session that ends.
    pub ended: &'a (dyn Fn(SessionId) -> NewRow + Sync),
}

/// Suspends or revokes a means, ends the sessions that were opened with it and what outlives them. Yields whether it was not
/// so before.
///
/// # Errors
/// [`StoreError`].
pub async fn halt(
    db: &Db,
    halting: &Halting<'_>,
    now: Time,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    let &Halting { id, halt, reason, event, ended } = halting;
    let reason = reason.to_owned();
    write!(db, c => {
        let sql = match halt {
            Halt::Suspend => {
                "UPDATE means SET suspended_at = $2, reason = $3
                 WHERE id = $1 AND suspended_at IS NULL AND revoked_at IS NULL"
            }
            Halt::Revoke => "UPDATE means SET revoked_at = $2, reason = $3 WHERE id = $1 AND revoked_at IS NULL",
        };
        let halted =
            sqlx::query(sql).bind(id).bind(now).bind(reason).execute(&mut *c).await?.rows_affected() == 1;
        if !halted {
            return Ok(false);
        }
        record!(c, *event);
        let (person, kind): (PersonId, Kind) =
            sqlx::query_as("SELECT person_id, kind FROM means WHERE id = $1").bind(id).fetch_one(&mut *c).await?;
        let told = match halt {
            Halt::Suspend => Told::MeansSuspended { means: kind },
            Halt::Revoke => Told::MeansRevoked { means: kind },
        };
        queue_notice!(c, &NewNotice::new(person, told, now, random), now);
        if halt == Halt::Revoke {
            sqlx::query("DELETE FROM push_subscription WHERE means_id = $1").bind(id).execute(&mut *c).await?;
        }
        let sessions: Vec<SessionId> =
            sqlx::query_scalar(
                "SELECT id FROM session WHERE (means_id = $1 OR second_means_id = $1) AND ended_at IS NULL",
            )
                .bind(id)
                .fetch_all(&mut *c)
                .await?;
        for session in sessions {
            end_session!(c, session, EndReason::MeansHalted, now, random);
            record!(c, ended(session));
        }
        revoke_offline!(
            c,
            "SELECT id FROM session WHERE means_id = $1 OR second_means_id = $1",
            id,
            EndReason::MeansHalted,
            now
        );
        // Nor does what was granted on the strength of it stay where the session has gone on with another means.
        sqlx::query(
            "UPDATE authorization_grant SET revoked_at = $2, revoke_reason = $3
             WHERE offline AND revoked_at IS NULL AND (means_id = $1 OR second_means_id = $1)",
        )
        .bind(id)
        .bind(now)
        .bind(EndReason::MeansHalted.as_str())
        .execute(&mut *c)
        .await?;
        Ok(true)
    })
}

/// A means that is renewed on a document, without its key at hand.
pub struct Prolonged<'a> {
    /// As it was found.
    pub means: &'a Means,
    /// What it is worth from now on.
    pub level: Acr,
    /// What was shown.
    pub evidence: &'a Evidence,
    /// When it is no longer good.
    pub expires_at: Time,
    /// What is recorded of it.
    pub event: &'a NewRow,
}

/// Renews a means on a document that somebody looked at, tells its person and records it. Yields whether it stood as it was
/// found.
///
/// # Errors
/// [`StoreError`].
pub async fn prolong(
    db: &Db,
    prolonged: &Prolonged<'_>,
    now: Time,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    let &Prolonged { means, level, evidence, expires_at, event } = prolonged;
    write!(db, c => {
        let renewed = sqlx::query(
            "UPDATE means SET expires_at = $2, level = $3, issued_by = $4, issuer_id = NULL, evidence = $5
             WHERE id = $1 AND revoked_at IS NULL AND suspended_at IS NULL AND expires_at = $6",
        )
        .bind(means.id)
        .bind(expires_at)
        .bind(level)
        .bind(Issuer::Desk)
        .bind(sqlx::types::Json(evidence.clone()))
        .bind(means.expires_at)
        .execute(&mut *c)
        .await?;
        if renewed.rows_affected() != 1 {
            return Ok(false);
        }
        let told = Told::MeansRenewed { means: means.kind, place: Place::default() };
        queue_notice!(c, &NewNotice::new(means.person_id, told, now, random), now);
        record!(c, *event);
        Ok(true)
    })
}

/// Lifts the suspension of a means, tells its person and records `event`. Yields whether it was suspended, and not too old.
///
/// # Errors
/// [`StoreError`].
pub async fn resume(
    db: &Db,
    id: MeansId,
    event: &NewRow,
    now: Time,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let resumed: Option<(PersonId, Kind)> = sqlx::query_as(
            "UPDATE means SET suspended_at = NULL, reason = NULL
             WHERE id = $1 AND suspended_at IS NOT NULL AND revoked_at IS NULL AND (kind = 'card' OR expires_at > $2)
             RETURNING person_id, kind",
        )
        .bind(id)
        .bind(now)
        .fetch_optional(&mut *c)
        .await?;
        let Some((person, kind)) = resumed else { return Ok(false) };
        let told = Told::MeansResumed { means: kind };
        queue_notice!(c, &NewNotice::new(person, told, now, random), now);
        record!(c, *event);
        Ok(true)
    })
}
