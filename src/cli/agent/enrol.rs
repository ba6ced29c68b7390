//! `sceau-agent enrol SERVER`: makes this workstation known to a server.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use zeroize::Zeroizing;

use super::{Failure, runtime};
use crate::agent::enrolments::EnrolmentStore;
use crate::agent::settings::{MANAGED_FILE, ManagedSettings};
use crate::agent::{AgentError, default_state_dir, enrol};
use crate::card::protocol::{WebOrigin, WorkstationState};
use crate::clock::SystemClock;

/// Arguments of `sceau-agent enrol`.
#[derive(Debug, Args)]
pub(super) struct Enrol {
    /// The address that people sign in at, such as `https://sceau.hopital.example`.
    server: String,
    /// The code made by `sceau workstation invite`; read from standard input where it is not given.
    code: Option<String>,
    /// Where enrolments and workstation keys stand [default: ~/.local/state/sceau-agent].
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The administrator's file.
    #[arg(long, value_name = "FILE", default_value = MANAGED_FILE)]
    config: PathBuf,
}

impl Enrol {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let server =
            WebOrigin::of_address(&self.server).map_err(|error| Failure::plain(error.to_string()))?;
        if !ManagedSettings::read(&self.config)?.allows(&server) {
            return Err(AgentError::NotListed(server).into());
        }
        let store = EnrolmentStore::open(&self.state_dir.unwrap_or_else(default_state_dir))?;
        let code = match self.code {
            Some(code) => Zeroizing::new(code),
            None => ask_code().map_err(|error| Failure::plain(error.to_string()))?,
        };
        let enrolled = runtime()?.block_on(enrol::enrol(&server, &code, &SystemClock))?;
        store.add(&enrolled.enrolment)?;
        let (name, site, zone) = (&enrolled.enrolment.display_name, &enrolled.site, &enrolled.zone);
        println!("Enrolled with {name} ({server}), site {site:?}, zone {zone:?}.");
        println!("This workstation is {}.", enrolled.enrolment.workstation);
        if enrolled.state == WorkstationState::Pending {
            println!(
                "An administrator has to approve it: sceau workstation approve {}",
                enrolled.enrolment.workstation
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn ask_code() -> io::Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        eprint!("Enrolment code: ");
        io::stderr().flush()?;
    }
    let mut code = Zeroizing::new(String::with_capacity(256));
    io::stdin().read_line(&mut code)?;
    Ok(code)
}
