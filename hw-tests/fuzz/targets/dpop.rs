//! A DPoP proof, which anybody may send.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sceau::oidc::proof::dpop;

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input) {
        let _proof = dpop::is_well_formed(text);
        let _same = dpop::is_same(text, "https://id.hopital.example/auth/token");
    }
});
