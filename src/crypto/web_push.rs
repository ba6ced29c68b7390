//! Web Push: what is sent to a browser by way of a push service that must not read it (RFC 8291, in the coding of RFC
//! 8188), and how its sender is known there (VAPID, RFC 8292).
//!
//! A hospital gets from it that the maker of a browser carries a message and learns nothing but that there is one.
//! `ece` does the coding, over OpenSSL; what a browser says of itself is looked at here before.

use serde::Serialize;
use serde_json::json;

use super::jose::{self, SignError, base64url};
use super::keys::{KeyError, PublicKey, SigningKey, VerifyingKey};

/// An uncompressed point on P-256: what says so, and two numbers.
const POINT: usize = 65;
/// The secret that a browser makes for each subscription, in bytes (RFC 8291 §3.2).
const SECRET: usize = 16;

/// Why a browser's keys are none, or nothing could be written for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebPushError {
    /// The key is no uncompressed point on P-256, in base64url.
    #[error("p256dh is no point on P-256")]
    Point,
    /// The secret is not 16 bytes, in base64url.
    #[error("auth is not 16 bytes")]
    Secret,
    /// OpenSSL.
    #[error("the message cannot be encrypted: {0}")]
    Failed(String),
}

/// A browser that messages are written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    point: Vec<u8>,
    secret: Vec<u8>,
}

impl Recipient {
    /// From `p256dh` and `auth` of its subscription (Push API §8.1), in base64url without padding.
    ///
    /// # Errors
    /// [`WebPushError::Point`], [`WebPushError::Secret`].
    pub fn read(p256dh: &str, auth: &str) -> Result<Self, WebPushError> {
        let point = base64url::decode(p256dh).ok_or(WebPushError::Point)?;
        let secret = base64url::decode(auth).ok_or(WebPushError::Secret)?;
        if secret.len() != SECRET {
            return Err(WebPushError::Secret);
        }
        let jwk = match point.split_first() {
            Some((4, numbers)) if point.len() == POINT => {
                let (x, y) = numbers.split_at(numbers.len() / 2);
                json!({"kty": "EC", "crv": "P-256", "x": base64url::encode(x), "y": base64url::encode(y)})
            }
            _ => return Err(WebPushError::Point),
        };
        PublicKey::from_jwk(&jwk).map_err(|_| WebPushError::Point)?;
        Ok(Self { point, secret })
    }

    /// `message` as this browser alone reads it: the body of a request, with `Content-Encoding: aes128gcm`.
    ///
    /// # Errors
    /// [`WebPushError::Failed`].
    pub fn encrypt(&self, message: &[u8]) -> Result<Vec<u8>, WebPushError> {
        let sealed = ece::encrypt(&self.point, &self.secret, message);
        sealed.map_err(|error| WebPushError::Failed(error.to_string()))
    }
}

/// The public half of a key as browsers subscribe with it and push services know its sender by it (RFC 8292 §3.2): an
/// uncompressed point, in base64url.
///
/// # Errors
/// [`KeyError::Unsupported`], where it is not on P-256.
pub fn application_server_key(key: &VerifyingKey) -> Result<String, KeyError> {
    let jwk = key.to_jwk();
    let number =
        |name| jwk.get(name)?.as_str().and_then(base64url::decode).filter(|number| number.len() == 32);
    let (x, y) = (number("x"), number("y"));
    match (jwk.get("crv").and_then(serde_json::Value::as_str), x, y) {
        (Some("P-256"), Some(x), Some(y)) => Ok(base64url::encode([&[4][..], &x, &y].concat())),
        _ => Err(KeyError::Unsupported),
    }
}

/// What a sender claims (RFC 8292 §2).
#[derive(Debug, Serialize)]
pub struct Vapid<'a> {
    /// The origin of the push service.
    pub aud: &'a str,
    /// When the token is no longer good, in seconds since 1970: at most a day from now.
    pub exp: i64,
    /// Whom the push service writes to where something is wrong: `mailto:` or `https:`.
    pub sub: &'a str,
}

/// The value of `Authorization` by which a push service knows the sender (RFC 8292 §3).
///
/// # Errors
/// [`SignError`].
pub fn authorization(key: &SigningKey, claims: &Vapid<'_>) -> Result<String, SignError> {
    let public = application_server_key(key.public()).map_err(|error| SignError::new(error.to_string()))?;
    Ok(format!("vapid t={}, k={public}", jose::sign(key, "JWT", claims)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::Algorithm;

    /// The keys of the browser in RFC 8291 appendix A.
    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn only_what_a_browser_makes_is_taken() {
        assert!(Recipient::read(P256DH, AUTH).is_ok());
        let point = base64url::decode(P256DH).unwrap();
        let with = |change: fn(&mut Vec<u8>)| {
            let mut point = point.clone();
            change(&mut point);
            Recipient::read(&base64url::encode(point), AUTH)
        };
        for (change, what) in [
            ((|point| point[64] ^= 1) as fn(&mut Vec<u8>), "beside the curve"),
            (|point| point[0] = 2, "said to be compressed"),
            (|point| point.truncate(33), "short"),
            (|point| point.push(0), "long"),
            (Vec::clear, "empty"),
            (|point| point[1..].fill(0), "the point at infinity"),
        ] {
            assert_eq!(with(change), Err(WebPushError::Point), "{what}");
        }
        assert_eq!(Recipient::read(&format!("{P256DH}="), AUTH), Err(WebPushError::Point));
        for auth in ["", "AAAA", "BTBZMqHH6r4Tts7J_aSIggAA", "BTBZMqHH6r4Tts7J/aSIgg"] {
            assert_eq!(Recipient::read(P256DH, auth), Err(WebPushError::Secret), "{auth}");
        }
    }

    #[test]
    fn a_message_is_another_each_time_and_holds_nothing_in_clear() {
        let browser = Recipient::read(P256DH, AUTH).unwrap();
        let [one, other] = [b"waiting"; 2].map(|message| browser.encrypt(message).unwrap());
        assert!(one != other && !one.windows(7).any(|part| part == b"waiting"));
        // Salt, record size, length of the key, key (RFC 8188 §2.1).
        assert_eq!((one.get(20), one.get(21)), (Some(&65), Some(&4)));
    }

    #[test]
    fn the_sender_is_named_by_a_point_on_the_curve_and_by_no_other_key() {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let public = application_server_key(key.public()).unwrap();
        assert!(Recipient::read(&public, AUTH).is_ok(), "a point");
        let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
        assert_eq!(application_server_key(other.public()), Err(KeyError::Unsupported));
        let claims = Vapid { aud: "https://push.example", exp: 7, sub: "mailto:dsi@chu.example" };
        let said = authorization(&key, &claims).unwrap();
        assert!(said.starts_with("vapid t=ey") && said.ends_with(&format!(", k={public}")), "{said}");
    }
}
