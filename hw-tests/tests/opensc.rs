//! OpenSC, the independent judge: it takes the software card for a CPS3, under a real pcscd.

#![cfg(test)]

use std::path::Path;
use std::process::Command;

use openssl::x509::X509;
use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::{Identity, Profile, SoftCard};
use sceau_hw_tests::{identity, softcard::vpcd::Inserted};

const MODULE: &str = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";
/// PKCS#15 identifier of the authentication key and its certificate.
const AUTHENTICATION: &str = "e828bd080f8025000001ff001002";

fn doctor() -> Identity {
    identity::of(&identity::authorities(&["good"]).unwrap(), "good").unwrap()
}

/// A pcscd with the doctor's card in its first reader.
fn reader_with_card(profile: Profile) -> (Pcscd, Inserted) {
    let pcscd = Pcscd::start("Sceau test").unwrap();
    let card = pcscd.insert(0, SoftCard::new(doctor(), profile)).unwrap();
    (pcscd, card)
}

struct Ended {
    success: bool,
    said: String,
}

/// Runs a tool of OpenSC with `arguments`; a tool that is missing fails the test.
fn run(tool: &str, arguments: &[&str]) -> Ended {
    let output = Command::new(tool)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{tool} (package opensc): {error}; run `make setup`"));
    let said = [output.stdout, output.stderr].concat();
    let ended = Ended { success: output.status.success(), said: String::from_utf8_lossy(&said).into_owned() };
    println!("$ {tool} {arguments:?}: {}\n{}", ended.success, ended.said);
    ended
}

/// Signs the `DigestInfo` of `message` with the authentication key, through PKCS#11.
fn sign(pin: &str, message: &[u8], directory: &Path) -> Result<Vec<u8>, String> {
    let (input, output) = (directory.join("input"), directory.join("output"));
    let mut digest_info = vec![
        0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    digest_info.extend(openssl::sha::sha256(message));
    std::fs::write(&input, digest_info).unwrap();
    let files = ["--input-file", input.to_str().unwrap(), "--output-file", output.to_str().unwrap()];
    let key = ["--id", AUTHENTICATION];
    let ended = run(
        "pkcs11-tool",
        &[&["--module", MODULE, "--login", "--pin", pin, "--sign", "-m", "RSA-PKCS"], &key[..], &files[..]]
            .concat(),
    );
    if ended.success { Ok(std::fs::read(output).unwrap()) } else { Err(ended.said) }
}

fn verifies(certificate: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = X509::from_der(certificate).unwrap().public_key().unwrap();
    let mut verifier = openssl::sign::Verifier::new(openssl::hash::MessageDigest::sha256(), &key).unwrap();
    verifier.verify_oneshot(signature, message).unwrap()
}

#[test]
fn recognises_the_card_and_lists_what_is_on_it() {
    isolated(|| {
        let (pcscd, _card) = reader_with_card(Profile::default());
        let readers = run("opensc-tool", &["--list-readers"]);
        assert!(readers.said.contains(&pcscd.reader(0)) && readers.said.contains(&pcscd.reader(1)));
        assert!(run("opensc-tool", &["--name"]).said.contains("IAS-ECC"));

        let listed = run("pkcs15-tool", &["--dump"]);
        assert!(listed.success);
        for expected in [
            "CPS_PRIV_SIG",
            "CPS_PRIV_AUT",
            "Code porteur de la carte CPS",
            "Code de déblocage de la carte CPS",
            "Certificat d'Authentification CPS",
            "Certificat de Signature CPS",
        ] {
            assert!(listed.said.contains(expected), "{expected}");
        }
    });
}

#[test]
fn reads_the_certificates() {
    isolated(|| {
        let (_pcscd, card) = reader_with_card(Profile::default());
        let read = run("pkcs15-tool", &["--read-certificate", AUTHENTICATION]);
        assert!(read.success);
        let certificate = X509::from_pem(read.said.as_bytes()).unwrap();
        assert_eq!(certificate.to_der().unwrap(), card.card().identity().authentication.certificate);
    });
}

#[test]
fn logs_in_and_signs_with_the_authentication_key() {
    isolated(|| {
        let (_pcscd, card) = reader_with_card(Profile::default());
        let directory = tempfile::tempdir().unwrap();
        let signature = sign(identity::PIN, b"a message", directory.path()).unwrap();
        let certificate = card.card().identity().authentication.certificate.clone();
        assert!(verifies(&certificate, b"a message", &signature));
        assert_eq!(card.card().tries_left(), 3);
    });
}

#[test]
fn loses_a_try_with_a_wrong_pin_and_none_after_the_card_is_blocked() {
    isolated(|| {
        let (_pcscd, card) = reader_with_card(Profile::default());
        let directory = tempfile::tempdir().unwrap();
        for left in [2, 1, 0] {
            let said = sign("9999", b"a message", directory.path()).unwrap_err();
            assert!(said.contains("CKR_PIN_INCORRECT") || said.contains("CKR_PIN_LOCKED"), "{said}");
            assert_eq!(card.card().tries_left(), left);
        }
        let said = sign(identity::PIN, b"a message", directory.path()).unwrap_err();
        assert!(said.contains("CKR_PIN_LOCKED"), "{said}");
    });
}

#[test]
fn changes_the_pin() {
    isolated(|| {
        let (_pcscd, _card) = reader_with_card(Profile::default());
        let changed = run(
            "pkcs11-tool",
            &["--module", MODULE, "--login", "--pin", identity::PIN, "--change-pin", "--new-pin", "4321"],
        );
        assert!(changed.success);
        let directory = tempfile::tempdir().unwrap();
        assert!(sign(identity::PIN, b"a message", directory.path()).is_err());
        assert!(sign("4321", b"a message", directory.path()).is_ok());
    });
}

/// With the identifier the real card names, OpenSC finds no code that unblocks; with the other it does.
#[test]
fn unblocks_the_pin_with_the_puk() {
    isolated(|| {
        let (_pcscd, card) = reader_with_card(Profile { pin_unblocked_by: 0x04, ..Profile::default() });
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            sign("9999", b"a message", directory.path()).unwrap_err();
        }
        assert_eq!(card.card().tries_left(), 0);
        let unblocked = run(
            "pkcs15-tool",
            &["--unblock-pin", "--auth-id", "01", "--puk", identity::PUK, "--new-pin", "2468"],
        );
        assert!(unblocked.success);
        assert_eq!(card.card().tries_left(), 3);
        assert!(sign("2468", b"a message", directory.path()).is_ok());
    });
}

#[test]
fn deciphers() {
    isolated(|| {
        let (_pcscd, card) = reader_with_card(Profile::default());
        let certificate = card.card().identity().authentication.certificate.clone();
        let rsa = X509::from_der(&certificate).unwrap().public_key().unwrap().rsa().unwrap();
        let mut cryptogram = vec![0; 256];
        rsa.public_encrypt(b"a secret", &mut cryptogram, openssl::rsa::Padding::PKCS1).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (input, output) = (directory.path().join("input"), directory.path().join("output"));
        std::fs::write(&input, cryptogram).unwrap();
        let files = ["--input-file", input.to_str().unwrap(), "--output-file", output.to_str().unwrap()];
        let login = ["--module", MODULE, "--login", "--pin", identity::PIN];
        let ended = run(
            "pkcs11-tool",
            &[&login[..], &["--decrypt", "-m", "RSA-PKCS", "--id", AUTHENTICATION], &files[..]].concat(),
        );
        assert!(ended.success);
        assert_eq!(std::fs::read(output).unwrap(), b"a secret");
    });
}

/// Mind the 40 ms of every command without a quick acknowledgement: about a hundred commands would take 4 s.
#[test]
fn answers_without_the_delay_of_the_virtual_reader() {
    isolated(|| {
        let (_pcscd, card) = reader_with_card(Profile::default());
        let directory = tempfile::tempdir().unwrap();
        let began = std::time::Instant::now();
        sign(identity::PIN, b"a message", directory.path()).unwrap();
        let commands = card.card().headers().len();
        assert!(commands > 50, "{commands} commands");
        assert!(began.elapsed().as_millis() < 35 * commands as u128, "{:?} for {commands}", began.elapsed());
    });
}
