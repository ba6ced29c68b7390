//! A certificate that a card gives: read, and looked at as who it makes of its holder.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sceau::card::identity::Professional;
use sceau::crypto::x509::profile::CardCertificate;

fuzz_target!(|input: &[u8]| {
    if let Ok(certificate) = CardCertificate::from_der(input) {
        let _holder = certificate.holder();
        let _usable = certificate.is_for_authentication();
        let _identity = Professional::of(&certificate);
    }
});
