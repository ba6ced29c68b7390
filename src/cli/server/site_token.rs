//! `sceau workstation token`: how a fleet of workstations enrols without a person at each.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde::Serialize;
use zeroize::Zeroizing;

use super::arguments::{Moment, cell, table, written};
use super::{Context, Failure};
use crate::audit::Kind;
use crate::card::fleet::{self, Limits};
use crate::clock::Time;
use crate::crypto::files;
use crate::crypto::sealed::SealKey;
use crate::ids::SiteTokenId;
use crate::store;
use crate::store::audit::NewRow;
use crate::store::site_token::SiteToken;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a site token. Its text is shown once.
    Create(Create),
    /// List the site tokens, with the places that are taken.
    List {
        /// One JSON array instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Take a site token no longer. The workstations that came with it stay, unless asked otherwise.
    Revoke {
        /// Its id, from `list`.
        id: SiteTokenId,
        /// Revoke the workstations that came with it as well: the token was lost to a stranger.
        #[arg(long)]
        with_workstations: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The site that the workstations stand at, in the establishment's own words.
    #[arg(long)]
    site: String,
    /// Their network zone, in the words of the configuration.
    #[arg(long)]
    zone: String,
    /// How many workstations, by host name, may have a place at one time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// The day on which it is no longer good (2026-12-31), or a time with its zone; within two years.
    #[arg(long, value_name = "DATE")]
    until: Moment,
    /// A network of the zone (10.20.0.0/16), once per network. Without one the token is good from anywhere.
    #[arg(long, value_name = "CIDR")]
    network: Vec<IpNet>,
    /// For desktops that lose their key: a workstation is good for so many hours, then enrols anew, and a host name that
    /// does not come back gives its place back.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u16).range(4..=744))]
    good_for_hours: Option<u16>,
    /// Ask for an administrator's approval of each workstation, and of each new key of one.
    #[arg(long)]
    needs_approval: bool,
    /// Ask for a machine certificate besides, of the authority in `[workstations.machine_certificates]` and in the name of
    /// the very computer: the token alone then enrols nobody.
    #[arg(long)]
    machine_certificate: bool,
    /// Several people use the workstations in turn, as with `workstation invite --shared`.
    #[arg(long)]
    shared: bool,
    /// Write the token to a new file, readable by its owner only, instead of showing it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl TokenCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List { json } => list(context, json).await,
            Self::Revoke { id, with_workstations } => revoke(context, id, with_workstations).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let seal = SealKey::read(&context.config.server.seal_key_path())?;
        if self.machine_certificate && context.config.workstations.machine_certificates.is_none() {
            return Err(Failure::new(
                "WS-041",
                "--machine-certificate needs [workstations.machine_certificates] in the configuration",
            ));
        }
        let now = context.clock.now();
        let until = self.until.at(now);
        if until <= now || until > now + TimeDelta::days(732) {
            return Err(Failure::new("WS-027", "--until has to lie ahead, by two years at most"));
        }
        let limits = Limits {
            site: self.site,
            zone: self.zone,
            places: self.count,
            networks: self.network,
            until,
            good_for: self.good_for_hours.map(|hours| TimeDelta::hours(hours.into())),
            needs_approval: self.needs_approval,
            machine_certificate: self.machine_certificate,
            shared: self.shared,
        };
        // Before there is a token: one that cannot be written down would be good, and nobody's.
        let faulty = |path: &Path, error: io::Error| Failure::plain(format!("{}: {error}", path.display()));
        if let Some(path) = &self.output {
            files::write_private(path, b"").map_err(|error| faulty(path, error))?;
        }
        let event = context.event(Kind::SiteTokenCreated);
        let (id, code) = fleet::create(&context.db, &seal, &limits, event, now, &*context.random).await?;
        let server = context.config.server.front_url.origin().ascii_serialization();
        let file = match &self.output {
            Some(path) => {
                let text = Zeroizing::new(format!("{}\n", code.as_str()));
                std::fs::write(path, text.as_bytes()).map_err(|error| faulty(path, error))?;
                path.display().to_string()
            }
            None => {
                println!("{}\n", code.as_str());
                "FILE".to_owned()
            }
        };
        let anywhere = if limits.networks.is_empty() { ", from any network" } else { "" };
        eprintln!(
            "Site token {id}: {} workstations until {}{anywhere}. On each of them, as root:\n\n  \
             sceau-agent enrol {server} --system --token-file {file}",
            limits.places,
            until.format("%Y-%m-%d %H:%M UTC")
        );
        Ok(())
    }
}

async fn list(context: &Context, json: bool) -> Result<(), Failure> {
    let now = context.clock.now();
    let all = store::site_token::all(&context.db, now).await?;
    let listed: Vec<_> = all.iter().map(|(token, taken)| Listed::of(token, *taken, now)).collect();
    if json {
        let text =
            serde_json::to_string_pretty(&listed).map_err(|error| Failure::plain(error.to_string()))?;
        return written(writeln!(io::stdout(), "{text}"));
    }
    if listed.is_empty() {
        println!("There is no site token: sceau workstation token create");
        return Ok(());
    }
    let headings = ["ID", "STATE", "SITE", "ZONE", "PROOF", "TAKEN", "UNTIL", "NETWORKS", "LAST USED"];
    written(table(&headings, listed.iter().map(Listed::row)))
}

async fn revoke(context: &Context, id: SiteTokenId, with_workstations: bool) -> Result<(), Failure> {
    let event = context.event(Kind::SiteTokenRevoked).enrolment(&id.to_string());
    let event = if with_workstations { event.note("with its workstations") } else { event };
    let now = context.clock.now();
    let done =
        store::site_token::revoke(&context.db, id, with_workstations, &NewRow::from(&event), now).await?;
    match done {
        Some(0) => println!("{id} is revoked. The workstations that came with it stay."),
        Some(count) => println!("{id} is revoked, and {count} workstations with it."),
        None => {
            return Err(Failure::new(
                "WS-010",
                format!(
                    "there is no site token {id} that could be revoked: see `sceau workstation token list`"
                ),
            ));
        }
    }
    Ok(())
}

/// What `token list --json` prints. The names are part of the program's interface.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    id: SiteTokenId,
    state: &'static str,
    site: &'a str,
    zone: &'a str,
    places: i64,
    taken: i64,
    networks: &'a [IpNet],
    needs_approval: bool,
    machine_certificate: bool,
    shared: bool,
    good_for_hours: Option<i64>,
    created_at: Time,
    expires_at: Time,
    revoked_at: Option<Time>,
    last_used_at: Option<Time>,
}

impl<'a> Listed<'a> {
    fn of(token: &'a SiteToken, taken: i64, now: Time) -> Self {
        Self {
            id: token.id,
            state: match token.revoked_at {
                Some(_) => "revoked",
                None if token.expires_at <= now => "expired",
                None => "active",
            },
            site: &token.site,
            zone: &token.zone,
            places: token.places,
            taken,
            networks: &token.networks,
            needs_approval: token.needs_approval,
            machine_certificate: token.machine_certificate,
            shared: token.shared,
            good_for_hours: token.good_for.map(|seconds| seconds / 3600),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
        }
    }

    fn row(&self) -> Vec<String> {
        let minute = |at: Time| at.format("%Y-%m-%d %H:%M").to_string();
        let networks = self.networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        vec![
            self.id.to_string(),
            self.state.to_owned(),
            cell(self.site),
            cell(self.zone),
            if self.machine_certificate { "certificate" } else { "token" }.to_owned(),
            format!("{}/{}", self.taken, self.places),
            minute(self.expires_at),
            if networks.is_empty() { "any".to_owned() } else { networks },
            self.last_used_at.map_or_else(|| "never".to_owned(), minute),
        ]
    }
}
