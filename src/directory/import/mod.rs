//! Importing the national directory: the free file `PS_LibreAcces_Personne_activite` of the Annuaire Santé.
//!
//! What a hospital gets: one command that reads 2.4 million lines in a stream and in little memory, while people go on
//! signing in; a new generation is filled in small transactions that nobody sees, then one small transaction switches to
//! it, so that nothing is ever half-imported. The links of people with this establishment follow: who practises at one
//! of its structures, or stands on its list, begins; who does no more, ends, with their sessions.
//!
//! Structures and list are remembered: the next import needs only the file. A file that is another one, cut, or that
//! would lose many people is refused with a sentence. Bad lines are reported with their number and skipped.

mod error;
mod file;
mod links;
mod reading;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use tokio::sync::mpsc;

pub use error::ImportError;
pub use file::{Extraction, Line, Reason};
pub use reading::{Establishment, Member, Rejected};

use super::identifier::{IdError, NationalId, is_finess, is_siret};
use super::model::{Activity, Professional};
use crate::audit::{Kind, Trail};
use crate::clock::Clock;
use crate::ids::{Random, uuid_v4};
use crate::store::directory::{Counts, Dropped, Entry, Generation, Wanted};
use crate::store::job_lease::Holder;
use crate::store::{self, Db, StoreError};
use reading::{Chunk, Harvest};

/// Chunks on their way from the reader to the writer.
const WAITING: usize = 3;
/// Old people removed in one transaction.
const REMOVED: i64 = 2_000;
/// How long an import that crashed keeps the next one from starting.
const LEASE: TimeDelta = TimeDelta::minutes(2);
const JOB: &str = "directory-import";

/// What to import, and for which establishment.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The extraction; several files are read as one.
    pub files: Vec<PathBuf>,
    /// FINESS numbers of this establishment, sites or legal entity. With [`Self::siret`] empty too: as remembered.
    pub finess: Vec<String>,
    /// SIRET numbers of this establishment.
    pub siret: Vec<String>,
    /// File of the national identifiers that the establishment admits besides; none: as remembered.
    pub list: Option<PathBuf>,
    /// Import even if many people or links would be gone.
    pub accept_change: bool,
}

/// How far the import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Removing what an interrupted import, or the one before, left.
    Removing,
    /// So many bytes of so many were read and written.
    Reading {
        /// Read.
        bytes: u64,
        /// To read.
        total: u64,
    },
    /// Beginning and ending links.
    Linking,
}

/// What an import did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Lines read, without headers.
    pub lines: u64,
    /// People now in the directory.
    pub people: u64,
    /// People in the one before; none at the first import.
    pub people_before: Option<u64>,
    /// The first bad lines.
    pub rejected: Vec<Rejected>,
    /// All bad lines.
    pub rejected_count: u64,
    /// People of this establishment.
    pub members: usize,
    /// People added.
    pub added: usize,
    /// Links begun.
    pub started: usize,
    /// Links ended.
    pub ended: usize,
    /// Sessions ended with them.
    pub sessions_ended: usize,
    /// Identifiers of the list that the directory does not know.
    pub absent_from_directory: Vec<String>,
    /// Structures of this establishment where nobody practises: mistyped?
    pub empty_structures: Vec<String>,
}

/// Who runs an import, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Importer<'a> {
    /// The database.
    pub db: &'a Db,
    /// Where events go.
    pub trail: &'a Trail,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Where identifiers come from.
    pub random: &'a dyn Random,
    /// Who does it, for the audit.
    pub actor: &'a str,
}

/// A generation with everybody in it, which nobody reads yet.
struct Filled<'a> {
    lease: &'a Holder,
    generation: i64,
    harvest: Harvest,
}

impl Importer<'_> {
    /// Imports the files. Until this answers, and where it fails, the directory in use is the one of before.
    ///
    /// # Errors
    /// [`ImportError`], which is recorded in the audit too.
    pub async fn run(
        &self,
        options: &Options,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Report, ImportError> {
        let imported = self.import(options, progress).await;
        if let Err(error) = &imported {
            let event = self.trail.event(Kind::DirectoryImported).actor(self.actor).failure(error.code());
            // The failure itself matters more than the event.
            if let Err(error) = store::audit::append(self.db, &event).await {
                tracing::error!(code = error.code(), %error, "the failed import could not be recorded");
            }
        }
        imported
    }

    async fn import(
        &self,
        options: &Options,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Report, ImportError> {
        let structures = structures(options)?;
        let list = options.list.as_deref().map(read_list).transpose()?;
        let files = options.files.iter().map(|path| Extraction::open(path)).collect::<Result<Vec<_>, _>>()?;
        let establishment = self.establishment(structures, list.as_ref()).await?;

        let lease = Holder { job: JOB, node: uuid_v4(self.random).to_string() };
        self.hold(&lease).await?;
        progress(Progress::Removing);
        self.remove_unused(&lease).await?;
        let begun =
            store::directory::begin(self.db, &lease, &source(&options.files), self.clock.now()).await?;
        let generation = begun.ok_or(ImportError::Running)?;
        let filled = self.fill(generation, files, &establishment, &lease, progress).await;
        let switched = match filled {
            Ok(harvest) => {
                let filled = Filled { lease: &lease, generation, harvest };
                self.switch(filled, &establishment, list, options, progress).await
            }
            Err(error) => Err(error),
        };
        progress(Progress::Removing);
        let removed = self.remove_unused(&lease).await;
        let now = self.clock.now();
        store::job_lease::take(self.db, JOB, &lease.node, now, now).await?;
        let report = switched?;
        if let Err(error) = removed {
            // The new directory is in use: what is left of the old one goes with the next import.
            tracing::warn!(code = error.code(), %error, "the directory of before could not be removed");
        }
        Ok(report)
    }

    /// The structures and the list: those given, else those of the last time.
    async fn establishment(
        &self,
        structures: Vec<String>,
        list: Option<&Vec<String>>,
    ) -> Result<Establishment, StoreError> {
        let structures = if structures.is_empty() {
            let remembered = store::directory::structures(self.db).await?;
            remembered.into_iter().map(|(structure, _)| structure).collect()
        } else {
            structures
        };
        let list = match list {
            Some(list) => list.clone(),
            None => store::directory::listed(self.db).await?,
        };
        Ok(Establishment { structures: structures.into_iter().collect(), list: list.into_iter().collect() })
    }

    /// Takes or keeps the right to be the only import.
    async fn hold(&self, lease: &Holder) -> Result<(), ImportError> {
        let now = self.clock.now();
        if store::job_lease::take(self.db, lease.job, &lease.node, now, now + LEASE).await? {
            Ok(())
        } else {
            Err(ImportError::Running)
        }
    }

    async fn remove_unused(&self, lease: &Holder) -> Result<(), ImportError> {
        let mut count = 0;
        loop {
            match store::directory::drop_unused(self.db, lease, REMOVED).await? {
                Dropped::All => return Ok(()),
                Dropped::NotOurs => return Err(ImportError::Running),
                Dropped::More => {}
            }
            count += 1;
            if count % 64 == 0 {
                self.hold(lease).await?;
            }
        }
    }

    async fn fill(
        &self,
        generation: i64,
        files: Vec<Extraction>,
        establishment: &Establishment,
        lease: &Holder,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Harvest, ImportError> {
        let total = files.iter().map(Extraction::size).sum();
        let (sender, mut chunks) = mpsc::channel::<Chunk>(WAITING);
        let establishment = establishment.clone();
        let reader = tokio::task::spawn_blocking(move || reading::read(files, &establishment, &sender));
        let mut count = 0;
        while let Some(chunk) = chunks.recv().await {
            let bytes = chunk.bytes;
            let mut entries = Vec::with_capacity(chunk.people.len());
            for found in chunk.people {
                let mut entry = found.entry;
                if found.seen_before
                    && let Some(earlier) =
                        store::directory::entry_of_generation(self.db, generation, &entry.id_nat).await?
                {
                    let mut whole = read_professional(&earlier)?;
                    whole.absorb(read_professional(&entry)?);
                    entry = Entry { professional: whole.to_text(), ..earlier };
                }
                entries.push(entry);
            }
            if !store::directory::fill(self.db, lease, generation, entries).await? {
                return Err(ImportError::Running);
            }
            progress(Progress::Reading { bytes, total });
            count += 1;
            if count % 64 == 0 {
                self.hold(lease).await?;
            }
        }
        reader.await.map_err(|error| ImportError::Read {
            file: PathBuf::from("the extraction"),
            line: 0,
            error: std::io::Error::other(error),
        })?
    }

    async fn switch(
        &self,
        filled: Filled<'_>,
        establishment: &Establishment,
        list: Option<Vec<String>>,
        options: &Options,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Report, ImportError> {
        let Filled { lease, generation, harvest } = filled;
        let before = store::directory::current(self.db).await?;
        check(&harvest, before.as_ref(), options.accept_change)?;
        let plan = links::plan(self.db, &harvest.members, establishment, self.clock.now()).await?;
        plan.check(options.accept_change)?;

        let structures = establishment.structures.iter().map(|structure| {
            let activity = harvest.structures.get(structure).map(Activity::to_text).unwrap_or_default();
            (structure.clone(), activity)
        });
        let wanted = Wanted { structures: structures.collect(), list };
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let counts = Counts {
            lines: count(harvest.lines),
            people: count(harvest.people),
            rejected: count(harvest.rejected_count),
        };
        let note = format!(
            "{} lines, {} people, {} lines skipped, {} people of this establishment",
            counts.lines,
            counts.people,
            counts.rejected,
            harvest.members.len()
        );
        let event = self.trail.event(Kind::DirectoryImported).actor(self.actor).note(&note);
        let now = self.clock.now();
        if !store::directory::switch(self.db, lease, generation, counts, &wanted, now, &event).await? {
            return Err(ImportError::Running);
        }

        progress(Progress::Linking);
        let applied = links::apply(self, plan, &harvest.members).await?;
        let absent = |id_nat: &&String| !harvest.members.contains_key(*id_nat);
        let empty = |structure: &&String| !harvest.structures.contains_key(*structure);
        Ok(Report {
            lines: harvest.lines,
            people: harvest.people,
            people_before: before.and_then(|before| u64::try_from(before.person_count).ok()),
            rejected: harvest.rejected,
            rejected_count: harvest.rejected_count,
            members: harvest.members.len(),
            added: applied.added,
            started: applied.started,
            ended: applied.ended,
            sessions_ended: applied.sessions,
            absent_from_directory: establishment.list.iter().filter(absent).cloned().collect(),
            empty_structures: establishment.structures.iter().filter(empty).cloned().collect(),
        })
    }
}

/// Whether what was read can be a directory.
fn check(harvest: &Harvest, before: Option<&Generation>, accept_change: bool) -> Result<(), ImportError> {
    if harvest.people == 0 {
        return Err(ImportError::Empty);
    }
    if accept_change {
        return Ok(());
    }
    // A few bad lines are usual; one in a hundred is another file, or a damaged one.
    if harvest.rejected_count > 20 && harvest.rejected_count * 100 > harvest.lines {
        return Err(ImportError::TooManyBad { rejected: harvest.rejected_count, lines: harvest.lines });
    }
    let before = before.and_then(|before| u64::try_from(before.person_count).ok()).unwrap_or_default();
    if harvest.people * 100 < before * 95 {
        return Err(ImportError::FewerPeople { before, after: harvest.people });
    }
    Ok(())
}

fn read_professional(entry: &Entry) -> Result<Professional, StoreError> {
    Professional::from_text(&entry.professional).map_err(|_| StoreError::Inconsistent {
        table: "directory_entry",
        id: entry.id_nat.clone(),
        what: "professional cannot be read",
    })
}

/// The structures given on the command line, as in the database.
fn structures(options: &Options) -> Result<Vec<String>, ImportError> {
    let mut structures = Vec::new();
    for number in &options.finess {
        if !is_finess(number) {
            return Err(ImportError::Structure(
                number.clone(),
                "FINESS number: it has 9 digits or capital letters",
            ));
        }
        structures.push(format!("1{number}"));
    }
    for number in &options.siret {
        if !is_siret(number) {
            return Err(ImportError::Structure(number.clone(), "SIRET number: it has 14 digits"));
        }
        structures.push(format!("3{number}"));
    }
    Ok(structures)
}

/// Reads the establishment's list: one RPPS number or national identifier per line, further columns and lines that
/// begin with `#` ignored.
fn read_list(path: &Path) -> Result<Vec<String>, ImportError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ImportError::Open { file: path.to_owned(), error })?;
    let mut list = Vec::new();
    for (number, line) in text.trim_start_matches('\u{FEFF}').lines().enumerate() {
        let first = line.split([';', ',', '\t']).next().unwrap_or_default().trim().trim_matches('"');
        if first.is_empty() || first.starts_with('#') {
            continue;
        }
        let id = match first.parse::<NationalId>() {
            Err(IdError::RppsWithoutPrefix(rpps)) => format!("8{rpps}").parse(),
            other => other,
        };
        match id {
            Ok(id) => list.push(id.as_str().to_owned()),
            // The line above the numbers is often a title.
            Err(_) if list.is_empty() && !first.bytes().any(|b| b.is_ascii_digit()) => {}
            Err(error) => {
                return Err(ImportError::List { file: path.to_owned(), line: number + 1, error });
            }
        }
    }
    list.sort();
    list.dedup();
    Ok(list)
}

fn source(files: &[PathBuf]) -> String {
    let names: Vec<_> =
        files.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy()).collect();
    names.join(", ")
}
