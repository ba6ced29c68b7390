//! Certificates: which authorities are trusted, whether a path leads to them, what is revoked, and what a health card
//! says.
//!
//! OpenSSL builds paths and checks every signature; `x509-parser`, without its own verification, only reads names and
//! extensions, which OpenSSL's binding does not give. The system's list of authorities is never used.
//!
//! Each module has its own error type; all share the codes `CERT-0xx` of `docs/errors.md`.

#[cfg(feature = "server")]
pub mod anchors;
#[cfg(feature = "server")]
pub mod chain;
#[cfg(feature = "server")]
pub mod crl;
#[cfg(feature = "server")]
mod der;
#[cfg(feature = "server")]
pub mod foreign;
pub mod machine;
#[cfg(feature = "server")]
pub mod names;
#[cfg(feature = "server")]
pub mod ocsp;
pub mod profile;
#[cfg(feature = "server")]
pub mod revocation;
pub mod signature;
#[cfg(feature = "server")]
pub mod trust;

#[cfg(test)]
#[cfg(feature = "server")]
mod pkits_tests;
#[cfg(test)]
pub(crate) mod test_pki;
