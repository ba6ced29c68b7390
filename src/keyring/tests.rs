//! Keys are made, rotated, published and withdrawn in time, on both engines.

use super::*;
use crate::clock::{Clock, MockClock};
use crate::crypto::random::SystemRandom;
use crate::crypto::sealed::SealKey;
use crate::store::audit::Filter;
use crate::store::testing::on_both;

/// What keyrings stand in.
struct Installation {
    db: Db,
    clock: MockClock,
    trail: Trail,
    vault: Vault,
}

impl Installation {
    /// Runs `test` in one of each engine.
    async fn on_both(test: impl AsyncFn(Self)) {
        on_both(async |db| {
            let clock = MockClock::default();
            let trail = Trail::new("main", "1", Arc::new(clock.clone()), Arc::new(SystemRandom));
            test(Self { db, clock, trail, vault: Vault::from(SealKey::generate(&SystemRandom)) }).await;
        })
        .await;
    }

    /// Opens the keys of a purpose, as a start of the server does.
    async fn open(&self, purpose: Purpose) -> Keyring {
        self.open_with(&self.vault, purpose).await.unwrap()
    }

    async fn open_with(&self, vault: &Vault, purpose: Purpose) -> Result<Keyring, KeyringError> {
        let (shared, random) = (Arc::new(self.clock.clone()), Arc::new(SystemRandom));
        Keyring::open(self.db.clone(), vault, purpose, shared, random, &self.trail).await
    }

    async fn rotate(&self, which: impl Into<Which>, at_once: bool) -> Result<String, KeyringError> {
        let (now, event) = (self.clock.now(), self.trail.event(Kind::KeyRotated));
        rotate(&self.db, &self.vault, which, at_once, now, &SystemRandom, event).await
    }

    async fn withdraw(&self, kid: &str) -> Result<(Purpose, State), KeyringError> {
        let (now, event) = (self.clock.now(), self.trail.event(Kind::KeyWithdrawn));
        withdraw(&self.db, &self.vault, kid, now, &SystemRandom, event).await
    }
}

#[tokio::test]
async fn the_next_key_is_published_before_it_signs_and_the_last_one_after() {
    Installation::on_both(async |here| {
        let (ring, clock) = (here.open(Purpose::Token).await, &here.clock);
        let before = ring.keys().await;
        let (first, second) = (before.current().kid().to_owned(), before.next().unwrap().kid().to_owned());
        assert_eq!(before.published(clock.now()).count(), 2);
        let restarted = here.open(Purpose::Token).await;
        assert_eq!(restarted.keys().await.current().kid(), first, "a restart keeps the keys");

        let rotate = async |at_once| here.rotate(Purpose::Token, at_once).await;
        assert_eq!(rotate(false).await.unwrap_err().code(), "OIDC-091");
        clock.advance(published_before_use(Purpose::Token));
        assert_eq!(rotate(false).await.unwrap(), second);
        let after = ring.keys().await;
        assert_eq!(after.current().kid(), second);
        assert_eq!(after.published(clock.now()).count(), 3, "old, current, next");
        assert!(after.verifying(Some(&first)).is_some());
        assert!(after.verifying(None).is_none());
        clock.advance(TimeDelta::hours(25));
        let later = ring.keys().await;
        assert_eq!(later.published(clock.now()).count(), 2);
        assert!(later.verifying(Some(&first)).is_some(), "hints signed by it are still understood");
        rotate(true).await.unwrap();
        rotate(true).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_next_key_waits_until_workstations_know_it() {
    Installation::on_both(async |here| {
        here.open(Purpose::CardRequest).await;
        here.clock.advance(TimeDelta::days(29));
        let early = here.rotate(Purpose::CardRequest, false).await;
        assert_eq!(early.unwrap_err().code(), "OIDC-091", "a laptop that was away would have to enrol again");
        here.clock.advance(TimeDelta::days(1));
        here.rotate(Purpose::CardRequest, false).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_hides_no_rotation() {
    Installation::on_both(async |here| {
        let ring = here.open(Purpose::Refresh).await;
        here.clock.advance(TimeDelta::minutes(-10));
        let kid = here.rotate(Purpose::Refresh, true).await.unwrap();
        assert_eq!(ring.keys().await.current().kid(), kid);
    })
    .await;
}

#[tokio::test]
async fn another_seal_key_opens_nothing() {
    Installation::on_both(async |here| {
        here.open(Purpose::Refresh).await;
        let another = Vault::from(SealKey::generate(&SystemRandom));
        assert_eq!(here.open_with(&another, Purpose::Refresh).await.unwrap_err().code(), "STORE-013");
    })
    .await;
}

#[tokio::test]
async fn each_algorithm_has_keys_that_are_made_when_they_are_first_asked_for() {
    Installation::on_both(async |here| {
        let (ring, other_node) = (here.open(Purpose::Token).await, here.open(Purpose::Token).await);
        let clock = &here.clock;
        assert_eq!(
            ring.keys().await.algorithms(),
            [Algorithm::Rs256],
            "nothing is published that nobody uses"
        );
        let mut kids = std::collections::BTreeSet::new();
        for algorithm in Algorithm::ALL {
            let key = ring.current_for(algorithm).await.unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert_eq!(ring.current_for(algorithm).await.unwrap().kid(), key.kid(), "once");
            let there = other_node.current_for(algorithm).await.unwrap();
            assert_eq!(there.kid(), key.kid(), "another node takes what is there");
            kids.insert(key.kid().to_owned());
        }
        assert_eq!(kids.len(), 4, "PS256 has keys of its own");
        let keys = ring.keys().await;
        assert_eq!(keys.published(clock.now()).count(), 8);
        assert_eq!(keys.current().algorithm(), Algorithm::Rs256);
        for key in keys.published(clock.now()) {
            let jwk = key.to_jwk();
            assert!(jwk["alg"].is_string() && jwk["use"] == "sig" && jwk["kid"] == key.kid(), "{jwk}");
        }
        // One of them is rotated, the others stay.
        clock.advance(published_before_use(Purpose::Token));
        let which = Which { purpose: Purpose::Token, algorithm: "ES256".into() };
        let kid = here.rotate(which, false).await.unwrap();
        let after = ring.keys().await;
        assert_eq!(after.current_for(Algorithm::Es256).unwrap().kid(), kid);
        for same in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa] {
            let kid = after.current_for(same).unwrap().kid();
            assert_eq!(keys.current_for(same).unwrap().kid(), kid);
        }
        let token = ring.sign(Algorithm::EdDsa, "JWT", &serde_json::json!({})).await.unwrap();
        assert!(jose::unverified_claims(&token).is_some());
    })
    .await;
}

#[tokio::test]
async fn a_stolen_key_is_no_key_any_more() {
    Installation::on_both(async |here| {
        let (ring, clock) = (here.open(Purpose::Token).await, &here.clock);
        let before = ring.keys().await;
        let (stolen, next) = (before.current().kid().to_owned(), before.next().unwrap().kid().to_owned());
        assert_eq!(here.withdraw(&stolen).await.unwrap(), (Purpose::Token, State::Current));
        clock.advance(FRESH);
        let after = ring.keys().await;
        assert_eq!(after.current().kid(), next, "the next key signs at once");
        assert!(after.verifying(Some(&stolen)).is_none());
        assert!(after.published(clock.now()).all(|key| key.kid() != stolen));
        assert_eq!(after.published(clock.now()).count(), 2);
        assert_eq!(here.withdraw(&stolen).await.unwrap_err().code(), "OIDC-197");
        assert_eq!(here.withdraw("nobody").await.unwrap_err().code(), "OIDC-196");
        let upcoming = after.next().unwrap().kid().to_owned();
        assert_eq!(here.withdraw(&upcoming).await.unwrap(), (Purpose::Token, State::Next));
        clock.advance(FRESH);
        let later = ring.keys().await;
        assert_eq!(later.current().kid(), next);
        assert_ne!(later.next().unwrap().kid(), upcoming);
        let event =
            crate::store::audit::list(&here.db, &Filter { limit: 10, ..Filter::default() }).await.unwrap();
        let told = event.iter().any(|row| format!("{row:?}").contains(&stolen));
        assert!(told, "the audit names it: {event:?}");
    })
    .await;
}

#[tokio::test]
async fn request_objects_are_decrypted_by_the_keys_that_were_published() {
    use crate::crypto::jose::{ContentEncryption, ExpectedJwe, KeySet, decrypt, encrypt};
    Installation::on_both(async |here| {
        let (purpose, clock) = (Purpose::RequestObject, &here.clock);
        let (shared, random) = (Arc::new(clock.clone()), Arc::new(SystemRandom));
        let ring =
            DecryptionKeyring::open(here.db.clone(), &here.vault, purpose, shared, random, &here.trail);
        let ring = ring.await.unwrap();
        let published: Vec<_> = ring.keys().await.published(clock.now()).map(DecryptionKey::to_jwk).collect();
        assert_eq!(published.len(), 1);
        assert_eq!((&published[0]["use"], &published[0]["alg"]), (&"enc".into(), &"RSA-OAEP-256".into()));
        let set = serde_json::json!({ "keys": published }).to_string();
        let set = KeySet::parse(set.as_bytes()).unwrap();
        let management = KeyManagement::RsaOaep256;
        let key = set.encrypting(management).unwrap();
        let token = encrypt(key, management, ContentEncryption::A256Gcm, Some("JWT"), b"a.b.c").unwrap();
        clock.advance(published_before_use(purpose));
        here.rotate(purpose, false).await.unwrap();
        let keys = ring.keys().await;
        let expected =
            ExpectedJwe { management: &[management], content: &ContentEncryption::ALL, max_len: 4096 };
        let opened = decrypt(&token, expected, |kid| keys.decrypting(kid)).unwrap();
        assert_eq!(opened.content.as_slice(), b"a.b.c", "by the key of before");
        assert_ne!(keys.published(clock.now()).next().unwrap().to_jwk(), published[0]);
    })
    .await;
}

#[tokio::test]
async fn keys_that_have_signed_for_long_enough_are_followed_by_themselves() {
    Installation::on_both(async |here| {
        let (tokens, requests) = (here.open(Purpose::Token).await, here.open(Purpose::CardRequest).await);
        let clock = &here.clock;
        tokens.current_for(Algorithm::EdDsa).await.unwrap();
        let due = async || {
            let after = TimeDelta::days(20);
            rotate_due(&here.db, &here.vault, after, clock.now(), &SystemRandom, &here.trail).await.unwrap()
        };
        let (before, request) = (tokens.keys().await, requests.keys().await);
        clock.advance(TimeDelta::days(20) - TimeDelta::seconds(1));
        assert_eq!(due().await, 0);
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(
            due().await,
            2,
            "RS256 and EdDSA; workstations do not know their next one for long enough"
        );
        assert_eq!(due().await, 0, "the new ones are young");
        let after = tokens.keys().await;
        for algorithm in [Algorithm::Rs256, Algorithm::EdDsa] {
            let kid = |keys: &Keys| keys.current_for(algorithm).unwrap().kid().to_owned();
            assert_ne!(kid(&before), kid(&after));
            assert!(before.published(clock.now()).any(|key| key.kid() == kid(&after)), "known before");
        }
        assert_eq!(requests.keys().await.current().kid(), request.current().kid());
    })
    .await;
}
