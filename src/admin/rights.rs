//! Who may use a role, and when: asked at every request.
//!
//! | What is asked for | Because |
//! |---|---|
//! | the role, granted on the command line; its person linked with the establishment and not disabled | it ends with them |
//! | two factors of the moment, bound to our origin | a found card and a page that looks like ours are not enough |
//! | the level that `[desk] level` states | whoever vouches for others is vouched for as well |
//! | a sign-in of the last fifteen minutes | an open screen |
//! | the means in the registry, not halted, and there for a day unless a national authority issued it | a means that somebody slipped in |

use crate::clock::Time;
use crate::means::{PROBATION, used};
use crate::session::{Acr, Amr, MOMENT_OF_ROLE, Session};
use crate::store::means::{Issuer, Kind, Means, Standing};
use crate::store::role::Role;
use crate::store::{self, Db, StoreError};

/// Why a role may not be used now.
#[derive(Debug, thiserror::Error)]
pub enum RightsRefused {
    /// The person does not have the role, or has no link with the establishment, or is disabled.
    #[error("the person does not have the role, or may not use it now")]
    NoRole,
    /// The sign-in is not by two factors of the moment, can be passed on by a stranger's page, or is too low.
    #[error("a role asks for two factors that resist phishing, at a higher level than this sign-in")]
    Weak,
    /// The sign-in is older than fifteen minutes.
    #[error("a role asks for a sign-in of the last fifteen minutes")]
    NotFresh,
    /// The means of the sign-in is not in the registry, is halted, or was issued less than a day ago.
    #[error("a role asks for a means of the registry that has been there for a day")]
    Means,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RightsRefused {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRole => "DESK-001",
            Self::NotFresh => "DESK-002",
            Self::Weak => "DESK-003",
            Self::Means => "DESK-004",
            Self::Store(error) => error.code(),
        }
    }
}

/// Whether the person of `session`, which is alive, may use `role` now.
///
/// # Errors
/// [`RightsRefused`], the first that applies.
pub async fn may_use(
    db: &Db,
    role: Role,
    session: &Session,
    level: Acr,
    now: Time,
) -> Result<(), RightsRefused> {
    if !store::role::holds(db, session.person_id, role, now).await? {
        return Err(RightsRefused::NoRole);
    }
    let own = store::means::of_person(db, session.person_id).await?;
    proves_enough(session, &own, level, now)
}

/// Whether a sign-in is enough for a role; `own` are all means of its person.
fn proves_enough(session: &Session, own: &[Means], level: Acr, now: Time) -> Result<(), RightsRefused> {
    let evidence = &session.evidence;
    let two_factors = session.amr.contains(&Amr::Mfa) && evidence.is_of_the_moment();
    if !two_factors || !evidence.is_phishing_resistant() || session.acr < level {
        return Err(RightsRefused::Weak);
    }
    if !session.is_fresh(MOMENT_OF_ROLE, now) {
        return Err(RightsRefused::NotFresh);
    }
    let means = used(own, session).filter(|means| means.standing(now) == Standing::Active);
    let means = means.ok_or(RightsRefused::Means)?;
    // It opens no role, whether it answers for a desk or signs in by its own passkey.
    if means.kind == Kind::Phone {
        return Err(RightsRefused::Means);
    }
    if means.issued_by != Issuer::National && now - means.issued_at < PROBATION {
        return Err(RightsRefused::Means);
    }
    Ok(())
}
