//! Questions to people: whether a sign-in that waits elsewhere is theirs. One row from the question to the use of its answer,
//! so that both survive a restart and any node can take the answer.
//!
//! An answer counts once, in its time, for what was shown. Nobody can be asked more often than they can look.
//!
//! Whoever waits hears of a change by its number ([`moves_since`]): one question of each node for all who wait there.

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

/// Numbers the changes of these questions, inside a `write!` body. It comes last: whoever changes another question waits from
/// here to the end of the transaction, and holds nothing meanwhile that this one still wants.
macro_rules! note_moves {
    ($c:expr, $ids:expr) => {{
        let ids: &[$crate::ids::ApprovalId] = $ids;
        let number: i64 =
            sqlx::query_scalar("UPDATE approval_clock SET moved = moved + 1 WHERE id = 1 RETURNING moved")
                .fetch_one(&mut *$c)
                .await?;
        for id in ids {
            sqlx::query("UPDATE approval SET moved = $2 WHERE id = $1")
                .bind(*id)
                .bind(number)
                .execute(&mut *$c)
                .await?;
        }
    }};
}

/// Keeps a question, inside a `write!` body. A person has so many waiting, a source so many of these: what is beyond becomes
/// one for nobody, which cannot be told from another.
///
/// Of one source the newest stay. Of all, the oldest give way that come from no browser of the person: whoever floods is old
/// when the person looks, and has to go on and on at the price of growing waits. A browser that the person has used with what
/// resists phishing always has a place. Codes that the phone itself has scanned are not counted. Yields whether it is theirs, and is kept: of
/// two that are asked for one sign-in at once the first is, as if the second had come before it.
macro_rules! insert_approval {
    ($c:expr, $new:expr) => {{
        let new: &$crate::store::approval::Approval = $new;
        if let Some(person) = new.person_id {
            // Whoever asks at the same time waits here.
            sqlx::query("UPDATE person SET id = id WHERE id = $1").bind(person).execute(&mut *$c).await?;
        }
        let is_theirs = match new.person_id {
            None => true,
            Some(person) => {
                // What gives way waits on for nobody: its asker sees no difference.
                sqlx::query(
                    "UPDATE approval SET person_id = NULL WHERE id IN
                       (SELECT id FROM approval
                        WHERE person_id = $1 AND source = $2 AND state = 'waiting' AND way <> 'scan' AND expires_at > $3
                        ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET $4)",
                )
                .bind(person)
                .bind(new.source.clone())
                .bind(new.created_at)
                .bind($crate::store::approval::MOST_OF_SOURCE - 1)
                .execute(&mut *$c)
                .await?;
                sqlx::query(
                    "UPDATE approval SET person_id = NULL WHERE id IN
                       (SELECT id FROM approval
                        WHERE person_id = $1 AND state = 'waiting' AND way <> 'scan' AND expires_at > $2
                        ORDER BY is_known DESC, created_at DESC, id DESC LIMIT 1000 OFFSET $3)
                       AND (NOT is_known OR $4)",
                )
                .bind(person)
                .bind(new.created_at)
                .bind($crate::store::approval::MOST_WAITING - 1)
                .bind(new.is_known)
                .execute(&mut *$c)
                .await?;
                let waiting: i64 = sqlx::query_scalar(
                    "SELECT COUNT(*) FROM approval
                     WHERE person_id = $1 AND state = 'waiting' AND way <> 'scan' AND expires_at > $2",
                )
                .bind(person)
                .bind(new.created_at)
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

/// A question whose standing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Move {
    /// The number of the change.
    #[sqlx(rename = "moved")]
    pub number: i64,
    /// The question.
    pub id: ApprovalId,
    /// The sign-in that waits, where a browser does.
    pub transaction_id: Option<TransactionId>,
}

/// The number of the last change of any question.
///
/// # Errors
/// [`StoreError`].
pub async fn last_move(db: &Db) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT moved FROM approval_clock WHERE id = 1";
    read!(db, c => Ok(sqlx::query_scalar(SQL).fetch_one(&mut *c).await?))
}

/// The changes after that number, in their order; of a question that has changed since, the last.
///
/// # Errors
/// [`StoreError`].
pub async fn moves_since(db: &Db, number: i64) -> Result<Vec<Move>, StoreError> {
    const SQL: &str = "SELECT moved, id, transaction_id FROM approval WHERE moved > $1 ORDER BY moved";
    read!(db, c => Ok(sqlx::query_as(SQL).bind(number).fetch_all(&mut *c).await?))
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
pub(crate) mod tests {
    use super::*;
    use crate::audit::Kind;
    use crate::clock::{Clock as _, MockClock};
    use crate::ids::CountingRandom;
    use crate::store::notice::{self, Place, Told};
    use crate::store::session::tests::{card_session, somebody};
    use crate::store::testing::on_both;

    /// A question to somebody, or to nobody.
    pub(crate) fn question(
        person_id: Option<PersonId>,
        way: Way,
        now: Time,
        random: &CountingRandom,
    ) -> Approval {
        Approval {
            id: ApprovalId::new(now, random),
            way,
            channel: Channel::Phone,
            person_id,
            client_id: "rp".into(),
            transaction_id: None,
            browser: None,
            source: None,
            is_known: false,
            context: Context {
                application: "Dossier".into(),
                is_inside: true,
                is_program: false,
                browser: "Firefox (Linux)".into(),
                is_new_browser: false,
                digits: if way == Way::Scan { 0 } else { 6 },
            },
            digits: (way != Way::Scan).then(|| "042137".into()),
            state: State::Waiting,
            authentication: None,
            created_at: now,
            expires_at: now + LIFETIME,
        }
    }

    #[tokio::test]
    async fn a_question_is_answered_once_in_time_by_whom_it_is_for() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let now = clock.now();
            let [one, other] = [somebody(&db, now, &random).await, somebody(&db, now, &random).await];
            let event = crate::store::client::tests::event(Kind::SignIn, &clock);
            let proved = card_session(one, 1, now, &random).authentication;
            let approve = Answer::Approve(proved.clone());
            let asked = question(Some(one), Way::Number, now, &random);
            assert!(ask(&db, &asked).await.unwrap());
            assert_eq!(by_id(&db, asked.id).await.unwrap().as_ref(), Some(&asked));
            let waiting = waiting_for(&db, one, Channel::Phone, now).await.unwrap();
            assert_eq!(waiting, std::slice::from_ref(&asked));
            assert!(waiting_for(&db, other, Channel::Phone, now).await.unwrap().is_empty());
            assert!(waiting_for(&db, one, Channel::Card, now).await.unwrap().is_empty());
            assert!(
                !answer(&db, asked.id, other, &approve, None, &event, now).await.unwrap(),
                "another person"
            );
            let late = now + LIFETIME;
            assert!(!answer(&db, asked.id, one, &approve, None, &event, late).await.unwrap(), "too late");
            assert!(answer(&db, asked.id, one, &approve, None, &event, now).await.unwrap());
            assert!(!answer(&db, asked.id, one, &Answer::Refuse, None, &event, now).await.unwrap(), "once");
            let kept = by_id(&db, asked.id).await.unwrap().unwrap();
            assert_eq!((kept.state, kept.authentication), (State::Approved, Some(proved)));
            assert!(!withdraw(&db, asked.id).await.unwrap());
            assert_eq!(delete_expired(&db, late, 10).await.unwrap(), 1);
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_scanned_becomes_whose_phone_scanned_it_and_what_is_for_nobody_nobodys() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let now = clock.now();
            let person = somebody(&db, now, &random).await;
            let event = crate::store::client::tests::event(Kind::SignIn, &clock);
            let scan_it =
                async |id, person, shown: &Context| super::scan(&db, id, person, shown, now).await.unwrap();
            let [scan, decoy] = [Way::Scan, Way::Number].map(|way| question(None, way, now, &random));
            for asked in [&scan, &decoy] {
                assert!(ask(&db, asked).await.unwrap());
            }
            assert!(!answer(&db, decoy.id, person, &Answer::Mistype, None, &event, now).await.unwrap());
            assert!(
                !answer(&db, scan.id, person, &Answer::Refuse, None, &event, now).await.unwrap(),
                "not scanned"
            );
            let shown = Context { is_new_browser: true, ..scan.context.clone() };
            assert!(!scan_it(decoy.id, person, &shown).await, "no code");
            assert!(scan_it(scan.id, person, &shown).await);
            let other = somebody(&db, now, &random).await;
            assert!(!scan_it(scan.id, other, &shown).await, "once");
            let kept = by_id(&db, scan.id).await.unwrap().unwrap();
            assert_eq!((kept.person_id, kept.context), (Some(person), shown));
            assert!(!answer(&db, scan.id, other, &Answer::Refuse, None, &event, now).await.unwrap());
            assert!(answer(&db, scan.id, person, &Answer::Refuse, None, &event, now).await.unwrap());
        })
        .await;
    }

    /// Whoever asks everybody in the house fills no mailbox: the security contact hears of so many an hour.
    #[tokio::test]
    async fn the_security_contact_hears_of_ten_an_hour() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let disown = async |now: Time| {
                let event = crate::store::client::tests::event(Kind::SignIn, &clock);
                let person = somebody(&db, now, &random).await;
                let asked = question(Some(person), Way::Number, now, &random);
                assert!(ask(&db, &asked).await.unwrap());
                let notice = |told| NewNotice::new(person, told, now, &random);
                let place = Place::default();
                let alarm = Told::Alarm { event: event.id, place: place.clone() };
                let disowned = Disowned {
                    until: now + TimeDelta::days(1),
                    told: notice(Told::Disowned { place }),
                    alarm: Some((notice(alarm), "securite@chu.example".to_owned())),
                };
                let said = Answer::Disown(disowned);
                assert!(answer(&db, asked.id, person, &said, None, &event, now).await.unwrap());
            };
            let alarms = async |now| notice::older_than(&db, now, 100).await.unwrap().len() as i64;
            for _ in 0..MOST_ALARMS + 3 {
                disown(clock.now()).await;
            }
            // None of these people has an address.
            assert_eq!(alarms(clock.now()).await, MOST_ALARMS);
            clock.advance(ALARMS_WITHIN);
            disown(clock.now()).await;
            assert_eq!(alarms(clock.now()).await, MOST_ALARMS + 1);
        })
        .await;
    }

    /// Whose questions wait for a person, by the source that asked: oldest first.
    async fn sources(db: &Db, person: PersonId, now: Time) -> Vec<u8> {
        let waiting = waiting_for(db, person, Channel::Phone, now).await.unwrap();
        waiting.iter().map(|one| one.source.as_ref().map_or(0, |source| source[0])).collect()
    }

    #[tokio::test]
    async fn nobody_is_asked_more_often_than_they_can_look() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let now = clock.now();
            let person = somebody(&db, now, &random).await;
            let of = |source: u8| Approval {
                source: Some(vec![source; 32]),
                ..question(Some(person), Way::Number, now, &random)
            };
            let all: Vec<_> = (0..12).map(of).collect();
            futures_util::future::join_all(all.iter().map(|one| ask(&db, one))).await;
            assert_eq!(sources(&db, person, now).await.len(), 5, "also all at once");
        })
        .await;
    }

    /// A stranger holds two of five, and gives way to whoever comes later; the person's own browser always has a place.
    #[tokio::test]
    async fn a_source_has_its_share_and_the_oldest_stranger_gives_way() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let person = somebody(&db, clock.now(), &random).await;
            let asks = async |source: u8, is_known: bool| {
                clock.advance(TimeDelta::milliseconds(10));
                let new = question(Some(person), Way::Number, clock.now(), &random);
                let new = Approval { source: Some(vec![source; 32]), is_known, ..new };
                (new.id, ask(&db, &new).await.unwrap())
            };
            let mut first = Vec::new();
            for _ in 0..9 {
                let (id, theirs) = asks(1, false).await;
                assert!(theirs, "the newest of a source stay");
                first.push(id);
            }
            assert_eq!(sources(&db, person, clock.now()).await, [1, 1]);
            let pushed = by_id(&db, first[0]).await.unwrap().unwrap();
            assert_eq!((pushed.person_id, pushed.state), (None, State::Waiting), "it waits on, for nobody");

            // Somebody has many addresses: whoever comes later has a place all the same.
            for source in [2, 2, 3, 3] {
                asks(source, false).await;
            }
            assert_eq!(sources(&db, person, clock.now()).await, [1, 2, 2, 3, 3]);
            assert!(asks(9, true).await.1, "the person's own browser");
            assert_eq!(sources(&db, person, clock.now()).await, [2, 2, 3, 3, 9]);
            for source in 10..20 {
                asks(source, false).await;
            }
            assert_eq!(
                sources(&db, person, clock.now()).await,
                [9, 16, 17, 18, 19],
                "it is never pushed out by strangers"
            );
            for source in [30, 31, 32, 33] {
                asks(source, true).await;
            }
            assert_eq!(sources(&db, person, clock.now()).await, [9, 30, 31, 32, 33]);
            assert!(!asks(20, false).await.1, "strangers wait where the person's own browsers ask");
            assert!(asks(34, true).await.1);
            assert_eq!(sources(&db, person, clock.now()).await, [30, 31, 32, 33, 34]);
        })
        .await;
    }

    #[tokio::test]
    async fn two_questions_of_one_sign_in_at_once_leave_one() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let now = clock.now();
            let transaction = TransactionId::new(now, &random);
            for _ in 0..4 {
                let asked: Vec<Approval> = (0..8)
                    .map(|_| Approval {
                        transaction_id: Some(transaction),
                        ..question(None, Way::Number, now, &random)
                    })
                    .collect();
                let kept = futures_util::future::join_all(asked.iter().map(|one| ask(&db, one))).await;
                assert!(kept.iter().all(Result::is_ok), "{kept:?}");
                let left = of_transaction(&db, transaction).await.unwrap().unwrap();
                let place = asked.iter().position(|one| one.id == left.id).expect("one of them");
                assert!(*kept[place].as_ref().unwrap(), "whoever is told that theirs was kept is right");
            }
        })
        .await;
    }

    #[tokio::test]
    async fn each_change_has_the_next_number_and_what_was_only_asked_has_none() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let now = clock.now();
            let person = somebody(&db, now, &random).await;
            let event = crate::store::client::tests::event(Kind::SignIn, &clock);
            let transaction = TransactionId::new(now, &random);
            let begun = last_move(&db).await.unwrap();
            let [first, second] = [0, 1].map(|_| Approval {
                transaction_id: Some(transaction),
                ..question(None, Way::Scan, now, &random)
            });
            ask(&db, &first).await.unwrap();
            assert_eq!(
                (last_move(&db).await.unwrap(), moves_since(&db, begun).await.unwrap()),
                (begun, vec![])
            );
            ask(&db, &second).await.unwrap();
            let replaced = Move { number: begun + 1, id: second.id, transaction_id: Some(transaction) };
            assert_eq!(moves_since(&db, begun).await.unwrap(), [replaced]);
            assert!(super::scan(&db, second.id, person, &second.context, now).await.unwrap());
            assert!(!super::scan(&db, second.id, person, &second.context, now).await.unwrap());
            assert_eq!(last_move(&db).await.unwrap(), begun + 2, "what changes nothing has no number");
            let others = [0, 1].map(|_| question(Some(person), Way::Ciba, now, &random));
            for other in &others {
                ask(&db, other).await.unwrap();
            }
            let told = Told::Disowned { place: Place::default() };
            let told = NewNotice::new(person, told, now, &random);
            let refuse = Answer::Disown(Disowned { until: now, told, alarm: None });
            assert!(answer(&db, others[0].id, person, &refuse, None, &event, now).await.unwrap());
            let heard = moves_since(&db, begun + 2).await.unwrap();
            let mut ids: Vec<_> = heard.iter().map(|heard| heard.id.0).collect();
            ids.sort();
            let mut expected = vec![second.id.0, others[0].id.0, others[1].id.0];
            expected.sort();
            assert_eq!(ids, expected, "what is withdrawn with it is heard of too");
            assert!(heard.iter().all(|heard| heard.number == begun + 3));
            assert!(!withdraw(&db, second.id).await.unwrap());
        })
        .await;
    }

    #[tokio::test]
    async fn changes_at_once_are_seen_in_the_order_of_their_numbers() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let now = clock.now();
            let asked: Vec<Approval> = (0..40).map(|_| question(None, Way::Scan, now, &random)).collect();
            for one in &asked {
                ask(&db, one).await.unwrap();
            }
            let begun = last_move(&db).await.unwrap();
            let changes = futures_util::future::join_all(asked.iter().map(|one| withdraw(&db, one.id)));
            // Whoever looks meanwhile, and goes on from the last number that it saw, misses none.
            let looks = async {
                let (mut heard, mut from) = (Vec::new(), begun);
                while heard.len() < asked.len() {
                    let last = last_move(&db).await.unwrap();
                    let moves = moves_since(&db, from).await.unwrap();
                    heard.extend(moves.iter().filter(|heard| heard.number <= last).map(|heard| heard.id));
                    from = last;
                }
                heard
            };
            let (changed, heard) = tokio::join!(changes, looks);
            assert!(changed.into_iter().all(|changed| changed.unwrap()));
            assert_eq!(heard.len(), asked.len());
            assert!(asked.iter().all(|one| heard.contains(&one.id)));
        })
        .await;
    }
}
