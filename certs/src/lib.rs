//! Throw-away certificate authorities of the shape of IGC-Santé TEST, the health professionals' cards of ANS.
//!
//! A hospital gets from this a way to try card login on its own machine before any real card or authority is at hand:
//! a root, the authority of the persons' cards below it, cards that are good and cards that must be refused, the
//! organisations' branch, and revocation lists. It also gets the pinned fingerprints of the *real* authorities
//! ([`roots`]), so that a downloaded file can be compared before it is trusted.
//!
//! Profiles follow RFC 5280 and what was decoded from TEST certificates of IGC-Santé. Keys are only ever made at run
//! time; nothing made here is trusted by a server whose configuration does not say so. What is signed is looked at
//! first ([`certificate::Template::faults`]).

pub mod card;
pub mod certificate;
pub mod crl;
pub mod der;
pub mod extension;
pub mod keys;
mod layout;
pub mod name;
mod pki;
pub mod roots;

pub use card::{Addresses, Profile};
pub use certificate::{Authority, Template};
pub use layout::{Found, ensure};
pub use pki::{Card, KeyPair, Options, Organisation, Pki, responder_template};

/// What can go wrong in making, writing and reading a set of authorities.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("OpenSSL: {0}")]
    Openssl(#[from] openssl::error::ErrorStack),
    #[error("not signed, because it {}", .0.join("; "))]
    WouldNotSign(Vec<String>),
    #[error("{path}: {source}")]
    File { path: std::path::PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Profile { path: std::path::PathBuf, source: serde_json::Error },
    #[error("{0} is neither empty nor a set of authorities made here; name another directory")]
    NotOurs(std::path::PathBuf),
}

#[cfg(test)]
mod tests;
