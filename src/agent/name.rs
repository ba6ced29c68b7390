//! By what a server tells this person's agent from the others of the same computer (agent protocol, section 13).
//!
//! A hospital gets from it that colleagues on a terminal server, who share the computer's key, cannot speak for one
//! another's agents: what they would need stands in a folder that only its owner reads. It is made once, so that an agent
//! that starts anew goes on watching the sessions that it watched.
//!
//! It is never written to a log, and no two servers are told the same name.

use std::fs;
use std::io;
use std::path::Path;

use super::AgentError;
use super::platform;
use crate::card::protocol::AgentName;
use crate::crypto::digest::sha256;
use crate::crypto::files;
use crate::ids::{Random, Secret, WorkstationId};

/// The file in the person's own state.
const FILE: &str = "agent.name";
/// As many characters as 128 bits have in base64url.
const LEN: usize = 22;

/// 128 random bits of this person's agent, from which its names are made.
pub(super) struct OwnName(Secret);

impl OwnName {
    /// Reads it from `dir`, the person's own state; makes it where there is none. One that others may have read counts no
    /// longer, nor does one that is damaged: another takes its place, and the sessions that it watched ask for the PIN.
    ///
    /// # Errors
    /// [`AgentError::State`].
    pub(super) fn open(dir: &Path, random: &dyn Random) -> Result<Self, AgentError> {
        let path = dir.join(FILE);
        let failed = |source| AgentError::State { path: path.clone(), source };
        match platform::is_private(&path) {
            Ok(true) => {
                let text = zeroize::Zeroizing::new(fs::read(&path).map_err(failed)?);
                if let Ok(name) = std::str::from_utf8(&text)
                    && name.len() == LEN
                {
                    return Ok(Self(Secret::from(name.to_owned())));
                }
                tracing::warn!(code = "AGENT-034", path = %path.display(), "the agent's name is damaged; it gets another");
            }
            Ok(false) => {
                tracing::warn!(code = "AGENT-035", path = %path.display(), "others can read the agent's name; it gets another");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let name = Secret::of_128_bits(random);
        let beside = path.with_extension("new");
        // Left over where an earlier run was stopped in the middle.
        let _ = fs::remove_file(&beside);
        files::write_private(&beside, name.expose().as_bytes()).map_err(failed)?;
        fs::rename(&beside, &path).map_err(failed)?;
        Ok(Self(name))
    }

    /// The name at the server that calls this workstation `workstation`.
    pub(super) fn at(&self, workstation: WorkstationId) -> AgentName {
        let text = format!("sceau agent v2 {workstation} {}", self.0.expose());
        let digest = sha256(zeroize::Zeroizing::new(text).as_bytes());
        let mut name = [0; 16];
        name.iter_mut().zip(digest).for_each(|(name, byte)| *name = byte);
        AgentName::of_bytes(&name)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::ids::{CountingRandom, uuid_v4};

    #[test]
    fn the_name_is_made_once_differs_from_server_to_server_and_is_readable_by_its_owner_only() {
        let (dir, random) = (tempfile::tempdir().unwrap(), CountingRandom::default());
        let workstations = [WorkstationId(uuid_v4(&random)), WorkstationId(uuid_v4(&random))];
        let names = || {
            let own = OwnName::open(dir.path(), &random).unwrap();
            workstations.map(|workstation| own.at(workstation))
        };
        let first = names();
        assert_eq!(names(), first, "from start to start");
        assert_ne!(first[0], first[1]);
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Another person of the same computer, and so of the same workstation.
        let colleague = tempfile::tempdir().unwrap();
        let other = OwnName::open(colleague.path(), &random).unwrap();
        assert_ne!(other.at(workstations[0]), first[0]);
    }

    #[test]
    fn a_name_that_others_could_read_or_that_is_damaged_is_replaced() {
        let (dir, random) = (tempfile::tempdir().unwrap(), CountingRandom::default());
        let workstation = WorkstationId(uuid_v4(&random));
        let name = || OwnName::open(dir.path(), &random).unwrap().at(workstation);
        let (first, path) = (name(), dir.path().join(FILE));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let second = name();
        assert_ne!(second, first);
        assert!(platform::is_private(&path).unwrap());
        fs::write(&path, "").unwrap();
        assert_ne!(name(), second);
    }
}
