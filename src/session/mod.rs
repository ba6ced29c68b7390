//! Browser sessions, and what a sign-in proved.
//!
//! A hospital gets one session per person and browser: at most four hours long, at most thirty minutes idle (the
//! values of PSC and of RIE v2, PS 13), from which every relying party is served without a new sign-in. Every sign-in
//! method produces the same thing, an [`Authentication`]; the OpenID Provider asks the session, never the method.
//!
//! Nothing here knows a cookie's format, a page or a protocol.

pub mod asking;
mod delegation;
mod names;
mod policy;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::ids::{MeansId, PersonId, SessionId, WorkstationId};

pub use delegation::{
    DelegatedClaim, DelegatedMeans, Delegation, DelegationDemand, DelegationFault, LONGEST_DELEGATION,
    check_tenant,
};
pub use names::{Names, NamesFault};
pub use policy::{
    CardOut, Demands, IdleGroup, LONGEST_BADGE_WINDOW, Policies, SessionPolicy, Standing, Station, ZonePolicy,
};

/// How old the sign-in of whoever uses a role may be.
pub const MOMENT_OF_ROLE: TimeDelta = TimeDelta::minutes(15);

/// What a successful sign-in proved. Every method ends in one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// Who.
    pub person: PersonId,
    /// How well.
    pub acr: Acr,
    /// By which factors.
    pub amr: Vec<Amr>,
    /// With which means, in the words of PSC.
    pub auth_mode: AuthMode,
    /// When the person proved with all factors who they are: `auth_time`. A tap of the badge does not move it.
    pub at: Time,
    /// What was seen, for the record.
    pub evidence: Evidence,
}

/// The level that was really reached. What a relying party is told is the business of its profile (`oidc::psc`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "lowercase"))]
#[serde(rename_all = "lowercase")]
pub enum Acr {
    /// Low.
    Eidas1,
    /// Substantial.
    Eidas2,
    /// High: a card and its PIN.
    Eidas3,
}

impl Acr {
    /// The name PSC gives the level.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eidas1 => "eidas1",
            Self::Eidas2 => "eidas2",
            Self::Eidas3 => "eidas3",
        }
    }
}

impl std::str::FromStr for Acr {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Eidas1, Self::Eidas2, Self::Eidas3].into_iter().find(|level| level.as_str() == name).ok_or(())
    }
}

/// A level that a relying party may ask for: how sure it is who somebody is, or how well their proof resists phishing (the
/// `acr` values of the OpenID Connect Extended Authentication Profile).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Low, or better.
    Eidas1,
    /// Substantial, or better.
    Eidas2,
    /// High.
    Eidas3,
    /// Resistant to phishing.
    Phr,
    /// Resistant to phishing, by a key in hardware.
    Phrh,
}

impl Level {
    const ALL: [Self; 5] = [Self::Eidas1, Self::Eidas2, Self::Eidas3, Self::Phr, Self::Phrh];

    /// The value of `acr`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eidas1 => "eidas1",
            Self::Eidas2 => "eidas2",
            Self::Eidas3 => "eidas3",
            Self::Phr => "phr",
            Self::Phrh => "phrh",
        }
    }

    /// The level of assurance, where it is one.
    #[must_use]
    pub fn assurance(self) -> Option<Acr> {
        match self {
            Self::Eidas1 => Some(Acr::Eidas1),
            Self::Eidas2 => Some(Acr::Eidas2),
            Self::Eidas3 => Some(Acr::Eidas3),
            Self::Phr | Self::Phrh => None,
        }
    }

    /// Whether a session that reached this much has reached it. A higher level of assurance holds a lower one.
    #[must_use]
    pub fn is_met_by(self, session: &Session) -> bool {
        self.is_reached(session.acr, &session.amr, &session.evidence)
    }

    /// Whether a sign-in that proved this much has reached it.
    #[must_use]
    pub fn is_proved_by(self, proved: &Authentication) -> bool {
        self.is_reached(proved.acr, &proved.amr, &proved.evidence)
    }

    fn is_reached(self, acr: Acr, amr: &[Amr], evidence: &Evidence) -> bool {
        match self {
            Self::Phr => evidence.is_phishing_resistant(),
            Self::Phrh => evidence.is_phishing_resistant() && evidence.is_held_in_hardware(amr),
            level => level.assurance().is_some_and(|asked| asked <= acr),
        }
    }
}

impl From<Acr> for Level {
    fn from(acr: Acr) -> Self {
        match acr {
            Acr::Eidas1 => Self::Eidas1,
            Acr::Eidas2 => Self::Eidas2,
            Acr::Eidas3 => Self::Eidas3,
        }
    }
}

impl std::str::FromStr for Level {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|level| level.as_str() == name).ok_or(())
    }
}

/// A factor or property of a sign-in, by its name in RFC 8176.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Amr {
    /// Smart card.
    Sc,
    /// PIN.
    Pin,
    /// Key held in hardware, which an attestation proves.
    Hwk,
    /// Key that may be held in software: nothing proves better.
    Swk,
    /// The person was there: a touch, a finger or a code, which of them is not known.
    User,
    /// More than one factor.
    Mfa,
}

impl Amr {
    const ALL: [Self; 6] = [Self::Sc, Self::Pin, Self::Hwk, Self::Swk, Self::User, Self::Mfa];

    /// The name of RFC 8176.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sc => "sc",
            Self::Pin => "pin",
            Self::Hwk => "hwk",
            Self::Swk => "swk",
            Self::User => "user",
            Self::Mfa => "mfa",
        }
    }
}

/// The means, by the values of PSC's `authMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "UPPERCASE"))]
#[serde(rename_all = "UPPERCASE")]
pub enum AuthMode {
    /// A card of the CPS family.
    Card,
    /// The phone.
    Mobile,
    /// A security key or passkey. What Pro Santé Connect says of its own (in test) is not published.
    Fido,
}

impl AuthMode {
    /// The value of the claim.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "CARD",
            Self::Mobile => "MOBILE",
            Self::Fido => "FIDO",
        }
    }
}

/// What a sign-in method saw: kept with the session and in the audit, never given to relying parties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "means", rename_all = "lowercase")]
pub enum Evidence {
    /// A card and the workstation it was read at.
    Card {
        /// Issuer and card number, as in the certificate.
        card_number: String,
        /// SHA-256 of the certificate, in hexadecimal.
        certificate_sha256: String,
        /// The certificate's serial number, in hexadecimal.
        serial: String,
        /// SHA-256 of its issuer's name and key, in hexadecimal: with the serial number, what a revocation names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issuer: Option<String>,
        /// Where the card was read.
        workstation: WorkstationId,
        /// How the PIN was entered: pad, window, page.
        pin: String,
        /// contact or contactless.
        interface: String,
    },
    /// The certificate of a card, proven by a TLS handshake of the browser. The workstation is not known.
    #[serde(rename = "card-certificate")]
    CardCertificate {
        /// Issuer and card number, as in the certificate.
        card_number: String,
        /// SHA-256 of the certificate, in hexadecimal.
        certificate_sha256: String,
        /// The certificate's serial number, in hexadecimal.
        serial: String,
        /// SHA-256 of its issuer's name and key, in hexadecimal: with the serial number, what a revocation names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issuer: Option<String>,
        /// Who took the PIN: middleware. When is not known: it may have kept the card open since it was inserted.
        pin: String,
        /// contact: the contactless side of a card holds another certificate.
        interface: String,
        /// Whether the establishment counts it as a proof of the moment.
        #[serde(default)]
        fresh: bool,
    },
    /// A tap of the contactless side of the card: one factor, within hours of a sign-in with the same card and its PIN.
    Badge {
        /// Issuer and card number, as in the technical certificate.
        card_number: String,
        /// SHA-256 of the technical certificate, in hexadecimal.
        certificate_sha256: String,
        /// The technical certificate's serial number, in hexadecimal.
        serial: String,
        /// SHA-256 of its issuer's name and key, in hexadecimal.
        issuer: String,
        /// Where the card was tapped.
        workstation: WorkstationId,
        /// When it was tapped.
        tapped_at: Time,
        /// What the sign-in with card and PIN saw that this renews: an [`Evidence::Card`].
        renews: Box<Evidence>,
    },
    /// A tap of the badge, and the touch of a security key that does not verify its person: two things that somebody has.
    #[serde(rename = "badge-and-key")]
    BadgeAndKey {
        /// What the tap proved: an [`Evidence::Badge`].
        badge: Box<Evidence>,
        /// The key's row in the registry of means.
        key: MeansId,
        /// The model that it says it is; nil where it does not say, as keys of U2F do.
        aaguid: String,
        /// Whether an attestation proves the model.
        attested: bool,
        /// When it was touched.
        touched_at: Time,
    },
    /// The card and its PIN, which answered for what another program waits for: whoever began that is not in this browser.
    #[serde(rename = "card-asked")]
    CardAsked {
        /// What the answer saw: an [`Evidence::Card`].
        card: Box<Evidence>,
    },
    /// A signature of a security key or passkey.
    #[serde(rename = "security-key")]
    SecurityKey {
        /// Its row in the registry of means.
        key: MeansId,
        /// The model that it says it is.
        aaguid: String,
        /// Whether an attestation proves the model.
        attested: bool,
        /// Whether it may leave its device: a synchronised passkey.
        synced: bool,
        /// Whether it verified its person, by a code or a finger.
        user_verified: bool,
    },
    /// The answer of a phone to what another browser, or a program, waited for.
    Phone {
        /// Its row in the registry of means.
        phone: MeansId,
        /// How the two were tied together: number, scan or ciba.
        way: String,
        /// Whether its passkey may leave it.
        synced: bool,
    },
    /// What a provider of others says of whoever signed in there.
    Upstream {
        /// Its name in the configuration.
        provider: String,
        /// Its issuer.
        issuer: String,
        /// Who it is there.
        subject: String,
        /// Their session there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sid: Option<String>,
        /// The level that it told, in its own words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acr: Option<String>,
        /// The factors that it told, in its own words.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        amr: Vec<String>,
        /// Whether it told when they signed in there: its own session may be hours old.
        #[serde(default)]
        dated: bool,
    },
    /// Nothing at all: a test person of `sceau sandbox` was chosen. No installation has a way to write it.
    Sandbox {
        /// Which test person.
        person: String,
        /// Whether relying parties are told no level, as Pro Santé Connect once did.
        acr_untold: bool,
    },
}

impl Evidence {
    /// What was seen when the person last typed a PIN at one of our workstations; none where that is not known.
    #[must_use]
    pub fn card_and_pin(&self) -> Option<&Self> {
        match self {
            Self::Card { .. } => Some(self),
            Self::Badge { renews, .. } => renews.card_and_pin(),
            Self::BadgeAndKey { badge, .. } => badge.card_and_pin(),
            // Its session is in no browser, so that a badge has nothing to renew.
            Self::CardAsked { .. }
            | Self::CardCertificate { .. }
            | Self::SecurityKey { .. }
            | Self::Phone { .. }
            | Self::Upstream { .. }
            | Self::Sandbox { .. } => None,
        }
    }

    /// The security key in the registry of means that was touched after a badge, where one was.
    #[must_use]
    pub fn second_factor(&self) -> Option<MeansId> {
        match self {
            Self::BadgeAndKey { key, .. } => Some(*key),
            _ => None,
        }
    }

    /// Its row in the registry of means, of a security key that signed in alone, and of a phone.
    #[must_use]
    pub fn means(&self) -> Option<MeansId> {
        match self {
            Self::SecurityKey { key, .. } => Some(*key),
            Self::Phone { phone, .. } => Some(*phone),
            _ => None,
        }
    }

    /// The number of the card that was shown, where it has one and its person proved it with a PIN.
    #[must_use]
    pub fn card_number(&self) -> Option<&str> {
        match self {
            Self::Card { card_number, .. } | Self::CardCertificate { card_number, .. } => {
                Some(card_number.as_str()).filter(|number| !number.is_empty())
            }
            Self::Badge { renews, .. } => renews.card_number(),
            Self::BadgeAndKey { badge, .. } => badge.card_number(),
            Self::CardAsked { card } => card.card_number(),
            Self::SecurityKey { .. } | Self::Phone { .. } | Self::Upstream { .. } | Self::Sandbox { .. } => {
                None
            }
        }
    }

    /// Whether nothing that a stranger's page learns from its person opens a session with it: the proof is bound to our
    /// origin.
    #[must_use]
    pub fn is_phishing_resistant(&self) -> bool {
        matches!(
            self,
            Self::Card { .. }
                | Self::CardCertificate { .. }
                | Self::SecurityKey { .. }
                | Self::BadgeAndKey { .. }
        )
    }

    /// Whether what resists phishing in it is proven to be held in hardware. Of a badge and a key it is the key that does:
    /// the chip of the card says nothing of it.
    fn is_held_in_hardware(&self, amr: &[Amr]) -> bool {
        match self {
            Self::BadgeAndKey { attested, .. } => *attested,
            _ => amr.contains(&Amr::Hwk),
        }
    }

    /// Whether it is one factor only: the card, without its PIN.
    #[must_use]
    pub fn is_badge(&self) -> bool {
        matches!(self, Self::Badge { .. })
    }

    /// Whether its card was tapped instead of its PIN typed, alone or with a key that was touched.
    #[must_use]
    pub fn rests_on_badge(&self) -> bool {
        matches!(self, Self::Badge { .. } | Self::BadgeAndKey { .. })
    }
}

impl Evidence {
    /// Whether the PIN is known to have been typed for this sign-in, or the establishment counts it so.
    #[must_use]
    pub fn is_of_the_moment(&self) -> bool {
        !self.rests_on_badge()
            && !matches!(
                self,
                Self::CardCertificate { fresh: false, .. } | Self::Upstream { dated: false, .. }
            )
    }
}

/// A session as it stands in the database.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "server", derive(sqlx::FromRow))]
pub struct Session {
    /// Its `sid`.
    pub id: SessionId,
    /// Whose it is.
    pub person_id: PersonId,
    /// The level reached at sign-in.
    pub acr: Acr,
    /// The factors used.
    #[cfg_attr(feature = "server", sqlx(json))]
    pub amr: Vec<Amr>,
    /// The means used.
    pub auth_mode: AuthMode,
    /// When the person last proved who they are.
    pub auth_time: Time,
    /// What was seen.
    #[cfg_attr(feature = "server", sqlx(json))]
    pub evidence: Evidence,
    /// When the session began.
    pub created_at: Time,
    /// When it was last used.
    pub last_seen_at: Time,
    /// When it ends at the latest.
    pub expires_at: Time,
    /// When it ended, if it did.
    pub ended_at: Option<Time>,
    /// The workstation whose channel watches its card; none where no channel does.
    pub workstation_id: Option<WorkstationId>,
    /// The card that is watched: SHA-256 of its certificate, in hexadecimal.
    pub card: Option<String>,
    /// Until when the channel vouched for the card; none where its leaving is of no interest.
    pub leased_until: Option<Time>,
    /// Since when it is locked, if it is.
    pub locked_at: Option<Time>,
    /// The network zone it was opened in; empty where that is not known.
    pub zone: String,
    /// Whether the workstation is marked as shared.
    pub shared: bool,
}

impl Session {
    /// The card whose PIN was typed for it, as channels name it: the one that is watched, or that a badge stood in for.
    #[must_use]
    pub fn card_of_pin(&self) -> Option<&str> {
        match (&self.card, self.evidence.card_and_pin()) {
            (Some(card), _) => Some(card),
            (None, Some(Evidence::Card { certificate_sha256, .. })) if self.evidence.rests_on_badge() => {
                Some(certificate_sha256)
            }
            (None, _) => None,
        }
    }
}

/// Why a session ended, as it stands in the database and in audit events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The person signed out.
    SignedOut,
    /// A relying party asked for it.
    RelyingParty,
    /// Four hours, or thirty minutes idle.
    Expired,
    /// Another person, or the same one anew, signed in in the same browser.
    Replaced,
    /// The person was disabled.
    PersonDisabled,
    /// The person's link with the establishment ended.
    AffiliationEnded,
    /// An administrator ended it.
    Administrator,
    /// Its card left the reader.
    CardRemoved,
    /// The person at a shared workstation said that it is somebody else's.
    NotMe,
    /// The card that it was begun with was revoked.
    CardRevoked,
    /// The means that it was begun with was suspended or revoked here.
    MeansHalted,
    /// The provider of others that it came from says that its person has signed out there.
    UpstreamLogout,
    /// The identity at a provider of others that it was begun with is its person's no more.
    Unlinked,
}

impl EndReason {
    /// The name kept in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed-out",
            Self::RelyingParty => "relying-party",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::PersonDisabled => "person-disabled",
            Self::AffiliationEnded => "affiliation-ended",
            Self::Administrator => "administrator",
            Self::CardRemoved => "card-removed",
            Self::NotMe => "not-me",
            Self::CardRevoked => "card-revoked",
            Self::MeansHalted => "means-halted",
            Self::UpstreamLogout => "upstream-logout",
            Self::Unlinked => "unlinked",
        }
    }
}
