//! Asking a person away from what waits for the answer: on their phone, or at the reader that holds their card.
//!
//! A hospital gets from it one question, whoever asks: a browser at a desk, or a program without one (CIBA). The question and
//! its answer are a row of the database (`store::approval`), so that they survive a restart and any node can take the answer;
//! what stands here is only how a person is reached. The phone and the card implement it, and `app` joins them: whoever asks
//! names neither.

use std::fmt::Debug;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Acr;
use crate::ids::{ApprovalId, PersonId};

/// Where a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "lowercase"))]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// On a phone that was paired.
    Phone,
    /// At the workstation whose reader holds the card.
    Card,
}

/// The workstations whose holders of cards a program may ask there: by their zone, or by the network that their agents report
/// from. None unless somebody said which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workstations {
    /// Zones, as workstations are enrolled in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNet>,
}

impl Workstations {
    /// From names of zones and networks, as they are given on the command line: what is written like a network is one.
    #[must_use]
    pub fn named(places: &[String]) -> Self {
        let mut all = Self::default();
        for place in places {
            match place.parse() {
                Ok(network) => all.networks.push(network),
                Err(_) => all.zones.push(place.clone()),
            }
        }
        all
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.networks.is_empty()
    }

    /// Whether a workstation of that zone, whose agent calls from that address, is one of them.
    #[must_use]
    pub fn hold(&self, zone: &str, address: Option<IpAddr>) -> bool {
        let within = |address: IpAddr| {
            let address = address.to_canonical();
            self.networks.iter().any(|network| network.contains(&address))
        };
        self.zones.iter().any(|named| named == zone && !zone.is_empty()) || address.is_some_and(within)
    }

    /// Each in words, zones first.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        self.zones.iter().cloned().chain(self.networks.iter().map(ToString::to_string)).collect()
    }
}

/// What the person is shown, and what their answer covers: whoever approves has seen these words and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// The name of the service that asks who they are.
    pub application: String,
    /// Whether the waiting browser is in a network of the establishment. Of a program nobody knows where its user is: no.
    pub is_inside: bool,
    /// Whether a program waits, and no browser.
    pub is_program: bool,
    /// The browser that waits, in words of ours; empty where nobody knows it.
    pub browser: String,
    /// Whether this person has not used that browser with a card or a key before.
    pub is_new_browser: bool,
    /// How many digits they have to type; 0 of a code that was scanned.
    pub digits: u8,
}

/// What came of waking somebody, some time later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way of reaching people. The question stands in the database before, and its answer there afterwards.
pub trait Asks: Send + Sync + Debug {
    /// Tells the person that something waits, if they can be reached. Whoever asks learns nothing from it, not even whether
    /// there is such a person.
    fn wake(&self, approval: ApprovalId, person: PersonId) -> Later<'_, ()>;

    /// Until the answer is there, or may be: the caller looks in the database, and in any case after its own patience.
    fn answered(&self, approval: ApprovalId) -> Later<'_, ()>;

    /// The level that an answer reaches at most, where that is fixed.
    fn level(&self) -> Option<Acr> {
        None
    }

    /// Whether it asks for a client that is linked to these workstations. Phones do not care.
    fn asks_for(&self, _: &Workstations) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workstation_is_asked_by_its_zone_or_its_network_and_by_default_none_is() {
        let places = ["bloc", "10.20.0.0/16", "2001:db8::/32"].map(str::to_owned);
        let workstations = Workstations::named(&places);
        assert_eq!(workstations.in_words(), places);
        let holds = |zone: &str, address: Option<&str>| {
            workstations.hold(zone, address.map(|address| address.parse().unwrap()))
        };
        assert!(holds("bloc", None) && holds("bloc", Some("192.0.2.1")));
        assert!(holds("", Some("10.20.3.4")) && holds("bureaux", Some("::ffff:10.20.3.4")));
        assert!(holds("bureaux", Some("2001:db8::7")));
        assert!(!holds("bureaux", Some("10.21.0.1")) && !holds("Bloc", None) && !holds("", None));
        let none = Workstations::default();
        assert!(
            none.is_empty() && !none.hold("", None) && !none.hold("bloc", Some("10.20.3.4".parse().unwrap()))
        );
        assert!(!Workstations::named(&[String::new()]).hold("", None), "a workstation of no zone is in none");
    }
}
