//! Which algorithm a client's tokens are signed by: the one it is registered with, else that of its profile.
//!
//! One rule for ID tokens, access tokens and logout tokens, so that a relying party that knows one algorithm can check
//! all it is given. Signed userinfo and introspection follow what is registered for them (OpenID Connect Registration §2,
//! RFC 9701 §6).

use super::profile;
use crate::crypto::digest::{sha256, sha512};
use crate::crypto::jose::base64url;
use crate::crypto::keys::Algorithm;
use crate::store::client::Client;

/// For ID, access and logout tokens.
pub fn of_tokens(client: &Client) -> Algorithm {
    registered(client.metadata.id_token_signed_response_alg.as_deref(), client)
}

/// For userinfo.
pub(super) fn of_userinfo(client: &Client) -> Algorithm {
    registered(client.metadata.userinfo_signed_response_alg.as_deref(), client)
}

/// For answers of the authorization endpoint (JARM §3).
pub(super) fn of_authorization(client: &Client) -> Algorithm {
    registered(client.metadata.authorization_signed_response_alg.as_deref(), client)
}

/// For introspection.
pub(super) fn of_introspection(client: &Client) -> Algorithm {
    registered(client.metadata.introspection_signed_response_alg.as_deref(), client)
}

/// Registration refuses a name that is not ours; one that came into the database otherwise counts as none.
fn registered(name: Option<&str>, client: &Client) -> Algorithm {
    name.and_then(Algorithm::from_name).unwrap_or(profile::of(client).rules().signed_by)
}

/// OpenID Connect Core §3.1.3.6: the left half of the digest that the algorithm uses; Ed25519 uses SHA-512 (RFC 8032 §5.1).
pub(super) fn at_hash(algorithm: Algorithm, access_token: &str) -> String {
    let token = access_token.as_bytes();
    match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => left_half(&sha256(token)),
        Algorithm::EdDsa => left_half(&sha512(token)),
    }
}

fn left_half(digest: &[u8]) -> String {
    base64url::encode(digest.get(..digest.len() / 2).unwrap_or(digest))
}
