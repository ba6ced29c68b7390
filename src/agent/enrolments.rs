//! The servers that this workstation is enrolled with, and its key for each.
//!
//! They stand below `~/.local/state/sceau-agent`, readable by their owner only: `enrolments.json`, and one private key
//! per server (PKCS#8, mode 0600). A key of its own per server, so that two servers cannot tell that they speak to the
//! same workstation. (A TPM may hold the key later.)
//!
//! A computer that was enrolled as a whole, with the site token of its fleet, keeps the same below
//! `/var/lib/sceau-agent`: written by the superuser only, read by those who are in the group of that directory. The
//! token itself is for the superuser alone; who uses the computer never sees it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::AgentError;
use super::platform;
use crate::card::protocol::{EnrolmentGrant, RequestKeys, WebOrigin, WorkstationState};
use crate::clock::Time;
use crate::crypto::files;
use crate::crypto::keys::{Algorithm, SigningKey, VerifyingKey};
use crate::ids::WorkstationId;

/// One server, and who this workstation is to it.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The server's front origin: the `Origin` that its requests come from.
    pub origin: WebOrigin,
    /// How the server is named to people.
    pub display_name: String,
    /// Where answers are posted to.
    pub return_path: String,
    /// Where somebody who gives up is led to.
    pub cancel_path: String,
    /// The server's keys for card requests.
    pub keys: RequestKeys,
    /// This workstation's name at that server.
    pub workstation: WorkstationId,
    /// This workstation's key for that server.
    pub key: Arc<SigningKey>,
    /// Whether it may answer, as far as it knows.
    pub state: WorkstationState,
    /// Until when it may, where it came with a site token that says so.
    pub good_until: Option<Time>,
}

impl Enrolment {
    /// What a grant and the key that was enrolled make together.
    #[must_use]
    pub fn of_grant(grant: EnrolmentGrant, key: SigningKey) -> Self {
        Self {
            origin: grant.keys.issuer.clone(),
            display_name: grant.display_name,
            return_path: grant.return_path,
            cancel_path: grant.cancel_path,
            keys: grant.keys,
            workstation: grant.workstation,
            key: Arc::new(key),
            state: grant.state,
            good_until: grant.good_until,
        }
    }

    /// The address that answers are posted to.
    #[must_use]
    pub fn return_address(&self) -> String {
        self.origin.join(&self.return_path)
    }

    /// The address that somebody who gives up is led to.
    #[must_use]
    pub fn cancel_address(&self) -> String {
        self.origin.join(&self.cancel_path)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    version: u8,
    servers: Vec<ServerForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerForm {
    origin: WebOrigin,
    display_name: String,
    return_path: String,
    cancel_path: String,
    current_key: serde_json::Value,
    next_key: serde_json::Value,
    keys_issued_at: Time,
    workstation: WorkstationId,
    #[serde(default)]
    state: WorkstationState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    good_until: Option<Time>,
}

/// Where the enrolments of the computer as a whole stand.
pub const SYSTEM_DIR: &str = "/var/lib/sceau-agent";

/// The enrolments that count for a person at this computer: those of the computer as a whole, and the person's own.
#[derive(Debug, Clone)]
pub struct Enrolments {
    own: EnrolmentStore,
    system: PathBuf,
}

impl Enrolments {
    /// Opens `own`, which is made if it is missing. `system` need not exist.
    ///
    /// # Errors
    /// As [`EnrolmentStore::open`].
    pub fn open(own: &Path, system: &Path) -> Result<Self, AgentError> {
        Ok(Self { own: EnrolmentStore::open(own)?, system: system.to_path_buf() })
    }

    /// All of them. Where the computer is enrolled with a server, the person's own enrolment does not count. What is wrong
    /// with those of the computer stands in the log, and the others go on.
    ///
    /// # Errors
    /// As [`EnrolmentStore::read`], for the person's own.
    pub fn read(&self) -> Result<Vec<Enrolment>, AgentError> {
        let mut all = match EnrolmentStore::system(&self.system).and_then(|store| store.read()) {
            Ok(all) => all,
            Err(AgentError::State { source, .. }) if source.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::error!(
                    code = error.code(),
                    "the enrolment of this computer does not count: {error}"
                );
                Vec::new()
            }
        };
        for own in self.own.read()? {
            if all.iter().all(|known| known.origin != own.origin) {
                all.push(own);
            }
        }
        Ok(all)
    }

    /// As [`EnrolmentStore::set_state`], where the enrolment is the person's own; that of the computer is looked after by
    /// the superuser's `sceau-agent enrol`.
    ///
    /// # Errors
    /// As [`EnrolmentStore::set_state`].
    pub fn set_state(&self, workstation: WorkstationId, state: WorkstationState) -> Result<(), AgentError> {
        self.own.set_state(workstation, state)
    }

    /// As [`EnrolmentStore::set_keys`], for the person's own.
    ///
    /// # Errors
    /// As [`EnrolmentStore::set_keys`].
    pub fn set_keys(&self, keys: &RequestKeys) -> Result<(), AgentError> {
        self.own.set_keys(keys)
    }
}

/// One place where enrolments are kept.
#[derive(Debug, Clone)]
pub struct EnrolmentStore {
    dir: PathBuf,
    whose: Whose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Of one person, who alone reads and writes it.
    Own,
    /// Of the computer: the superuser writes, a group reads.
    System,
}

impl EnrolmentStore {
    /// Opens `dir`, which is made if it is missing.
    ///
    /// # Errors
    /// [`AgentError::State`]; [`AgentError::StateNotPrivate`] where others can read it.
    pub fn open(dir: &Path) -> Result<Self, AgentError> {
        let failed = |source| AgentError::State { path: dir.to_path_buf(), source };
        platform::private_dir(dir).map_err(failed)?;
        if !platform::is_private(dir).map_err(failed)? {
            return Err(AgentError::StateNotPrivate { path: dir.to_path_buf() });
        }
        Ok(Self { dir: dir.to_path_buf(), whose: Whose::Own })
    }

    /// The place of the computer as a whole, which its administrator has made. Only what nobody else can write counts:
    /// otherwise one person could plant a server of their own for all others.
    ///
    /// # Errors
    /// [`AgentError::State`]; [`AgentError::SystemStateNotProtected`].
    pub fn system(dir: &Path) -> Result<Self, AgentError> {
        let failed = |source| AgentError::State { path: dir.to_path_buf(), source };
        if !platform::only_administrators_write(dir).map_err(failed)? {
            return Err(AgentError::SystemStateNotProtected { path: dir.to_path_buf() });
        }
        Ok(Self { dir: dir.to_path_buf(), whose: Whose::System })
    }

    /// The directory itself.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All enrolments; none where there is no file yet.
    ///
    /// # Errors
    /// [`AgentError::State`], [`AgentError::StateNotPrivate`] or [`AgentError::StateDamaged`].
    pub fn read(&self) -> Result<Vec<Enrolment>, AgentError> {
        let path = self.file();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(AgentError::State { path, source }),
        };
        let form: FileForm = serde_json::from_slice(&text)
            .map_err(|error| AgentError::StateDamaged { path: path.clone(), detail: error.to_string() })?;
        if form.version != 1 {
            return Err(AgentError::StateDamaged {
                path,
                detail: format!("version {} is unknown", form.version),
            });
        }
        form.servers.into_iter().map(|server| self.read_server(server)).collect()
    }

    fn read_server(&self, form: ServerForm) -> Result<Enrolment, AgentError> {
        let path = self.key_file(form.workstation);
        let damaged = |detail: String| AgentError::StateDamaged { path: path.clone(), detail };
        let failed = |source| AgentError::State { path: path.clone(), source };
        match self.whose {
            Whose::Own if !platform::is_private(&path).map_err(failed)? => {
                return Err(AgentError::StateNotPrivate { path });
            }
            Whose::System
                if !platform::only_administrators_write(&path).map_err(failed)?
                    || !platform::closed_to_others(&path).map_err(failed)? =>
            {
                return Err(AgentError::SystemStateNotProtected { path });
            }
            _ => {}
        }
        let der = zeroize::Zeroizing::new(fs::read(&path).map_err(failed)?);
        let key =
            SigningKey::from_pkcs8(Algorithm::Es256, &der).map_err(|error| damaged(error.to_string()))?;
        let public = |jwk| VerifyingKey::from_jwk(jwk).map_err(|error| damaged(error.to_string()));
        Ok(Enrolment {
            keys: RequestKeys {
                issuer: form.origin.clone(),
                current: public(&form.current_key)?,
                next: public(&form.next_key)?,
                issued_at: form.keys_issued_at,
            },
            origin: form.origin,
            display_name: form.display_name,
            return_path: form.return_path,
            cancel_path: form.cancel_path,
            workstation: form.workstation,
            key: Arc::new(key),
            state: form.state,
            good_until: form.good_until,
        })
    }

    /// Adds an enrolment, or puts it in the place of an earlier one with the same server, whose key is removed.
    ///
    /// # Errors
    /// [`AgentError::State`] or [`AgentError::StateDamaged`].
    pub fn add(&self, enrolment: &Enrolment) -> Result<(), AgentError> {
        let path = self.key_file(enrolment.workstation);
        let der = enrolment
            .key
            .to_pkcs8()
            .map_err(|error| AgentError::StateDamaged { path: path.clone(), detail: error.to_string() })?;
        let mut all = self.read()?;
        // A workstation that comes again with a site token keeps its name, and so the name of its key's file.
        self.replace(&path, &der)?;
        let (replaced, mut kept): (Vec<_>, Vec<_>) =
            all.drain(..).partition(|e| e.origin == enrolment.origin);
        kept.push(enrolment.clone());
        self.write(&kept)?;
        for old in replaced.iter().filter(|old| old.workstation != enrolment.workstation) {
            // The list no longer names it; a file that stays behind opens nothing.
            let _ = fs::remove_file(self.key_file(old.workstation));
        }
        Ok(())
    }

    /// Writes what the server says of this workstation.
    ///
    /// # Errors
    /// [`AgentError::State`] or [`AgentError::StateDamaged`].
    pub fn set_state(&self, workstation: WorkstationId, state: WorkstationState) -> Result<(), AgentError> {
        let mut all = self.read()?;
        for enrolment in all.iter_mut().filter(|e| e.workstation == workstation) {
            enrolment.state = state;
        }
        self.write(&all)
    }

    /// Writes the server's new request keys.
    ///
    /// # Errors
    /// [`AgentError::State`] or [`AgentError::StateDamaged`].
    pub fn set_keys(&self, keys: &RequestKeys) -> Result<(), AgentError> {
        let mut all = self.read()?;
        for enrolment in
            all.iter_mut().filter(|e| e.origin == keys.issuer && e.keys.issued_at < keys.issued_at)
        {
            enrolment.keys = keys.clone();
        }
        self.write(&all)
    }

    /// Replaces the list in one step: a reader sees the old one or the new one.
    fn write(&self, all: &[Enrolment]) -> Result<(), AgentError> {
        let form = FileForm {
            version: 1,
            servers: all
                .iter()
                .map(|e| ServerForm {
                    origin: e.origin.clone(),
                    display_name: e.display_name.clone(),
                    return_path: e.return_path.clone(),
                    cancel_path: e.cancel_path.clone(),
                    current_key: e.keys.current.to_jwk(),
                    next_key: e.keys.next.to_jwk(),
                    keys_issued_at: e.keys.issued_at,
                    workstation: e.workstation,
                    state: e.state,
                    good_until: e.good_until,
                })
                .collect(),
        };
        let path = self.file();
        let text = serde_json::to_vec_pretty(&form)
            .map_err(|error| AgentError::StateDamaged { path: path.clone(), detail: error.to_string() })?;
        self.replace(&path, &text)
    }

    /// Writes a file in one step, whether it was there or not.
    fn replace(&self, path: &Path, content: &[u8]) -> Result<(), AgentError> {
        let failed = |source| AgentError::State { path: path.to_path_buf(), source };
        let beside = path.with_extension("new");
        // Left over where an earlier run was stopped in the middle.
        let _ = fs::remove_file(&beside);
        files::write_private(&beside, content).map_err(failed)?;
        if self.whose == Whose::System {
            platform::let_group_read(&beside).map_err(failed)?;
        }
        fs::rename(&beside, path).map_err(failed)
    }

    fn file(&self) -> PathBuf {
        self.dir.join("enrolments.json")
    }

    fn key_file(&self, workstation: WorkstationId) -> PathBuf {
        self.dir.join(format!("{workstation}.key"))
    }
}
