//! DPoP (RFC 9449): a proof, with each request, that its sender has the key that a token is bound to.
//!
//! What a hospital gets: an access token that leaks from a log, a proxy or a browser is no use to whoever finds it. A proof
//! is for one request (`htm`, `htu`, at a resource `ath`), is recent, is good once on every node, and holds a nonce that
//! this provider gave out minutes ago, so that nobody makes proofs in advance with a key borrowed for a moment (§8, §11.2).
//!
//! `htu` is compared with what *we* know our address to be, never with the `Host` of the request (§4.3, §11.7).

use std::fmt::Write as _;

use chrono::TimeDelta;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::jwt::{NumericDate, SKEW};
use crate::clock::Time;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::{hmac_sha256, sha256};
use crate::crypto::jose::{self, Expected, JwsError, base64url};
use crate::crypto::keys::Algorithm;
use crate::crypto::sealed::SealKey;
use crate::store::used_proof::{self, ProofKind};
use crate::store::{Db, StoreError};

/// The header that a proof stands in (§4.1).
pub const HEADER: HeaderName = HeaderName::from_static("dpop");
/// The header that a nonce is given out in (§8).
pub const NONCE_HEADER: HeaderName = HeaderName::from_static("dpop-nonce");
/// The algorithms of proofs, of all profiles.
pub const ALGORITHMS: [Algorithm; 4] = Algorithm::ALL;

const TYPE: &str = "dpop+jwt";
/// The longest proof read, in bytes: an RSA key of 8192 bits and its signature.
const LONGEST: usize = 6 * 1024;
const LONGEST_JTI: usize = 256;
/// How old a proof may be. Its nonce says more; this is for clocks that are wrong.
const OLDEST: TimeDelta = TimeDelta::minutes(5);
/// How long a nonce is given out; it is good for this and the window after it.
const WINDOW: TimeDelta = TimeDelta::minutes(2);

/// Why a proof is refused.
#[derive(Debug, thiserror::Error)]
pub enum DpopError {
    /// More than one header, or one that is no text.
    #[error("there is more than one DPoP proof")]
    Several,
    /// Type, algorithm, key, signature, or a claim of the wrong kind.
    #[error("the DPoP proof is refused: {0}")]
    Token(#[from] JwsError),
    /// For another method or address.
    #[error("the DPoP proof is for another request")]
    OtherRequest,
    /// Too old, or not made yet.
    #[error("the DPoP proof is too old, or not made yet")]
    Time,
    /// Without a nonce, or with one that is not ours or no longer good.
    #[error("a DPoP proof needs the nonce of this provider")]
    Nonce,
    /// Without a name, or with a very long one.
    #[error("the DPoP proof has no jti, or a very long one")]
    Name,
    /// It came before.
    #[error("the DPoP proof was used before")]
    Replayed,
    /// `ath` is missing, or that of another token.
    #[error("the DPoP proof is for another access token")]
    OtherToken,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DpopError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Several | Self::Token(_) => "OIDC-125",
            Self::OtherRequest => "OIDC-126",
            Self::Time => "OIDC-127",
            Self::Nonce => "OIDC-128",
            Self::Name => "OIDC-129",
            Self::Replayed => "OIDC-130",
            Self::OtherToken => "OIDC-131",
            Self::Store(error) => error.code(),
        }
    }

    /// The error that the relying party is told (§5, §8).
    pub fn name(&self) -> &'static str {
        if matches!(self, Self::Nonce) { "use_dpop_nonce" } else { "invalid_dpop_proof" }
    }
}

/// A request, as a proof has to describe it.
#[derive(Debug, Clone, Copy)]
pub struct ProvenRequest<'a> {
    /// Its method.
    pub method: &'a str,
    /// The addresses that it can have been sent to, as we publish them.
    pub addresses: &'a [String],
    /// The access token that it carries.
    pub access_token: Option<&'a str>,
    /// What the client's profile lets it sign with.
    pub algorithms: &'a [Algorithm],
}

#[derive(Debug, Deserialize)]
struct Claims {
    jti: Option<String>,
    htm: String,
    htu: String,
    iat: NumericDate,
    nonce: Option<String>,
    ath: Option<String>,
}

/// The proof of a request, if it has one.
///
/// # Errors
/// [`DpopError::Several`].
pub fn of(headers: &HeaderMap) -> Result<Option<&str>, DpopError> {
    let mut lines = headers.get_all(HEADER).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => line.to_str().map(Some).map_err(|_| DpopError::Several),
        (Some(_), Some(_)) => Err(DpopError::Several),
    }
}

/// Checks a proof, and yields the thumbprint of its key (RFC 7638).
///
/// # Errors
/// [`DpopError`].
pub async fn check(
    db: &Db,
    nonces: Option<&Nonces>,
    proof: &str,
    request: ProvenRequest<'_>,
    now: Time,
) -> Result<String, DpopError> {
    let (claims, thumbprint) = read(proof, request.algorithms)?;
    if claims.htm != request.method || !request.addresses.iter().any(|ours| is_same(&claims.htu, ours)) {
        return Err(DpopError::OtherRequest);
    }
    if let Some(token) = request.access_token {
        let expected = base64url::encode(sha256(token.as_bytes()));
        if claims.ath.as_deref() != Some(&expected) {
            return Err(DpopError::OtherToken);
        }
    }
    if let Some(nonces) = nonces
        && !claims.nonce.as_deref().is_some_and(|nonce| nonces.are(nonce, now))
    {
        return Err(DpopError::Nonce);
    }
    let made = claims.iat.0;
    if made <= now - OLDEST || made > now + SKEW {
        return Err(DpopError::Time);
    }
    let jti = claims.jti.filter(|jti| (1..=LONGEST_JTI).contains(&jti.len())).ok_or(DpopError::Name)?;
    // Last: what is refused for another reason uses nothing up.
    if !used_proof::use_once(db, ProofKind::Dpop, &thumbprint, &jti, made + OLDEST).await? {
        return Err(DpopError::Replayed);
    }
    Ok(thumbprint)
}

/// What a proof says, and the thumbprint of its key. Any bytes may come.
fn read(proof: &str, algorithms: &[Algorithm]) -> Result<(Claims, String), DpopError> {
    let expected = Expected { typ: Some(TYPE), algorithms, max_len: LONGEST };
    Ok(jose::verify_with_embedded_key(proof, expected)?)
}

/// Takes a proof apart as the endpoints do, for made-up input. Yields whether it was well formed.
pub fn is_well_formed(proof: &str) -> bool {
    read(proof, &ALGORITHMS).is_ok_and(|(claims, _)| normal(&claims.htu).is_some())
}

/// Whether the text can be the thumbprint of a key: 256 bits in base64url.
pub fn is_thumbprint(text: &str) -> bool {
    base64url::decode(text).is_some_and(|bytes| bytes.len() == 32)
}

/// Whether two addresses are the same after the normalisation of RFC 3986 §6.2.2 and §6.2.3, without query and fragment
/// (RFC 9449 §4.3, point 9).
pub fn is_same(claimed: &str, ours: &str) -> bool {
    normal(claimed).is_some_and(|claimed| normal(ours).is_some_and(|ours| claimed == ours))
}

/// Scheme, host, port and path in their one spelling; `None` for what is no address of a request.
fn normal(address: &str) -> Option<String> {
    // Parsers drop blanks and line breaks, and take a backslash for a slash.
    if !address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let url = Url::parse(address).ok()?;
    let plain =
        matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    plain.then(|| format!("{}://{host}:{port}{}", url.scheme(), spelled(url.path())))
}

/// RFC 3986 §6.2.2: letters that need no percent-encoding without one, the others in capitals.
fn spelled(path: &str) -> String {
    let mut spelled = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once('%') {
        spelled.push_str(before);
        let byte = behind.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let Some(byte) = byte else {
            spelled.push('%');
            rest = behind;
            continue;
        };
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            spelled.push(char::from(byte));
        } else {
            let _written = write!(spelled, "%{byte:02X}");
        }
        rest = behind.get(2..).unwrap_or_default();
    }
    spelled.push_str(rest);
    spelled
}

/// Nonces, the same on every node: a window of time, authenticated by a key that stands in no database. Nothing is kept.
pub struct Nonces(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

impl Nonces {
    /// Those of this installation.
    pub fn of(seal: &SealKey) -> Self {
        Self(seal.derive("dpop-nonce"))
    }

    /// The nonce to give out at `now`.
    pub fn current(&self, now: Time) -> String {
        self.of_window(window(now))
    }

    /// Whether it is a nonce that was given out in this window or in the one before.
    pub fn are(&self, nonce: &str, now: Time) -> bool {
        let window = window(now);
        [window, window.saturating_sub(1)]
            .into_iter()
            .any(|window| constant_time_eq(self.of_window(window).as_bytes(), nonce.as_bytes()))
    }

    /// The header that gives out a nonce.
    pub fn header(&self, now: Time) -> Option<(HeaderName, HeaderValue)> {
        Some((NONCE_HEADER, HeaderValue::from_str(&self.current(now)).ok()?))
    }

    fn of_window(&self, window: i64) -> String {
        let tag = hmac_sha256(&*self.0, &window.to_be_bytes());
        base64url::encode(tag.get(..18).unwrap_or(&tag))
    }
}

fn window(now: Time) -> i64 {
    now.timestamp().div_euclid(WINDOW.num_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::crypto::random::SystemRandom;

    #[test]
    fn addresses_are_compared_in_their_one_spelling() {
        const OURS: &str = "https://id.hopital.example/auth/token";
        for same in [
            OURS,
            "HTTPS://ID.Hopital.example/auth/token",
            "https://id.hopital.example:443/auth/token",
            "https://id.hopital.example/auth/%74oken",
            "https://id.hopital.example/auth/./token",
            "https://id.hopital.example/auth/x/../token",
            "https://id.hopital.example/auth/token?a=1#b",
        ] {
            assert!(is_same(same, OURS), "{same}");
        }
        for other in [
            "http://id.hopital.example/auth/token",
            "https://id.hopital.example:8443/auth/token",
            "https://id.hopital.example/auth/Token",
            "https://id.hopital.example/auth/token/",
            "https://id.hopital.example/auth/token%2F",
            "https://id.hopital.example/auth//token",
            "https://id.hopital.example.evil.example/auth/token",
            "https://evil@id.hopital.example/auth/token",
            "https://id.hopital.example\\@evil.example/auth/token",
            "https://id.hopital.example/auth\\token",
            "https://id.hopital.example/auth/tok\nen",
            " https://id.hopital.example/auth/token",
            "//id.hopital.example/auth/token",
            "/auth/token",
            "",
        ] {
            assert!(!is_same(other, OURS), "{other}");
        }
        assert!(is_same("https://[::1]/x%2fy", "https://[0:0::1]:443/x%2Fy"));
        assert!(!is_same("https://h/x%2fy", "https://h/x/y"));
        assert!(is_same("https://h/100%", "https://h/100%"), "not an escape");
    }

    #[test]
    fn a_nonce_is_good_for_its_window_and_the_next_and_for_this_installation() {
        let (clock, seal) = (MockClock::default(), SealKey::generate(&SystemRandom));
        let (nonces, node) = (Nonces::of(&seal), Nonces::of(&seal));
        let start = clock.now();
        let nonce = nonces.current(start);
        assert!(node.are(&nonce, start) && node.are(&nonce, start + WINDOW));
        assert!(!node.are(&nonce, start + WINDOW * 2) && !node.are(&nonce, start - WINDOW));
        assert!(!Nonces::of(&SealKey::generate(&SystemRandom)).are(&nonce, start));
        assert!(!nonces.are("", start) && !nonces.are(&"a".repeat(10_000), start));
    }
}
