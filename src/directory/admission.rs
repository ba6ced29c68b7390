//! Who may sign in here: the one rule, asked at sign-in, at every exchange of tokens and at userinfo.
//!
//! | | client for affiliated people | client with audience `any-professional` |
//! |---|---|---|
//! | link with this establishment | admitted | admitted |
//! | in the directory, no link | not admitted | admitted |
//! | neither | unknown | unknown |
//! | disabled here | disabled | disabled |

use super::identifier::NationalId;
use super::model::Professional;
use crate::audit::{Kind, Trail};
use crate::clock::Time;
use crate::ids::{PersonId, Random};
use crate::store::directory::Entry;
use crate::store::person::NewPerson;
use crate::store::{self, Db, StoreError};

pub use crate::store::client::Audience;

/// Whom the question is about.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// Whoever holds this national identifier, on a card for instance.
    IdNat(&'a NationalId),
    /// Somebody who has signed in.
    Person(PersonId),
}

/// The answer.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Welcome.
    Admitted(PersonId),
    /// Welcome for the first time: known to the directory, without a row of ours yet. Only for [`Who::IdNat`].
    Newcomer(Entry),
    /// Not here, or not there.
    Refused(Refusal),
}

/// Why somebody may not sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither the directory nor the establishment knows the identifier.
    #[error("nobody with this national identifier is known here")]
    Unknown,
    /// A professional, but not of this establishment.
    #[error("this person is known to the directory but has no link with this establishment")]
    NotAdmitted,
    /// An administrator disabled the person.
    #[error("this person was disabled by an administrator")]
    Disabled,
}

impl Refusal {
    /// The stable code of `docs/errors.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "PERSON-001",
            Self::NotAdmitted => "PERSON-002",
            Self::Disabled => "PERSON-003",
        }
    }
}

/// Whether `who` may sign in now to a relying party for `audience`.
///
/// # Errors
/// [`StoreError`]; a refusal is not an error.
pub async fn admission(
    db: &Db,
    who: Who<'_>,
    audience: Audience,
    now: Time,
) -> Result<Admission, StoreError> {
    let standing = match who {
        Who::IdNat(id_nat) => store::person::standing_by_identifier(db, id_nat.as_str(), now).await?,
        Who::Person(person) => store::person::standing(db, person, now).await?,
    };
    let entry = match standing {
        Some(standing) if standing.disabled => return Ok(Admission::Refused(Refusal::Disabled)),
        Some(standing) if standing.affiliated => return Ok(Admission::Admitted(standing.person)),
        Some(standing) => store::directory::entry_of_person(db, standing.person).await?,
        None => match who {
            Who::IdNat(id_nat) => store::directory::entry(db, id_nat.as_str()).await?,
            Who::Person(_) => None,
        },
    };
    Ok(match (entry, audience, standing) {
        (Some(_), Audience::AnyProfessional, Some(standing)) => Admission::Admitted(standing.person),
        (Some(entry), Audience::AnyProfessional, None) => Admission::Newcomer(entry),
        (Some(_), Audience::Affiliated, _) | (None, _, Some(_)) => Admission::Refused(Refusal::NotAdmitted),
        (None, _, None) => Admission::Refused(Refusal::Unknown),
    })
}

/// The person who holds `id_nat`, if admitted; whoever signs in for the first time gets a row of ours. To be called
/// when the identifier was proved. The refusal's audit event is the caller's, who knows means and place.
///
/// # Errors
/// [`StoreError`].
pub async fn sign_in(
    db: &Db,
    trail: &Trail,
    id_nat: &NationalId,
    audience: Audience,
    now: Time,
    random: &dyn Random,
) -> Result<Result<PersonId, Refusal>, StoreError> {
    let mut again = true;
    loop {
        let entry = match admission(db, Who::IdNat(id_nat), audience, now).await? {
            Admission::Admitted(person) => return Ok(Ok(person)),
            Admission::Refused(refusal) => return Ok(Err(refusal)),
            Admission::Newcomer(entry) => entry,
        };
        let person = NewPerson {
            id: PersonId::new(now, random),
            family_name: entry.family_name,
            given_name: entry.given_name,
            professional: None,
            identifiers: vec![id_nat.clone()],
            affiliations: Vec::new(),
        };
        let event =
            trail.event(Kind::PersonAdded).person(person.id).id_nat(id_nat.as_str()).note("first sign-in");
        match store::person::add(db, &person, now, random, &event).await {
            // The same person signed in twice at once: the other one made the row.
            Err(error) if error.is_duplicate() && again => again = false,
            result => return result.map(|()| Ok(person.id)),
        }
    }
}

/// Ends the links whose term has come (internships, replacements) and the sessions that hang on them. To be called
/// once a minute. Answers how many.
///
/// # Errors
/// [`StoreError`]. The next call goes on.
pub async fn end_due_links(
    db: &Db,
    trail: &Trail,
    now: Time,
    random: &dyn Random,
) -> Result<usize, StoreError> {
    const BATCH: i64 = 50;
    let event = |person| trail.event(Kind::AffiliationEnded).person(person);
    store::person::end_due_links(db, BATCH, now, random, &event).await
}

/// A person as relying parties get to see them.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Our key.
    pub person: PersonId,
    /// The national identifier that stands for the person: the RPPS where there is one.
    pub id_nat: NationalId,
    /// All of them, that one first.
    pub identifiers: Vec<NationalId>,
    /// Family name.
    pub family_name: String,
    /// Given name.
    pub given_name: String,
    /// Practices and activities: of the current directory, else what was entered here; empty where neither has any.
    pub professional: Professional,
}

/// What is known of a person for the claims; none where there is no such person or no identifier.
///
/// # Errors
/// [`StoreError`].
pub async fn subject(db: &Db, person: PersonId) -> Result<Option<Subject>, StoreError> {
    let Some(row) = store::person::by_id(db, person).await? else { return Ok(None) };
    let identifiers = store::person::identifiers(db, person).await?;
    let Some(id_nat) = identifiers.first().cloned() else { return Ok(None) };
    let entry = store::directory::entry_of_person(db, person).await?;
    let (family_name, given_name, professional) = match (entry, row.professional) {
        (Some(entry), _) => {
            (entry.family_name, entry.given_name, Some((entry.professional, "directory_entry")))
        }
        (None, text) => (row.family_name, row.given_name, text.map(|text| (text, "person"))),
    };
    let professional = match professional {
        Some((text, table)) => Professional::from_text(&text).map_err(|_| StoreError::Inconsistent {
            table,
            id: person.to_string(),
            what: "professional cannot be read",
        })?,
        None => Professional::default(),
    };
    Ok(Some(Subject { person, id_nat, identifiers, family_name, given_name, professional }))
}
