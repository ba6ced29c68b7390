//! Whom tokens speak of: the person behind a grant, and whether they may still be here. Asked again each time something
//! is issued or told.

use serde::Serialize;

use super::psc::OtherId;
use super::{Provider, delegation, pairwise, profile};
use crate::directory::{self, Refusal, claims};
use crate::ids::PersonId;
use crate::session::{AuthMode, Evidence, Session};
use crate::store::StoreError;
use crate::store::client::{Client, SubjectType};

/// A person, as tokens name them.
#[derive(Debug, Clone)]
pub struct Subject {
    /// `f:{namespace}:{idNat}`, or a value of the client's sector.
    pub sub: String,
    /// The national identifier that stands for the person.
    pub id_nat: String,
    /// Every national identifier.
    pub other_ids: Vec<OtherId>,
    /// Family name.
    pub family_name: String,
    /// Given name.
    pub given_name: String,
    known: directory::Subject,
}

/// Why nothing is said of a person.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The person may not sign in to this relying party, or no longer.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Provider {
    /// The `sub` of a person for a client, also where they may not be here any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn sub(&self, person: PersonId, client: &Client) -> Result<Option<String>, StoreError> {
        if let Some(sub) = self.sub_of_ours(person, client) {
            return Ok(Some(sub));
        }
        let known = directory::subject(&self.db, person, self.now()).await?;
        Ok(known.map(|known| format!("f:{}:{}", self.settings.namespace, known.id_nat)))
    }

    /// The person, as the client may know them.
    ///
    /// # Errors
    /// [`SubjectError::Refused`] where the person is disabled, gone, or not admitted for this client.
    pub(super) async fn subject(&self, person: PersonId, client: &Client) -> Result<Subject, SubjectError> {
        let known = directory::admitted(&self.db, person, client.audience, self.now()).await??;
        let mut subject = Subject::new(known, self.settings.namespace);
        if let Some(sub) = self.sub_of_ours(person, client) {
            subject.sub = sub;
        }
        Ok(subject)
    }

    /// The `sub` of a person for a client, where it holds no national identifier.
    fn sub_of_ours(&self, person: PersonId, client: &Client) -> Option<String> {
        match is_told_identifiers(client) {
            true => None,
            false if profile::of(client).rules().delegation => Some(delegation::oid(person)),
            false => Some(self.pairwise.sub(&pairwise::sector(client), person)),
        }
    }
}

/// Whether a client knows people by their national identifier; else it has names of its own for them, and nothing that it is
/// told without asking for more says who they are elsewhere.
pub(super) fn is_told_identifiers(client: &Client) -> bool {
    let is_pairwise = client.metadata.subject_type == Some(SubjectType::Pairwise);
    !is_pairwise && !profile::of(client).rules().delegation
}

impl Subject {
    fn new(known: directory::Subject, namespace: uuid::Uuid) -> Self {
        let other_id = |id: &directory::NationalId| OtherId {
            identifiant: id.as_str().to_owned(),
            origine: id.origin().to_owned(),
            qualite: id.quality(),
        };
        Self {
            sub: format!("f:{namespace}:{}", known.id_nat),
            id_nat: known.id_nat.to_string(),
            other_ids: known.identifiers.iter().map(other_id).collect(),
            family_name: known.family_name.clone(),
            given_name: known.given_name.clone(),
            known,
        }
    }

    /// As one would address them: with the title of their practice, where they have one.
    pub(super) fn spoken_name(&self) -> String {
        let titles = self.known.professional.practices.iter().map(|practice| practice.civility.as_str());
        let title = titles.into_iter().find_map(|title| match title {
            "DR" => Some("Dr "),
            "PR" => Some("Pr "),
            _ => None,
        });
        format!("{}{} {}", title.unwrap_or_default(), self.given_name, self.family_name)
    }

    /// Everything that userinfo can say.
    pub(super) fn userinfo(&self, session: &Session) -> impl Serialize {
        // Seen of cards alone, and told of those alone that were read here; what Pro Santé Connect says of its other means is
        // not published.
        let is_card_here =
            session.auth_mode == AuthMode::Card && !matches!(session.evidence, Evidence::Upstream { .. });
        let proved = match is_card_here {
            true => claims::Options::default(),
            false => claims::Options { level: None, ..Default::default() },
        };
        let options = claims::Options { auth_mode: Some(session.auth_mode.as_str()), ..proved };
        claims::userinfo(&self.known, &self.sub, options)
    }
}
