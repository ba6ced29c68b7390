//! `sceau means`: the cards and security keys of a person, and what is done with one that was lost.

use std::io::{self, Write as _};
use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use super::arguments::{cell, table, written};
use super::person;
use super::{Context, Failure};
use crate::app::security_keys;
use crate::audit::{Event, Kind};
use crate::clock::Time;
use crate::ids::MeansId;
use crate::session::EndReason;
use crate::store;
use crate::store::audit::NewRow;
use crate::store::identity_check::Document;
use crate::store::means::{Evidence, Halt, Halting, Means, Prolonged, Standing};

#[derive(Debug, Subcommand)]
pub(super) enum MeansCommand {
    /// List the means of a person, those that were revoked included.
    List {
        /// A national identifier, or the key that `sceau person show` prints.
        person: String,
        /// One JSON array instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Keep a means from signing in until `resume`. Its sessions end at once.
    Suspend {
        /// Its id, from `list`.
        #[arg(value_parser = means_id)]
        id: MeansId,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Let a suspended means sign in again.
    Resume {
        /// Its id, from `list`.
        #[arg(value_parser = means_id)]
        id: MeansId,
    },
    /// Renew a security key that ends within 90 days, or has ended: somebody looked at a document of its person. It is worth
    /// no more than that document afterwards.
    Renew {
        /// Its id, from `list`.
        #[arg(value_parser = means_id)]
        id: MeansId,
        /// What was shown: identity-card, passport, residence-permit, driving-licence or staff-card.
        #[arg(long, value_parser = document)]
        document: Document,
    },
    /// Revoke a means for ever: it was lost or given back. Its sessions end at once.
    Revoke {
        /// Its id, from `list`.
        #[arg(value_parser = means_id)]
        id: MeansId,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: String,
    },
}

fn document(text: &str) -> Result<Document, String> {
    let names: Vec<_> = Document::ALL.into_iter().map(Document::as_str).collect();
    Document::named(text).ok_or_else(|| format!("must be one of {}", names.join(", ")))
}

fn means_id(text: &str) -> Result<MeansId, String> {
    text.parse().map_err(|_| "not the id of a means: `sceau means list PERSON` shows them".to_owned())
}

impl MeansCommand {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let context = Context::open(path).await?;
        let done = match self {
            Self::List { person, json } => list(&context, &person, json).await,
            Self::Suspend { id, reason } => halt(&context, id, Halt::Suspend, &reason).await,
            Self::Resume { id } => resume(&context, id).await,
            Self::Renew { id, document } => renew(&context, id, document).await,
            Self::Revoke { id, reason } => halt(&context, id, Halt::Revoke, &reason).await,
        };
        context.db.close().await;
        done
    }
}

/// A means as it is listed.
#[derive(Serialize)]
struct Listed {
    id: MeansId,
    kind: &'static str,
    label: String,
    state: &'static str,
    level: &'static str,
    issued_at: Time,
    expires_at: Time,
    last_used_at: Option<Time>,
    reference: String,
    reason: Option<String>,
}

impl Listed {
    fn of(means: Means, now: Time) -> Self {
        let state = match means.standing(now) {
            Standing::Active => "active",
            Standing::Suspended => "suspended",
            Standing::Expired => "expired",
            Standing::Revoked => "revoked",
        };
        Self {
            id: means.id,
            kind: means.kind.as_str(),
            label: means.label,
            state,
            level: means.level.as_str(),
            issued_at: means.issued_at,
            expires_at: means.expires_at,
            last_used_at: means.last_used_at,
            reference: means.reference,
            reason: means.reason,
        }
    }

    fn row(&self) -> Vec<String> {
        let day = |at: Time| at.format("%Y-%m-%d").to_string();
        vec![
            self.id.to_string(),
            self.kind.to_owned(),
            self.state.to_owned(),
            cell(&self.label),
            self.level.to_owned(),
            day(self.issued_at),
            day(self.expires_at),
            self.last_used_at.map(day).unwrap_or_default(),
            cell(self.reason.as_deref().unwrap_or_default()),
        ]
    }
}

async fn list(context: &Context, who: &str, json: bool) -> Result<(), Failure> {
    let person = person::find(context, who).await?;
    let now = context.clock.now();
    let all = store::means::of_person(&context.db, person.id).await?;
    let listed: Vec<_> = all.into_iter().map(|means| Listed::of(means, now)).collect();
    if json {
        let text =
            serde_json::to_string_pretty(&listed).map_err(|error| Failure::plain(error.to_string()))?;
        return written(writeln!(io::stdout(), "{text}"));
    }
    if listed.is_empty() {
        println!("No means is registered: a card is at its first sign-in, a key at /means");
        return Ok(());
    }
    let headings = ["ID", "KIND", "STATE", "LABEL", "LEVEL", "ISSUED", "UNTIL", "LAST USED", "REASON"];
    written(table(&headings, listed.iter().map(Listed::row)))
}

async fn halt(context: &Context, id: MeansId, how: Halt, reason: &str) -> Result<(), Failure> {
    let means = found(context, id).await?;
    let (kind, what) = match how {
        Halt::Suspend => (Kind::MeansSuspended, "suspended"),
        Halt::Revoke => (Kind::MeansRevoked, "revoked"),
    };
    let ended = |session| {
        let event = context.event(Kind::SessionEnded).person(means.person_id).session(session);
        NewRow::from(&event.note(EndReason::MeansHalted.as_str()))
    };
    let event = NewRow::from(&event(context, kind, &means).note(reason));
    let halting = Halting { id, halt: how, reason, event: &event, ended: &ended };
    if !store::means::halt(&context.db, &halting, context.clock.now(), &*context.random).await? {
        return Err(Failure::plain(format!("{id} is {what} already, or revoked")));
    }
    println!("{id} is {what}; its sessions have ended.");
    Ok(())
}

async fn resume(context: &Context, id: MeansId) -> Result<(), Failure> {
    let means = found(context, id).await?;
    let event = NewRow::from(&event(context, Kind::MeansResumed, &means));
    if !store::means::resume(&context.db, id, &event, context.clock.now(), &*context.random).await? {
        return Err(Failure::plain(format!("{id} is not suspended, was revoked, or is too old")));
    }
    println!("{id} signs in again.");
    Ok(())
}

async fn renew(context: &Context, id: MeansId, document: Document) -> Result<(), Failure> {
    let (means, now) = (found(context, id).await?, context.clock.now());
    if !means.is_due(true, now) {
        let why =
            format!("{id} is not due: a security key is renewed in its last 90 days, or once it has ended");
        return Err(Failure::new("MEANS-008", why));
    }
    let level = means.level.min(document.highest_level());
    let event = event(context, Kind::MeansRenewed, &means).level(level.as_str(), &[]);
    let prolonged = Prolonged {
        means: &means,
        level,
        evidence: &Evidence::IdentityCheck { document: document.as_str().to_owned(), at: now },
        expires_at: now + security_keys::policy(&context.config).general.life,
        event: &NewRow::from(&event.note(document.as_str())),
    };
    if !store::means::prolong(&context.db, &prolonged, now, &*context.random).await? {
        return Err(Failure::plain(format!("{id} was renewed, suspended or revoked a moment ago")));
    }
    println!("{id} is good until {} at {}.", prolonged.expires_at.format("%Y-%m-%d"), level.as_str());
    Ok(())
}

async fn found(context: &Context, id: MeansId) -> Result<Means, Failure> {
    let found = store::means::by_id(&context.db, id).await?;
    found.ok_or_else(|| Failure::new("MEANS-006", format!("there is no means {id}: sceau means list PERSON")))
}

fn event(context: &Context, kind: Kind, means: &Means) -> Event {
    let event = context.event(kind).person(means.person_id).enrolment(&means.id.to_string());
    event.means(means.kind.as_str(), Some(&means.reference))
}
