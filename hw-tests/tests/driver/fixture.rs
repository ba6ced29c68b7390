//! The people, the cards and the proof that the tests share.

use std::sync::OnceLock;

use sceau::card::driver::{LastTry, Pin, PresentedCard};
use sceau::card::proof::{Proof, Purpose};
use sceau_hw_tests::identity;
use sceau_hw_tests::softcard::{Identity, Profile, SoftCard};

/// Instruction bytes.
pub const VERIFY: u8 = 0x20;
pub const READ_BINARY: u8 = 0xB0;
pub const INTERNAL_AUTHENTICATE: u8 = 0x88;

pub const UNCONFIRMED: LastTry = LastTry::NotConfirmed;

/// The cards that the tests use.
const CARDS: [&str; 9] = [
    "good",
    "nurse",
    "student",
    "employee",
    "director",
    "employee-siren",
    "authorised",
    "practice-rpps",
    "nameless",
];

/// The card of `name`: see `sceau_certs::card::profiles`.
pub fn identity(name: &str) -> Identity {
    static AUTHORITIES: OnceLock<sceau_certs::Pki> = OnceLock::new();
    let authorities = AUTHORITIES.get_or_init(|| identity::authorities(&CARDS).unwrap());
    identity::of(authorities, name).unwrap()
}

pub fn card(name: &str) -> SoftCard {
    SoftCard::new(identity(name), Profile::default())
}

pub fn pin(digits: &str) -> Pin {
    Pin::parse(digits).unwrap()
}

pub fn proof(shown: &PresentedCard) -> Proof {
    proof_for(Purpose::Browser, shown)
}

pub fn proof_for(purpose: Purpose, shown: &PresentedCard) -> Proof {
    Proof::new(purpose, "http://localhost:8080", "a.request.jws", &shown.certificate_der)
}

/// Whether `signature` is one of the card that was `shown`, judged by OpenSSL itself.
pub fn verifies(shown: &PresentedCard, signature: &[u8]) -> bool {
    verifies_for(Purpose::Browser, shown, signature)
}

/// The same for a proof of any purpose.
pub fn verifies_for(purpose: Purpose, shown: &PresentedCard, signature: &[u8]) -> bool {
    let certificate = openssl::x509::X509::from_der(&shown.certificate_der).unwrap();
    let key = certificate.public_key().unwrap();
    let mut verifier = openssl::sign::Verifier::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
    verifier.verify_oneshot(signature, proof_for(purpose, shown).as_bytes()).unwrap()
}
