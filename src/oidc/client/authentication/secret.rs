//! `client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1).
//!
//! Secrets are ours and of 256 bits, so their hashes are compared, in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::clock::Time;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::ids::Secret;
use crate::store::client::Client;

/// Whether it is a secret of the client that is good at `now`. An unknown client costs the same digest.
pub(super) fn is_of(client: Option<&Client>, secret: &Secret, now: Time) -> bool {
    let hash = sha256(secret.expose().as_bytes());
    client.is_some_and(|client| client.secret_hashes(now).any(|good| constant_time_eq(good, &hash)))
}

/// RFC 7617, both halves form-encoded first (RFC 6749 §2.3.1).
pub(super) fn basic(line: &HeaderValue) -> Option<(String, Secret)> {
    let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(token.trim()).ok().map(zeroize::Zeroizing::new)?;
    let text = std::str::from_utf8(&decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id)?, Secret::from(form_decoded(secret)?)))
}

fn form_decoded(text: &str) -> Option<String> {
    // A key without `=` is the whole text, decoded.
    if text.contains(['&', '=']) {
        return Some(text.to_owned());
    }
    form_urlencoded::parse(text.as_bytes()).next().map(|(decoded, _)| decoded.into_owned())
}
