//! `sceau workstation`: which workstations may answer for a card.

use std::io::{self, Write as _};
use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::arguments::{cell, table, written};
use super::site_token::TokenCommand;
use super::{Context, Failure};
use crate::audit::Kind;
use crate::card::enrolment::{self, Place};
use crate::card::protocol::{AgentVersion, check_workstation_name};
use crate::clock::Time;
use crate::crypto::sealed::SealKey;
use crate::ids::{SiteTokenId, WorkstationId};
use crate::keyring::Keyring;
use crate::store;
use crate::store::audit::NewRow;
use crate::store::signing_key::Purpose;
use crate::store::workstation::{Approval, Workstation};

/// How much of a key's thumbprint is shown, and asked for: 72 bits, which nobody makes a second key for.
const KEY_SHOWN: usize = 12;

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
    /// Give a workstation a name that people know it by.
    Rename {
        /// Its id, from `list`.
        id: WorkstationId,
        /// The name.
        name: String,
    },
    /// Let a workstation answer that waits for approval, with the key that you have seen.
    Approve {
        /// Its id, from `list`.
        id: WorkstationId,
        /// The first twelve characters of its key's thumbprint at least, from `list` or from the workstation itself, which
        /// says them when it enrols. One that enrols anew has another.
        #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
        key: String,
    },
    /// Take a workstation's word no longer. Sessions whose cards it watches are locked within `[session] lease`.
    Revoke {
        /// Its id, from `list`.
        id: WorkstationId,
    },
    /// Site tokens: how a fleet enrols without a person.
    #[command(subcommand)]
    Token(TokenCommand),
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
    /// Several people use the workstation in turn: short idle time, the name confirmed before a session is used again.
    #[arg(long)]
    shared: bool,
}

impl WorkstationCommand {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let context = Context::open(path).await?;
        let done = match self {
            Self::Invite(invite) => invite.run(&context).await,
            Self::List { json } => list(&context, json).await,
            Self::Rename { id, name } => rename(&context, id, &name).await,
            Self::Token(command) => command.run(&context).await,
            Self::Approve { id, key } => approve(&context, id, &key).await,
            Self::Revoke { id } => {
                let event = context.event(Kind::WorkstationRevoked).workstation(id);
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
        let trail = context.trail();
        let (db, clock, random) = (context.db.clone(), context.clock.clone(), context.random.clone());
        let ring = Keyring::open(db, seal.clone(), Purpose::CardRequest, clock, random, &trail).await?;
        let keys = ring.keys().await;
        let place =
            Place { site: self.site, zone: self.zone, needs_approval: self.approval, shared: self.shared };
        let event = context.event(Kind::WorkstationInvited);
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
    let now = context.clock.now();
    let oldest = oldest_served(context);
    let tokens = store::site_token::all(&context.db, now).await?;
    let certified = tokens.iter().filter(|(token, _)| token.machine_certificate).map(|(token, _)| token.id);
    let certified: Vec<_> = certified.collect();
    let listed: Vec<_> =
        all.iter().map(|workstation| Listed::of(workstation, &certified, oldest, now)).collect();
    if json {
        let text =
            serde_json::to_string_pretty(&listed).map_err(|error| Failure::plain(error.to_string()))?;
        return written(writeln!(io::stdout(), "{text}"));
    }
    if listed.is_empty() {
        println!("No workstation is enrolled yet: sceau workstation invite");
        return Ok(());
    }
    let rows = listed.iter().map(Listed::row);
    written(table(
        &["ID", "STATE", "NAME", "SITE", "ZONE", "USE", "CAME BY", "KEY", "AGENT", "LAST ANSWER"],
        rows,
    ))
}

/// The oldest agent that this installation serves.
fn oldest_served(context: &Context) -> AgentVersion {
    let configured = context.config.card.minimum_agent_version.as_deref();
    configured
        .and_then(|version| AgentVersion::parse(version).ok())
        .unwrap_or(AgentVersion::this().one_behind())
}

async fn approve(context: &Context, id: WorkstationId, key: &str) -> Result<(), Failure> {
    if key.len() < KEY_SHOWN {
        return Err(Failure::new(
            "WS-028",
            format!(
                "--key takes {KEY_SHOWN} characters of the thumbprint at least: see `sceau workstation list`"
            ),
        ));
    }
    let event = context.event(Kind::WorkstationApproved).workstation(id).note(&format!("key {key}"));
    let (row, now) = (NewRow::from(&event), context.clock.now());
    match store::workstation::approve(&context.db, id, key, &row, now).await? {
        Approval::Done => changed(true, id, "approved"),
        Approval::NotWaiting => changed(false, id, "approved"),
        Approval::OtherKey => Err(Failure::new(
            "WS-028",
            format!(
                "{id} has another key than {key}: it has enrolled anew since, or somebody else has under its name. Nothing \
                 was approved; compare the key in `sceau workstation list` with what the workstation says"
            ),
        )),
    }
}

async fn rename(context: &Context, id: WorkstationId, name: &str) -> Result<(), Failure> {
    check_workstation_name(name).map_err(|_| {
        Failure::new("WS-026", "a name has 1 to 255 readable characters, and none that could disguise it")
    })?;
    let former = store::workstation::by_id(&context.db, id).await?.map(|known| known.name);
    let event = context.event(Kind::WorkstationRenamed).workstation(id);
    let event = event.note(&format!("{} → {name}", former.unwrap_or_default()));
    let done = store::workstation::rename(&context.db, id, name, &NewRow::from(&event)).await?;
    changed(done, id, "renamed")
}

/// What `list --json` prints. The names are part of the program's interface.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    id: WorkstationId,
    state: &'static str,
    name: &'a str,
    /// The thumbprint of its key (RFC 7638).
    key: &'a str,
    host_name: &'a str,
    site: &'a str,
    zone: &'a str,
    /// Whether several people use it in turn.
    shared: bool,
    agent_version: &'a str,
    /// Whether an agent of that version is served, see `card.minimum_agent_version`.
    agent_served: bool,
    /// `invitation`, `site-token`, or `machine-certificate` (with a site token that asks for one).
    came_by: &'static str,
    site_token: Option<SiteTokenId>,
    created_at: Time,
    last_seen_at: Option<Time>,
    good_until: Option<Time>,
    revoked_at: Option<Time>,
}

impl<'a> Listed<'a> {
    fn of(workstation: &'a Workstation, certified: &[SiteTokenId], oldest: AgentVersion, now: Time) -> Self {
        let version = AgentVersion::parse(&workstation.agent_version).ok();
        Self {
            id: workstation.id,
            state: workstation.state(now).as_str(),
            name: &workstation.name,
            key: &workstation.kid,
            host_name: &workstation.host_name,
            site: &workstation.site,
            zone: &workstation.zone,
            shared: workstation.shared,
            agent_version: &workstation.agent_version,
            agent_served: version.is_some_and(|version| version >= oldest),
            came_by: match workstation.site_token_id {
                None => "invitation",
                Some(token) if certified.contains(&token) => "machine-certificate",
                Some(_) => "site-token",
            },
            site_token: workstation.site_token_id,
            created_at: workstation.created_at,
            last_seen_at: workstation.last_seen_at,
            good_until: workstation.good_until,
            revoked_at: workstation.revoked_at,
        }
    }

    fn row(&self) -> Vec<String> {
        let seen = self.last_seen_at;
        let agent = if self.agent_served { "" } else { " (too old)" };
        vec![
            self.id.to_string(),
            self.state.to_owned(),
            cell(self.name),
            cell(self.site),
            cell(self.zone),
            if self.shared { "shared" } else { "" }.to_owned(),
            self.came_by.to_owned(),
            self.key.chars().take(KEY_SHOWN).collect(),
            format!("{}{agent}", cell(self.agent_version)),
            seen.map_or_else(|| "never".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string()),
        ]
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
