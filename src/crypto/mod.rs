//! Everything that touches OpenSSL.
pub mod digest;
pub mod x509;
