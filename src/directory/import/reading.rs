//! From lines to people: groups the rows of a person, finds who works here, and hands chunks to the writer.
//!
//! Runs on a thread of its own. Holds one chunk, eight bytes per person of the country (to know who came before) and
//! the people of this establishment; never the file.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;

use tokio::sync::mpsc::Sender;

use super::super::identifier::NationalId;
use super::super::model::{Activity, Professional, Row};
use super::error::ImportError;
use super::file::{Extraction, Reason};
use crate::store::directory::Entry;

/// People of one chunk: written in one transaction of a few ten milliseconds at most.
const CHUNK: usize = 1_000;
/// Bad lines that are listed; all are counted.
const LISTED: usize = 50;

/// A line that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// Why.
    pub reason: Reason,
}

/// People to write.
#[derive(Debug)]
pub(super) struct Chunk {
    /// People and whether rows of theirs came in an earlier chunk.
    pub(super) people: Vec<Found>,
    /// Bytes of all files that were read when it was made.
    pub(super) bytes: u64,
}

/// A person of the file, as they are written. The text is made here and not where it is written: that leaves the
/// database's thread nothing to wait for.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entry: Entry,
    pub(super) seen_before: bool,
}

/// A person whose rows are being gathered.
struct Gathered {
    id_nat: NationalId,
    professional: Professional,
    seen_before: bool,
}

/// What the whole reading found.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    pub(super) lines: u64,
    pub(super) people: u64,
    pub(super) rejected: Vec<Rejected>,
    pub(super) rejected_count: u64,
    /// Who works here or is on the list, by national identifier.
    pub(super) members: BTreeMap<String, Member>,
    /// An activity at each structure of this establishment.
    pub(super) structures: BTreeMap<String, Activity>,
}

/// Somebody of this establishment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Family name in practice.
    pub family_name: String,
    /// Given name in practice.
    pub given_name: String,
    /// Where they work here: `1` + FINESS, `3` + SIRET; empty where only the list names them.
    pub structures: BTreeSet<String>,
}

/// Whom to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Establishment {
    /// `1` + FINESS (site or legal entity), `3` + SIRET.
    pub structures: BTreeSet<String>,
    /// National identifiers.
    pub list: BTreeSet<String>,
}

/// Reads the files to their end, or until the receiver goes away.
pub(super) fn read(
    files: Vec<Extraction>,
    establishment: &Establishment,
    chunks: &Sender<Chunk>,
) -> Result<Harvest, ImportError> {
    let mut reader = Reader {
        establishment,
        numbers: establishment
            .structures
            .iter()
            .filter_map(|structure| structure.split_at_checked(1))
            .collect(),
        hasher: RandomState::new(),
        seen: HashSet::new(),
        places: HashMap::new(),
        people: Vec::with_capacity(CHUNK),
        harvest: Harvest::default(),
    };
    let mut before = 0;
    for mut file in files {
        while let Some(line) = file.next_line()? {
            reader.harvest.lines += 1;
            let added = match line.content {
                Ok((id, row)) => {
                    let is_full = reader.people.len() >= CHUNK && !reader.places.contains_key(id.as_str());
                    if is_full && !reader.send(chunks, before + file.bytes()) {
                        return Ok(reader.harvest);
                    }
                    reader.add(id, row)
                }
                Err(reason) => Err(reason),
            };
            if let Err(reason) = added {
                reader.harvest.rejected_count += 1;
                if reader.harvest.rejected.len() < LISTED {
                    let file = file.path().to_owned();
                    reader.harvest.rejected.push(Rejected { file, line: line.number, reason });
                }
            }
        }
        before += file.bytes();
    }
    reader.send(chunks, before);
    Ok(reader.harvest)
}

struct Reader<'a> {
    establishment: &'a Establishment,
    /// Its structures, kind and number apart.
    numbers: HashSet<(&'a str, &'a str)>,
    hasher: RandomState,
    /// Hashes of everybody in earlier chunks. Two people with one hash only cost a look into the database.
    seen: HashSet<u64>,
    /// Where the people of the chunk stand in it.
    places: HashMap<String, usize>,
    /// The people of the chunk.
    people: Vec<Gathered>,
    harvest: Harvest,
}

impl Reader<'_> {
    fn add(&mut self, id_nat: NationalId, row: Row) -> Result<(), Reason> {
        self.note_member(&id_nat, &row);
        let last = self.people.len();
        let place = match self.people.last() {
            // The rows of a person are usually neighbours.
            Some(found) if found.id_nat == id_nat => last - 1,
            _ => match self.places.entry(id_nat.as_str().to_owned()) {
                MapEntry::Occupied(place) => *place.get(),
                MapEntry::Vacant(vacant) => {
                    vacant.insert(last);
                    let seen_before = self.seen.contains(&self.hasher.hash_one(id_nat.as_str()));
                    let professional = Professional::default();
                    self.people.push(Gathered { id_nat, professional, seen_before });
                    last
                }
            },
        };
        let added = self.people.get_mut(place).is_some_and(|found| found.professional.add(row));
        if added { Ok(()) } else { Err(Reason::TooManyActivities) }
    }

    fn note_member(&mut self, id_nat: &NationalId, row: &Row) {
        let listed = self.establishment.list.contains(id_nat.as_str());
        // Nearly everybody works elsewhere: nothing is allocated to find that out.
        let activity = &row.activity;
        let numbers = [("1", &activity.finess), ("1", &activity.finess_legal), ("3", &activity.siret)];
        let here: Vec<String> = numbers
            .into_iter()
            .filter(|(kind, number)| self.numbers.contains(&(*kind, number.as_str())))
            .map(|(kind, number)| format!("{kind}{number}"))
            .collect();
        if !listed && here.is_empty() {
            return;
        }
        for structure in &here {
            if !self.harvest.structures.contains_key(structure) {
                self.harvest.structures.insert(structure.clone(), row.activity.clone());
            }
        }
        let member = self.harvest.members.entry(id_nat.as_str().to_owned()).or_insert_with(|| Member {
            family_name: row.practice.family_name.clone(),
            given_name: row.practice.given_name.clone(),
            structures: BTreeSet::new(),
        });
        member.structures.extend(here);
    }

    /// Sends the people of the chunk, read from the first so many bytes. False where nobody waits for more.
    fn send(&mut self, chunks: &Sender<Chunk>, bytes: u64) -> bool {
        self.places.clear();
        let mut people = Vec::with_capacity(self.people.len());
        for Gathered { id_nat, professional, seen_before } in self.people.drain(..) {
            if self.seen.insert(self.hasher.hash_one(id_nat.as_str())) {
                self.harvest.people += 1;
            }
            people.push(Found { entry: entry(&id_nat, &professional), seen_before });
        }
        chunks.blocking_send(Chunk { people, bytes }).is_ok()
    }
}

fn entry(id_nat: &NationalId, professional: &Professional) -> Entry {
    let first = professional.practices.first();
    Entry {
        id_nat: id_nat.as_str().to_owned(),
        family_name: first.map(|practice| practice.family_name.clone()).unwrap_or_default(),
        given_name: first.map(|practice| practice.given_name.clone()).unwrap_or_default(),
        professional: professional.to_text(),
    }
}
