//! The authorities that tests share: RSA keys take time, so they are made once per test process.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sceau_certs::{Card, Options, Pki, Template};

#[cfg(feature = "server")]
use super::anchors::Anchors;
use crate::clock::{Clock, MockClock};

/// Noon of the mock clock.
pub(crate) fn now() -> DateTime<Utc> {
    MockClock::default().now()
}

/// Every card and organisation there is.
pub(crate) fn pki() -> &'static Pki {
    static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::generate(now(), &Options::default()).unwrap());
    &PKI
}

pub(crate) fn card(name: &str) -> &'static Card {
    pki().card(name).unwrap()
}

/// DER of the authentication certificate of a card.
pub(crate) fn authentication(name: &str) -> Vec<u8> {
    card(name).authentication.certificate.to_der().unwrap()
}

/// A certificate of the good card's key, issued by the genuine authority, saying whatever the test wants.
pub(crate) fn issue(template: &Template) -> Vec<u8> {
    pki().persons.issue_unchecked(template, &card("good").authentication.key).unwrap()
}

/// The anchors that a server of these cards has.
#[cfg(feature = "server")]
pub(crate) fn anchors() -> Anchors {
    let place = tempfile::tempdir().unwrap();
    for (name, authority) in [("root.pem", &pki().root), ("persons.pem", &pki().persons)] {
        std::fs::write(place.path().join(name), authority.certificate.to_pem().unwrap()).unwrap();
    }
    Anchors::load(place.path()).unwrap()
}
