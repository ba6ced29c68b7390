//! Whoever asks for somebody at a sign-in page: on their phone, or in the application of a provider.
//!
//! Neither resists phishing, so that a person is asked for a page of their establishment, or for a browser that they have used
//! with a card or a key. And strangers ask too: they are counted by the network that they are in, never by what they can throw
//! away, and those who have used their browser before by that browser, whoever else is behind its address.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use super::browser;
use super::limits::network_of;
use crate::audit::Caller;
use crate::crypto::digest::sha256;
use crate::ids::PersonId;
use crate::store::{Db, StoreError};

/// From where people can be asked.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The networks of the establishment.
    pub networks: Vec<IpNet>,
    /// Whether they can be asked for any browser anywhere, also for one that they have used with nothing better.
    pub anywhere: bool,
}

impl Reach {
    /// Whether an address is of the establishment, in whichever spelling; one that is not known is not.
    #[must_use]
    pub fn is_inside(&self, address: Option<IpAddr>) -> bool {
        let within =
            |address: IpAddr| self.networks.iter().any(|network| network.contains(&address.to_canonical()));
        address.is_some_and(within)
    }

    /// Whether somebody can be asked for a page at this address, in a browser that they have used or not.
    #[must_use]
    pub fn admits(&self, address: Option<IpAddr>, is_known: bool) -> bool {
        is_known || self.anywhere || self.is_inside(address)
    }
}

/// Whoever asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Where they are.
    pub caller: &'a Caller,
    /// What their browser sent.
    pub headers: &'a HeaderMap,
}

impl Asker<'_> {
    /// Whether a person has used this browser with a card or a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_known_to(&self, db: &Db, person: PersonId) -> Result<bool, StoreError> {
        let own = browser::hash(self.headers);
        browser::is_known(db, person, own.as_ref().map(<[u8; 32]>::as_slice)).await
    }

    /// What they are counted by. A browser that the person has used is itself, whoever else is behind its address; all others of
    /// an address are one, for a cookie is thrown away at will.
    #[must_use]
    pub fn source(&self, is_known: bool) -> [u8; 32] {
        let own = browser::hash(self.headers).filter(|_| is_known);
        let address =
            || self.caller.address.map(|address| network_of(address).to_string()).unwrap_or_default();
        own.unwrap_or_else(|| sha256(format!("address:{}", address()).as_bytes()))
    }

    /// What they are counted by, for that name.
    #[must_use]
    pub fn source_for(&self, name: &str) -> [u8; 32] {
        sha256(&[&self.source(false)[..], name.as_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_inside_by_its_network_in_either_spelling() {
        let networks = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let reach = Reach { networks, anywhere: false };
        for (address, inside) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("2001:db8::1", true),
            ("192.0.2.1", false),
            ("::1", false),
        ] {
            assert_eq!(reach.is_inside(Some(address.parse().unwrap())), inside, "{address}");
        }
        assert!(!reach.is_inside(None));
        assert!(!reach.admits(None, false) && reach.admits(None, true));
        assert!(Reach { anywhere: true, ..reach }.admits(None, false));
    }
}
