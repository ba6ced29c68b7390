//! `sceau-agent card login SERVER`: proves to the server, and to this terminal, who holds the card.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::{Failure, runtime};
use crate::agent::card::DriverCards;
use crate::agent::enrolments::{Enrolments, SYSTEM_DIR};
use crate::agent::settings::{MANAGED_FILE, ManagedSettings};
use crate::agent::terminal::{Terminal, TerminalError};
use crate::agent::{AgentError, AgentOptions, default_state_dir, platform};
use crate::card::protocol::{TerminalIdentity, WebOrigin};
use crate::clock::Time;
use crate::web::language::Language;

/// Arguments of `sceau-agent card login`.
#[derive(Debug, Args)]
pub(super) struct Login {
    /// The server, as this workstation is enrolled with it.
    server: String,
    /// One JSON object on standard output instead of a line.
    #[arg(long)]
    json: bool,
    /// The program of the PIN window; without a desktop, `pinentry-tty`.
    #[arg(long, value_name = "PROGRAM")]
    pinentry: Option<PathBuf>,
    /// Where this person's enrolments and keys stand [default: ~/.local/state/sceau-agent].
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where those of the computer as a whole stand.
    #[arg(long, value_name = "DIR", default_value = SYSTEM_DIR)]
    system_dir: PathBuf,
    /// The administrator's file.
    #[arg(long, value_name = "FILE", default_value = MANAGED_FILE)]
    config: PathBuf,
}

/// What `--json` prints. The names are part of the program's interface.
#[derive(Debug, Serialize)]
struct Said<'a> {
    server: &'a WebOrigin,
    id_nat: &'a str,
    family_name: Option<&'a str>,
    given_name: Option<&'a str>,
    acr: &'a str,
    amr: &'a [String],
    auth_time: Time,
}

impl Login {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let server =
            WebOrigin::of_address(&self.server).map_err(|error| Failure::plain(error.to_string()))?;
        let managed = ManagedSettings::read(&self.config)?;
        if !managed.allows(&server) {
            return Err(AgentError::NotListed(server).into());
        }
        let cards = Arc::new(DriverCards::with_pads(managed.pin_pad.unwrap_or(true)));
        let mut options = AgentOptions::of_environment(cards, managed);
        if self.pinentry.is_some() {
            options.window.program = self.pinentry.unwrap_or_default();
        }
        options.window.tty = options.window.tty.or_else(platform::terminal);
        let own = self.state_dir.unwrap_or_else(default_state_dir);
        let known = Enrolments::open(&own, &self.system_dir)?.read()?;
        let enrolment = known
            .into_iter()
            .find(|known| known.origin == server)
            .ok_or_else(|| AgentError::NotEnrolled(server.clone()))?;
        let language = Language::choose(Some(&options.window.locale), None);
        let terminal = Terminal::of(&options, language);
        let identity = runtime()?.block_on(async {
            let asked = terminal.ask(&enrolment).await?;
            let shown = terminal.look().await?;
            let request = asked.request();
            eprintln!(
                "{} ({server}) asks who is at {}. Card of {}.",
                enrolment.display_name, request.rp_host, shown.holder
            );
            let last_try = shown.tries_left.is_none_or(|tries| tries <= 1);
            let agreed = last_try && agrees();
            if shown.has_pad {
                eprintln!("Type the PIN on the reader.");
            }
            terminal.prove(asked, shown, agreed).await
        })?;
        print(&server, &identity, self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl From<TerminalError> for Failure {
    fn from(error: TerminalError) -> Self {
        Self::plain(format!("{} {error}", error.code()))
    }
}

/// Only a person can agree, and only in so many letters.
fn agrees() -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    eprint!("One wrong PIN more blocks this card. Type yes to go on: ");
    let _ = io::stderr().flush();
    let mut line = String::new();
    io::stdin().read_line(&mut line).is_ok() && line.trim() == "yes"
}

fn print(server: &WebOrigin, identity: &TerminalIdentity, json: bool) -> Result<(), Failure> {
    let said = Said {
        server,
        id_nat: &identity.id_nat,
        family_name: identity.family_name.as_deref(),
        given_name: identity.given_name.as_deref(),
        acr: &identity.acr,
        amr: &identity.amr,
        auth_time: identity.auth_time,
    };
    if json {
        let text = serde_json::to_string_pretty(&said).map_err(|error| Failure::plain(error.to_string()))?;
        println!("{text}");
    } else {
        let name = [said.given_name, said.family_name].into_iter().flatten().collect::<Vec<_>>().join(" ");
        println!("{} {name}, proved to {server} by card and PIN ({})", said.id_nat, said.acr);
    }
    Ok(())
}
