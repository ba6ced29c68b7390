//! What a responder answers, or somebody on the way to it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use openssl::x509::X509;
use sceau::clock::{Clock as _, MockClock};
use sceau::crypto::x509::ocsp::Question;
use sceau::crypto::x509::ocsp::response;

/// About a certificate of the authority whose responder gave the answers in the corpus.
static QUESTION: LazyLock<Option<Question>> = LazyLock::new(|| {
    let authority = X509::from_der(include_bytes!("../authority.der")).ok()?;
    Question::new(&authority, &[1]).ok()
});

fuzz_target!(|input: &[u8]| {
    let Some(question) = &*QUESTION else { return };
    let now = MockClock::default().now();
    let _answer = response::read(input, question, chrono::TimeDelta::hours(12), &|_| false, now);
});
