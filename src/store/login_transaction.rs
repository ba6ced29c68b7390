//! Sign-ins on their way: from `/auth` until the session exists.
//!
//! A transaction is bound, when it is created, to the browser by a cookie whose hash stands here; it is never bound
//! again. It is consumed once, by one conditional update that begins the session in the same transaction: of two
//! answers only one can win. It waits once more where whoever sits there says that the session is not theirs, which ends it.

use sqlx::types::Json;

use super::approval::use_approval;
use super::audit::{NewRow, record};
use super::badge::{consume_badge, renew_session};
use super::known_browser::{SeenBrowser, note_browser};
use super::means::{is_halted_card, note_card};
use super::notice::{NewNotice, Told, queue_notice};
use super::person::learn_identifiers;
use super::session::{NewSession, begin_session, end_session, go_on_with_session, join_session};
use super::upstream::{Identified, link_upstream, may_come, refresh_professional, use_upstream};
use super::upstream_session::{come_from_upstream, pass_gate, was_logged_out};
use super::webauthn_credential::{Used, consume_signature};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{ApprovalId, Random, SessionId, TransactionId};
use crate::session::EndReason;

/// A sign-in on its way.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LoginTransaction {
    /// Its key.
    pub id: TransactionId,
    /// SHA-256 of the browser's cookie (32 bytes).
    pub browser_hash: Vec<u8>,
    /// The relying party that asked.
    pub client_id: String,
    /// Its checked request, in the shape that `oidc::authorize` gave it.
    #[sqlx(json)]
    pub request: serde_json::Value,
    /// When it began.
    pub created_at: Time,
    /// When it is no longer good.
    pub expires_at: Time,
    /// The `txn` of the card request that was issued last.
    pub card_txn: Option<String>,
    /// That request, byte for byte.
    pub card_request: Option<String>,
    /// When that request is no longer good.
    pub card_request_expires_at: Option<Time>,
    /// Where it stands.
    pub state: State,
    /// Why it failed, where it did: a stable code.
    pub error_code: Option<String>,
    /// The session it ended in.
    pub session_id: Option<SessionId>,
}

/// Where a sign-in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    /// Waiting for a proof.
    Open,
    /// A session came of it; the relying party waits for its answer.
    Done,
    /// The relying party was answered.
    Answered,
    /// The person gave up.
    Cancelled,
}

macro_rules! columns {
    () => {
        "id, browser_hash, client_id, request, created_at, expires_at, card_txn, card_request,
         card_request_expires_at, state, error_code, session_id"
    };
}

/// A sign-in to begin.
#[derive(Debug, Clone)]
pub struct NewTransaction {
    /// Its key.
    pub id: TransactionId,
    /// SHA-256 of the browser's cookie.
    pub browser_hash: [u8; 32],
    /// The relying party.
    pub client_id: String,
    /// Its checked request.
    pub request: serde_json::Value,
    /// When it is no longer good: ten minutes later.
    pub expires_at: Time,
}

/// Begins a sign-in.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(db: &Db, new: &NewTransaction, now: Time) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query(
            "INSERT INTO login_transaction (id, browser_hash, client_id, request, created_at, expires_at, state)
             VALUES ($1, $2, $3, $4, $5, $6, 'open')",
        )
        .bind(new.id)
        .bind(new.browser_hash.to_vec())
        .bind(new.client_id.clone())
        .bind(Json(new.request.clone()))
        .bind(now)
        .bind(new.expires_at)
        .execute(&mut *c)
        .await?;
        Ok(())
    })
}

/// The sign-in of that key.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, id: TransactionId) -> Result<Option<LoginTransaction>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM login_transaction WHERE id = $1");
    read!(db, c => Ok(sqlx::query_as(SQL).bind(id).fetch_optional(&mut *c).await?))
}

/// The sign-in whose last card request carries that `txn`.
///
/// # Errors
/// [`StoreError`].
pub async fn by_card_txn(db: &Db, txn: &str) -> Result<Option<LoginTransaction>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM login_transaction WHERE card_txn = $1");
    let txn = txn.to_owned();
    read!(db, c => Ok(sqlx::query_as(SQL).bind(txn).fetch_optional(&mut *c).await?))
}

/// Puts a new card request in the place of the last one, while the sign-in is open. Yields whether it was.
///
/// # Errors
/// [`StoreError`].
pub async fn issue_card_request(
    db: &Db,
    id: TransactionId,
    txn: &str,
    request: &str,
    request_expires_at: Time,
    now: Time,
) -> Result<bool, StoreError> {
    let (txn, request) = (txn.to_owned(), request.to_owned());
    write!(db, c => {
        let updated = sqlx::query(
            "UPDATE login_transaction
             SET card_txn = $2, card_request = $3, card_request_expires_at = $4, error_code = NULL
             WHERE id = $1 AND state = 'open' AND expires_at > $5",
        )
        .bind(id)
        .bind(txn)
        .bind(request)
        .bind(request_expires_at)
        .bind(now)
        .execute(&mut *c)
        .await?;
        Ok(updated.rows_affected() == 1)
    })
}

/// What a browser brought to the host of the card's certificate, until the same browser takes it over with its cookie.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OfferedCertificate {
    /// SHA-256 of the one-time handle (32 bytes).
    pub certificate_handle: Vec<u8>,
    /// The certificate whose key the TLS handshake proved, DER, not judged yet; none where none was presented.
    pub certificate: Option<Vec<u8>>,
    /// When the handle is no longer good.
    pub certificate_expires_at: Time,
}

/// Keeps a certificate in the place of the one before, while the sign-in is open. Yields whether it was.
///
/// # Errors
/// [`StoreError`].
pub async fn offer_certificate(
    db: &Db,
    id: TransactionId,
    offered: &OfferedCertificate,
    now: Time,
) -> Result<bool, StoreError> {
    let OfferedCertificate { certificate_handle, certificate, certificate_expires_at } = offered.clone();
    write!(db, c => {
        let updated = sqlx::query(
            "UPDATE login_transaction
             SET certificate_handle = $2, certificate = $3, certificate_expires_at = $4
             WHERE id = $1 AND state = 'open' AND expires_at > $5",
        )
        .bind(id)
        .bind(certificate_handle)
        .bind(certificate)
        .bind(certificate_expires_at)
        .bind(now)
        .execute(&mut *c)
        .await?;
        Ok(updated.rows_affected() == 1)
    })
}

/// The certificate that was offered last, if any was.
///
/// # Errors
/// [`StoreError`].
pub async fn offered_certificate(
    db: &Db,
    id: TransactionId,
) -> Result<Option<OfferedCertificate>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT certificate_handle, certificate, certificate_expires_at FROM login_transaction
         WHERE id = $1 AND certificate_handle IS NOT NULL",
    )
    .bind(id)
    .fetch_optional(&mut *c)
    .await?))
}

/// Forgets the certificate of that handle: it was shown by another browser than the one that began the sign-in.
///
/// # Errors
/// [`StoreError`].
pub async fn void_certificate(db: &Db, id: TransactionId, handle_hash: [u8; 32]) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query(
            "UPDATE login_transaction
             SET certificate_handle = NULL, certificate = NULL, certificate_expires_at = NULL
             WHERE id = $1 AND certificate_handle = $2",
        )
        .bind(id)
        .bind(handle_hash.to_vec())
        .execute(&mut *c)
        .await?;
        Ok(())
    })
}

/// Forgets the certificates whose handles are no longer good; that there was one stays known. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_certificates(db: &Db, now: Time) -> Result<u64, StoreError> {
    write!(db, c => {
        let forgotten = sqlx::query(
            "UPDATE login_transaction SET certificate = NULL
             WHERE certificate IS NOT NULL AND certificate_expires_at <= $1",
        )
        .bind(now)
        .execute(&mut *c)
        .await?;
        Ok(forgotten.rows_affected())
    })
}

/// Notes why the last attempt failed, so that the waiting page can say it. The sign-in stays open.
///
/// # Errors
/// [`StoreError`].
pub async fn note_failure(db: &Db, id: TransactionId, code: &'static str) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query("UPDATE login_transaction SET error_code = $2 WHERE id = $1 AND state = 'open'")
            .bind(id)
            .bind(code)
            .execute(&mut *c)
            .await?;
        Ok(())
    })
}

/// Ends a session of which whoever sits there says that it is not theirs; `event` is recorded where it ran. The sign-in,
/// where the session came out of it, waits again for somebody, and for another proof than the one that began it.
///
/// # Errors
/// [`StoreError`].
pub async fn end_of_another(
    db: &Db,
    (id, session): (TransactionId, SessionId),
    event: &NewRow,
    now: Time,
    random: &dyn Random,
) -> Result<(), StoreError> {
    write!(db, c => {
        if end_session!(c, session, EndReason::NotMe, now, random) {
            record!(c, *event);
        }
        sqlx::query(
            "UPDATE login_transaction SET state = 'open', session_id = NULL, ended_at = NULL, card_txn = NULL,
               card_request = NULL, card_request_expires_at = NULL, certificate_handle = NULL, certificate = NULL,
               certificate_expires_at = NULL
             WHERE id = $1 AND state = 'done' AND session_id = $2",
        )
        .bind(id)
        .bind(session)
        .execute(&mut *c)
        .await?;
        Ok(())
    })
}

/// Ends the sign-in without a session. Yields whether it was open.
///
/// # Errors
/// [`StoreError`].
pub async fn cancel(db: &Db, id: TransactionId, now: Time) -> Result<bool, StoreError> {
    write!(db, c => {
        let updated = sqlx::query(
            "UPDATE login_transaction SET state = 'cancelled', ended_at = $2 WHERE id = $1 AND state = 'open'",
        )
        .bind(id)
        .bind(now)
        .execute(&mut *c)
        .await?;
        Ok(updated.rows_affected() == 1)
    })
}

/// The session that a browser had when somebody signed in there anew.
#[derive(Clone)]
pub struct Replaced {
    /// Its key.
    pub session: SessionId,
    /// What is recorded of its end.
    pub event: NewRow,
}

/// What a sign-in is completed with. Of its kind it has to be the one that came last, or nothing happens.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// The `txn` of the card request that was answered.
    Request(&'a str),
    /// SHA-256 of the handle of the certificate that was offered.
    Certificate(&'a [u8; 32]),
    /// The `txn` of the badge request that was answered by a tap.
    Badge(&'a str),
    /// The signature of a security key over the challenge of a ceremony.
    SecurityKey(&'a Used),
    /// The same, of a key that counts only because the session was renewed by a badge.
    SecondFactor(&'a Used),
    /// What a person approved on their phone.
    Approval(ApprovalId),
    /// What a provider of others says.
    Upstream(&'a Identified),
}

/// How a sign-in is completed.
#[derive(Clone, Copy)]
pub struct Completion<'a> {
    /// The proof.
    pub proof: Proof<'a>,
    /// The session that begins, or goes on.
    pub session: &'a NewSession,
    /// SHA-256 of the cookie that it had until now, where it is there already and goes on with all that was granted.
    pub goes_on: Option<&'a [u8; 32]>,
    /// The session that this browser had; it ends first.
    pub replaced: Option<&'a Replaced>,
    /// The browser, of which its person is told where it is new to them; none where nobody asks.
    pub browser: Option<&'a SeenBrowser>,
    /// What is recorded if and only if the session begins.
    pub event: &'a NewRow,
}

/// Consumes the sign-in and begins the session that came of it. Yields whether the sign-in was still open: of two
/// answers only one can win.
///
/// # Errors
/// [`StoreError`].
pub async fn complete(
    db: &Db,
    id: TransactionId,
    completion: Completion<'_>,
    now: Time,
    random: &dyn Random,
) -> Result<bool, StoreError> {
    let Completion { proof, session: new, goes_on, replaced, browser, event } = completion;
    // What is not there compares with nothing.
    let (card_txn, handle_hash) = match proof {
        Proof::Request(txn) => (Some(txn.to_owned()), None),
        Proof::Certificate(hash) => (None, Some(hash.to_vec())),
        Proof::Badge(_)
        | Proof::SecurityKey(_)
        | Proof::SecondFactor(_)
        | Proof::Approval(_)
        | Proof::Upstream(_) => (None, None),
    };
    let by_badge = matches!(proof, Proof::Badge(_));
    // These are consumed in a place of their own.
    let is_consumed = !matches!(proof, Proof::Request(_) | Proof::Certificate(_));
    let by_second_factor = matches!(proof, Proof::SecondFactor(_));
    write!(db, c => {
        let is_good = match proof {
            Proof::Badge(txn) => {
                !is_halted_card!(c, &new.authentication) && consume_badge!(c, txn.to_owned(), id, now)
            }
            Proof::SecurityKey(used) => consume_signature!(c, used, now),
            Proof::SecondFactor(used) => {
                goes_on.is_some()
                    && !is_halted_card!(c, &new.authentication)
                    && consume_signature!(c, used, now)
            }
            Proof::Approval(approval) => use_approval!(c, approval, Some(id), &new.authentication, now),
            Proof::Upstream(identified) => {
                pass_gate!(c, identified.there.issuer.clone());
                !was_logged_out!(c, &identified.there, identified.issued_at)
                    && use_upstream!(c, identified, id, now)
                    && may_come!(c, identified, new.authentication.person)
            }
            Proof::Request(_) | Proof::Certificate(_) => !is_halted_card!(c, &new.authentication),
        };
        if !is_good {
            return Ok(false);
        }
        // The session comes first because the transaction refers to it; where the transaction is not open, it goes.
        if goes_on.is_none() {
            begin_session!(c, new, now);
        }
        let consumed = sqlx::query(
            "UPDATE login_transaction
             SET state = 'done', session_id = $2, ended_at = $3, error_code = NULL, certificate = NULL
             WHERE id = $1 AND state = 'open' AND expires_at > $3
               AND ((card_txn = $4 AND card_request_expires_at > $3)
                 OR (certificate_handle = $5 AND certificate_expires_at > $3) OR $6)",
        )
        .bind(id)
        .bind(new.id)
        .bind(now)
        .bind(card_txn)
        .bind(handle_hash)
        .bind(is_consumed)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if !consumed {
            if goes_on.is_none() {
                sqlx::query("DELETE FROM session WHERE id = $1").bind(new.id).execute(&mut *c).await?;
            }
            return Ok(false);
        }
        let went_on = match goes_on {
            Some(cookie_before) if by_badge => renew_session!(c, new, cookie_before, now),
            Some(cookie_before) if by_second_factor => join_session!(c, new, cookie_before, now),
            Some(cookie_before) => go_on_with_session!(c, new, cookie_before, now),
            None => true,
        };
        if !went_on {
            // It ended or locked a moment ago, or another tab was faster: the person begins once more.
            sqlx::query(
                "UPDATE login_transaction SET state = 'open', session_id = NULL, ended_at = NULL WHERE id = $1",
            )
            .bind(id)
            .execute(&mut *c)
            .await?;
            return Ok(false);
        }
        let person = new.authentication.person;
        let mut place = browser.map(|browser| browser.place.clone()).unwrap_or_default();
        // The workstation knows where it stands.
        if !new.station.zone.is_empty() {
            place.zone.clone_from(&new.station.zone);
        }
        if let Proof::Upstream(identified) = proof {
            if link_upstream!(c, identified, person, now) {
                let told = Told::IdentityLinked { provider: identified.label.clone(), place: place.clone() };
                queue_notice!(c, &NewNotice::new(person, told, now, random), now);
                record!(c, identified.linked);
            }
            learn_identifiers!(c, &identified.identifiers, identified.issuer.clone(), person, now);
            if refresh_professional!(c, identified, person) {
                record!(c, identified.refreshed);
            }
            come_from_upstream!(c, new.id, &identified.there);
        }
        note_card!(c, new.id, &new.authentication, place.clone(), now, random);
        if let Some(browser) = browser
            && note_browser!(c, person, browser, new.authentication.evidence.is_phishing_resistant(), now)
        {
            queue_notice!(c, &NewNotice::new(person, Told::NewBrowser { place }, now, random), now);
        }
        if let Some(replaced) = replaced
            && end_session!(c, replaced.session, EndReason::Replaced, now, random)
        {
            record!(c, replaced.event);
        }
        record!(c, *event);
        Ok(true)
    })
}

/// Deletes the sign-ins that ended or expired before `before`, `limit` at a time. Yields how many.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_expired(db: &Db, before: Time, limit: i64) -> Result<u64, StoreError> {
    write!(db, c => {
        let deleted = sqlx::query(
            "DELETE FROM login_transaction
             WHERE id IN (SELECT id FROM login_transaction WHERE expires_at <= $1 LIMIT $2)",
        )
        .bind(before)
        .bind(limit)
        .execute(&mut *c)
        .await?;
        Ok(deleted.rows_affected())
    })
}

#[cfg(test)]
mod tests;
