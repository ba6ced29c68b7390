//! The software cards by themselves: what OpenSC cannot reach of a CPS3, a CPS4, and what a card refuses.

#![cfg(test)]

use std::sync::OnceLock;

use openssl::hash::MessageDigest;
use openssl::sign::Verifier;
use openssl::x509::X509;
use sceau_hw_tests::identity;
use sceau_hw_tests::softcard::{Identity, Profile, SoftCard};

fn doctor() -> Identity {
    static DOCTOR: OnceLock<Identity> = OnceLock::new();
    DOCTOR.get_or_init(|| identity::of(&identity::authorities(&["good"]).unwrap(), "good").unwrap()).clone()
}

fn card() -> SoftCard {
    SoftCard::new(doctor(), Profile::default())
}

/// Sends `command` (hexadecimal, blanks allowed), fetches what waits, and gives data and status word.
fn send(card: &mut SoftCard, command: &str) -> (Vec<u8>, u16) {
    let digits: String = command.split_whitespace().collect();
    let bytes: Vec<u8> =
        (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..][..2], 16).unwrap()).collect();
    let (mut data, mut status) = split(card.transmit(&bytes).unwrap());
    while status >> 8 == 0x61 {
        let (more, next) = split(card.transmit(&[0x00, 0xC0, 0x00, 0x00, status as u8]).unwrap());
        data.extend(more);
        status = next;
    }
    (data, status)
}

fn split(mut answer: Vec<u8>) -> (Vec<u8>, u16) {
    let status = answer.split_off(answer.len() - 2);
    (answer, u16::from_be_bytes([status[0], status[1]]))
}

fn status(card: &mut SoftCard, command: &str) -> u16 {
    send(card, command).1
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

const PIN: &str = "0020000108 31323334FFFFFFFF";

#[test]
fn the_signature_key_signs_a_ready_hash_and_one_made_on_the_card() {
    let mut card = card();
    let certificate = X509::from_der(&doctor().signature.certificate).unwrap();
    let key = certificate.public_key().unwrap();
    let hash = openssl::sha::sha256(b"a message");

    assert_eq!(status(&mut card, "002241B606 800142 840181"), 0x9000);
    let pso = format!("002A9E9A20 {}", hex(&hash));
    assert_eq!(status(&mut card, &pso), 0x6982, "not before the PIN");
    assert_eq!(status(&mut card, PIN), 0x9000);
    let (ready, ended) = send(&mut card, &pso);
    assert_eq!(ended, 0x9000);

    assert_eq!(status(&mut card, "002241AA03 800140"), 0x9000);
    assert_eq!(status(&mut card, &format!("002A90A00D 9000 8009 {}", hex(b"a message"))), 0x9000);
    assert_eq!(status(&mut card, "002241B606 800142 840181"), 0x9000, "choosing the key keeps the hash");
    let (hashed, ended) = send(&mut card, "002A9E9A00");
    assert_eq!((ended, &hashed), (0x9000, &ready));
    assert!(
        Verifier::new(MessageDigest::sha256(), &key).unwrap().verify_oneshot(&ready, b"a message").unwrap()
    );
}

#[test]
fn each_key_does_only_what_it_is_for() {
    let mut card = card();
    assert_eq!(status(&mut card, PIN), 0x9000);
    assert_eq!(status(&mut card, "002241A406 800102 840181"), 0x9000);
    assert_eq!(status(&mut card, "0088000002 0102"), 0x6A80, "the signature key does not authenticate");
    assert_eq!(status(&mut card, "002241B606 800142 840182"), 0x9000);
    assert_eq!(status(&mut card, &format!("002A9E9A20 {}", "00".repeat(32))), 0x6A80, "nor the other sign");
    assert_eq!(status(&mut card, "002241A406 840182 800102"), 0x9000, "in either order");
    assert_eq!(
        status(&mut card, &format!("0088000067 {}", "00".repeat(0x67))),
        0x6A80,
        "more than 40 % of the modulus"
    );
    assert_eq!(status(&mut card, &format!("0088000066 {}", "00".repeat(0x66))), 0x9000);
}

#[test]
fn a_reset_forgets_the_pin_and_the_key_chosen() {
    let mut card = card();
    assert_eq!(status(&mut card, PIN), 0x9000);
    assert_eq!(status(&mut card, "0020000100"), 0x9000);
    card.reset();
    assert_eq!(status(&mut card, "0020000100"), 0x63C3);
    assert_eq!(status(&mut card, "0088000002 0102"), 0x6985);
}

#[test]
fn the_puk_unblocks_and_sets_a_new_pin() {
    let mut card = card();
    for left in [0x63C2, 0x63C1, 0x63C0, 0x6983] {
        assert_eq!(status(&mut card, "0020000108 39393939FFFFFFFF"), left);
    }
    assert_eq!(status(&mut card, "002C020108 32343638FFFFFFFF"), 0x6982, "not before the PUK");
    assert_eq!(status(&mut card, "0020000208 3132333435363738"), 0x9000);
    assert_eq!(status(&mut card, "002C020108 32343638FFFFFFFF"), 0x9000);
    assert_eq!(status(&mut card, PIN), 0x63C2);
    assert_eq!(status(&mut card, "0024000110 32343638FFFFFFFF 31323334FFFFFFFF"), 0x9000);
    assert_eq!(status(&mut card, PIN), 0x9000);
}

#[test]
fn selection_is_as_particular_as_the_real_cards() {
    let mut card = card();
    assert_eq!(status(&mut card, "00A404000D E828BD080F8025000001FF0010"), 0x6A86);
    assert_eq!(status(&mut card, "00A404000880250000 01FF0100"), 0x9000, "the root answers it");
    assert_eq!(status(&mut card, "00A4040C0D E828BD080F8025000001FF0010"), 0x9000);
    assert_eq!(status(&mut card, "00A4020002 5031"), 0x6A86);
    assert_eq!(status(&mut card, "00A4020402 5031"), 0x9000);
    assert_eq!(status(&mut card, "00A4020402 2F00"), 0x6A82, "only under the root");
    assert_eq!(status(&mut card, "00A4090404 3F00D010"), 0x6A82, "no remote update yet");
    assert_eq!(status(&mut card, "00A4090404 3F002F00"), 0x9000);
    assert_eq!(status(&mut card, "00B0000000"), 0x6C65);
    assert_eq!(send(&mut card, "00B0000065").0.len(), 0x65);
    assert_eq!(status(&mut card, "A0A4000002 3F00"), 0x6E00);
}

#[test]
fn challenges_are_fresh() {
    let mut card = card();
    let (first, ended) = send(&mut card, "0084000008");
    assert_eq!((first.len(), ended), (8, 0x9000));
    assert_ne!(send(&mut card, "0084000008").0, first);
}

/// The other way of a CPS4's authentication key: the card pads, as TLS 1.3 wants it. The driver does not use it, since
/// servers expect the proof in PKCS#1 v1.5.
#[test]
fn a_cps4_signs_with_pss_and_pkcs1_by_itself() {
    let mut card = SoftCard::new(doctor(), Profile::cps4());
    assert_eq!(status(&mut card, "01A4040C08 8025000001FF0100"), 0x9000);
    let hash = openssl::sha::sha256(b"a message");
    assert_eq!(status(&mut card, "0120000108 31323334FFFFFFFF"), 0x9000);
    let certificate = X509::from_der(&doctor().authentication.certificate).unwrap();
    let key = certificate.public_key().unwrap();
    for (algorithm, padding) in
        [("28", openssl::rsa::Padding::PKCS1), ("2C", openssl::rsa::Padding::PKCS1_PSS)]
    {
        assert_eq!(status(&mut card, &format!("012281B604 9102 {algorithm}A0")), 0x9000);
        let (signature, ended) = send(&mut card, &format!("012A9E9A20 {} 00", hex(&hash)));
        assert_eq!(ended, 0x9000);
        let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
        verifier.set_rsa_padding(padding).unwrap();
        assert!(verifier.verify_oneshot(&signature, b"a message").unwrap(), "{algorithm}");
    }
}

#[test]
fn a_cps4_takes_nothing_but_what_it_is_for() {
    let mut card = SoftCard::new(doctor(), Profile::cps4());
    assert_eq!(
        status(&mut card, "00A4040C0D E828BD080F8025000001FF0010"),
        0x6A82,
        "not on the basic channel"
    );
    assert_eq!(status(&mut card, "01B0000000"), 0x6881, "no channel yet");
    assert_eq!(status(&mut card, "01A4040C08 8025000001FF0100"), 0x9000);
    assert_eq!(status(&mut card, "01A40904043F00D003"), 0x6A82, "paths are relative");
    assert_eq!(status(&mut card, "0188000002 0102"), 0x6D00);
    assert_eq!(status(&mut card, "012241B803 830120"), 0x9000);
    let block = format!("{}{}", "0001", "FF".repeat(253));
    assert_eq!(status(&mut card, &format!("112A8086FF {block}")), 0x9000);
    assert_eq!(status(&mut card, "012A808601 00"), 0x6982, "not before the PIN");
    assert_eq!(status(&mut card, "0120000108 31323334FFFFFFFF"), 0x9000);
    assert_eq!(status(&mut card, "012A808602 0102"), 0x6700, "a block is as long as the modulus");
    assert_eq!(status(&mut card, "012241B803 830110"), 0x9000);
    assert_eq!(status(&mut card, &format!("112A8086FF {block}")), 0x9000);
    assert_eq!(status(&mut card, "012A808601 00"), 0x6A80, "the signature key deciphers nothing");
}

#[test]
fn a_bare_pin_is_taken_by_a_lenient_card_only() {
    let lenient = Profile { strict_pin_padding: false, ..Profile::default() };
    assert_eq!(status(&mut SoftCard::new(doctor(), lenient), "0020000104 31323334"), 0x9000);
    assert_eq!(status(&mut card(), "0020000104 31323334"), 0x6700);
}
