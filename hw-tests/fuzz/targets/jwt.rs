//! A token that a client, a browser or an application sends: signed, with a key of its own, encrypted. What is believed is
//! one JSON object, and says the same to whoever reads it again.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sceau::crypto::jose::{
    self, ContentEncryption, DecryptionKey, Expected, ExpectedJwe, KeyManagement, KeySet,
};
use sceau::crypto::keys::Algorithm;

/// The keys that the worked examples of the corpus are signed by.
const SIGNERS: &[u8] = include_bytes!("../signers.json");
const SIGNED: Expected<'_> = Expected { typ: None, algorithms: &Algorithm::ALL, max_len: 8192 };
const ENCRYPTED: ExpectedJwe<'_> =
    ExpectedJwe { management: &KeyManagement::ALL, content: &ContentEncryption::ALL, max_len: 8192 };

fn signers() -> &'static KeySet {
    static KEYS: OnceLock<KeySet> = OnceLock::new();
    KEYS.get_or_init(|| KeySet::parse(SIGNERS).unwrap_or_else(|error| panic!("{error}")))
}

fn readers() -> &'static [DecryptionKey] {
    static KEYS: OnceLock<Vec<DecryptionKey>> = OnceLock::new();
    let make = |management| DecryptionKey::generate(management).unwrap_or_else(|error| panic!("{error}"));
    KEYS.get_or_init(|| KeyManagement::ALL.map(make).into())
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let believed = jose::verify_with_set::<serde_json::Value>(text, SIGNED, signers());
    if let Ok(claims) = believed {
        assert!(claims.is_object());
        assert_eq!(jose::unverified_claims(text).map(serde_json::Value::Object), Some(claims));
    }
    let _proof = jose::verify_with_embedded_key::<serde_json::Value>(text, SIGNED);
    for key in readers() {
        let opened = jose::decrypt(text, ENCRYPTED, |_| Some(key));
        assert!(opened.is_err(), "nobody knows this key");
    }
});
