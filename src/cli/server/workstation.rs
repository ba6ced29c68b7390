//! `sceau workstation`: which workstations may answer for a card.

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Context, Failure};
use crate::app;
use crate::audit::{Event, Kind};
use crate::card::enrolment::{self, Place};
use crate::clock::Time;
use crate::crypto::sealed::SealKey;
use crate::ids::WorkstationId;
use crate::keyring::Keyring;
use crate::store;
use crate::store::audit::NewRow;
use crate::store::signing_key::Purpose;
use crate::store::workstation::Workstation;

#[derive(Debug, Subcommand)]
pub(super) enum WorkstationCommand {
    /// Make a code by which one workstation can enrol: good once, for fifteen minutes.
    Invite(Invite),
    /// List the workstations.
    List {
        /// One JSON array instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Let a workstation answer that waits for approval.
    Approve {
        /// Its id, from `list`.
        id: WorkstationId,
    },
    /// Take a workstation's word no longer. Sessions that began there go on.
    Revoke {
        /// Its id, from `list`.
        id: WorkstationId,
    },
}

#[derive(Debug, Args)]
pub(super) struct Invite {
    /// The site that the workstation stands at, in the establishment's own words.
    #[arg(long, default_value = "")]
    site: String,
    /// Its network zone, in the words of the configuration.
    #[arg(long, default_value = "")]
    zone: String,
    /// Ask for an administrator's approval after the workstation has enrolled.
    #[arg(long)]
    approval: bool,
}

impl WorkstationCommand {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let context = Context::open(path).await?;
        let done = match self {
            Self::Invite(invite) => invite.run(&context).await,
            Self::List { json } => list(&context, json).await,
            Self::Approve { id } => {
                let event = event(&context, Kind::WorkstationApproved).workstation(id);
                let (row, now) = (NewRow::from(&event), context.clock.now());
                changed(store::workstation::approve(&context.db, id, &row, now).await?, id, "approved")
            }
            Self::Revoke { id } => {
                let event = event(&context, Kind::WorkstationRevoked).workstation(id);
                let (row, now) = (NewRow::from(&event), context.clock.now());
                changed(store::workstation::revoke(&context.db, id, &row, now).await?, id, "revoked")
            }
        };
        context.db.close().await;
        done
    }
}

impl Invite {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let seal = SealKey::read(&context.config.server.seal_key_path())?;
        let trail = app::trail(&context.config, &context.clock, &context.random);
        let (db, clock, random) = (context.db.clone(), context.clock.clone(), context.random.clone());
        let ring = Keyring::open(db, seal.clone(), Purpose::CardRequest, clock, random, &trail).await?;
        let keys = ring.keys().await;
        let place = Place { site: self.site, zone: self.zone, needs_approval: self.approval };
        let event = event(context, Kind::WorkstationInvited);
        let now = context.clock.now();
        let code = enrolment::invite(&context.db, &seal, &keys, &place, event, now, &*context.random).await?;
        let server = context.config.server.front_url.origin().ascii_serialization();
        println!("On the workstation, within fifteen minutes:\n\n  sceau-agent enrol {server}\n");
        println!("and paste this code, which is good once:\n\n  {}\n", code.as_str());
        Ok(())
    }
}

async fn list(context: &Context, json: bool) -> Result<(), Failure> {
    let all = store::workstation::all(&context.db).await?;
    if json {
        let listed: Vec<_> = all.iter().map(Listed::from).collect();
        let text =
            serde_json::to_string_pretty(&listed).map_err(|error| Failure::plain(error.to_string()))?;
        println!("{text}");
        return Ok(());
    }
    for workstation in &all {
        let listed = Listed::from(workstation);
        let seen = listed
            .last_seen_at
            .map_or_else(|| "never".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string());
        println!(
            "{}  {:<8}  {:<20}  {:<16}  {:<12}  agent {:<8}  last answer {seen}",
            listed.id, listed.state, listed.name, listed.site, listed.zone, listed.agent_version
        );
    }
    if all.is_empty() {
        println!("No workstation is enrolled yet: sceau workstation invite");
    }
    Ok(())
}

/// What `list --json` prints. The names are part of the program's interface.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    id: WorkstationId,
    state: &'static str,
    name: &'a str,
    site: &'a str,
    zone: &'a str,
    agent_version: &'a str,
    created_at: Time,
    last_seen_at: Option<Time>,
    revoked_at: Option<Time>,
}

impl<'a> From<&'a Workstation> for Listed<'a> {
    fn from(workstation: &'a Workstation) -> Self {
        let state = match (workstation.revoked_at, workstation.approved_at) {
            (Some(_), _) => "revoked",
            (None, Some(_)) => "active",
            (None, None) => "pending",
        };
        Self {
            id: workstation.id,
            state,
            name: &workstation.name,
            site: &workstation.site,
            zone: &workstation.zone,
            agent_version: &workstation.agent_version,
            created_at: workstation.created_at,
            last_seen_at: workstation.last_seen_at,
            revoked_at: workstation.revoked_at,
        }
    }
}

fn changed(done: bool, id: WorkstationId, what: &str) -> Result<(), Failure> {
    if done {
        println!("{id} is {what}.");
        Ok(())
    } else {
        Err(Failure::new(
            "WS-010",
            format!("there is no workstation {id} that could be {what}: see `sceau workstation list`"),
        ))
    }
}

/// An event of this command, with whoever runs it.
fn event(context: &Context, kind: Kind) -> Event {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
    app::trail(&context.config, &context.clock, &context.random)
        .event(kind)
        .actor(&format!("command line: {user}"))
}
