//! Everything that touches OpenSSL: randomness, digests, sealed data, signing keys, signed tokens and certificates.
//!
//! No other module names `openssl` (but `web::tls`), so that one place is read when the library changes, and one
//! place decides which algorithms exist.

pub mod digest;
#[cfg(feature = "server")]
pub mod egress;
pub mod files;
pub mod hsm;
pub mod jose;
pub mod keys;
pub mod random;
pub mod sealed;
#[cfg(feature = "server")]
pub mod web_push;
pub mod x509;

/// Compares two byte strings without revealing, by the time it takes, where they differ.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && openssl::memcmp::eq(a, b)
}
