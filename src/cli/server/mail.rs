//! `sceau mail`: whether notices leave the house.

use std::path::Path;

use clap::Subcommand;

use super::arguments::cell;
use super::{Context, Failure};
use crate::app;
use crate::config::Mail;
use crate::ids::NoticeId;
use crate::notify::address;
use crate::store;

#[derive(Debug, Subcommand)]
pub(super) enum MailCommand {
    /// Send a mail to ADDRESS at once, in both languages, and say how it went.
    Test {
        /// Where to.
        address: String,
    },
    /// Say what waits to be sent.
    Queue,
    /// Try again at once what was put off: the mail server answers again.
    Retry,
}

impl MailCommand {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let context = Context::open(path).await?;
        let done = match self {
            Self::Test { address } => test(&context, &address).await,
            Self::Queue => queue(&context).await,
            Self::Retry => retry(&context).await,
        };
        context.db.close().await;
        done
    }
}

/// The mail server of the configuration.
pub(super) fn configured(context: &Context) -> Result<&Mail, Failure> {
    let missing =
        || Failure::new("MAIL-014", "no mail server is configured: add [mail] to the configuration");
    context.config.mail.as_ref().ok_or_else(missing)
}

async fn test(context: &Context, typed: &str) -> Result<(), Failure> {
    let mail = configured(context)?;
    let address = address::parse(typed).map_err(|error| Failure::new(error.code(), error.to_string()))?;
    let now = context.clock.now();
    let letterhead = app::mail::letterhead(&context.config, mail)?;
    let letter = letterhead.trial(NoticeId::new(now, &*context.random), &address, now);
    let letter = letter.map_err(|error| Failure::new(error.code(), error.to_string()))?;
    app::mail::server(&context.config, mail)?.send(&letter).await?;
    println!("{}:{} took the mail to {}", mail.server, mail.port, cell(&address));
    Ok(())
}

async fn queue(context: &Context) -> Result<(), Failure> {
    let waiting = store::notice::waiting(&context.db).await?;
    match waiting.since {
        None => println!("nothing waits to be sent"),
        Some(since) => println!(
            "{} waiting, {} of them tried in vain; the oldest since {}",
            waiting.count,
            waiting.failed,
            since.format("%Y-%m-%d %H:%M UTC")
        ),
    }
    Ok(())
}

async fn retry(context: &Context) -> Result<(), Failure> {
    let hurried = store::notice::hurry(&context.db, context.clock.now()).await?;
    println!("{hurried} will be tried at once by a running server");
    Ok(())
}
