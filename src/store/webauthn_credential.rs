//! Security keys: what verifies each, beside its row in the registry of [`means`](super::means).

use sqlx::types::Json;

use super::audit::{NewRow, record};
use super::identity_check::consume_check;
use super::means::{Evidence, Issuer, Kind, Means, insert_means, means_columns};
use super::notice::{NewNotice, queue_notice};
use super::webauthn_ceremony::consume_ceremony;
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{IdentityCheckId, PersonId, SessionId};
use crate::session::Acr;

/// A security key.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SecurityKey {
    /// Its row in the registry.
    #[sqlx(flatten)]
    pub means: Means,
    /// What verifies it, in the form of the library.
    #[sqlx(json)]
    pub credential: serde_json::Value,
    /// How often it says that it signed; 0 for keys that do not count.
    pub counter: i64,
    /// The model that it says it is: a UUID, nil where it does not say.
    pub aaguid: String,
    /// Whether the model is proven by an attestation.
    pub attested: bool,
    /// Whether it may leave its device.
    pub backup_eligible: bool,
    /// Whether it has.
    pub backed_up: bool,
    /// Whether it verifies its person, by a code or a finger.
    pub verifies_user: bool,
}

macro_rules! key_columns {
    () => {
        concat!(
            means_columns!(),
            ", w.credential, w.counter, w.aaguid, w.attested, w.backup_eligible, w.backed_up, w.verifies_user"
        )
    };
}
pub(crate) use key_columns;

/// Inserts what verifies a key, inside a `write!` body, after its row in the registry.
macro_rules! insert_credential {
    ($c:expr, $key:expr) => {{
        let key: &$crate::store::webauthn_credential::SecurityKey = $key;
        sqlx::query(
            "INSERT INTO webauthn_credential (means_id, credential, counter, aaguid, attested, backup_eligible,
               backed_up, verifies_user)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(key.means.id)
        .bind(sqlx::types::Json(key.credential.clone()))
        .bind(key.counter)
        .bind(key.aaguid.clone())
        .bind(key.attested)
        .bind(key.backup_eligible)
        .bind(key.backed_up)
        .bind(key.verifies_user)
        .execute(&mut *$c)
        .await?;
    }};
}
pub(crate) use insert_credential;

/// What becomes of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// The key is registered.
    Done,
    /// The ceremony was answered before, or is too old, or the session that it is for has ended.
    CeremonyOver,
    /// The identity check that it rests on was used, or is too old.
    CheckOver,
    /// A key with this credential id is there already.
    KnownAlready,
    /// The person has as many keys as they may have; the identity check is not used up.
    TooMany,
}

/// A key to register.
#[derive(Debug)]
pub struct Registration<'a> {
    /// The key.
    pub key: &'a SecurityKey,
    /// The ceremony that it answered: SHA-256 of its handle.
    pub handle_hash: &'a [u8; 32],
    /// The identity check that it rests on, at the desk.
    pub check: Option<IdentityCheckId>,
    /// How many keys a person may have, those that are suspended or expired included.
    pub most: i64,
    /// What its person is told.
    pub notice: &'a NewNotice,
    /// What is recorded of it.
    pub event: &'a NewRow,
}

/// Registers a key by its ceremony, at the desk by an identity check besides; tells its person and records it.
///
/// # Errors
/// [`StoreError`].
pub async fn register(db: &Db, registration: &Registration<'_>, now: Time) -> Result<Registered, StoreError> {
    let &Registration { key: new, handle_hash, check, most, notice, event } = registration;
    write!(db, c => {
        // Its person's row is held first, so that of several answers at once each counts the keys of those before it.
        sqlx::query("UPDATE person SET disabled_at = disabled_at WHERE id = $1")
            .bind(new.means.person_id)
            .execute(&mut *c)
            .await?;
        let session: Option<Option<SessionId>> =
            sqlx::query_scalar("SELECT session_id FROM webauthn_ceremony WHERE handle_hash = $1")
                .bind(handle_hash.to_vec())
                .fetch_optional(&mut *c)
                .await?;
        // The session in which it is registered is held until it is: nothing is issued in one that has just ended.
        if let Some(session) = session.flatten() {
            let held = sqlx::query(
                "UPDATE session SET last_seen_at = last_seen_at
                 WHERE id = $1 AND ended_at IS NULL AND locked_at IS NULL AND expires_at > $2",
            )
            .bind(session)
            .bind(now)
            .execute(&mut *c)
            .await?;
            if held.rows_affected() != 1 {
                return Ok(Registered::CeremonyOver);
            }
        }
        if !consume_ceremony!(c, handle_hash, now) {
            return Ok(Registered::CeremonyOver);
        }
        let own: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM means m JOIN webauthn_credential w ON w.means_id = m.id
             WHERE m.person_id = $1 AND m.kind <> 'phone' AND m.revoked_at IS NULL",
        )
        .bind(new.means.person_id)
        .fetch_one(&mut *c)
        .await?;
        if own >= most {
            return Ok(Registered::TooMany);
        }
        if let Some(check) = check
            && !consume_check!(c, check, now)
        {
            return Ok(Registered::CheckOver);
        }
        if !insert_means!(c, &new.means) {
            return Ok(Registered::KnownAlready);
        }
        insert_credential!(c, new);
        queue_notice!(c, notice, now);
        record!(c, *event);
        Ok(Registered::Done)
    })
}

/// The key of that kind and credential id (base64url), whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_credential_id(
    db: &Db,
    kind: Kind,
    credential_id: &str,
) -> Result<Option<SecurityKey>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        key_columns!(),
        " FROM means m JOIN webauthn_credential w ON w.means_id = m.id
         WHERE m.kind = $1 AND m.reference = $2"
    );
    let credential_id = credential_id.to_owned();
    read!(db, c => Ok(sqlx::query_as(SQL).bind(kind).bind(credential_id).fetch_optional(&mut *c).await?))
}

/// Keeps what verifies a key from now on, inside a `write!` body. Yields whether it was not used with this counter in the
/// meantime.
macro_rules! advance_counter {
    ($c:expr, $used:expr) => {{
        let used: &$crate::store::webauthn_credential::Used = $used;
        sqlx::query(
            "UPDATE webauthn_credential SET credential = $2, counter = $3, backed_up = $4
             WHERE means_id = $1 AND counter = $5 AND (counter < $3 OR (counter = 0 AND $3 = 0))",
        )
        .bind(used.key.means.id)
        .bind(sqlx::types::Json(used.credential.clone()))
        .bind(used.counter)
        .bind(used.backed_up)
        .bind(used.key.counter)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1
    }};
}
pub(crate) use advance_counter;

/// A key that is renewed.
pub struct Renewal<'a> {
    /// What it signed.
    pub used: &'a Used,
    /// The identity check that it rests on, at the desk.
    pub check: Option<IdentityCheckId>,
    /// What it is worth from now on.
    pub level: Acr,
    /// Who renews it.
    pub issued_by: Issuer,
    /// Who of the desk, where it is the desk.
    pub issuer_id: Option<PersonId>,
    /// On what.
    pub evidence: &'a Evidence,
    /// When it is no longer good.
    pub expires_at: Time,
    /// What its person is told.
    pub notice: &'a NewNotice,
    /// What is recorded of it.
    pub event: &'a NewRow,
}

/// Renews a key that has just signed; at the desk by an identity check besides. It was not halted, renewed, or used with this
/// counter in the meantime, or nothing happens.
///
/// # Errors
/// [`StoreError`].
pub async fn renew(db: &Db, renewal: &Renewal<'_>, now: Time) -> Result<Registered, StoreError> {
    let &Renewal { used, check, level, issued_by, issuer_id, evidence, expires_at, notice, event } = renewal;
    write!(db, c => {
        // As where one is registered: nothing is renewed in a session that has just ended.
        let held = sqlx::query(
            "UPDATE session SET last_seen_at = last_seen_at
             WHERE ended_at IS NULL AND locked_at IS NULL AND expires_at > $2
               AND id = (SELECT session_id FROM webauthn_ceremony WHERE handle_hash = $1)",
        )
        .bind(used.handle_hash.to_vec())
        .bind(now)
        .execute(&mut *c)
        .await?;
        if held.rows_affected() != 1 || !consume_ceremony!(c, &used.handle_hash, now) {
            return Ok(Registered::CeremonyOver);
        }
        // First all that can fail: what is answered with a refusal is kept too, and nothing may be half renewed.
        let stands = sqlx::query(
            "UPDATE means SET last_used_at = $2, last_used_where = $3
             WHERE id = $1 AND revoked_at IS NULL AND suspended_at IS NULL AND expires_at = $4",
        )
        .bind(used.key.means.id)
        .bind(now)
        .bind(used.place.clone())
        .bind(used.key.means.expires_at)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if !stands || !advance_counter!(c, used) {
            return Ok(Registered::CeremonyOver);
        }
        if let Some(check) = check
            && !consume_check!(c, check, now)
        {
            return Ok(Registered::CheckOver);
        }
        sqlx::query(
            "UPDATE means SET expires_at = $2, level = $3, issued_by = $4, issuer_id = $5, evidence = $6 WHERE id = $1",
        )
        .bind(used.key.means.id)
        .bind(expires_at)
        .bind(level)
        .bind(issued_by)
        .bind(issuer_id)
        .bind(Json(evidence.clone()))
        .execute(&mut *c)
        .await?;
        queue_notice!(c, notice, now);
        record!(c, *event);
        Ok(Registered::Done)
    })
}

/// The keys of a person, those that count after a badge only included, oldest first, whatever their standing.
///
/// # Errors
/// [`StoreError`].
pub async fn of_person(db: &Db, person: PersonId) -> Result<Vec<SecurityKey>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        key_columns!(),
        " FROM means m JOIN webauthn_credential w ON w.means_id = m.id WHERE m.person_id = $1 ORDER BY m.issued_at, m.id"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(person).fetch_all(&mut *c).await?))
}

/// Every key that may sign in, for a policy that is tried.
///
/// # Errors
/// [`StoreError`].
pub async fn active(db: &Db, now: Time) -> Result<Vec<SecurityKey>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        key_columns!(),
        " FROM means m JOIN webauthn_credential w ON w.means_id = m.id
         WHERE m.kind <> 'phone' AND m.revoked_at IS NULL AND m.suspended_at IS NULL AND m.expires_at > $1
         ORDER BY m.issued_at, m.id"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(now).fetch_all(&mut *c).await?))
}

/// A key that has just signed.
#[derive(Debug, Clone)]
pub struct Used {
    /// The ceremony that it answered: SHA-256 of its handle.
    pub handle_hash: [u8; 32],
    /// The key as it was when its signature was verified.
    pub key: SecurityKey,
    /// What verifies it from now on, in the form of the library.
    pub credential: serde_json::Value,
    /// How often it says that it signed.
    pub counter: i64,
    /// Whether it has left its device.
    pub backed_up: bool,
    /// Where it was used.
    pub place: String,
}

/// Takes the ceremony out and notes the use of the key, inside a `write!` body. Yields whether the ceremony was there and
/// the key may still sign in: it was not halted, nor used with this counter, in the meantime.
macro_rules! consume_signature {
    ($c:expr, $used:expr, $now:expr) => {{
        let used: &$crate::store::webauthn_credential::Used = $used;
        $crate::store::webauthn_ceremony::consume_ceremony!($c, &used.handle_hash, $now)
            && sqlx::query(
                "UPDATE means SET last_used_at = $2, last_used_where = $3
                 WHERE id = $1 AND revoked_at IS NULL AND suspended_at IS NULL AND expires_at > $2",
            )
            .bind(used.key.means.id)
            .bind($now)
            .bind(used.place.clone())
            .execute(&mut *$c)
            .await?
            .rows_affected()
                == 1
            && $crate::store::webauthn_credential::advance_counter!($c, used)
    }};
}
pub(crate) use consume_signature;
