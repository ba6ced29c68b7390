//! `sceau directory`: importing the national directory, and looking into it.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::{actor, cell, written};
use super::{Context, Failure};
use crate::directory::import::{Importer, Options, Progress, Report};
use crate::directory::model::Professional;
use crate::directory::synthetic::{self, Sample};
use crate::store;

/// How often a line of progress is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Arguments of `sceau directory`.
#[derive(Debug, Args)]
pub(super) struct Directory {
    #[command(subcommand)]
    command: DirectoryCommand,
}

#[derive(Debug, Subcommand)]
enum DirectoryCommand {
    /// Import the file PS_LibreAcces_Personne_activite of the Annuaire Santé.
    Import(Import),
    /// Say which directory is in use and what it is asked for.
    Status,
    /// Show what the directory says of somebody.
    Show {
        /// The national identifier: 8 and the RPPS number, …
        id: String,
    },
    /// Write a file of people who do not exist, in the shape of the real one, for trials and measures.
    Sample {
        /// The file to write, which must not exist.
        file: PathBuf,
        /// How many people.
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..10_000_000))]
        people: u32,
        /// Every how many people a line that cannot be used comes; 0: none.
        #[arg(long, default_value_t = 0)]
        bad_every: u32,
    },
}

#[derive(Debug, Args)]
struct Import {
    /// The file; several are read as one.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// FINESS number of this establishment, of a site or of the legal entity; may be repeated. Without --finess and
    /// --siret: those of the configuration, else those of the last import.
    #[arg(long, value_name = "NUMBER")]
    finess: Vec<String>,
    /// SIRET number of this establishment; may be repeated.
    #[arg(long, value_name = "NUMBER")]
    siret: Vec<String>,
    /// File with one RPPS number or national identifier per line: people to admit besides. Remembered
    /// for the next import.
    #[arg(long, value_name = "FILE")]
    rpps_list: Option<PathBuf>,
    /// Import even if many people or links are gone.
    #[arg(long)]
    accept_change: bool,
}

impl Directory {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        if let DirectoryCommand::Sample { file, people, bad_every } = &self.command {
            return sample(file, *people, *bad_every);
        }
        let context = Context::open(path).await?;
        let done = match self.command {
            DirectoryCommand::Import(command) => command.run(&context).await,
            DirectoryCommand::Status => status(&context).await,
            DirectoryCommand::Show { id } => show(&context, &id).await,
            DirectoryCommand::Sample { .. } => Ok(()),
        };
        context.db.close().await;
        done
    }
}

impl Import {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let begun = Instant::now();
        let trail = context.trail();
        let importer = Importer {
            db: &context.db,
            trail: &trail,
            clock: &*context.clock,
            random: &*context.random,
            actor: &actor(),
        };
        let here = &context.config.establishment;
        let given = !(self.finess.is_empty() && self.siret.is_empty());
        let options = Options {
            files: self.files,
            finess: if given { self.finess } else { here.finess.clone() },
            siret: if given { self.siret } else { here.siret.clone() },
            list: self.rpps_list,
            accept_change: self.accept_change,
        };
        let display = Display::new();
        let report = importer.run(&options, &|progress| display.show(progress)).await;
        display.clear();
        written(print(&report?, begun.elapsed()))
    }
}

/// Progress: a bar on a terminal, a line every five seconds elsewhere.
struct Display {
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
}

impl Display {
    fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let style = "{msg} {wide_bar} {bytes} / {total_bytes}, {eta} left";
            bar.set_style(
                ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        Self { bar, last_line: Mutex::new(Instant::now()) }
    }

    fn show(&self, progress: Progress) {
        let words = match progress {
            Progress::Removing => "removing what is no longer used",
            Progress::Reading { .. } => "reading",
            Progress::Linking => "linking people with this establishment",
        };
        if let Some(bar) = &self.bar {
            bar.set_message(words);
            if let Progress::Reading { bytes, total } = progress {
                bar.set_length(total);
                bar.set_position(bytes);
            }
            return;
        }
        let Ok(mut last) = self.last_line.lock() else { return };
        if last.elapsed() < LINE_EVERY {
            return;
        }
        *last = Instant::now();
        match progress {
            Progress::Reading { bytes, total } => {
                eprintln!("{words}: {} of {} MB", bytes / 1_000_000, total / 1_000_000);
            }
            _ => eprintln!("{words}"),
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn print(report: &Report, took: Duration) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let before = match report.people_before {
        Some(before) => format!(" ({before} before)"),
        None => String::new(),
    };
    writeln!(
        out,
        "{} people{before} from {} lines in {:.1} s",
        report.people,
        report.lines,
        took.as_secs_f64()
    )?;
    writeln!(
        out,
        "{} of this establishment: {} new, {} links begun, {} ended with {} sessions",
        report.members, report.added, report.started, report.ended, report.sessions_ended
    )?;
    for structure in &report.empty_structures {
        writeln!(out, "nobody practises at {}: is it mistyped?", structure.get(1..).unwrap_or_default())?;
    }
    for id_nat in &report.absent_from_directory {
        writeln!(out, "on the list but not in the directory: {}", cell(id_nat))?;
    }
    if report.rejected_count > 0 {
        writeln!(out, "{} lines skipped:", report.rejected_count)?;
        for rejected in &report.rejected {
            writeln!(
                out,
                "  {}, line {}: {}",
                rejected.file.display(),
                rejected.line,
                rejected.reason.sentence()
            )?;
        }
        let listed = u64::try_from(report.rejected.len()).unwrap_or_default();
        if report.rejected_count > listed {
            writeln!(out, "  and {} more", report.rejected_count - listed)?;
        }
    }
    Ok(())
}

async fn status(context: &Context) -> Result<(), Failure> {
    let current = store::directory::current(&context.db).await?;
    let structures = store::directory::structures(&context.db).await?;
    let list = store::directory::listed(&context.db).await?;
    let mut text = match current {
        None => "no directory was imported yet: sceau directory import --finess NUMBER FILE\n".to_owned(),
        Some(current) => format!(
            "{} people from {} lines ({} skipped) of {}, imported {}\n",
            current.person_count,
            current.line_count,
            current.rejected_count,
            cell(&current.source),
            current
                .finished_at
                .unwrap_or(current.started_at)
                .to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        ),
    };
    for (structure, activity) in structures {
        let activity = crate::directory::Activity::from(activity);
        let kind = if structure.starts_with('1') { "FINESS" } else { "SIRET" };
        let number = structure.get(1..).unwrap_or_default();
        text.push_str(&format!(
            "this establishment: {kind} {} {}\n",
            cell(number),
            cell(&activity.structure_name)
        ));
    }
    if !list.is_empty() {
        text.push_str(&format!("and {} people by list\n", list.len()));
    }
    written(io::stdout().write_all(text.as_bytes()))
}

async fn show(context: &Context, id: &str) -> Result<(), Failure> {
    let Some(entry) = store::directory::entry(&context.db, id).await? else {
        return Err(Failure::new("PERSON-012", format!("the directory does not know {id:?}")));
    };
    let professional = Professional::from_text(&entry.professional)
        .map_err(|error| Failure::plain(format!("the entry of {id} cannot be read: {error}")))?;
    let name = format!("{} {}", cell(&entry.given_name), cell(&entry.family_name));
    let text = format!("{}  {name}\n{}", cell(&entry.id_nat), super::person::practices(&professional));
    written(io::stdout().write_all(text.as_bytes()))
}

fn sample(path: &Path, people: u32, bad_every: u32) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::plain(format!("{}: {error}", path.display()));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    let mut out = io::BufWriter::with_capacity(1 << 20, file);
    let lines = synthetic::write(Sample { people, bad_every, without_last: 0 }, &mut out).map_err(failed)?;
    out.flush().map_err(failed)?;
    println!(
        "{}: {people} people, {lines} lines; hospital {} for --finess",
        path.display(),
        synthetic::finess(1)
    );
    Ok(())
}
