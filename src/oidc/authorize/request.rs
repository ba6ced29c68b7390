//! An authorization request that passed every check: what a login transaction keeps of it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::scope::OFFLINE;
use super::response_mode::ResponseMode;
use crate::clock::Time;
use crate::ids::PersonId;
use crate::oidc::claims_request::ClaimsRequest;
use crate::session::{Acr, Authentication, DelegationDemand, Evidence, Level, Session};
use crate::store::grant::{Confirmation, Details};
use crate::store::login_transaction::{LoginTransaction, State};

/// A checked authorization request. What a transaction of an older version of the program does not hold has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client_id: String,
    /// Where the answer goes: one of the client's own addresses.
    pub redirect_uri: String,
    /// What is granted: the scopes asked for that exist, separated by spaces.
    pub scope: String,
    /// Given back untouched.
    pub state: Option<String>,
    /// How the answer travels.
    pub response_mode: ResponseMode,
    /// For the tokens.
    pub nonce: Option<String>,
    /// PKCE, `S256`.
    pub code_challenge: Option<String>,
    /// The thumbprint of the DPoP key that the code is bound to.
    pub dpop_jkt: Option<String>,
    /// Whether the person may, or must, be asked.
    pub prompt: Prompt,
    /// The oldest sign-in that is good, in seconds.
    pub max_age: Option<u32>,
    /// Levels asked for, by preference, in the client's own words.
    pub acr_values: Vec<String>,
    /// Those of them that count.
    pub levels: Levels,
    /// Languages, by preference.
    pub ui_locales: Option<String>,
    /// Whom the relying party expects, in its own words.
    pub login_hint: Option<String>,
    /// Whom the relying party expects, by an ID token of ours (`id_token_hint`): somebody else's session does not do.
    pub expected_person: Option<PersonId>,
    /// Whom the relying party expects, by the `sub` that it knows (`claims`).
    pub expected_sub: Option<String>,
    /// The person is asked whose session it is, although one is open (`prompt=select_account`).
    pub select_account: bool,
    /// The person is asked for consent, although they gave it before (`prompt=consent`).
    pub consent: bool,
    /// The claims asked for by name.
    pub claims: Option<ClaimsRequest>,
    /// What the access tokens are for (RFC 8707).
    pub resources: Vec<String>,
    /// What is asked for in detail (RFC 9396).
    pub authorization_details: Vec<Value>,
    /// What a provider that delegates to us asks of the sign-in; none of any other client.
    pub delegation: Option<DelegationDemand>,
    /// The provider by which the person should sign in (`kc_idp_hint`), in the relying party's words.
    pub idp_hint: Option<String>,
    /// The provider by which the person has to sign in, and by nothing else (`idp_only`).
    pub only_by: Option<String>,
}

/// The levels that a relying party asks for, as far as they can be reached here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// One of these, by preference; none: any.
    pub any_of: Vec<Level>,
    /// Less is of no use.
    pub required: bool,
}

impl Levels {
    /// Whether the person of this session has proved enough.
    pub fn are_met_by(&self, session: &Session) -> bool {
        self.any_of.is_empty() || self.told(session).is_some()
    }

    /// Whether a means that reaches this much, and does not resist phishing, can be enough.
    pub fn leave_room_for(&self, highest: Acr) -> bool {
        let reaches = |level: &Level| level.assurance().is_some_and(|asked| asked <= highest);
        !self.required || self.any_of.iter().any(reaches)
    }

    /// The level that is told: the first of those asked for that was reached.
    pub fn told(&self, session: &Session) -> Option<Level> {
        self.any_of.iter().copied().find(|asked| asked.is_met_by(session))
    }
}

/// Why somebody who is signed in is asked to sign in once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The service asks for a higher level.
    Level,
    /// It asks for a sign-in that is younger, or for one in any case.
    Moment,
    /// It asks for somebody else.
    Person,
    /// It takes no word for what the person signed in with.
    Means,
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
        // What a provider that delegates to us is told has a time that is true: no PIN that middleware kept, no badge.
        self.prompt == Prompt::Login || self.max_age.is_some() || self.delegation.is_some()
    }

    /// Whether a tap of this person's badge is as much as the request asks for: one factor, hours after the PIN.
    pub fn is_content_with_badge_of(&self, person: PersonId) -> bool {
        !self.wants_fresh_proof()
            && self.takes_lowest_level()
            && self.expects(person)
            && self.only_by.is_none()
    }

    /// Whether this is a sign-in by the one provider that the relying party takes, where it takes no other.
    fn takes_provider_of(&self, evidence: &Evidence) -> bool {
        self.only_by
            .as_ref()
            .is_none_or(|only| matches!(evidence, Evidence::Upstream { provider, .. } if provider == only))
    }

    /// Levels are asked for by preference, and nothing is refused for them; but who asks for higher ones only is not given
    /// less where more can be had.
    fn takes_lowest_level(&self) -> bool {
        self.acr_values.is_empty() || self.acr_values.iter().any(|asked| asked == Acr::Eidas1.as_str())
    }

    /// Whether a session that a badge renewed has reached one of the levels asked for, where any are, also by name alone.
    fn takes_badge_of(&self, session: &Session) -> bool {
        let mut asked = self.acr_values.iter().filter_map(|name| name.parse::<Level>().ok());
        self.acr_values.is_empty() || asked.any(|level| level.is_met_by(session))
    }

    /// Whether this is the person whom the relying party expects, where it says so.
    pub fn expects(&self, person: PersonId) -> bool {
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
        transaction.is_some_and(|transaction| is_outcome(transaction, session))
            || self.missing(session, now).is_none()
    }

    /// What a running session lacks to answer the request without asking the person: the first that applies.
    pub fn missing(&self, session: &Session, now: Time) -> Option<Missing> {
        let is_fresh = |seconds| session.is_fresh(TimeDelta::seconds(i64::from(seconds)), now);
        if !self.expects(session.person_id) {
            return Some(Missing::Person);
        }
        let reaches = self.levels.are_met_by(session)
            && (!session.evidence.rests_on_badge() || self.takes_badge_of(session));
        let is_passed_on = |demand: &DelegationDemand| demand.takes(&session.evidence, session.auth_mode);
        if !self.takes_provider_of(&session.evidence) || !self.delegation.as_ref().is_none_or(is_passed_on) {
            return Some(Missing::Means);
        }
        let is_recent =
            self.delegation.as_ref().is_none_or(|demand| demand.is_recent(session.auth_time, now));
        match (reaches, self.prompt == Prompt::Login || !is_recent || !self.max_age.is_none_or(is_fresh)) {
            (false, _) => Some(Missing::Level),
            (true, true) => Some(Missing::Moment),
            (true, false) => None,
        }
    }

    /// Whether a sign-in proves as much as the request insists on. What it wishes for, nobody is refused for.
    pub fn is_enough(&self, proved: &Authentication) -> bool {
        let is_taken =
            self.delegation.as_ref().is_none_or(|demand| demand.takes(&proved.evidence, proved.auth_mode));
        is_taken
            && self.takes_provider_of(&proved.evidence)
            && (!self.levels.required || self.levels.any_of.iter().any(|level| level.is_proved_by(proved)))
    }

    /// Whether the relying party may be told of this session now, however it came about: a provider that delegates to us is
    /// not told of every one, nor is who takes sign-ins by one provider alone.
    pub fn lets_tell_of(&self, session: &Session, now: Time) -> bool {
        let is_passed_on = |demand: &DelegationDemand| {
            demand.takes(&session.evidence, session.auth_mode) && demand.is_recent(session.auth_time, now)
        };
        self.takes_provider_of(&session.evidence) && self.delegation.as_ref().is_none_or(is_passed_on)
    }

    /// Whether tokens are asked for that outlive the session (OpenID Connect Core §11).
    pub fn is_offline(&self) -> bool {
        self.scope.split(' ').any(|scope| scope == OFFLINE)
    }

    /// What a grant of it holds beyond its scope, in this session.
    pub fn details(&self, session: &Session) -> Details {
        Details {
            claims: self.claims.as_ref().and_then(|claims| serde_json::to_value(claims).ok()),
            resources: self.resources.clone(),
            authorization_details: self.authorization_details.clone(),
            offline: self.is_offline(),
            confirmation: self.dpop_jkt.clone().map(Confirmation::Key),
            acr: self.levels.told(session),
            required_levels: if self.levels.required { self.levels.any_of.clone() } else { Vec::new() },
        }
    }
}

/// How far the clock of a provider of others may be behind ours.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// Whether whoever sits there has just proved who they are, for this transaction. A provider of others may have answered by
/// itself, from a session that whoever was here before left open there: then nobody has.
pub fn has_just_signed_in(transaction: &LoginTransaction, session: &Session) -> bool {
    let is_of_before = match session.evidence {
        Evidence::Upstream { dated, .. } => !dated || session.auth_time + SKEW < transaction.created_at,
        _ => false,
    };
    is_outcome(transaction, session) && !is_of_before
}

/// Whether the session came out of the transaction.
pub fn is_outcome(transaction: &LoginTransaction, session: &Session) -> bool {
    transaction.state == State::Done && transaction.session_id == Some(session.id)
}
