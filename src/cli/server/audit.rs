//! `sceau audit`: reading the trail, checking that nobody changed it, and taking it elsewhere.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::arguments::{Moment, cell, written};
use super::{Context, Failure};
use crate::audit::{self, ExportError, Kind, Outcome};
use crate::store::audit::{Filter, Row};
use crate::store::{self, StoreError};

/// Arguments of `sceau audit`.
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Show events, the newest last.
    List(List),
    /// Check the chain of every node, and say where the first fault is.
    Verify {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the events as JSON lines, oldest first, each with its hash.
    Export(Export),
}

#[derive(Debug, Args)]
struct List {
    /// From then on: 2026-11-21, 2026-11-21T08:00:00+01:00, or 30m, 24h, 7d ago.
    #[arg(long)]
    since: Option<Moment>,
    /// Before then.
    #[arg(long)]
    until: Option<Moment>,
    /// About this person: national identifier, or our own key.
    #[arg(long)]
    person: Option<String>,
    /// Of this relying party.
    #[arg(long)]
    client: Option<String>,
    /// Of this kind, such as sign-in.
    #[arg(long)]
    kind: Option<Kind>,
    /// That ended so.
    #[arg(long)]
    outcome: Option<Outcome>,
    /// For this reason, such as PERSON-002.
    #[arg(long)]
    code: Option<String>,
    /// The newest so many.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// One JSON object per line, with everything that was recorded.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Export {
    /// From then on.
    #[arg(long)]
    since: Option<Moment>,
    /// Before then.
    #[arg(long)]
    until: Option<Moment>,
    /// The file to write, which must not exist; without it, standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Audit {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let context = Context::open(path).await?;
        let done = match self.command {
            AuditCommand::List(command) => command.run(&context).await,
            AuditCommand::Verify { json } => verify(&context, json).await,
            AuditCommand::Export(command) => command.run(&context).await,
        };
        context.db.close().await;
        done
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let now = context.clock.now();
        let person = match &self.person {
            Some(text) => Some(super::person::find(context, text).await?.id),
            None => None,
        };
        let filter = Filter {
            since: self.since.map(|moment| moment.at(now)),
            until: self.until.map(|moment| moment.at(now)),
            person,
            client: self.client,
            kind: self.kind.map(|kind| kind.name().to_owned()),
            outcome: self.outcome.map(|outcome| outcome.name().to_owned()),
            code: self.code,
            limit: i64::from(self.limit),
        };
        let mut rows = store::audit::list(&context.db, &filter).await?;
        rows.reverse();
        written(print(&rows, self.json))
    }
}

fn print(rows: &[Row], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        for row in rows {
            writeln!(out, "{}", audit::line(row).map_err(io::Error::other)?)?;
        }
        return Ok(());
    }
    for row in rows {
        let detail: Value = serde_json::from_str(&row.detail).unwrap_or_default();
        let text = |name: &str| detail.get(name).and_then(Value::as_str).map(str::to_owned);
        let who = row.person_id.map(|id| id.to_string()).or_else(|| text("id_nat"));
        let more = ["means", "acr", "address", "zone", "reader", "actor", "note"]
            .map(|name| text(name).map(|value| format!(" {name}={}", cell(&value))).unwrap_or_default());
        writeln!(
            out,
            "{}  {:<21} {:<7} {:<10} {:<36} {}{}",
            row.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            cell(&row.kind),
            cell(&row.outcome),
            row.code.as_deref().map(cell).unwrap_or_default(),
            who.as_deref().map(cell).unwrap_or_default(),
            row.client_id.as_deref().map(cell).unwrap_or_default(),
            more.concat(),
        )?;
    }
    Ok(())
}

async fn verify(context: &Context, json: bool) -> Result<(), Failure> {
    let reports = audit::verify(&context.db).await?;
    let now = context.clock.now();
    let mut broken = 0;
    let mut out = io::stdout().lock();
    for report in &reports {
        broken += usize::from(report.broken.is_some());
        let printed = if json {
            let fault = report.broken.as_ref();
            let object = serde_json::json!({
                "node": report.node,
                "good": report.good,
                "head": report.head,
                "broken_at": fault.map(|fault| fault.sequence),
                "event": fault.and_then(|fault| fault.event),
                "reason": fault.map(|fault| fault.kind.sentence()),
                "unsealed": report.unsealed,
                "unsealed_since": report.unsealed_since,
            });
            writeln!(out, "{object}")
        } else {
            let tail = match report.unsealed_since {
                None => "all sealed".to_owned(),
                Some(since) => {
                    let age = (now - since).num_seconds();
                    let advice = if age > 10 { "; is the server of this node running?" } else { "" };
                    format!("{} not sealed yet, the oldest {age} s old{advice}", report.unsealed)
                }
            };
            let found = match &report.broken {
                None => format!("intact, {} events, {tail}\n  head {}", report.good, report.head),
                Some(fault) => format!(
                    "BROKEN at {}{}: {}\n  intact before: {} events; {tail}",
                    fault.sequence,
                    fault.event.map(|event| format!(" (event {event})")).unwrap_or_default(),
                    fault.kind.sentence(),
                    report.good,
                ),
            };
            writeln!(out, "{}: {found}", cell(&report.node))
        };
        written(printed)?;
    }
    if broken > 0 {
        return Err(Failure::new(
            "AUDIT-001",
            format!(
                "the audit trail of {broken} of {} nodes was changed; keep a copy of the database as it is and tell \
                     the security officer",
                reports.len()
            ),
        ));
    }
    Ok(())
}

impl Export {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let now = context.clock.now();
        let (since, until) = (self.since.map(|it| it.at(now)), self.until.map(|it| it.at(now)));
        store::audit::append(&context.db, &context.event(Kind::AuditExported)).await?;
        let exported = match &self.output {
            None => audit::export(&context.db, since, until, &mut io::stdout()).await,
            Some(path) => {
                let failed = |error: io::Error| Failure::plain(format!("{}: {error}", path.display()));
                let file =
                    std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
                let mut out = io::BufWriter::new(file);
                let exported = audit::export(&context.db, since, until, &mut out).await;
                out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
                exported
            }
        };
        match exported {
            Ok(count) => {
                eprintln!("{count} events");
                Ok(())
            }
            Err(ExportError::Store(error)) => Err(StoreError::into(error)),
            Err(ExportError::Write(error)) => written(Err(error)),
        }
    }
}
