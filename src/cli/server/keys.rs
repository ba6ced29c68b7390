//! `sceau keys`: what tokens and card requests are signed with.

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Failure};
use crate::audit::Kind;
use crate::clock::Time;
use crate::crypto::sealed::SealKey;
use crate::keyring;
use crate::store::signing_key::{self, Purpose, State, StoredKey};

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// List the keys: what they sign, and where they stand in their life.
    List {
        /// One JSON array instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Let the next key sign, and publish the one after it. The server does so by itself (`[keys] rotation`).
    Rotate {
        /// What the key signs.
        #[arg(long, value_enum, default_value_t = PurposeArgument::Token)]
        purpose: PurposeArgument,
        /// Even where the next key was published too recently (an hour ago; for card requests 30 days), so that some may
        /// not know it yet: after a key was lost to a stranger. Workstations that do not know it must enrol again.
        #[arg(long)]
        at_once: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PurposeArgument {
    /// ID, access and logout tokens.
    Token,
    /// Refresh tokens.
    Refresh,
    /// Requests to the agents of workstations.
    CardRequest,
}

impl From<PurposeArgument> for Purpose {
    fn from(argument: PurposeArgument) -> Self {
        match argument {
            PurposeArgument::Token => Self::Token,
            PurposeArgument::Refresh => Self::Refresh,
            PurposeArgument::CardRequest => Self::CardRequest,
        }
    }
}

impl KeysCommand {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let context = Context::open(path).await?;
        let done = match self {
            Self::List { json } => list(&context, json).await,
            Self::Rotate { purpose, at_once } => rotate(&context, purpose.into(), at_once).await,
        };
        context.db.close().await;
        done
    }
}

async fn list(context: &Context, json: bool) -> Result<(), Failure> {
    let mut all = Vec::new();
    for purpose in Purpose::ALL {
        all.extend(signing_key::of(&context.db, purpose).await?);
    }
    if json {
        let listed: Vec<_> = all.iter().map(Listed::from).collect();
        let text =
            serde_json::to_string_pretty(&listed).map_err(|error| Failure::plain(error.to_string()))?;
        println!("{text}");
        return Ok(());
    }
    for key in &all {
        let listed = Listed::from(key);
        let day = |time: Time| time.format("%Y-%m-%d %H:%M").to_string();
        let since = match key.state {
            State::Next => format!("published {}", day(key.created_at)),
            State::Current => {
                key.current_since.map_or_else(String::new, |at| format!("since     {}", day(at)))
            }
            State::Retired => key.retired_at.map_or_else(String::new, |at| format!("retired   {}", day(at))),
        };
        println!(
            "{:<12}  {:<7}  {:<6}  {}  {since}",
            listed.purpose, listed.state, listed.algorithm, listed.kid
        );
    }
    if all.is_empty() {
        println!("There is no key yet: sceau init");
    }
    Ok(())
}

async fn rotate(context: &Context, purpose: Purpose, at_once: bool) -> Result<(), Failure> {
    let seal = SealKey::read(&context.config.server.seal_key_path())?;
    let event = context.event(Kind::KeyRotated);
    let now = context.clock.now();
    let kid = keyring::rotate(&context.db, &seal, purpose, at_once, now, &*context.random, event).await?;
    println!("{kid} signs from now on ({}); a running server follows within five seconds.", purpose.as_str());
    Ok(())
}

/// What `list --json` prints. The names are part of the program's interface.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    kid: &'a str,
    purpose: &'static str,
    algorithm: &'a str,
    state: &'static str,
    created_at: Time,
    current_since: Option<Time>,
    retired_at: Option<Time>,
}

impl<'a> From<&'a StoredKey> for Listed<'a> {
    fn from(key: &'a StoredKey) -> Self {
        Self {
            kid: &key.kid,
            purpose: key.purpose.as_str(),
            algorithm: &key.algorithm,
            state: match key.state {
                State::Next => "next",
                State::Current => "current",
                State::Retired => "retired",
            },
            created_at: key.created_at,
            current_since: key.current_since,
            retired_at: key.retired_at,
        }
    }
}
