//! The test persons of `sceau sandbox`: one of each kind that an application built for Pro Santé Connect has to
//! understand, and nobody real.
//!
//! A software house gets the members that its code will meet later: they are not written by hand but made from rows of
//! a national directory, imported as a hospital imports the real one, and from an employee entered as a desk enters one.
//! Numbers are those of test cards (997…), FINESS numbers hold a letter, as those of ANS's test platform do.
//!
//! What can differ at PSC can differ here ([`Variety`]): the directory is written anew and imported again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::audit::Kind;
use crate::clock::Time;
use crate::directory::import::{self, ImportError, Importer};
use crate::directory::model::{Activity, Professional};
use crate::directory::staff::Staff;
use crate::directory::synthetic::{self, HEADER, SampleRow};
use crate::directory::{self, NationalId, staff::StaffError};
use crate::ids::PersonId;
use crate::store::client::Audience;
use crate::store::person::{NewAffiliation, NewPerson, Source};
use crate::store::{self, StoreError};
use crate::web::pages::sign_in::PersonKind;

/// The hospital in which those who have one work.
const FINESS: &str = "0B0172805";

/// A test person, by the name that scripts call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestPerson {
    /// A doctor who works at a hospital and has a practice of their own: one exercice, two activities.
    Doctor,
    /// A pharmacist of the hospital.
    Pharmacist,
    /// A nurse of the hospital.
    Nurse,
    /// A student of medicine (category E).
    Student,
    /// An employee of an establishment, with an identifier of type 3 and no profession.
    Employee,
    /// An account of Pro Santé Identité: the identifier is a UUID, and there is no profession.
    Psi,
}

impl TestPerson {
    /// All, in the order of the page.
    pub const ALL: [Self; 6] =
        [Self::Doctor, Self::Pharmacist, Self::Nurse, Self::Student, Self::Employee, Self::Psi];

    /// The name in scripts and forms.
    pub fn key(self) -> &'static str {
        match self {
            Self::Doctor => "doctor",
            Self::Pharmacist => "pharmacist",
            Self::Nurse => "nurse",
            Self::Student => "student",
            Self::Employee => "employee",
            Self::Psi => "psi",
        }
    }

    /// The person of that name.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|person| person.key() == key)
    }

    /// What the page calls them.
    pub fn kind(self) -> PersonKind {
        match self {
            Self::Doctor => PersonKind::Doctor,
            Self::Pharmacist => PersonKind::Pharmacist,
            Self::Nurse => PersonKind::Nurse,
            Self::Student => PersonKind::Student,
            Self::Employee => PersonKind::Employee,
            Self::Psi => PersonKind::Psi,
        }
    }

    /// The national identifier.
    pub fn id_nat(self) -> String {
        match self {
            Self::Doctor => synthetic::id_nat(36_624),
            Self::Pharmacist => synthetic::id_nat(30_011),
            Self::Nurse => synthetic::id_nat(30_001),
            Self::Student => synthetic::id_nat(30_021),
            Self::Employee => "30B0168811/CPET00001".to_owned(),
            Self::Psi => "5f3c8a52-9f0e-4c55-8a1d-3f2f6b7c1e90".to_owned(),
        }
    }

    /// The family name: what it is, and that it is nobody's.
    pub fn family_name(self) -> &'static str {
        match self {
            Self::Doctor => "DOC0036624",
            Self::Pharmacist => "PHA0030011",
            Self::Nurse => "INF0030001",
            Self::Student => "ETU0030021",
            Self::Employee => "EMP0000001",
            Self::Psi => "PSI0000001",
        }
    }

    /// The given name.
    pub fn given_name(self) -> &'static str {
        "KIT"
    }

    /// Profession, category and authority; none for those whom the directory does not know.
    fn in_directory(self) -> Option<Registered> {
        let registered = |profession, category, civility, authority| Registered {
            profession,
            category,
            civility,
            authority,
        };
        match self {
            Self::Doctor => Some(registered("10", "C", "DR", "CNOM/CNOM")),
            Self::Pharmacist => Some(registered("21", "C", "DR", "CNOP/CNOP")),
            Self::Nurse => Some(registered("60", "C", "", "ONI/ONI")),
            Self::Student => Some(registered("10", "E", "", "ARS/ARS")),
            Self::Employee | Self::Psi => None,
        }
    }
}

/// What a register says of somebody.
#[derive(Debug, Clone, Copy)]
struct Registered {
    profession: &'static str,
    category: &'static str,
    civility: &'static str,
    authority: &'static str,
}

/// How the professionals of the directory are described.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Variety {
    /// Each has a second exercice.
    pub several: bool,
    /// What need not be filled is empty: skill, civilities, structure, sector, role.
    pub empty: bool,
}

/// Why the persons cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PersonsError {
    /// Their directory.
    #[error("the directory of the test persons cannot be written: {0}")]
    Write(#[from] std::io::Error),
    /// Its import.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The employee.
    #[error(transparent)]
    Staff(#[from] StaffError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PersonsError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Write(_) | Self::Staff(_) => "SANDBOX-013",
            Self::Import(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}

/// Writes the directory into `dir` and imports it: a running sandbox describes its professionals so from then on.
///
/// # Errors
/// [`PersonsError`]; the directory in use is the one of before then.
pub async fn import(importer: &Importer<'_>, dir: &Path, variety: Variety) -> Result<(), PersonsError> {
    let path = dir.join("directory.txt");
    std::fs::write(&path, extraction(variety))?;
    let options = import::Options { files: vec![path], accept_change: true, ..import::Options::default() };
    importer.run(&options, &|_| {}).await?;
    Ok(())
}

/// Lets those whom the directory knows be known here: a phone is paired by somebody who has signed in.
///
/// # Errors
/// [`PersonsError`].
pub async fn welcome(importer: &Importer<'_>, now: Time) -> Result<(), PersonsError> {
    let Importer { db, trail, random, .. } = importer;
    for person in TestPerson::ALL.into_iter().filter(|person| person.in_directory().is_some()) {
        let Some(id_nat) = NationalId::of_source(&person.id_nat()) else { continue };
        // Of a directory that was just imported nobody is refused; the page would say so.
        let _admitted =
            directory::sign_in(db, trail, &id_nat, Audience::AnyProfessional, now, *random).await?;
    }
    Ok(())
}

/// Adds those whom no directory knows, unless they are there.
///
/// # Errors
/// [`PersonsError`].
pub async fn add_others(importer: &Importer<'_>, now: Time) -> Result<(), PersonsError> {
    let employer = Staff {
        sector: "SA01".into(),
        structure: "10B0168811".into(),
        structure_name: "HOPITAL DU BAC A SABLE".into(),
        family_name: TestPerson::Employee.family_name().into(),
        given_name: TestPerson::Employee.given_name().into(),
        ..Staff::default()
    };
    let others =
        [(TestPerson::Employee, employer.professional(None)?), (TestPerson::Psi, Professional::default())];
    for (person, professional) in others {
        let Some(id_nat) = NationalId::of_source(&person.id_nat()) else { continue };
        if store::person::by_identifier(importer.db, id_nat.as_str()).await?.is_some() {
            continue;
        }
        let structure = id_nat.employer().unwrap_or_default();
        let new = NewPerson {
            id: PersonId::new(now, importer.random),
            family_name: person.family_name().into(),
            given_name: person.given_name().into(),
            professional: Some(professional.to_text()),
            identifiers: vec![id_nat],
            affiliations: vec![NewAffiliation {
                source: Source::Desk,
                structure,
                started_at: now,
                ended_at: None,
            }],
        };
        let event = importer.trail.event(Kind::PersonAdded).person(new.id).actor(importer.actor);
        store::person::add(importer.db, &new, now, importer.random, &event).await?;
    }
    Ok(())
}

/// The directory, in the format of the national one.
fn extraction(variety: Variety) -> String {
    let mut text = format!("{HEADER}\n");
    for person in TestPerson::ALL {
        let Some(registered) = person.in_directory() else { continue };
        for row in rows(person, registered, variety) {
            text.push_str(&row.line());
            text.push('\n');
        }
    }
    text
}

fn rows(person: TestPerson, registered: Registered, variety: Variety) -> Vec<SampleRow> {
    let skill = if person == TestPerson::Doctor { ("S".into(), "SM26".into()) } else { Default::default() };
    let base = SampleRow {
        id_nat: person.id_nat(),
        civility: if person == TestPerson::Nurse { "MME" } else { "M" }.into(),
        practice_civility: registered.civility.into(),
        family_name: person.family_name().into(),
        given_name: person.given_name().into(),
        profession: registered.profession.into(),
        category: registered.category.into(),
        skill,
        activity: at_hospital(person, registered),
    };
    let mut rows = vec![base.clone()];
    if person == TestPerson::Doctor {
        rows.push(SampleRow { activity: in_practice(person), ..base.clone() });
    }
    if variety.several {
        // Grouped by profession and category: another profession makes another exercice.
        let profession = if registered.profession == "60" { "50" } else { "60" };
        rows.push(SampleRow {
            profession: profession.into(),
            category: "C".into(),
            practice_civility: String::new(),
            skill: Default::default(),
            ..base
        });
    }
    if variety.empty {
        rows = rows.into_iter().map(emptied).collect();
        // Where nothing distinguishes two rows of a profession, the directory has one.
        rows.dedup_by(|later, earlier| later.line() == earlier.line());
    }
    rows
}

fn at_hospital(person: TestPerson, registered: Registered) -> Activity {
    let section = if person == TestPerson::Pharmacist { "H" } else { "" };
    Activity {
        mode: "S".into(),
        sector: "SA01".into(),
        pharmacist_section: section.into(),
        kind: "GENR01".into(),
        finess: FINESS.into(),
        finess_legal: "1B0064166".into(),
        structure_id: format!("F{FINESS}"),
        structure_name: "HOPITAL DU BAC A SABLE".into(),
        former_structure_id: format!("1{FINESS}"),
        authority: format!("{}/ARS", registered.authority),
        ..address()
    }
}

fn in_practice(person: TestPerson) -> Activity {
    Activity {
        mode: "L".into(),
        sector: "SA07".into(),
        kind: "GENR01".into(),
        structure_id: "R95141".into(),
        structure_name: format!("CABINET M {}", person.family_name()),
        former_structure_id: format!("4{}007", person.id_nat().get(1..).unwrap_or_default()),
        authority: "CNOM/CNOM/CNOM".into(),
        ..address()
    }
}

fn address() -> Activity {
    Activity {
        street_number: "10".into(),
        street_type: "R".into(),
        street_name: "DE L'EXEMPLE".into(),
        cedex: "75009 PARIS".into(),
        postal_code: "75009".into(),
        commune: "75109".into(),
        country: "99000".into(),
        departement: "75".into(),
        ..Activity::default()
    }
}

/// The row with nothing in it that the directory may leave out.
fn emptied(row: SampleRow) -> SampleRow {
    SampleRow {
        civility: String::new(),
        practice_civility: String::new(),
        skill: Default::default(),
        activity: Activity { authority: row.activity.authority, ..Activity::default() },
        ..row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_person_has_an_identifier_that_is_accepted_and_is_nobody_s() {
        let mut seen = Vec::new();
        for person in TestPerson::ALL {
            let id: NationalId = person.id_nat().parse().unwrap();
            assert_eq!(id.warnings(), Vec::<String>::new(), "{id}");
            let number = person.id_nat();
            let invented = number.starts_with("8997")
                || number.starts_with("30B")
                || uuid::Uuid::parse_str(&number).is_ok();
            assert!(invented, "{id}");
            assert_eq!(TestPerson::of_key(person.key()), Some(person));
            assert_eq!(serde_json::to_value(person).unwrap(), person.key());
            assert!(!seen.contains(&number));
            seen.push(number);
        }
    }

    #[test]
    fn varieties_differ_in_what_they_say_they_do() {
        let doctor = |several, empty| {
            let registered = TestPerson::Doctor.in_directory().unwrap();
            rows(TestPerson::Doctor, registered, Variety { several, empty })
        };
        let professions =
            |rows: Vec<SampleRow>| rows.into_iter().map(|row| row.profession).collect::<Vec<_>>();
        assert_eq!(professions(doctor(false, false)), ["10", "10"]);
        assert_eq!(professions(doctor(true, false)), ["10", "10", "60"]);
        let empty = doctor(true, true);
        assert!(empty.iter().all(|row| row.activity.structure_id.is_empty() && row.skill.1.is_empty()));
        let identifiers = empty.iter().map(|row| row.id_nat.clone()).collect::<Vec<_>>();
        assert!(identifiers.iter().all(|id| *id == TestPerson::Doctor.id_nat()), "who it is stays known");
    }
}
