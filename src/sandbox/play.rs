//! What a sandbox plays: the changes and failures of Pro Santé Connect that an application meets some day, and the
//! answers of people who are not there.
//!
//! A software house gets switches for what `docs/psc-compatibility.md` tells of PSC, and a script in the place of a
//! thumb: a CI says beforehand who signs in next, and how. Held in memory by one process; the pages and the control
//! interface share it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::persons::{TestPerson, Variety};
use crate::oidc::psc;
use crate::session::{Acr, AuthMode};

/// The longest that anything waits on purpose, in seconds: less than a server, a proxy or a test gives a request.
pub const LONGEST_WAIT: u64 = 25;
/// More sign-ins than this are not scripted ahead, nor on their way at once.
const MANY: usize = 1_000;

/// The level that relying parties are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ToldAcr {
    /// What PSC tells of everybody.
    #[default]
    Eidas1,
    /// What PSC told of cards in September 2026.
    Eidas2,
    /// What its access tokens hold at times.
    Eidas3,
    /// No `acr` at all, as in 2023.
    Absent,
}

impl ToldAcr {
    /// The level of a session; the lowest where none is told.
    pub fn level(self) -> Acr {
        match self {
            Self::Eidas1 | Self::Absent => Acr::Eidas1,
            Self::Eidas2 => Acr::Eidas2,
            Self::Eidas3 => Acr::Eidas3,
        }
    }
}

/// How many exercices a professional of the directory has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Exercices {
    /// One.
    #[default]
    One,
    /// Two professions.
    Several,
}

/// What a relying party calls.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// Both discovery documents.
    Discovery,
    /// The public keys.
    Keys,
    /// The authorization endpoint, at all its addresses.
    Authorization,
    /// Pushed authorization requests.
    Pushed,
    /// Questions to people on their phone (CIBA).
    Backchannel,
    /// The token endpoint.
    Token,
    /// Introspection.
    Introspection,
    /// Revocation.
    Revocation,
    /// Userinfo.
    Userinfo,
    /// Logout by a relying party.
    Logout,
}

impl Endpoint {
    /// The endpoint at a path of the issuer or of the front host.
    pub fn at(path: &str) -> Option<Self> {
        if psc::FRONT_AUTHORIZATION.contains(&path) {
            return Some(Self::Authorization);
        }
        [
            (psc::DISCOVERY, Self::Discovery),
            (psc::WALLET_DISCOVERY, Self::Discovery),
            (psc::JWKS, Self::Keys),
            (psc::AUTHORIZATION, Self::Authorization),
            (psc::PUSHED, Self::Pushed),
            (psc::BACKCHANNEL, Self::Backchannel),
            (psc::TOKEN, Self::Token),
            (psc::INTROSPECTION, Self::Introspection),
            (psc::REVOCATION, Self::Revocation),
            (psc::USERINFO, Self::Userinfo),
            (psc::LOGOUT, Self::Logout),
        ]
        .into_iter()
        .find_map(|(end, endpoint)| path.ends_with(end).then_some(endpoint))
    }
}

/// How test persons answer on their phone, or at their card, when a program asks them (CIBA).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Phone {
    /// Yes, at once.
    #[default]
    Approve,
    /// No: the application reads `access_denied`.
    Refuse,
    /// With other digits than they should: the same.
    Mistype,
    /// Not at all: the question expires.
    Silent,
}

/// How the sandbox behaves, until told otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Switches {
    /// Of sign-ins from now on.
    pub acr: ToldAcr,
    /// Of the professionals of the directory.
    pub exercices: Exercices,
    /// What need not be filled is empty.
    pub empty_fields: bool,
    /// How they answer programs (CIBA).
    pub ciba: Phone,
    /// Seconds that an endpoint takes to answer.
    pub slow: BTreeMap<Endpoint, u64>,
    /// Endpoints that answer 503.
    pub unavailable: BTreeSet<Endpoint>,
}

/// A change of some switches; those that are not named stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// See [`Switches::acr`].
    pub acr: Option<ToldAcr>,
    /// See [`Switches::exercices`].
    pub exercices: Option<Exercices>,
    /// See [`Switches::empty_fields`].
    pub empty_fields: Option<bool>,
    /// See [`Switches::ciba`].
    pub ciba: Option<Phone>,
    /// See [`Switches::slow`]; replaces all.
    pub slow: Option<BTreeMap<Endpoint, u64>>,
    /// See [`Switches::unavailable`]; replaces all.
    pub unavailable: Option<BTreeSet<Endpoint>>,
}

impl Switches {
    /// How the professionals are described.
    pub fn variety(&self) -> Variety {
        Variety { several: self.exercices == Exercices::Several, empty: self.empty_fields }
    }

    /// These, with a change.
    pub fn with(&self, change: Change) -> Self {
        let Change { acr, exercices, empty_fields, ciba, slow, unavailable } = change;
        let slow = slow.map(|slow| slow.into_iter().map(|(at, wait)| (at, wait.min(LONGEST_WAIT))).collect());
        Self {
            acr: acr.unwrap_or(self.acr),
            exercices: exercices.unwrap_or(self.exercices),
            empty_fields: empty_fields.unwrap_or(self.empty_fields),
            ciba: ciba.unwrap_or(self.ciba),
            slow: slow.unwrap_or_else(|| self.slow.clone()),
            unavailable: unavailable.unwrap_or_else(|| self.unavailable.clone()),
        }
    }
}

/// What a person answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// They sign in.
    #[default]
    Approve,
    /// They give up: the application receives `access_denied`.
    Refuse,
}

/// With what they pretend to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlayedMeans {
    /// A card: `authMode` is `CARD`.
    #[default]
    Card,
    /// A phone: `authMode` is `MOBILE`.
    Mobile,
}

impl PlayedMeans {
    /// The value of `authMode`.
    pub fn auth_mode(self) -> AuthMode {
        match self {
            Self::Card => AuthMode::Card,
            Self::Mobile => AuthMode::Mobile,
        }
    }
}

/// A sign-in that is decided beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scripted {
    /// Who.
    pub person: TestPerson,
    /// How they answer.
    #[serde(default)]
    pub decision: Decision,
    /// After how many seconds; at most [`LONGEST_WAIT`].
    #[serde(default)]
    pub after: u64,
    /// With what.
    #[serde(default)]
    pub means: PlayedMeans,
    /// For this relying party only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// For every sign-in to come, not for the next alone.
    #[serde(default)]
    pub always: bool,
}

impl Scripted {
    /// How long the person takes.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.after.min(LONGEST_WAIT))
    }
}

/// What is scripted, and what of it a browser is on its way to fetch.
#[derive(Debug, Default)]
struct Script {
    ahead: VecDeque<Scripted>,
    /// By the handle of the sign-in.
    taken: HashMap<String, Scripted>,
}

/// What a sandbox plays now.
#[derive(Debug, Default)]
pub struct Play {
    switches: Mutex<Switches>,
    script: Mutex<Script>,
}

impl Play {
    /// With switches set from the start.
    pub fn new(switches: Switches) -> Self {
        Self { switches: Mutex::new(switches), script: Mutex::default() }
    }

    /// How it behaves.
    pub fn switches(&self) -> Switches {
        unpoisoned(&self.switches).clone()
    }

    /// Behaves so from now on.
    pub fn set(&self, switches: Switches) {
        *unpoisoned(&self.switches) = switches;
    }

    /// Scripts a sign-in after those that are scripted. False where there are too many.
    pub fn script(&self, scripted: Scripted) -> bool {
        let mut script = unpoisoned(&self.script);
        let room = script.ahead.len() < MANY;
        if room {
            script.ahead.push_back(scripted);
        }
        room
    }

    /// What is scripted, in its order.
    pub fn scripted(&self) -> Vec<Scripted> {
        unpoisoned(&self.script).ahead.iter().cloned().collect()
    }

    /// Forgets what is scripted.
    pub fn forget(&self) {
        unpoisoned(&self.script).ahead.clear();
    }

    /// Takes the first that is scripted for `client`, to be fetched under `handle`. False where a person is to choose.
    pub(super) fn take(&self, client: &str, handle: &str) -> bool {
        let mut script = unpoisoned(&self.script);
        let fits = |scripted: &Scripted| scripted.client_id.as_deref().is_none_or(|only| only == client);
        let Some(place) = script.ahead.iter().position(fits) else { return false };
        let Some(found) = script.ahead.get(place).cloned() else { return false };
        if !found.always {
            script.ahead.remove(place);
        }
        if script.taken.len() >= MANY {
            script.taken.clear();
        }
        script.taken.insert(handle.to_owned(), found);
        true
    }

    /// What was taken under `handle`, once.
    pub(super) fn fetch(&self, handle: &str) -> Option<Scripted> {
        unpoisoned(&self.script).taken.remove(handle)
    }
}

/// Nothing is left half done under these locks.
fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripted(json: &str) -> Scripted {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_script_is_followed_in_its_order_each_line_once_and_for_its_client() {
        let play = Play::default();
        assert!(play.script(scripted(r#"{"person":"nurse","client_id":"other"}"#)));
        assert!(play.script(scripted(r#"{"person":"doctor"}"#)));
        assert!(play.script(scripted(r#"{"person":"psi","decision":"refuse","always":true}"#)));
        assert!(play.take("rp", "a"));
        assert_eq!(play.fetch("a").unwrap().person, TestPerson::Doctor);
        assert!(play.fetch("a").is_none(), "once");
        for handle in ["b", "c"] {
            assert!(play.take("rp", handle));
            let last = play.fetch(handle).unwrap();
            assert_eq!((last.person, last.decision), (TestPerson::Psi, Decision::Refuse));
        }
        assert!(play.take("other", "d"));
        assert_eq!(play.fetch("d").unwrap().person, TestPerson::Nurse);
        play.forget();
        assert!(!play.take("rp", "e"), "a person is asked");
    }

    #[test]
    fn a_misspelt_script_is_refused_and_nothing_waits_for_ever() {
        for wrong in [r#"{"person":"dentist"}"#, r#"{"person":"nurse","desicion":"refuse"}"#, r#"{}"#] {
            assert!(serde_json::from_str::<Scripted>(wrong).is_err(), "{wrong}");
        }
        let slow = scripted(r#"{"person":"nurse","after":86400}"#);
        assert_eq!(slow.wait(), Duration::from_secs(LONGEST_WAIT));
        let change: Change = serde_json::from_str(r#"{"slow":{"token":86400}}"#).unwrap();
        assert_eq!(Switches::default().with(change).slow[&Endpoint::Token], LONGEST_WAIT);
    }

    #[test]
    fn a_change_leaves_the_other_switches_alone() {
        let first = Switches { acr: ToldAcr::Absent, empty_fields: true, ..Switches::default() };
        let change: Change =
            serde_json::from_str(r#"{"exercices":"several","unavailable":["userinfo"]}"#).unwrap();
        let after = first.with(change);
        assert_eq!((after.acr, after.empty_fields), (ToldAcr::Absent, true));
        assert_eq!(after.variety(), Variety { several: true, empty: true });
        assert!(after.unavailable.contains(&Endpoint::Userinfo));
    }

    #[test]
    fn endpoints_are_known_by_their_paths() {
        let realm = "/auth/realms/esante-wallet";
        for (path, endpoint) in [
            ("/.well-known/wallet-openid-configuration", Some(Endpoint::Discovery)),
            ("/protocol/openid-connect/certs", Some(Endpoint::Keys)),
            ("/protocol/openid-connect/token", Some(Endpoint::Token)),
            ("/protocol/openid-connect/token/introspect", Some(Endpoint::Introspection)),
            ("/protocol/openid-connect/userinfo", Some(Endpoint::Userinfo)),
            ("/elsewhere", None),
        ] {
            assert_eq!(Endpoint::at(&format!("{realm}{path}")), endpoint, "{path}");
        }
        assert_eq!(Endpoint::at("/auth"), Some(Endpoint::Authorization));
    }
}
