//! The keys that a client publishes: a set, or one of them. A key that is taken says one thing: written and read again, it is
//! the same, and no private part of it is left.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sceau::crypto::jose::{EncryptionKey, KeyManagement, KeySet};
use sceau::crypto::keys::{Algorithm, VerifyingKey};

fuzz_target!(|input: &[u8]| {
    if let Ok(set) = KeySet::parse(input) {
        let _faults = set.faults().count();
        let _certificates = set.certificates();
        for algorithm in Algorithm::ALL {
            if let Ok(key) = set.verifying(None, algorithm) {
                assert!(key.allows(algorithm));
            }
        }
        for management in KeyManagement::ALL {
            if let Ok(key) = set.encrypting(management) {
                assert!(key.allows(management));
            }
        }
    }
    let Ok(jwk) = serde_json::from_slice::<serde_json::Value>(input) else { return };
    let _reader = EncryptionKey::from_jwk(&jwk);
    if let Ok(key) = VerifyingKey::from_jwk(&jwk) {
        let written = key.to_jwk();
        assert!(written.get("d").is_none() && written.get("k").is_none());
        let again = VerifyingKey::from_jwk(&written);
        assert_eq!(again.as_ref().map(VerifyingKey::kid), Ok(key.kid()));
        assert!(
            Algorithm::ALL
                .iter()
                .all(|one| again.as_ref().is_ok_and(|again| again.allows(*one) == key.allows(*one)))
        );
    }
});
