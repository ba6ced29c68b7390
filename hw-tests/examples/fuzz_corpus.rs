//! Writes the inputs that fuzzing begins with into `hw-tests/fuzz/corpus`: `cargo run -p sceau-hw-tests --example
//! fuzz_corpus`. They are what a software card, the test authorities and an invented directory give; new ones replace
//! those that are there.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use chrono::TimeDelta;
use sceau::card::driver::ReaderError;
use sceau::card::driver::apdu::Channel;
use sceau::card::driver::cps::identify;
use sceau::card::driver::transport::{Protocol, Transport};
use sceau::clock::{Clock as _, SystemClock};
use sceau::crypto::x509::ocsp::Question;
use sceau::directory::synthetic::{self, Sample};
use sceau_certs::Pki;
use sceau_certs::crl::{CrlTemplate, Revocation};
use sceau_hw_tests::identity;
use sceau_hw_tests::softcard::{Profile, SoftCard};

/// Seeds larger than this only slow the fuzzer down.
const LARGEST: usize = 8_192;

/// A card that is written down.
struct Recorded {
    card: SoftCard,
    answers: Vec<Vec<u8>>,
}

impl Transport for Recorded {
    fn protocol(&self) -> Protocol {
        Protocol::T0
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        let answer = self.card.transmit(command).ok_or(ReaderError::ConnectionLost)?;
        self.answers.push(answer.clone());
        Ok(answer)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let pki = identity::authorities(&["good", "nurse"])?;
    let mut recorded = Recorded {
        card: SoftCard::new(identity::of(&pki, "good")?, Profile::default()),
        answers: Vec::new(),
    };
    let atr = recorded.card.atr().to_vec();
    let mut channel = Channel::new(&mut recorded);
    let card = identify(&mut channel, &atr).map_err(|error| error.to_string())?;
    card.contents(&mut channel).map_err(|error| error.to_string())?;

    let answers = std::iter::once(atr).chain(recorded.answers.iter().cloned());
    let behind_lengths =
        |answer: Vec<u8>| [vec![u8::try_from(answer.len()).unwrap_or(0xFF)], answer].concat();
    write(&corpus.join("apdu"), [answers.flat_map(behind_lengths).collect::<Vec<u8>>()])?;
    write(&corpus.join("card_files"), recorded.answers.iter().filter(|answer| answer.len() > 10).cloned())?;

    let mut certificates = vec![pki.persons.certificate.to_der()?];
    for name in ["good", "nurse"] {
        let identity = identity::of(&pki, name)?;
        certificates.extend([identity.authentication.certificate, identity.signature.certificate]);
    }
    let field = |der: &Vec<u8>| format!(":{}:", openssl::base64::encode_block(der));
    let fields = certificates.iter().map(|der| format!("{0}\n{0}, {0}", field(der)).into_bytes());
    write(&corpus.join("certificate_header"), fields.collect::<Vec<_>>())?;
    write(&corpus.join("certificate"), certificates)?;
    write(&corpus.join("dpop"), proofs()?)?;

    fs::write(corpus.join("../authority.der"), pki.persons.certificate.to_der()?)?;
    let mut delta = CrlTemplate::new(8, SystemClock.now(), SystemClock.now() + TimeDelta::days(1));
    delta.revoked = vec![Revocation { serial: vec![7; 16], at: SystemClock.now(), reason: Some(6) }];
    let lists = [pki.crls.persons.clone(), pki.persons.issue_crl(&delta)?];
    write(&corpus.join("revocation_list"), lists)?;
    write(&corpus.join("ocsp"), [ocsp_answer(&pki)?])?;

    let mut rows = Vec::new();
    synthetic::write(Sample { people: 6, bad_every: 2, without_last: 0 }, &mut rows)?;
    let rows = rows.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default().to_vec();
    write(&corpus.join("import"), [rows])?;
    write(&corpus.join("message"), messages().map(String::into_bytes))?;
    jose(&corpus)
}

/// Tokens and keys as the standards print them.
fn jose(corpus: &Path) -> Result<(), Box<dyn Error>> {
    let examples: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../src/crypto/jose/vectors.json"))?;
    let of_kinds = |kinds: &'static [&str]| {
        let kind =
            |example: &&serde_json::Value| example["kind"].as_str().is_some_and(|kind| kinds.contains(&kind));
        let token =
            |example: &serde_json::Value| example["token"].as_str().map(|token| token.as_bytes().to_vec());
        examples.iter().filter(kind).filter_map(token)
    };
    write(&corpus.join("jwt"), of_kinds(&["jws", "jwe", "dpop", "nested"]))?;
    write(&corpus.join("jwk"), of_kinds(&["set", "jwk"]))
}

/// The proofs of RFC 9449.
fn proofs() -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../src/crypto/jose/vectors.json"))?;
    let listed = vectors.as_array().map(Vec::as_slice).unwrap_or_default();
    let proofs = listed.iter().filter(|vector| vector["kind"] == "dpop");
    Ok(proofs.filter_map(|vector| Some(vector["token"].as_str()?.as_bytes().to_vec())).collect())
}

/// What OpenSSL's responder answers about the certificate 01.
fn ocsp_answer(pki: &Pki) -> Result<Vec<u8>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let place = |name: &str| dir.path().join(name);
    let responder = pki.responder.as_ref().ok_or("no responder")?;
    let authority = pki.persons.certificate.to_pem()?;
    let signer = [responder.certificate.to_pem()?, responder.key.private_key_to_pem_pkcs8()?].concat();
    fs::write(place("authority"), authority)?;
    fs::write(place("signer"), signer)?;
    fs::write(place("index"), "V\t361121120000Z\t\t01\tunknown\t/CN=card\n")?;
    fs::write(place("question"), Question::new(&pki.persons.certificate, &[1])?.to_der())?;
    let mut openssl = Command::new("openssl");
    openssl.args(["ocsp", "-ndays", "1"]);
    for (option, file) in [
        ("-CA", "authority"),
        ("-rsigner", "signer"),
        ("-index", "index"),
        ("-reqin", "question"),
        ("-respout", "answer"),
    ] {
        openssl.arg(option).arg(place(file));
    }
    let output = openssl.output()?;
    fs::read(place("answer")).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned().into())
}

/// One message of each kind, with invented values.
fn messages() -> impl Iterator<Item = String> {
    let (key, digest) = (
        r#"{"crv":"P-256","kty":"EC","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}"#,
        "A".repeat(43),
    );
    let (origin, workstation) = ("https://sceau.chu.example", "019aa000-0000-7000-8000-000000000001");
    [
        format!(
            r#"{{"v":1,"iss":"{origin}","aud":"sceau-agent","purpose":"browser","txn":"{}","nonce":"{digest}","iat":1795262400,"exp":1795262500,"rp_name":"Dossier patient","rp_host":"dpi.chu.example"}}"#,
            "A".repeat(22)
        ),
        format!(
            r#"{{"v":1,"aud":"{origin}","request":"a.b.c","card_certificate":"AAEC","card_signature":"AAEC","workstation":"{workstation}","agent_version":"0.1.0","pin":"window","interface":"contact","iat":1795262400}}"#
        ),
        format!(
            r#"{{"v":1,"aud":"{origin}","workstation":"{workstation}","code":"AGENT-030","count":1,"agent_version":"0.1.0","iat":1795262400}}"#
        ),
        format!(
            r#"{{"v":1,"aud":"{origin}","invitation":"{}","key":{key},"host_name":"poste-12","agent_version":"0.1.0","secret_proof":"{digest}","iat":1795262400}}"#,
            "ab".repeat(32)
        ),
        format!(r#"{{"v":1,"iss":"{origin}","aud":"sceau-agent","current":{key},"next":{key},"iat":1795262400}}"#),
        "eyJhbGciOiJFUzI1NiJ9.eyJ2IjoxfQ.AAAA".to_owned(),
        origin.to_owned(),
    ]
    .into_iter()
}

/// Writes each seed under its number.
fn write(dir: &Path, seeds: impl IntoIterator<Item = Vec<u8>>) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(dir)?;
    for (number, seed) in seeds.into_iter().filter(|seed| seed.len() <= LARGEST).enumerate() {
        fs::write(dir.join(format!("{number:02}")), seed)?;
    }
    Ok(())
}
