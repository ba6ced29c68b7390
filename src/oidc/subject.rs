//! Whom tokens speak of: the person behind a grant, and whether they may still be here. Asked again each time something
//! is issued or told.

use serde::Serialize;

use super::psc::OtherId;
use super::{Provider, pairwise};
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
        if client.metadata.subject_type == Some(SubjectType::Pairwise) {
            return Ok(Some(self.pairwise.sub(&pairwise::sector(client), person)));
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
        if client.metadata.subject_type == Some(SubjectType::Pairwise) {
            subject.sub = self.pairwise.sub(&pairwise::sector(client), person);
        }
        Ok(subject)
    }
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
