//! The people on software cards: those of `sceau-certs`.

use std::path::Path;

use sceau_certs::{Card, Options, Pki};

use crate::softcard::{Identity, KeyPair};

/// The PIN of every test card, as of ANS's.
pub const PIN: &str = "1234";
/// The PUK of every test card.
pub const PUK: &str = "12345678";

/// Why there is no such card.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Certificates(#[from] sceau_certs::Error),
    #[error("OpenSSL: {0}")]
    Openssl(#[from] openssl::error::ErrorStack),
    #[error("there is no card called {0:?} in this set")]
    NoSuchCard(String),
}

impl Identity {
    /// What the issuer puts on the card of this person.
    ///
    /// The serial number of the chip is made from the card's number: how the two relate on a real card is not known.
    ///
    /// # Errors
    /// When OpenSSL cannot encode a certificate.
    pub fn of(card: &Card) -> Result<Self, Error> {
        let pair = |pair: &sceau_certs::KeyPair| -> Result<KeyPair, Error> {
            Ok(KeyPair { key: pair.key.clone(), certificate: pair.certificate.to_der()? })
        };
        let digits = card.profile.card_number.as_deref().unwrap_or_default();
        let serial = format!("{digits:0>10}").chars().skip(2).collect();
        Ok(Self {
            serial,
            authentication: pair(&card.authentication)?,
            signature: pair(&card.signature)?,
            technical: card.technical.as_ref().map(pair).transpose()?,
            pin: PIN.to_owned(),
            puk: PUK.to_owned(),
        })
    }

    /// The card `name` of the set in `dir` (see `sceau-certs`).
    ///
    /// # Errors
    /// When there is none.
    pub fn load(dir: &Path, name: &str) -> Result<Self, Error> {
        Self::of(&Card::load(&dir.join("cards").join(name))?)
    }
}

/// New authorities with just these cards, for a test.
///
/// # Errors
/// When OpenSSL fails.
pub fn authorities(cards: &[&str]) -> Result<Pki, Error> {
    Ok(Pki::generate(sceau::clock::Clock::now(&sceau::clock::SystemClock), &Options::only(cards))?)
}

/// The card `name` of `pki`, as issued.
///
/// # Errors
/// When there is none.
pub fn of(pki: &Pki, name: &str) -> Result<Identity, Error> {
    Identity::of(pki.card(name).ok_or_else(|| Error::NoSuchCard(name.to_owned()))?)
}
