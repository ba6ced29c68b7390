//! Phones that answer for their persons: what each answers with, beside its row in the registry of [`means`](super::means) and
//! its passkey in [`webauthn_credential`](super::webauthn_credential).

use super::means::means_columns;
use super::webauthn_credential::{SecurityKey, key_columns};
use super::{Db, StoreError, read};
use crate::clock::Time;
use crate::ids::{MeansId, PersonId};

/// A phone.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Phone {
    /// Its passkey, with its row in the registry.
    #[sqlx(flatten)]
    pub passkey: SecurityKey,
    /// The key of the installation: a public JWK.
    #[sqlx(json)]
    pub installation_key: serde_json::Value,
}

macro_rules! columns {
    () => {
        concat!(key_columns!(), ", p.installation_key")
    };
}

/// The phone of that key, whatever its standing.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, id: MeansId) -> Result<Option<Phone>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM means m JOIN webauthn_credential w ON w.means_id = m.id JOIN phone p ON p.means_id = m.id
         WHERE m.id = $1"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(id).fetch_optional(&mut *c).await?))
}

/// The phones of a person that can answer now, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn active_of(db: &Db, person: PersonId, now: Time) -> Result<Vec<Phone>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM means m JOIN webauthn_credential w ON w.means_id = m.id JOIN phone p ON p.means_id = m.id
         WHERE m.person_id = $1 AND m.revoked_at IS NULL AND m.suspended_at IS NULL AND m.expires_at > $2
         ORDER BY m.issued_at, m.id"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(person).bind(now).fetch_all(&mut *c).await?))
}

/// Keeps strangers from asking a person anything until then, inside a `write!` body. Yields whether they were not kept from
/// it before.
macro_rules! guard_person {
    ($c:expr, $person:expr, $until:expr, $now:expr) => {{
        let begun = sqlx::query(
            "INSERT INTO guarded_person (person_id, guarded_until, guarded_since) VALUES ($1, $2, $3)
             ON CONFLICT (person_id) DO UPDATE
               SET guarded_until = excluded.guarded_until, guarded_since = excluded.guarded_since
               WHERE guarded_person.guarded_until <= excluded.guarded_since",
        )
        .bind($person)
        .bind($until)
        .bind($now)
        .execute(&mut *$c)
        .await?
        .rows_affected()
            == 1;
        if !begun {
            sqlx::query("UPDATE guarded_person SET guarded_until = $2 WHERE person_id = $1")
                .bind($person)
                .bind($until)
                .execute(&mut *$c)
                .await?;
        }
        begun
    }};
}
pub(crate) use guard_person;

/// As if a person had said that a question was none of theirs.
///
/// # Errors
/// [`StoreError`].
#[cfg(test)]
pub(crate) async fn guard_for_test(
    db: &Db,
    person: PersonId,
    until: Time,
    now: Time,
) -> Result<bool, StoreError> {
    super::write!(db, c => { Ok(guard_person!(c, person, until, now)) })
}

/// Whether strangers are kept from asking a person anything.
///
/// # Errors
/// [`StoreError`].
pub async fn is_guarded(db: &Db, person: PersonId, now: Time) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM guarded_person WHERE person_id = $1 AND guarded_until > $2";
    let count: i64 = read!(db, c => sqlx::query_scalar(SQL).bind(person).bind(now).fetch_one(&mut *c).await?);
    Ok(count > 0)
}
