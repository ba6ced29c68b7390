//! `sceau-agent enrol [SERVER]`: makes this workstation known to a server, by a person with a code or, in a fleet, by
//! itself with the site token of its administrator.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use zeroize::Zeroizing;

use super::{Failure, runtime};
use crate::agent::enrol::Enrolled;
use crate::agent::enrolments::{Enrolment, EnrolmentStore, SYSTEM_DIR};
use crate::agent::fleet::{self, Kept};
use crate::agent::machine::MachineIdentity;
use crate::agent::settings::{MANAGED_FILE, ManagedSettings};
use crate::agent::{AgentError, default_state_dir, enrol, platform};
use crate::card::protocol::{WebOrigin, WorkstationState};
use crate::clock::SystemClock;

/// Arguments of `sceau-agent enrol`.
#[derive(Debug, Args)]
pub(super) struct Enrol {
    /// The address that people sign in at, such as `https://sceau.hopital.example`. Without it: the server and the site
    /// token of the administrator's file, for the computer as a whole.
    server: Option<String>,
    /// The code made by `sceau workstation invite`; read from standard input where it is not given.
    #[arg(conflicts_with = "token_file")]
    code: Option<String>,
    /// The file of a site token, made by `sceau workstation token create`. Nothing is done where the workstation is
    /// enrolled already.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Enrol the computer as a whole, for everybody who uses it.
    #[arg(long)]
    system: bool,
    /// Where this person's enrolments and keys stand [default: ~/.local/state/sceau-agent].
    #[arg(long, value_name = "DIR", conflicts_with = "system")]
    state_dir: Option<PathBuf>,
    /// Where those of the computer as a whole stand.
    #[arg(long, value_name = "DIR", default_value = SYSTEM_DIR)]
    system_dir: PathBuf,
    /// The administrator's file.
    #[arg(long, value_name = "FILE", default_value = MANAGED_FILE)]
    config: PathBuf,
    /// The name of this computer. Site tokens count by it.
    #[arg(long, value_name = "NAME", hide = true)]
    host_name: Option<String>,
}

impl Enrol {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let managed = ManagedSettings::read(&self.config)?;
        let host_name = self.host_name.clone().unwrap_or_else(platform::host_name);
        let Some(server) = &self.server else {
            // An image: the file says everything.
            let (Some(token), [server]) = (&managed.token_file, managed.servers.as_slice()) else {
                return Err(Failure::plain(format!(
                    "name the server, or set `servers` and `token_file` in {}",
                    self.config.display()
                )));
            };
            let machine = managed.machine()?;
            return by_token(&EnrolmentStore::system(&self.system_dir)?, &host_name, server, token, machine);
        };
        let server = WebOrigin::of_address(server).map_err(|error| Failure::plain(error.to_string()))?;
        if !managed.allows(&server) {
            return Err(AgentError::NotListed(server).into());
        }
        let store = if self.system {
            EnrolmentStore::system(&self.system_dir)?
        } else {
            EnrolmentStore::open(&self.state_dir.unwrap_or_else(default_state_dir))?
        };
        if let Some(token) = &self.token_file {
            return by_token(&store, &host_name, &server, token, managed.machine()?);
        }
        let code = match self.code {
            Some(code) => Zeroizing::new(code),
            None => ask_code().map_err(|error| Failure::plain(error.to_string()))?,
        };
        let enrolled =
            runtime()?.block_on(enrol::enrol_as(&host_name, &server, &code, None, &SystemClock))?;
        store.add(&enrolled.enrolment)?;
        say(&enrolled);
        Ok(ExitCode::SUCCESS)
    }
}

/// Without a person: what is in order stays as it is.
fn by_token(
    store: &EnrolmentStore,
    host_name: &str,
    server: &WebOrigin,
    token: &Path,
    machine: Option<MachineIdentity>,
) -> Result<ExitCode, Failure> {
    let code = fleet::read_token(token)?;
    match runtime()?.block_on(fleet::keep(store, host_name, server, &code, machine.as_ref(), &SystemClock))? {
        Kept::Known(known) => {
            println!("Already enrolled with {} ({server}) as {}.", known.display_name, known.workstation);
            say_pending(known.state, &known);
        }
        Kept::Enrolled(enrolled) => say(&enrolled),
    }
    Ok(ExitCode::SUCCESS)
}

fn say(enrolled: &Enrolled) {
    let (known, site, zone) = (&enrolled.enrolment, &enrolled.site, &enrolled.zone);
    println!("Enrolled with {} ({}), site {site:?}, zone {zone:?}.", known.display_name, known.origin);
    println!("This workstation is {}.", known.workstation);
    if let Some(until) = known.good_until {
        println!("It is good until {} and enrols anew before.", until.format("%Y-%m-%d %H:%M UTC"));
    }
    say_pending(enrolled.state, known);
}

fn say_pending(state: WorkstationState, known: &Enrolment) {
    if state == WorkstationState::Pending {
        let key: String = known.key.kid().chars().take(12).collect();
        let id = known.workstation;
        println!(
            "An administrator has to approve it, with this key: sceau workstation approve {id} --key={key}"
        );
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
