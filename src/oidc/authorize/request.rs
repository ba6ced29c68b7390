//! An authorization request that passed every check: what a login transaction keeps of it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::ids::PersonId;
use crate::session::{Acr, Session};
use crate::store::login_transaction::{LoginTransaction, State};

/// A checked authorization request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client_id: String,
    /// Where the answer goes: one of the client's own addresses.
    pub redirect_uri: String,
    /// What is granted: the scopes asked for that exist, separated by spaces.
    pub scope: String,
    /// Given back untouched.
    pub state: Option<String>,
    /// For the tokens.
    pub nonce: Option<String>,
    /// PKCE, `S256`.
    pub code_challenge: Option<String>,
    /// Whether the person may, or must, be asked.
    pub prompt: Prompt,
    /// The oldest sign-in that is good, in seconds.
    pub max_age: Option<u32>,
    /// Levels asked for, by preference. Nothing is refused for them.
    pub acr_values: Vec<String>,
    /// Languages, by preference.
    pub ui_locales: Option<String>,
    /// Whom the relying party expects, in its own words.
    pub login_hint: Option<String>,
    /// Whom the relying party expects, by an ID token of ours (`id_token_hint`): somebody else's session does not do.
    pub expected_person: Option<PersonId>,
}

/// Whether the person may, or must, be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// If need be.
    #[default]
    Auto,
    /// Never.
    None,
    /// Always.
    Login,
}

impl AuthorizationRequest {
    /// For a login transaction.
    pub fn to_json(&self) -> serde_json::Value {
        // A struct of texts and numbers has no way to fail.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// What a login transaction kept.
    ///
    /// # Errors
    /// Where another version of the program wrote it.
    pub fn of(transaction: &LoginTransaction) -> Result<Self, serde_json::Error> {
        Self::deserialize(&transaction.request)
    }

    /// Whether the person has to prove anew who they are, however recently they did.
    pub fn wants_fresh_proof(&self) -> bool {
        self.prompt == Prompt::Login || self.max_age.is_some()
    }

    /// Whether a tap of this person's badge is as much as the request asks for: one factor, hours after the PIN.
    pub fn is_content_with_badge_of(&self, person: PersonId) -> bool {
        !self.wants_fresh_proof() && self.takes_lowest_level() && self.expects(person)
    }

    /// Levels are asked for by preference, and nothing is refused for them; but who asks for higher ones only is not given
    /// less where more can be had.
    fn takes_lowest_level(&self) -> bool {
        self.acr_values.is_empty() || self.acr_values.iter().any(|asked| asked == Acr::Eidas1.as_str())
    }

    fn expects(&self, person: PersonId) -> bool {
        self.expected_person.is_none_or(|expected| expected == person)
    }

    /// Whether a running session answers the request without asking the person. A session that came out of the
    /// request's own transaction always does: that sign-in is what was asked for.
    pub fn is_satisfied_by(
        &self,
        session: &Session,
        transaction: Option<&LoginTransaction>,
        now: Time,
    ) -> bool {
        if transaction.is_some_and(|transaction| is_outcome(transaction, session)) {
            return true;
        }
        let is_fresh = |seconds| session.is_fresh(TimeDelta::seconds(i64::from(seconds)), now);
        self.prompt != Prompt::Login
            && self.max_age.is_none_or(is_fresh)
            && self.expects(session.person_id)
            && (!session.evidence.is_badge() || self.takes_lowest_level())
    }
}

/// Whether the session came out of the transaction: whoever holds it has just proved who they are.
pub fn is_outcome(transaction: &LoginTransaction, session: &Session) -> bool {
    transaction.state == State::Done && transaction.session_id == Some(session.id)
}
