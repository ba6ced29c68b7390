//! The fields in which a proxy tells the certificate that it saw (RFC 9440), line by line; and whom the certificate names.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sceau::crypto::x509::names::{DistinguishedName, Names};
use sceau::web::client_certificate::of_fields;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let own = lines.next().unwrap_or_default();
    if let Ok(Some(der)) = of_fields([own], lines) {
        let _names = Names::read(&der);
    }
    let _names = Names::read(input);
    if let Ok(text) = std::str::from_utf8(input) {
        let _subject = DistinguishedName::parse(text);
    }
});
