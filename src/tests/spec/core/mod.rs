//! OpenID Connect Core 1.0 §3.1.2, RFC 6749 §4.1, RFC 9207: the authorization endpoint.

mod badge;
mod locked;
mod requests;
mod shared;
mod sign_in;
mod single_sign_on;
