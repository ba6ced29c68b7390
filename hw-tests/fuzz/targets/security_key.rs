//! What a security key or the browser before it may answer: an attestation object, or what it signed.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sceau::webauthn::ceremony::{Assertion, Ceremonies, Registrant};
use serde_json::{Value, json};

/// One registration on its way, and what a browser says of it.
struct Begun {
    ceremonies: Ceremonies,
    state: Value,
    client_data: String,
}

static BEGUN: LazyLock<Option<Begun>> = LazyLock::new(|| {
    let front = url::Url::parse("http://localhost:8080").ok()?;
    let ceremonies = Ceremonies::new(&front, "Hopital").ok()?;
    let who = Registrant {
        person: uuid::Uuid::from_u128(1),
        name: "899700366240".into(),
        display_name: "KIT DOC0036624".into(),
        known: Vec::new(),
    };
    let begun = ceremonies.begin_registration(&who, true, false).ok()?;
    let data = json!({
        "type": "webauthn.create", "challenge": begun.options.get("challenge")?, "origin": "http://localhost:8080",
        "crossOrigin": false,
    });
    Some(Begun { ceremonies, state: begun.state, client_data: base64url(data.to_string().as_bytes()) })
});

fuzz_target!(|input: &[u8]| {
    let Some(begun) = LazyLock::force(&BEGUN) else { return };
    let attestation = json!({
        "id": "AA", "rawId": "AA", "type": "public-key", "clientExtensionResults": {},
        "response": {"attestationObject": base64url(input), "clientDataJSON": begun.client_data},
    });
    let registered = begun.ceremonies.finish_registration(&attestation, &begun.state);
    let (data, signature) = input.split_at(input.len().min(37));
    let answer = json!({
        "id": "AA", "rawId": base64url(signature), "type": "public-key", "clientExtensionResults": {},
        "response": {
            "authenticatorData": base64url(data), "clientDataJSON": base64url(input),
            "signature": base64url(signature), "userHandle": null,
        },
    });
    if let (Ok(assertion), Ok(challenge)) = (Assertion::read(&answer), begun.ceremonies.begin_discoverable())
        && let Ok(registered) = registered
    {
        let _refused =
            begun.ceremonies.finish_sign_in(&assertion, &challenge.state, Some(&registered.credential));
    }
});

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = usize::try_from((bits >> (18 - 6 * place)) & 0x3F).unwrap_or_default();
            text.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'A')));
        }
    }
    text
}
