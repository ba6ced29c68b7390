//! What a provider of others is told of whoever signs in here for it, and what it takes: Pro Santé Connect delegates its
//! sign-in to hospitals, and each such client has its own terms.
//!
//! Terms only tighten: of the means, those that resist phishing and are two factors; of the time, four hours at most. Whatever
//! an administrator writes, the answer of a phone, a badge, or the word of another provider is never passed on.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{AuthMode, Evidence};
use crate::clock::Time;

/// The longest that a sign-in may be old of which a provider is told (Pro Santé Connect: four hours).
pub const LONGEST_DELEGATION: TimeDelta = TimeDelta::hours(4);
/// The longest tenant and the longest name of a claim.
const LONGEST: usize = 100;
/// Claims that mean something else (OpenID Connect Core §2, §5.1, Back-Channel Logout §2.4, RFC 7519 §4.1).
const TAKEN: [&str; 20] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "auth_time",
    "azp",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "typ",
    "events",
    "name",
    "given_name",
    "family_name",
    "email",
];

/// A means of which a provider can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DelegatedMeans {
    /// A card and its PIN.
    Card,
    /// A security key that verified its person, and that stays in its device.
    SecurityKey,
    /// A passkey that may leave its device.
    Passkey,
}

impl DelegatedMeans {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Card, Self::SecurityKey, Self::Passkey];
    /// Those that count where nothing else is said.
    const DEFAULT: [Self; 2] = [Self::Card, Self::SecurityKey];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::SecurityKey => "security-key",
            Self::Passkey => "passkey",
        }
    }

    /// What was used, if a provider can be told of it at all.
    #[must_use]
    pub fn of(evidence: &Evidence, mode: AuthMode) -> Option<Self> {
        match evidence {
            // Of a certificate that middleware may have kept open since the morning nobody knows when the PIN was typed.
            Evidence::Card { .. } | Evidence::CardCertificate { fresh: true, .. } => Some(Self::Card),
            Evidence::SecurityKey { user_verified: true, synced, .. } => {
                Some(if *synced { Self::Passkey } else { Self::SecurityKey })
            }
            Evidence::Sandbox { .. } if mode == AuthMode::Card => Some(Self::Card),
            Evidence::CardCertificate { .. }
            | Evidence::SecurityKey { .. }
            | Evidence::Badge { .. }
            | Evidence::BadgeAndKey { .. }
            | Evidence::CardAsked { .. }
            | Evidence::Phone { .. }
            | Evidence::Upstream { .. }
            | Evidence::Sandbox { .. } => None,
        }
    }
}

impl std::str::FromStr for DelegatedMeans {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|means| means.as_str() == text).ok_or_else(|| {
            format!("{text:?} is no means that is passed on: card, security-key and passkey are")
        })
    }
}

/// A claim that providers call by names of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DelegatedClaim {
    /// The tenant: the establishment.
    Tid,
    /// The person, for as long as they are known here.
    Oid,
    /// The factors.
    Amr,
    /// The level.
    Acr,
}

impl DelegatedClaim {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tid, Self::Oid, Self::Amr, Self::Acr];

    /// Its name where nothing else is said.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tid => "tid",
            Self::Oid => "oid",
            Self::Amr => "amr",
            Self::Acr => "acr",
        }
    }
}

/// The terms of one client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delegation {
    /// Its tenant; none: that of the installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// Its names for claims; the others have ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claims: Vec<(DelegatedClaim, String)>,
    /// The means that it is told of; empty: those of [`DelegatedMeans::DEFAULT`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    means: Vec<DelegatedMeans>,
    /// How old a sign-in may be, in seconds; none: what the installation says.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<i64>,
}

/// Why terms are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelegationFault {
    /// No tenant.
    #[error(
        "{0:?} is no tenant: it has 1 to {LONGEST} visible characters of ASCII, without space, quote and backslash"
    )]
    Tenant(String),
    /// No claim of ours.
    #[error("{0:?} is no claim that can have another name: tid, oid, amr and acr can")]
    Claim(String),
    /// Not a name of a claim.
    #[error("{0:?} is no name of a claim: it has 1 to {LONGEST} letters, digits and . _ - : /")]
    Name(String),
    /// It means something else.
    #[error("{0} is the name of another claim: what reads it would be misled")]
    Taken(String),
    /// Two claims of one name.
    #[error("two claims would be called {0}, or one is named twice")]
    Twice(String),
    /// Not a means.
    #[error("{0}")]
    Means(String),
    /// Not a time.
    #[error("a sign-in may be 1 minute to 4 hours old, and no older")]
    MaxAge,
    /// Terms for a client of another kind.
    #[error("only clients of the profile psc-delegation have these")]
    Profile,
}

impl DelegationFault {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "OIDC-175"
    }
}

impl Delegation {
    /// From what an administrator writes; `claims` are pairs of our name and the client's.
    ///
    /// # Errors
    /// [`DelegationFault`].
    pub fn new(
        tenant: Option<&str>,
        claims: &[(String, String)],
        means: &[String],
        max_age: Option<TimeDelta>,
    ) -> Result<Self, DelegationFault> {
        let mut terms = Self::default();
        if let Some(tenant) = tenant {
            terms.tenant = Some(check_tenant(tenant)?);
        }
        for (own, name) in claims {
            let claim = DelegatedClaim::ALL.into_iter().find(|claim| claim.as_str() == own.as_str());
            let claim = claim.ok_or_else(|| DelegationFault::Claim(own.clone()))?;
            let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/');
            if name.is_empty() || name.len() > LONGEST || !name.chars().all(fine) {
                return Err(DelegationFault::Name(name.clone()));
            }
            if TAKEN.contains(&name.as_str()) {
                return Err(DelegationFault::Taken(name.clone()));
            }
            if terms.claims.iter().any(|(named, _)| *named == claim) {
                return Err(DelegationFault::Twice(own.clone()));
            }
            terms.claims.push((claim, name.clone()));
        }
        let mut told: Vec<&str> = DelegatedClaim::ALL.into_iter().map(|claim| terms.name_of(claim)).collect();
        told.sort_unstable();
        if let Some(twice) = told.windows(2).find_map(|pair| match pair {
            [one, other] if one == other => Some((*one).to_owned()),
            _ => None,
        }) {
            return Err(DelegationFault::Twice(twice));
        }
        for name in means {
            let means = name.parse::<DelegatedMeans>().map_err(DelegationFault::Means)?;
            if !terms.means.contains(&means) {
                terms.means.push(means);
            }
        }
        if let Some(age) = max_age {
            if age < TimeDelta::minutes(1) || age > LONGEST_DELEGATION {
                return Err(DelegationFault::MaxAge);
            }
            terms.max_age = Some(age.num_seconds());
        }
        Ok(terms)
    }

    /// Its tenant, where it has one of its own.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// What it calls a claim.
    #[must_use]
    pub fn name_of(&self, claim: DelegatedClaim) -> &str {
        let named = self.claims.iter().find(|(own, _)| *own == claim);
        named.map_or(claim.as_str(), |(_, name)| name)
    }

    /// Its names for claims, beside ours.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.claims.iter().map(|(claim, name)| (claim.as_str(), name.as_str()))
    }

    /// The means that it is told of.
    #[must_use]
    pub fn means(&self) -> &[DelegatedMeans] {
        if self.means.is_empty() { &DelegatedMeans::DEFAULT } else { &self.means }
    }

    /// How old a sign-in may be, where the installation says `general`: the shorter of the two.
    #[must_use]
    pub fn max_age(&self, general: TimeDelta) -> TimeDelta {
        let own = self.max_age.and_then(TimeDelta::try_seconds);
        own.unwrap_or(general).min(general).min(LONGEST_DELEGATION)
    }

    /// What a request of the client asks of a sign-in.
    #[must_use]
    pub fn demand(&self, general: TimeDelta) -> DelegationDemand {
        DelegationDemand { means: self.means().to_vec(), max_age: self.max_age(general).num_seconds() }
    }
}

/// What one request asks of the sign-in that the provider is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationDemand {
    /// The means that it is told of.
    pub means: Vec<DelegatedMeans>,
    /// How old the sign-in may be, in seconds.
    pub max_age: i64,
}

impl DelegationDemand {
    /// Whether it is told of what was used.
    #[must_use]
    pub fn takes(&self, evidence: &Evidence, mode: AuthMode) -> bool {
        DelegatedMeans::of(evidence, mode).is_some_and(|means| self.means.contains(&means))
    }

    /// Whether a sign-in is young enough.
    #[must_use]
    pub fn is_recent(&self, auth_time: Time, now: Time) -> bool {
        (now - auth_time).num_seconds() < self.max_age
    }
}

/// A tenant as it can stand in a token.
///
/// # Errors
/// [`DelegationFault::Tenant`].
pub fn check_tenant(text: &str) -> Result<String, DelegationFault> {
    let fine = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    match text.is_empty() || text.len() > LONGEST || !text.chars().all(fine) {
        true => Err(DelegationFault::Tenant(text.to_owned())),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::ids::{MeansId, WorkstationId};

    fn pair(own: &str, name: &str) -> (String, String) {
        (own.to_owned(), name.to_owned())
    }

    fn key(synced: bool, user_verified: bool) -> Evidence {
        let key = MeansId(uuid::Uuid::nil());
        Evidence::SecurityKey { key, aaguid: String::new(), attested: false, synced, user_verified }
    }

    fn card() -> Evidence {
        Evidence::Card {
            card_number: String::new(),
            certificate_sha256: String::new(),
            serial: String::new(),
            issuer: None,
            workstation: WorkstationId(uuid::Uuid::nil()),
            pin: "window".into(),
            interface: "contact".into(),
        }
    }

    #[test]
    fn only_two_factors_that_resist_phishing_are_passed_on_whatever_is_written() {
        let all: Vec<String> = DelegatedMeans::ALL.iter().map(|means| means.as_str().to_owned()).collect();
        let wide = Delegation::new(None, &[], &all, None).unwrap().demand(LONGEST_DELEGATION);
        let usual = Delegation::default().demand(LONGEST_DELEGATION);
        let upstream = Evidence::Upstream {
            provider: "psc".into(),
            issuer: String::new(),
            subject: String::new(),
            sid: None,
            acr: Some("eidas3".into()),
            amr: vec!["sc".into(), "pin".into()],
            dated: true,
        };
        let phone = Evidence::Phone { phone: MeansId(uuid::Uuid::nil()), way: "scan".into(), synced: false };
        let asked = Evidence::CardAsked { card: Box::new(card()) };
        let tapped = Evidence::Badge {
            card_number: String::new(),
            certificate_sha256: String::new(),
            serial: String::new(),
            issuer: String::new(),
            workstation: WorkstationId(uuid::Uuid::nil()),
            tapped_at: MockClock::default().now(),
            renews: Box::new(card()),
        };
        for never in [upstream, phone, asked, key(false, false), tapped] {
            for mode in [AuthMode::Card, AuthMode::Fido, AuthMode::Mobile] {
                assert!(!wide.takes(&never, mode), "{never:?}");
            }
        }
        for demand in [&wide, &usual] {
            assert!(demand.takes(&card(), AuthMode::Card));
            assert!(demand.takes(&key(false, true), AuthMode::Fido));
        }
        assert!(
            wide.takes(&key(true, true), AuthMode::Fido) && !usual.takes(&key(true, true), AuthMode::Fido)
        );
        let cards = Delegation::new(None, &[], &["card".into()], None).unwrap().demand(LONGEST_DELEGATION);
        assert!(!cards.takes(&key(false, true), AuthMode::Fido));
        assert!(Delegation::new(None, &[], &["phone".into()], None).is_err());
    }

    #[test]
    fn a_time_is_shortened_and_never_prolonged() {
        let terms = |minutes| Delegation::new(None, &[], &[], Some(TimeDelta::minutes(minutes)));
        assert_eq!(terms(0), Err(DelegationFault::MaxAge));
        assert_eq!(terms(241), Err(DelegationFault::MaxAge));
        let hour = TimeDelta::hours(1);
        assert_eq!(terms(30).unwrap().max_age(hour), TimeDelta::minutes(30));
        assert_eq!(terms(90).unwrap().max_age(hour), hour, "the installation says less");
        let demand = Delegation::default().demand(TimeDelta::hours(9));
        let now = MockClock::default().now();
        assert!(demand.is_recent(now - TimeDelta::minutes(239), now));
        assert!(!demand.is_recent(now - TimeDelta::hours(4), now));
    }

    #[test]
    fn claims_have_other_names_one_for_one_and_none_that_means_something_else() {
        let named =
            Delegation::new(Some("0f6d"), &[pair("oid", "user_id"), pair("amr", "methods")], &[], None);
        let named = named.unwrap();
        assert_eq!((named.tenant(), named.name_of(DelegatedClaim::Oid)), (Some("0f6d"), "user_id"));
        assert_eq!(named.name_of(DelegatedClaim::Tid), "tid");
        let fault = |claims: &[(String, String)]| Delegation::new(None, claims, &[], None).unwrap_err();
        assert_eq!(fault(&[pair("oid", "sub")]), DelegationFault::Taken("sub".into()));
        assert_eq!(fault(&[pair("oid", "tid")]), DelegationFault::Twice("tid".into()));
        assert_eq!(fault(&[pair("oid", "a"), pair("oid", "b")]), DelegationFault::Twice("oid".into()));
        assert_eq!(fault(&[pair("iss", "a")]), DelegationFault::Claim("iss".into()));
        assert_eq!(fault(&[pair("oid", "a b")]), DelegationFault::Name("a b".into()));
        // Two that change places are still one for one.
        assert!(Delegation::new(None, &[pair("oid", "tid"), pair("tid", "oid")], &[], None).is_ok());
        for tenant in ["", "a b", "a\"b", "é"] {
            let fault = Delegation::new(Some(tenant), &[], &[], None).unwrap_err();
            assert_eq!(fault, DelegationFault::Tenant(tenant.into()));
        }
    }
}
