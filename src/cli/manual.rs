//! `manual`: a program writes its own manual pages, one per command, for the packages.
//!
//! They are made of what `--help` says, so that the two never differ. The command is not listed: whoever installs a package
//! has the pages already.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};

/// Arguments of `manual`.
#[derive(Debug, Args)]
pub(super) struct Manual {
    /// The folder that the pages are written into; it is made where it is missing.
    folder: PathBuf,
}

impl Manual {
    /// Writes the pages of the program `P`.
    ///
    /// # Errors
    /// Where the folder cannot be made or written: the sentence.
    pub(super) fn write<P: CommandFactory>(&self) -> Result<(), String> {
        write::<P>(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))
    }
}

fn write<P: CommandFactory>(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(P::command(), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pages of a program, by their names, each with its text.
    fn pages<P: CommandFactory>() -> Vec<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        write::<P>(&dir.path().join("man")).unwrap();
        let entries = std::fs::read_dir(dir.path().join("man")).unwrap();
        let read = entries.map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        });
        read.collect()
    }

    fn text<'a>(pages: &'a [(String, String)], name: &str) -> &'a str {
        let found = pages.iter().find(|(found, _)| found == name);
        found.map_or_else(|| panic!("no page {name}"), |(_, text)| text.as_str())
    }

    #[cfg(feature = "server")]
    #[test]
    fn every_command_of_the_server_has_its_page() {
        let pages = pages::<crate::cli::server::ServerCli>();
        assert!(text(&pages, "sceau.1").starts_with(".ie \\n(.g .ds Aq"), "{}", text(&pages, "sceau.1"));
        assert!(text(&pages, "sceau-client-disable.1").contains("reason"));
        assert!(text(&pages, "sceau-workstation-token-create.1").contains("token"));
        assert!(!pages.iter().any(|(name, _)| name.contains("manual")), "not listed");
        assert!(pages.iter().all(|(_, text)| !text.contains(env!("CARGO_MANIFEST_DIR"))));
    }

    #[cfg(feature = "agent")]
    #[test]
    fn every_command_of_the_agent_has_its_page() {
        let pages = pages::<crate::cli::agent::AgentCli>();
        for name in ["sceau-agent.1", "sceau-agent-enrol.1", "sceau-agent-run.1", "sceau-agent-card-list.1"] {
            assert!(text(&pages, name).contains(".SH SYNOPSIS"), "{name}");
        }
    }
}
