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
use crate::store::person::{NewPerson, Standing};
use crate::store::subject::Known;
use crate::store::{self, Db, StoreError};

pub use crate::store::client::Audience;

/// The answer.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Welcome.
    Admitted(PersonId),
    /// Welcome for the first time: known to the directory, without a row of ours yet.
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

/// The rule for somebody who has a row of ours.
fn rule(standing: Standing, in_directory: bool, audience: Audience) -> Result<(), Refusal> {
    match audience {
        _ if standing.disabled => Err(Refusal::Disabled),
        _ if standing.affiliated => Ok(()),
        Audience::AnyProfessional if in_directory => Ok(()),
        Audience::AnyProfessional | Audience::Affiliated => Err(Refusal::NotAdmitted),
    }
}

/// Whether whoever holds `id_nat`, on a card for instance, may sign in now to a relying party for `audience`.
///
/// # Errors
/// [`StoreError`]; a refusal is not an error.
pub async fn admission(
    db: &Db,
    id_nat: &NationalId,
    audience: Audience,
    now: Time,
) -> Result<Admission, StoreError> {
    if let Some(standing) = store::person::standing_by_identifier(db, id_nat.as_str(), now).await? {
        let in_directory = store::directory::entry_of_person(db, standing.person).await?.is_some();
        return Ok(match rule(standing, in_directory, audience) {
            Ok(()) => Admission::Admitted(standing.person),
            Err(refusal) => Admission::Refused(refusal),
        });
    }
    Ok(match (store::directory::entry(db, id_nat.as_str()).await?, audience) {
        (Some(entry), Audience::AnyProfessional) => Admission::Newcomer(entry),
        (Some(_), Audience::Affiliated) => Admission::Refused(Refusal::NotAdmitted),
        (None, _) => Admission::Refused(Refusal::Unknown),
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
        let entry = match admission(db, id_nat, audience, now).await? {
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

/// The person, where they may be here for a relying party for `audience` now: asked each time something is issued to it
/// or told of them.
///
/// # Errors
/// [`StoreError`]; a refusal is not an error.
pub async fn admitted(
    db: &Db,
    person: PersonId,
    audience: Audience,
    now: Time,
) -> Result<Result<Subject, Refusal>, StoreError> {
    let Some(known) = store::subject::known(db, person, now).await? else { return Ok(Err(Refusal::Unknown)) };
    let standing = Standing { person, disabled: known.disabled, affiliated: known.affiliated };
    match rule(standing, known.entry.is_some(), audience) {
        Ok(()) => Ok(described(person, known)?.ok_or(Refusal::Unknown)),
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// What is known of a person for the claims, whatever their standing; none where there is no such person or no
/// identifier.
///
/// # Errors
/// [`StoreError`].
pub async fn subject(db: &Db, person: PersonId, now: Time) -> Result<Option<Subject>, StoreError> {
    match store::subject::known(db, person, now).await? {
        Some(known) => described(person, known),
        None => Ok(None),
    }
}

fn described(person: PersonId, known: Known) -> Result<Option<Subject>, StoreError> {
    let Known { identifiers, entry, .. } = known;
    let Some(id_nat) = identifiers.first().cloned() else { return Ok(None) };
    let (family_name, given_name, professional) = match (entry, known.professional) {
        (Some(entry), _) => {
            (entry.family_name, entry.given_name, Some((entry.professional, "directory_entry")))
        }
        (None, text) => (known.family_name, known.given_name, text.map(|text| (text, "person"))),
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
