//! Everything that touches OpenSSL.
pub mod x509;
