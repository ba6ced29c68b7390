//! `sceau keys`: what tokens and card requests are signed with, and request objects encrypted to.

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Failure};
use crate::app;
use crate::audit::Kind;
use crate::clock::Time;
use crate::crypto::keys::Algorithm;
use crate::crypto::sealed::SealKey;
use crate::keyring::{self, Keyring, Vault, Which};
use crate::store::signing_key::{self, Purpose, State, StoredKey};

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// List the keys: what they are for, by which algorithm, and where they stand in their life.
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
        /// The algorithm of the key, as `list` shows it, where it is not the one the purpose began with.
        #[arg(long)]
        algorithm: Option<String>,
        /// Even where the next key was published too recently (an hour ago; for card requests 30 days), so that some may
        /// not know it yet: after a key was lost to a stranger. Workstations that do not know it must enrol again.
        #[arg(long)]
        at_once: bool,
    },
    /// Withdraw a key that was stolen: it neither signs nor verifies any more, and is published no more. Tokens that it
    /// signed are refused from then on; where it signed, the next key does so at once.
    Retire {
        /// Its name, as `list` shows it.
        kid: String,
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
    /// Request objects that services encrypt.
    RequestObject,
    /// Messages that wake phones.
    WebPush,
}

impl From<PurposeArgument> for Purpose {
    fn from(argument: PurposeArgument) -> Self {
        match argument {
            PurposeArgument::Token => Self::Token,
            PurposeArgument::Refresh => Self::Refresh,
            PurposeArgument::CardRequest => Self::CardRequest,
            PurposeArgument::RequestObject => Self::RequestObject,
            PurposeArgument::WebPush => Self::WebPush,
        }
    }
}

impl KeysCommand {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let context = Context::open(path).await?;
        let done = match self {
            Self::List { json } => list(&context, json).await,
            Self::Rotate { purpose, algorithm, at_once } => {
                let mut which = Which::from(Purpose::from(purpose));
                which.algorithm = algorithm.unwrap_or(which.algorithm);
                rotate(&context, which, at_once).await
            }
            Self::Retire { kid } => retire(&context, &kid).await,
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
            State::Withdrawn => {
                key.retired_at.map_or_else(String::new, |at| format!("withdrawn {}", day(at)))
            }
        };
        println!(
            "{:<14}  {:<9}  {:<12}  {}  {since}{}",
            listed.purpose,
            listed.state,
            listed.algorithm,
            listed.kid,
            if listed.hsm { "  in the HSM" } else { "" }
        );
    }
    if all.is_empty() {
        println!("There is no key yet: sceau init");
    }
    Ok(())
}

async fn vault(context: &Context) -> Result<Vault, Failure> {
    let seal = SealKey::read(&context.config.server.seal_key_path())?;
    Ok(app::vault(&context.config, &seal).await?)
}

/// Makes the keys that tokens are signed by with `algorithm`, where there are none yet.
pub(super) async fn make_for(context: &Context, algorithm: Algorithm) -> Result<(), Failure> {
    let (vault, trail) = (vault(context).await?, context.trail());
    let (db, clock, random) = (context.db.clone(), context.clock.clone(), context.random.clone());
    let ring = Keyring::open(db, &vault, Purpose::Token, clock, random, &trail).await?;
    ring.current_for(algorithm).await?;
    Ok(())
}

async fn rotate(context: &Context, which: Which, at_once: bool) -> Result<(), Failure> {
    let vault = vault(context).await?;
    let event = context.event(Kind::KeyRotated);
    let (now, what) = (context.clock.now(), format!("{}, {}", which.purpose.as_str(), which.algorithm));
    let kid = keyring::rotate(&context.db, &vault, which, at_once, now, &*context.random, event).await?;
    println!("{kid} is in use from now on ({what}); a running server follows within five seconds.");
    Ok(())
}

async fn retire(context: &Context, kid: &str) -> Result<(), Failure> {
    let vault = vault(context).await?;
    let event = context.event(Kind::KeyWithdrawn);
    let (db, now) = (&context.db, context.clock.now());
    let (purpose, was) = keyring::withdraw(db, &vault, kid, now, &*context.random, event).await?;
    println!(
        "{kid} ({}, {}) is withdrawn; a running server follows within five seconds.",
        purpose.as_str(),
        was.as_str()
    );
    match (purpose, was) {
        (Purpose::Token, _) => println!(
            "Tokens it signed are refused here. Services keep the key until they read the key set again: tell them, or restart them."
        ),
        (Purpose::CardRequest, State::Current) => println!(
            "Workstations trust it until they hear of the new keys, which running ones do within hours. Those that were off for two rotations enrol again."
        ),
        _ => {}
    }
    Ok(())
}

/// What `list --json` prints. The names are part of the program's interface.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    kid: &'a str,
    purpose: &'static str,
    algorithm: &'a str,
    state: &'static str,
    hsm: bool,
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
            state: key.state.as_str(),
            hsm: key.hsm_public_key.is_some(),
            created_at: key.created_at,
            current_since: key.current_since,
            retired_at: key.retired_at,
        }
    }
}
