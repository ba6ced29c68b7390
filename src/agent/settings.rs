//! The administrator's file, `/etc/sceau/agent.toml`: which servers, and how the PIN is typed.
//!
//! A hospital gets from it that the person at a managed workstation cannot enrol it with a server of their own, nor have
//! the PIN typed into a page. Where the file lists servers, no other counts. A file that somebody else than an
//! administrator could write is refused.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::AgentError;
use super::machine::MachineIdentity;
use super::pin::PinSetting;
use super::platform;
use crate::card::protocol::WebOrigin;

/// Where the administrator's file stands.
pub const MANAGED_FILE: &str = "/etc/sceau/agent.toml";

/// What the administrator's file may say. Every key is optional; an unknown one is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagedSettings {
    /// The only servers that count, as origins (`https://sceau.chu.example`). Empty or absent: those that were enrolled.
    #[serde(default)]
    pub servers: Vec<WebOrigin>,
    /// Where the PIN is typed.
    pub pin_entry: Option<PinSetting>,
    /// Whether the PIN is typed on the keys of a reader that has some; `false` for one whose keys do not work.
    pub pin_pad: Option<bool>,
    /// The program of the PIN window.
    pub pinentry: Option<PathBuf>,
    /// Several people use this computer at the same time (a terminal server).
    #[serde(default)]
    pub several_users: bool,
    /// The file of the site token by which this computer enrols itself with the one server of `servers`.
    pub token_file: Option<PathBuf>,
    /// The file of this computer's machine certificate, which is shown when it enrols itself.
    pub machine_certificate_file: Option<PathBuf>,
    /// The file of its private key.
    pub machine_key_file: Option<PathBuf>,
}

impl ManagedSettings {
    /// Reads the file; the defaults where there is none.
    ///
    /// # Errors
    /// [`AgentError::Settings`] with the place of the fault; [`AgentError::SettingsNotProtected`] where others than an
    /// administrator can write it; [`AgentError::PageWithSeveralUsers`].
    pub fn read(path: &Path) -> Result<Self, AgentError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(AgentError::Settings { path: path.to_path_buf(), detail: error.to_string() });
            }
        };
        let protected = platform::only_administrators_write(path)
            .map_err(|error| AgentError::Settings { path: path.to_path_buf(), detail: error.to_string() })?;
        if !protected {
            return Err(AgentError::SettingsNotProtected { path: path.to_path_buf() });
        }
        Self::parse(&text).map_err(|error| match error {
            Fault::Toml(detail) => AgentError::Settings { path: path.to_path_buf(), detail },
            Fault::PageWithSeveralUsers => AgentError::PageWithSeveralUsers,
        })
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let settings: Self = toml::from_str(text).map_err(|error| Fault::Toml(error.to_string()))?;
        if settings.token_file.is_some() && settings.servers.len() != 1 {
            return Err(Fault::Toml("token_file is for the one server that `servers` lists".to_owned()));
        }
        if settings.machine_certificate_file.is_some() != settings.machine_key_file.is_some() {
            return Err(Fault::Toml("machine_certificate_file and machine_key_file go together".to_owned()));
        }
        if settings.several_users && settings.pin_entry == Some(PinSetting::Page) {
            return Err(Fault::PageWithSeveralUsers);
        }
        Ok(settings)
    }

    /// The machine certificate of this computer, where the file names one.
    ///
    /// # Errors
    /// [`AgentError::MachineFile`].
    pub fn machine(&self) -> Result<Option<MachineIdentity>, AgentError> {
        match (&self.machine_certificate_file, &self.machine_key_file) {
            (Some(certificate), Some(key)) => MachineIdentity::read(certificate, key).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether a server counts.
    #[must_use]
    pub fn allows(&self, origin: &WebOrigin) -> bool {
        self.servers.is_empty() || self.servers.contains(origin)
    }

    /// Where the PIN is typed: the administrator's word, else what was asked for at start.
    ///
    /// # Errors
    /// [`AgentError::PageWithSeveralUsers`].
    pub fn pin_entry(&self, asked: Option<PinSetting>) -> Result<PinSetting, AgentError> {
        match self.pin_entry.or(asked).unwrap_or_default() {
            PinSetting::Page if self.several_users => Err(AgentError::PageWithSeveralUsers),
            setting => Ok(setting),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Toml(String),
    PageWithSeveralUsers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let Err(Fault::Toml(detail)) = ManagedSettings::parse("servers = []\npin_entri = \"page\"\n") else {
            panic!("accepted")
        };
        assert!(detail.contains("pin_entri") && detail.contains('2'), "{detail}");
        assert!(ManagedSettings::parse("servers = [\"https://sceau.chu.example/\"]").is_err());
    }

    #[test]
    fn a_listed_server_excludes_all_others() {
        let managed = ManagedSettings::parse("servers = [\"https://sceau.chu.example\"]").unwrap();
        assert!(managed.allows(&WebOrigin::parse("https://sceau.chu.example").unwrap()));
        assert!(!managed.allows(&WebOrigin::parse("https://evil.example").unwrap()));
        assert!(ManagedSettings::default().allows(&WebOrigin::parse("https://evil.example").unwrap()));
    }

    #[test]
    fn the_page_entry_is_refused_where_several_people_work() {
        assert_eq!(
            ManagedSettings::parse("several_users = true\npin_entry = \"page\""),
            Err(Fault::PageWithSeveralUsers)
        );
        let several = ManagedSettings::parse("several_users = true").unwrap();
        assert!(matches!(several.pin_entry(Some(PinSetting::Page)), Err(AgentError::PageWithSeveralUsers)));
        assert_eq!(several.pin_entry(None).unwrap(), PinSetting::Window);
    }

    #[test]
    fn the_administrator_decides_before_the_command_line() {
        let managed = ManagedSettings::parse("pin_entry = \"window\"").unwrap();
        assert_eq!(managed.pin_entry(Some(PinSetting::Page)).unwrap(), PinSetting::Window);
        assert_eq!(ManagedSettings::default().pin_entry(Some(PinSetting::Page)).unwrap(), PinSetting::Page);
    }

    #[test]
    fn a_site_token_belongs_to_one_server() {
        assert!(ManagedSettings::parse("token_file = \"/etc/sceau/site-token\"").is_err());
        let one = "servers = [\"https://sceau.chu.example\"]\ntoken_file = \"/etc/sceau/site-token\"";
        assert!(ManagedSettings::parse(one).unwrap().token_file.is_some());
        let half = "machine_certificate_file = \"/etc/ssl/machine.pem\"";
        assert!(ManagedSettings::parse(half).is_err(), "a certificate without its key proves nothing");
    }

    #[test]
    fn a_missing_file_is_no_fault() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            ManagedSettings::read(&dir.path().join("agent.toml")).unwrap(),
            ManagedSettings::default()
        );
    }
}
