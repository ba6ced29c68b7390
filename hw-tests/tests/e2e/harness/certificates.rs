//! Client certificates in browsers, as the national middleware and an administrator's policy put them there.
//!
//! A browser's user has a certificate store with the card's certificate and key in it, in the place of the middleware's
//! PKCS#11 module; and the machine has a policy that chooses it without asking, since nobody can click on the choice of
//! a browser without a screen.

use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use sceau_certs::KeyPair;
use serde_json::json;

use super::etc;
use super::program::finished;

/// The host that asks for the card's certificate. Browsers know that names below `localhost` are this machine.
pub const HOST: &str = "carte.localhost";
pub const PORT: u16 = 8443;

/// Its address, without a path.
pub fn address() -> String {
    format!("https://{HOST}:{PORT}")
}

/// A certificate for [`HOST`], self-signed, and its key: two files below `directory`.
pub fn of_the_host(directory: &Path) -> (PathBuf, PathBuf) {
    self_signed(directory, "carte", &[HOST])
}

/// A self-signed certificate for these hosts, and its key: `file.pem` and `file.key` below `directory`.
pub fn self_signed(directory: &Path, file: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
    let key = PKey::ec_gen("prime256v1").unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", hosts.first().unwrap()).unwrap();
    let name = name.build();
    let mut certificate = X509::builder().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::days_from_now(30).unwrap()).unwrap();
    certificate.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    let mut names = SubjectAlternativeName::new();
    for host in hosts {
        names.dns(host);
    }
    let names = names.build(&certificate.x509v3_context(None, None)).unwrap();
    certificate.append_extension(names).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let files = (directory.join(format!("{file}.pem")), directory.join(format!("{file}.key")));
    std::fs::write(&files.0, certificate.build().to_pem().unwrap()).unwrap();
    std::fs::write(&files.1, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    files
}

/// Makes every Chromium of this test choose a certificate for [`HOST`] without asking.
pub fn chosen_by_policy() {
    // A text that holds JSON itself.
    let choice = json!({ "pattern": address(), "filter": {} }).to_string();
    etc::write(etc::CHROMIUM_POLICY, &json!({ "AutoSelectCertificateForUrls": [choice] }).to_string());
}

/// Gives the user with this home a certificate store that trusts the host's certificate in `trusted`, and holds what
/// is on a card.
pub fn install(home: &Path, trusted: &Path, card: Option<&KeyPair>) {
    let store = home.join(".pki/nssdb");
    std::fs::create_dir_all(&store).unwrap();
    let database = format!("sql:{}", store.display());
    finished(Command::new("certutil").args(["-N", "--empty-password", "-d", &database]));
    finished(
        Command::new("certutil").args(["-A", "-n", "host", "-t", "C,,", "-d", &database, "-i"]).arg(trusted),
    );
    let Some(card) = card else { return };
    let file = home.join("card.p12");
    let mut bundle = Pkcs12::builder();
    bundle.name("card").pkey(&card.key).cert(&card.certificate);
    std::fs::write(&file, bundle.build2("x").unwrap().to_der().unwrap()).unwrap();
    finished(Command::new("pk12util").args(["-W", "x", "-d", &database, "-i"]).arg(&file));
}
