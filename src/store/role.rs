//! What people of the establishment may do here beside signing in: the desk, administration, looking at the audit.
//!
//! A role is granted and taken away on the command line alone. It is good while its person has a link with the
//! establishment and is not disabled, which is asked at each use: nobody has to remember to take it away.

use super::audit::{NewRow, record};
use super::notice::{NewNotice, queue_notice};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::PersonId;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type, clap::ValueEnum)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Role {
    /// Looks after the means of identification of others, at the desk.
    Desk,
    /// Looks after the installation.
    Admin,
    /// Looks at the audit trail.
    Auditor,
}

impl Role {
    /// The name, as in the database, the audit and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Desk => "desk",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }
}

/// A role that somebody was granted.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Granted {
    /// Whose it is.
    pub person_id: PersonId,
    /// Which.
    pub role: Role,
    /// Since when.
    pub granted_at: Time,
}

/// Grants a role, tells its person by `notice` and records `event`. Yields whether the person did not have it before.
///
/// # Errors
/// [`StoreError`].
pub async fn grant(
    db: &Db,
    person: PersonId,
    role: Role,
    notice: &NewNotice,
    event: &NewRow,
    now: Time,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let granted = sqlx::query(
            "INSERT INTO person_role (person_id, role, granted_at) VALUES ($1, $2, $3)
             ON CONFLICT (person_id, role) DO NOTHING",
        )
        .bind(person)
        .bind(role)
        .bind(now)
        .execute(&mut *c)
        .await?
        .rows_affected()
            == 1;
        if granted {
            queue_notice!(c, notice, now);
            record!(c, *event);
        }
        Ok(granted)
    })
}

/// Takes a role away, tells its person by `notice` and records `event`. Yields whether the person had it.
///
/// # Errors
/// [`StoreError`].
pub async fn revoke(
    db: &Db,
    person: PersonId,
    role: Role,
    notice: &NewNotice,
    event: &NewRow,
    now: Time,
) -> Result<bool, StoreError> {
    write!(db, c => {
        let revoked = sqlx::query("DELETE FROM person_role WHERE person_id = $1 AND role = $2")
            .bind(person)
            .bind(role)
            .execute(&mut *c)
            .await?
            .rows_affected()
            == 1;
        if revoked {
            queue_notice!(c, notice, now);
            record!(c, *event);
        }
        Ok(revoked)
    })
}

/// The roles of a person, or everybody's, whether they may be used now or not.
///
/// # Errors
/// [`StoreError`].
pub async fn list(db: &Db, person: Option<PersonId>) -> Result<Vec<Granted>, StoreError> {
    const OF_PERSON: &str =
        "SELECT person_id, role, granted_at FROM person_role WHERE person_id = $1 ORDER BY role";
    const ALL: &str =
        "SELECT person_id, role, granted_at FROM person_role ORDER BY role, granted_at, person_id";
    match person {
        Some(person) => {
            read!(db, c => Ok(sqlx::query_as(OF_PERSON).bind(person).fetch_all(&mut *c).await?))
        }
        None => read!(db, c => Ok(sqlx::query_as(ALL).fetch_all(&mut *c).await?)),
    }
}

/// Whether a person may use a role at `now`: it was granted, and the person is not disabled and has a link with the
/// establishment.
///
/// # Errors
/// [`StoreError`].
pub async fn holds(db: &Db, person: PersonId, role: Role, now: Time) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM person_role r JOIN person p ON p.id = r.person_id
         WHERE r.person_id = $1 AND r.role = $2 AND p.disabled_at IS NULL
           AND EXISTS (SELECT 1 FROM affiliation a WHERE a.person_id = p.id AND a.started_at <= $3
             AND (a.ended_at IS NULL OR a.ended_at > $3))";
    let count: i64 = read!(db, c => Ok::<_, StoreError>(
        sqlx::query_scalar(SQL).bind(person).bind(role).bind(now).fetch_one(&mut *c).await?
    ))?;
    Ok(count > 0)
}
