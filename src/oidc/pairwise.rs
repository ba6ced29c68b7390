//! Pairwise subjects (OpenID Connect Core §8.1): services of different sectors cannot find out that they know the same
//! person by comparing `sub`.
//!
//! The value is an HMAC of sector and person under a key that never leaves the provider; so it stays the same for as long
//! as the person has a row, also after a national identifier was merged or changed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;
use zeroize::Zeroizing;

use crate::crypto::digest::hmac_sha256;
use crate::crypto::sealed::{SealError, SealKey};
use crate::ids::{PersonId, Random, Secret};
use crate::store::client::Client;
use crate::store::{Db, Setting, StoreError};

/// What the sealed key is bound to.
const PLACE: &str = "setting/pairwise-key";

/// The key of all pairwise subjects of an installation.
pub(super) struct PairwiseKey(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for PairwiseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PairwiseKey")
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum PairwiseError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was sealed with another key, or is damaged.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The row is not what was written.
    #[error("the key of pairwise subjects is damaged in the database")]
    Damaged,
}

impl PairwiseKey {
    /// Opens the key, and makes it at the first start.
    ///
    /// # Errors
    /// [`PairwiseError`].
    pub(super) async fn open(db: &Db, seal: &SealKey, random: &dyn Random) -> Result<Self, PairwiseError> {
        let stored = match db.setting(Setting::PairwiseKey).await? {
            Some(stored) => stored,
            None => {
                let new = Secret::of_256_bits(random);
                let sealed = URL_SAFE_NO_PAD.encode(seal.seal(PLACE, new.expose().as_bytes(), random)?);
                db.setting_once(Setting::PairwiseKey, &sealed).await?
            }
        };
        let sealed = URL_SAFE_NO_PAD.decode(stored).map_err(|_| PairwiseError::Damaged)?;
        Ok(Self(seal.open(PLACE, &sealed)?))
    }

    /// The `sub` of a person for the clients of one sector.
    pub(super) fn sub(&self, sector: &str, person: PersonId) -> String {
        let text = [sector.as_bytes(), b"\0", person.0.as_bytes()].concat();
        URL_SAFE_NO_PAD.encode(hmac_sha256(&self.0, &text))
    }
}

/// The host that a client's pairwise subjects are for: that of its sector identifier, else that of its addresses, which
/// registration lets be one only.
pub(super) fn sector(client: &Client) -> String {
    // Nobody has seen that its addresses are its own: it must not become part of another's sector.
    if client.self_registered {
        return client.id.clone();
    }
    let address = client.metadata.sector_identifier_uri.as_ref().or_else(|| client.redirect_uris.first());
    let host = address
        .and_then(|address| Url::parse(address).ok())
        .and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| client.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;
    use crate::ids::CountingRandom;
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn a_sector_sees_one_value_and_another_sector_another_after_a_restart_too() {
        on_both(async |db| {
            let seal = SealKey::generate(&SystemRandom);
            let open = async || PairwiseKey::open(&db, &seal, &SystemRandom).await.unwrap();
            let now = crate::clock::Clock::now(&crate::clock::MockClock::default());
            let (one, other) =
                (PersonId::new(now, &CountingRandom::default()), PersonId::new(now, &SystemRandom));
            let first = open().await.sub("rp.example", one);
            assert_eq!(first, open().await.sub("rp.example", one));
            assert_ne!(first, open().await.sub("other.example", one));
            assert_ne!(first, open().await.sub("rp.example", other));
            let wrong = PairwiseKey::open(&db, &SealKey::generate(&SystemRandom), &SystemRandom).await;
            assert!(wrong.is_err(), "another seal opens nothing, and makes no second key");
        })
        .await;
    }
}
