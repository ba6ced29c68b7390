//! How a computer of a fleet keeps itself enrolled, with the site token of its administrator and without a person.
//!
//! A hospital gets from it that an image can be deployed to any number of posts, and that a desktop which loses its key
//! at each boot has a new one before anybody sits down at it. Run at boot and every hour, it does as little as it can: a
//! workstation that is known stays as it is, and nothing that an administrator decided is undone.

use std::path::Path;

use chrono::TimeDelta;
use zeroize::Zeroizing;

use super::enrol::{self, Enrolled};
use super::enrolments::{Enrolment, EnrolmentStore};
use super::machine::MachineIdentity;
use super::{AgentError, platform};
use crate::card::protocol::{WebOrigin, WorkstationState};
use crate::clock::Clock;

/// With less than this left, a workstation enrols anew. More than two turns of the hourly timer.
const RENEWED_BEFORE: TimeDelta = TimeDelta::hours(3);

/// What [`keep`] found or did.
#[derive(Debug)]
pub enum Kept {
    /// It is enrolled, and the server still says so.
    Known(Enrolment),
    /// It has enrolled now.
    Enrolled(Enrolled),
}

/// Reads a site token, which must not be open to everybody at this computer.
///
/// # Errors
/// [`AgentError::TokenFile`].
pub fn read_token(path: &Path) -> Result<Zeroizing<String>, AgentError> {
    let faulty = |detail: String| AgentError::TokenFile { path: path.to_path_buf(), detail };
    let closed = platform::closed_to_others(path).map_err(|error| faulty(error.to_string()))?;
    if !closed {
        return Err(faulty("everybody can read it; chmod 600".to_owned()));
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| faulty(error.to_string()))
}

/// Makes sure that the computer called `host_name` is enrolled with `server`, by the site token `code` where it is not or
/// will soon be no longer, with the machine certificate where there is one. Keeps in `store` what came of it.
///
/// # Errors
/// As [`enrol::enrol`] and [`EnrolmentStore::add`]. What was enrolled before stays.
pub async fn keep(
    store: &EnrolmentStore,
    host_name: &str,
    server: &WebOrigin,
    code: &str,
    machine: Option<&MachineIdentity>,
    clock: &dyn Clock,
) -> Result<Kept, AgentError> {
    let known = store.read()?.into_iter().find(|known| known.origin == *server);
    if let Some(known) = known {
        let ends_soon = known.good_until.is_some_and(|until| until - clock.now() < RENEWED_BEFORE);
        if !ends_soon && let Some(known) = confirmed(store, known, clock).await? {
            return Ok(Kept::Known(known));
        }
    }
    let enrolled = enrol::enrol_as(host_name, server, code, machine, clock).await?;
    store.add(&enrolled.enrolment)?;
    Ok(Kept::Enrolled(enrolled))
}

/// The enrolment with the server's newest keys and word; none where the server no longer knows this key: somebody else
/// has enrolled under this host name since, or the time was over.
async fn confirmed(
    store: &EnrolmentStore,
    known: Enrolment,
    clock: &dyn Clock,
) -> Result<Option<Enrolment>, AgentError> {
    let keys = match enrol::newer_keys(&known).await {
        Ok(newer) => newer,
        // It was off for so long that it knows none of the server's keys: as good as not enrolled.
        Err(AgentError::ServerKey) => return Ok(None),
        Err(error) => return Err(error),
    };
    if let Some(keys) = &keys {
        store.set_keys(keys)?;
    }
    let known = Enrolment { keys: keys.unwrap_or_else(|| known.keys.clone()), ..known };
    let state = match enrol::standing(&known, clock).await {
        Ok(WorkstationState::Revoked) => return Ok(None),
        Ok(state) => state,
        Err(AgentError::Refused { code, .. }) if NOT_KNOWN.contains(&code.as_str()) => return Ok(None),
        Err(error) => return Err(error),
    };
    if state != known.state {
        store.set_state(known.workstation, state)?;
    }
    Ok(Some(Enrolment { state, ..known }))
}

/// The server's codes for a workstation that is gone, and for a key that is not the workstation's any more.
const NOT_KNOWN: [&str; 2] = ["WS-002", "WS-004"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_everybody_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site-token");
        assert_eq!(read_token(&path).unwrap_err().code(), "AGENT-053", "there is none");
        crate::crypto::files::write_private(&path, b"sceausite1.x").unwrap();
        assert_eq!(read_token(&path).unwrap().as_str(), "sceausite1.x");
        assert!(std::process::Command::new("chmod").arg("644").arg(&path).status().unwrap().success());
        assert_eq!(read_token(&path).unwrap_err().code(), "AGENT-053");
    }
}
