//! `sceau upstream`: the identities that people have at other providers, and who is linked to which.

use std::io::{self, Write as _};
use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use super::arguments::{cell, table, written};
use super::person;
use super::{Context, Failure};
use crate::audit::Kind;
use crate::clock::Time;
use crate::session::EndReason;
use crate::store::audit::NewRow;
use crate::store::upstream_link::{self, Link, Linked, NewLink, Unlinking};

#[derive(Debug, Subcommand)]
pub(super) enum UpstreamCommand {
    /// List the identities of a person at other providers.
    Links {
        /// A national identifier, or the key that `sceau person show` prints.
        person: String,
        /// One JSON array instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Link an identity to a person: somebody of the establishment has said that it is theirs. They are told by mail.
    Link {
        /// A national identifier, or the key that `sceau person show` prints.
        person: String,
        /// The provider: NAME of [upstream.NAME].
        provider: String,
        /// Who it is there: its sub, which stands in the audit of the sign-in that was refused (UPSTREAM-012).
        subject: String,
    },
    /// Take the link of a person to a provider away. What that identity has opened ends at once; the person is told by mail.
    /// With link = "automatic" the next sign-in there may make it again.
    Unlink {
        /// A national identifier, or the key that `sceau person show` prints.
        person: String,
        /// The provider: NAME of [upstream.NAME], or the issuer of one that is not configured any more.
        provider: String,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: String,
    },
}

impl UpstreamCommand {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let context = Context::open(path).await?;
        let done = match self {
            Self::Links { person, json } => links(&context, &person, json).await,
            Self::Link { person, provider, subject } => link(&context, &person, &provider, &subject).await,
            Self::Unlink { person, provider, reason } => unlink(&context, &person, &provider, &reason).await,
        };
        context.db.close().await;
        done
    }
}

/// A link as it is listed.
#[derive(Serialize)]
struct Listed {
    provider: String,
    issuer: String,
    subject: String,
    linked_by: String,
    linked_at: Time,
    last_used_at: Option<Time>,
}

impl Listed {
    fn of(link: Link) -> Self {
        Self {
            provider: link.name().to_owned(),
            last_used_at: link.last_used(),
            issuer: link.issuer,
            subject: link.subject,
            linked_by: link.linked_by,
            linked_at: link.linked_at,
        }
    }

    fn row(&self) -> Vec<String> {
        let day = |at: Time| at.format("%Y-%m-%d").to_string();
        vec![
            cell(&self.provider),
            cell(&self.issuer),
            cell(&self.subject),
            self.linked_by.clone(),
            day(self.linked_at),
            self.last_used_at.map(day).unwrap_or_default(),
        ]
    }
}

async fn links(context: &Context, who: &str, json: bool) -> Result<(), Failure> {
    let person = person::find(context, who).await?;
    let all = upstream_link::of_person(&context.db, person.id).await?;
    let listed: Vec<_> = all.into_iter().map(Listed::of).collect();
    if json {
        let text =
            serde_json::to_string_pretty(&listed).map_err(|error| Failure::plain(error.to_string()))?;
        return written(writeln!(io::stdout(), "{text}"));
    }
    if listed.is_empty() {
        println!("No identity at another provider is linked");
        return Ok(());
    }
    let headings = ["PROVIDER", "ISSUER", "SUBJECT", "BY", "LINKED", "LAST USED"];
    written(table(&headings, listed.iter().map(Listed::row)))
}

async fn link(context: &Context, who: &str, provider: &str, subject: &str) -> Result<(), Failure> {
    let person = person::find(context, who).await?;
    let Some(settings) = context.config.upstreams.get(provider) else {
        let why = format!("the configuration has no [upstream.{provider}]");
        return Err(Failure::new("UPSTREAM-002", why));
    };
    if !upstream_link::is_subject(subject) {
        return Err(Failure::plain(format!(
            "{subject:?} is no sub: at most 255 ASCII characters without a space"
        )));
    }
    let event = context.event(Kind::IdentityLinked).person(person.id).upstream(provider);
    let event = NewRow::from(&event.means("upstream", Some(subject)));
    let new = NewLink {
        person: person.id,
        issuer: settings.issuer.clone(),
        subject: subject.to_owned(),
        label: settings.label.clone(),
        by: "command line",
        check: None,
    };
    match upstream_link::link(&context.db, &new, &event, context.clock.now(), &*context.random).await? {
        Linked::Done => println!("{subject} of {} is {who} from now on.", settings.label),
        // Nobody is looked at here.
        Linked::CheckOver => return Err(Failure::plain("an identity check is over")),
        Linked::Taken => {
            return Err(Failure::new("UPSTREAM-013", format!("{subject} is linked to somebody already")));
        }
        Linked::HasOther => {
            let why = format!("{who} has another identity of {} already: unlink it first", settings.label);
            return Err(Failure::new("UPSTREAM-013", why));
        }
    }
    Ok(())
}

async fn unlink(context: &Context, who: &str, provider: &str, reason: &str) -> Result<(), Failure> {
    let person = person::find(context, who).await?;
    let all = &context.config.upstreams;
    let of_issuer = || all.iter().find(|(_, settings)| settings.issuer == provider);
    let configured = all.get_key_value(provider).or_else(of_issuer);
    let (name, issuer) =
        configured.map_or((provider, provider), |(name, settings)| (name.as_str(), settings.issuer.as_str()));
    let event = context.event(Kind::IdentityUnlinked).person(person.id).upstream(name).note(reason);
    let event = |subject: &str| NewRow::from(&event.clone().means("upstream", Some(subject)));
    let ended = |session| {
        let event = context.event(Kind::SessionEnded).person(person.id).session(session);
        NewRow::from(&event.note(EndReason::Unlinked.as_str()))
    };
    let unlinking = Unlinking { person: person.id, issuer, event: &event, ended: &ended };
    if !upstream_link::unlink(&context.db, &unlinking, context.clock.now(), &*context.random).await? {
        return Err(Failure::plain(format!("{who} is not linked to {provider}: sceau upstream links {who}")));
    }
    println!("{who} is not linked to {provider} any more; the sessions of that identity have ended.");
    if configured.is_some_and(|(_, settings)| settings.link == crate::config::UpstreamLink::Automatic) {
        println!("With link = \"automatic\" the next sign-in there may link them again.");
    }
    Ok(())
}
