//! A revocation list that an authority, or somebody on the way to it, serves.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use openssl::x509::X509;
use sceau::crypto::x509::crl;

/// The authority of the lists in the corpus: its certificate only, its key was thrown away.
static AUTHORITY: LazyLock<Vec<X509>> =
    LazyLock::new(|| X509::from_der(include_bytes!("../authority.der")).into_iter().collect());

fuzz_target!(|input: &[u8]| {
    if let Ok(list) = crl::inspect(input, &AUTHORITY) {
        // An entry takes more bytes than this.
        assert!(list.entries <= input.len() / 4);
    }
});
