//! The links of people with this establishment, after an import: which begin, which end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::identifier::NationalId;
use super::{Establishment, ImportError, Importer, Member};
use crate::audit::{Event, Kind};
use crate::clock::Time;
use crate::ids::{AffiliationId, PersonId};
use crate::store::person::{LinkChange, NewAffiliation, NewPerson, Source};
use crate::store::{self, Db, StoreError};

/// People changed in one transaction.
const BATCH: usize = 50;

/// A link as the import wants it.
type Link = (Source, String);

/// What has to change.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// People linked by earlier imports.
    linked: usize,
    /// Of them, those who would have no such link any more.
    lost: usize,
    /// By national identifier: links to begin of people who may not have a row yet.
    start: BTreeMap<String, (Option<PersonId>, BTreeSet<Link>)>,
    /// Links to end.
    end: BTreeMap<PersonId, Vec<(AffiliationId, Link)>>,
}

/// What was changed.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) added: usize,
    pub(super) started: usize,
    pub(super) ended: usize,
    pub(super) sessions: usize,
}

impl Plan {
    /// Stops an import that would sign out much of the establishment.
    pub(super) fn check(&self, accept_change: bool) -> Result<(), ImportError> {
        if !accept_change && self.lost > 5 && self.lost * 20 > self.linked {
            return Err(ImportError::FewerLinks { before: self.linked, ended: self.lost });
        }
        Ok(())
    }
}

/// Compares who works here by the new directory with the links that run.
pub(super) async fn plan(
    db: &Db,
    members: &BTreeMap<String, Member>,
    establishment: &Establishment,
    now: Time,
) -> Result<Plan, StoreError> {
    let wanted = |id_nat: &str| -> BTreeSet<Link> {
        let structures = members.get(id_nat).into_iter().flat_map(|member| &member.structures);
        let mut links: BTreeSet<Link> =
            structures.map(|structure| (Source::Directory, structure.clone())).collect();
        if establishment.list.contains(id_nat) && members.contains_key(id_nat) {
            links.insert((Source::List, String::new()));
        }
        links
    };
    // One person may have several identifiers: what any of them is entitled to counts.
    let mut running: BTreeMap<PersonId, (BTreeMap<AffiliationId, Link>, BTreeSet<String>)> = BTreeMap::new();
    for link in store::person::imported_links(db, now).await? {
        let (links, identifiers) = running.entry(link.person_id).or_default();
        links.insert(link.id, (link.source, link.structure));
        identifiers.insert(link.id_nat);
    }
    let mut plan = Plan { linked: running.len(), ..Plan::default() };
    let mut known: HashMap<&str, PersonId> = HashMap::new();
    for (person, (links, identifiers)) in &running {
        let entitled: BTreeSet<Link> = identifiers.iter().flat_map(|id_nat| wanted(id_nat)).collect();
        plan.lost += usize::from(entitled.is_empty());
        let over: Vec<_> = links
            .iter()
            .filter(|(_, link)| !entitled.contains(*link))
            .map(|(id, link)| (*id, link.clone()))
            .collect();
        if !over.is_empty() {
            plan.end.insert(*person, over);
        }
        let have: BTreeSet<&Link> = links.values().collect();
        let begin: BTreeSet<Link> = entitled.iter().filter(|link| !have.contains(link)).cloned().collect();
        if let (false, Some(id_nat)) = (begin.is_empty(), identifiers.first()) {
            plan.start.insert(id_nat.clone(), (Some(*person), begin));
        }
        known.extend(identifiers.iter().map(|id_nat| (id_nat.as_str(), *person)));
    }
    // Whoever has two of these identifiers has the links of both, and each of them once.
    let alternatives: HashMap<String, PersonId> =
        store::person::alternatives(db).await?.into_iter().collect();
    let mut together: HashMap<PersonId, &str> = HashMap::new();
    for id_nat in members.keys().filter(|id_nat| !known.contains_key(id_nat.as_str())) {
        let person = alternatives.get(id_nat).copied();
        let first = person.map_or(id_nat.as_str(), |person| *together.entry(person).or_insert(id_nat));
        plan.start.entry(first.to_owned()).or_insert((person, BTreeSet::new())).1.extend(wanted(id_nat));
    }
    Ok(plan)
}

/// Makes the changes, a few people at a time.
pub(super) async fn apply(
    importer: &Importer<'_>,
    plan: Plan,
    members: &BTreeMap<String, Member>,
) -> Result<Applied, StoreError> {
    let mut applied = Applied::default();
    let Plan { start, mut end, .. } = plan;
    let mut work: Vec<Work> = start
        .into_iter()
        .map(|(id_nat, (person, start))| Work {
            end: person.and_then(|person| end.remove(&person)).unwrap_or_default(),
            id_nat: Some(id_nat),
            person,
            start,
        })
        .collect();
    work.extend(end.into_iter().map(|(person, end)| Work {
        id_nat: None,
        person: Some(person),
        start: BTreeSet::new(),
        end,
    }));
    for batch in work.chunks(BATCH) {
        let mut again = true;
        loop {
            let now = importer.clock.now();
            let mut changes = Vec::with_capacity(batch.len());
            for work in batch {
                changes.extend(work.change(importer, members, now).await?);
            }
            match store::person::change_links(
                importer.db,
                &changes,
                "no longer in the directory at this establishment",
                now,
                importer.random,
            )
            .await
            {
                // Somebody signed in for the first time at this very moment: look again.
                Err(error) if error.is_duplicate() && again => again = false,
                Err(error) => return Err(error),
                Ok(sessions) => {
                    applied.sessions += sessions;
                    for change in &changes {
                        applied.added += usize::from(change.new.is_some());
                        applied.started += change.start.len();
                        applied.ended += change.end.len();
                    }
                    break;
                }
            }
        }
    }
    Ok(applied)
}

/// What has to change of one person.
#[derive(Debug)]
struct Work {
    id_nat: Option<String>,
    person: Option<PersonId>,
    start: BTreeSet<Link>,
    end: Vec<(AffiliationId, Link)>,
}

impl Work {
    async fn change(
        &self,
        importer: &Importer<'_>,
        members: &BTreeMap<String, Member>,
        now: Time,
    ) -> Result<Option<LinkChange>, StoreError> {
        let mut new = None;
        let person = match (self.person, self.id_nat.as_deref()) {
            (Some(person), _) => person,
            (None, Some(id_nat)) => match store::person::by_identifier(importer.db, id_nat).await? {
                Some(person) => person.id,
                None => {
                    let (Some(id), member) = (NationalId::of_source(id_nat), members.get(id_nat)) else {
                        return Ok(None);
                    };
                    let member = member.cloned().unwrap_or_default();
                    let person = NewPerson {
                        id: PersonId::new(now, importer.random),
                        family_name: member.family_name,
                        given_name: member.given_name,
                        professional: None,
                        identifiers: vec![id],
                        affiliations: Vec::new(),
                    };
                    let key = person.id;
                    let event = event(importer, Kind::PersonAdded, key).id_nat(id_nat);
                    new = Some((person, event));
                    key
                }
            },
            (None, None) => return Ok(None),
        };
        let start = self.start.iter().map(|(source, structure)| {
            let affiliation = NewAffiliation {
                source: *source,
                structure: structure.clone(),
                started_at: now,
                ended_at: None,
            };
            (affiliation, event(importer, Kind::AffiliationStarted, person).note(&words(*source, structure)))
        });
        let end = self.end.iter().map(|(id, (source, structure))| {
            (*id, event(importer, Kind::AffiliationEnded, person).note(&words(*source, structure)))
        });
        Ok(Some(LinkChange { person, new, start: start.collect(), end: end.collect() }))
    }
}

fn event(importer: &Importer<'_>, kind: Kind, person: PersonId) -> Event {
    importer.trail.event(kind).person(person).actor(importer.actor)
}

fn words(source: Source, structure: &str) -> String {
    format!("{} {structure}", source.as_str()).trim_end().to_owned()
}
