//! A fleet that proves itself with the machine certificates of the hospital's authority, and everybody else who would
//! like to.

use std::path::PathBuf;

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use sceau_certs::crl::{CrlTemplate, Revocation};
use sceau_certs::extension::{CLIENT_AUTH, EXTENDED_KEY_USAGE, Extension, KEY_USAGE, SERVER_AUTH, Usage};
use sceau_certs::name::{Attribute, Name, Rdn};
use sceau_certs::{Authority, Template};

use super::*;
use crate::agent::fleet::{Kept, keep};
use crate::agent::machine::MachineIdentity;
use crate::card::fleet::Limits;
use crate::card::machine::MachineAuthority;
use crate::card::protocol::{EnrolmentRequest, Invitation, MachineProof, TYP_ENROLMENT, TYP_MACHINE_PROOF};
use crate::crypto::keys::Algorithm;

const COMMON_NAME: sceau_certs::der::Oid = &[2, 5, 4, 3];
const ADDRESS: &str = "10.20.1.1";

fn p256() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn name(text: &str) -> Name {
    Name(vec![Rdn::one(Attribute::utf8(COMMON_NAME, text))])
}

fn authority() -> Authority {
    let year = TimeDelta::days(365);
    Authority::root(name("CHU d’Essai, postes"), p256(), now() - year, now() + year).unwrap()
}

/// What the authority says of a computer.
fn template(hosts: &[&str]) -> Template {
    Template::new(name("POSTE"), now() - TimeDelta::days(1), now() + TimeDelta::days(90))
        .with(Extension::end_entity())
        .with(Extension::key_usage(&[Usage::DigitalSignature]))
        .with(Extension::extended_key_usage(&[CLIENT_AUTH, SERVER_AUTH]))
        .with(Extension::hosts(hosts))
}

/// A computer with its certificate.
struct Computer {
    certificate: Vec<u8>,
    key: PKey<Private>,
}

impl Computer {
    fn of(authority: &Authority, template: &Template) -> Self {
        Self::with_key(authority, template, p256())
    }

    fn with_key(authority: &Authority, template: &Template, key: PKey<Private>) -> Self {
        Self { certificate: authority.issue_unchecked(template, &key).unwrap(), key }
    }

    fn prove(&self, request: &EnrolmentRequest, change: impl FnOnce(&mut MachineProof)) -> String {
        let mut proof = MachineProof {
            audience: request.audience.clone(),
            workstation_key: request.key.kid().to_owned(),
            host_name: request.host_name.clone(),
            certificate: self.certificate.clone(),
            issued_at: request.issued_at,
        };
        change(&mut proof);
        let key = SigningKey::from_pem(&self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        jose::sign(&key, TYP_MACHINE_PROOF, &proof.to_payload()).unwrap()
    }

    /// Certificate and key as files, as the hospital's tools leave them.
    fn files(&self, dir: &std::path::Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = (dir.join("machine.der"), dir.join("machine.key"));
        let _ = std::fs::remove_file(&key);
        std::fs::write(&certificate, &self.certificate).unwrap();
        crate::crypto::files::write_private(&key, &self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        (certificate, key)
    }
}

/// A hospital with an authority of computers, and a token that asks for its certificates.
struct Domain {
    hospital: Hospital,
    authority: Authority,
    code: String,
    dir: tempfile::TempDir,
}

impl Domain {
    async fn open(with_lists: bool) -> Self {
        let (dir, authority) = (tempfile::tempdir().unwrap(), authority());
        let (anchors, lists) = (dir.path().join("anchors"), dir.path().join("lists"));
        std::fs::create_dir(&anchors).unwrap();
        std::fs::create_dir(&lists).unwrap();
        std::fs::write(anchors.join("chu.pem"), authority.certificate.to_pem().unwrap()).unwrap();
        let machines =
            MachineAuthority::open(&anchors, with_lists.then_some(lists.as_path()), now()).unwrap();
        let hospital = Hospital::with(|parts| parts.machines = Some(Arc::new(machines))).await;
        let limits = Limits { machine_certificate: true, shared: true, ..hospital.limits() };
        let code = hospital.token(&limits).await.1;
        Self { hospital, authority, code, dir }
    }

    fn computer(&self, hosts: &[&str]) -> Computer {
        Computer::of(&self.authority, &template(hosts))
    }

    fn request(&self, host: &str) -> (EnrolmentRequest, SigningKey) {
        let (invitation, key) =
            (Invitation::parse(&self.code).unwrap(), SigningKey::generate(Algorithm::Es256).unwrap());
        let thumbprint = jose::base64url::decode(key.kid()).unwrap().try_into().unwrap();
        let request = EnrolmentRequest {
            audience: self.hospital.front.clone(),
            invitation: invitation.lookup(),
            key: key.public().clone(),
            host_name: host.into(),
            agent_version: AgentVersion::this(),
            secret_proof: invitation.prove(&self.hospital.front, &thumbprint),
            machine_proof: None,
            issued_at: self.hospital.clock.now(),
        };
        (request, key)
    }

    /// The server's code for a host that makes such a proof.
    async fn try_with(&self, host: &str, prove: impl FnOnce(&EnrolmentRequest) -> Option<String>) -> String {
        self.hospital.clock.advance(TimeDelta::seconds(1));
        let (mut request, key) = self.request(host);
        request.machine_proof = prove(&request);
        let jws = jose::sign(&key, TYP_ENROLMENT, &request.to_payload()).unwrap();
        self.hospital.post(&jws, ADDRESS).await
    }

    async fn try_as(&self, host: &str, computer: &Computer) -> String {
        self.try_with(host, |request| Some(computer.prove(request, |_| {}))).await
    }

    fn publish(&self, revoked: &[&Computer]) {
        let at = self.hospital.clock.now();
        let mut list = CrlTemplate::new(1, at, at + TimeDelta::days(7));
        for computer in revoked {
            let certificate = openssl::x509::X509::from_der(&computer.certificate).unwrap();
            let serial = certificate.serial_number().to_bn().unwrap().to_vec();
            list = list.revoke(Revocation { serial, at, reason: Some(1) });
        }
        let list = self.authority.issue_crl(&list).unwrap();
        std::fs::write(self.dir.path().join("lists/chu.crl"), list).unwrap();
        self.hospital.login.reload(at).unwrap();
    }
}

#[tokio::test]
async fn a_computer_of_the_domain_enrols_itself_and_another_one_does_not() {
    let domain = Domain::open(false).await;
    let (hospital, files) = (&domain.hospital, tempfile::tempdir().unwrap());
    let computer = domain.computer(&["poste-1.chu.example", "POSTE-1"]);
    let (certificate, key) = computer.files(files.path());
    let machine = MachineIdentity::read(&certificate, &key).unwrap();
    let store = EnrolmentStore::open(&files.path().join("agent")).unwrap();
    let turn = async |machine: Option<&MachineIdentity>| {
        keep(&store, "Poste-1", &hospital.front, &domain.code, machine, &hospital.clock).await
    };
    let AgentError::Refused { code, .. } = turn(None).await.unwrap_err() else { panic!("another error") };
    assert_eq!(code, "WS-040", "the token alone");
    assert!(matches!(turn(Some(&machine)).await.unwrap(), Kept::Enrolled(_)));
    assert!(matches!(turn(Some(&machine)).await.unwrap(), Kept::Known(_)));

    let known = store::workstation::all(&hospital.db).await.unwrap();
    assert_eq!((known.len(), known[0].host_name.as_str()), (1, "poste-1"));
    assert!(known[0].shared, "as the token says");
    let filter = Filter { kind: Some("workstation.enrolled".into()), limit: 9, ..Filter::default() };
    let events = store::audit::list(&hospital.db, &filter).await.unwrap();
    let fingerprint = hex::encode(sha256(&computer.certificate));
    assert!(events.iter().any(|event| event.detail.contains(&fingerprint)), "{events:?}");
    assert!(events.iter().any(|event| event.code.as_deref() == Some("WS-040")), "{events:?}");

    // A key of the kind that Windows makes, and a name that the computer gives by its first label.
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let other = Computer::with_key(&domain.authority, &template(&["poste-2.chu.example"]), rsa);
    assert_eq!(domain.try_as("POSTE-2", &other).await, "");
    assert_eq!(
        hospital.hosts().await,
        ["poste-1", "poste-2.chu.example"],
        "the name that the certificate has"
    );
    assert_eq!(domain.try_as("poste-2.chu.example", &other).await, "", "the same place");
    let third = domain.computer(&["poste-3"]);
    assert_eq!(domain.try_as("poste-3", &third).await, "WS-023", "as many as the token has places");
}

#[tokio::test]
async fn a_certificate_that_is_not_a_computers_or_not_this_computers() {
    let domain = Domain::open(false).await;
    let host = ["poste-1.chu.example"];
    let of = |template: &Template| Computer::of(&domain.authority, template);
    let late = Template { not_after: now() - TimeDelta::hours(1), ..template(&host) };
    let early = Template { not_before: now() + TimeDelta::hours(1), ..template(&host) };
    let server_only = Extension::extended_key_usage(&[SERVER_AUTH]);
    let weak = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
    let named = Template { subject: name("poste-1"), ..template(&["autre.chu.example"]) };
    for (what, computer, code) in [
        ("another authority's", Computer::of(&authority(), &template(&host)), "WS-042"),
        ("expired", of(&late), "WS-043"),
        ("not valid yet", of(&early), "WS-043"),
        ("for servers", of(&template(&host).without(EXTENDED_KEY_USAGE).with(server_only)), "WS-044"),
        ("for anything", of(&template(&host).without(EXTENDED_KEY_USAGE)), "WS-044"),
        ("without key usage", of(&template(&host).without(KEY_USAGE)), "WS-044"),
        ("another computer's", of(&template(&["poste-2.chu.example"])), "WS-046"),
        ("named in the subject alone", of(&named), "WS-046"),
        ("for every computer", of(&template(&["*.chu.example", "*"])), "WS-046"),
    ] {
        assert_eq!(domain.try_as("poste-1", &computer).await, code, "{what}");
    }
    // A key that josekit would not even sign with: the proof is another computer's, the certificate is the weak one.
    let weak = Computer::with_key(&domain.authority, &template(&host), weak);
    let helper = domain.computer(&host);
    let code = domain
        .try_with("poste-1", |request| {
            Some(helper.prove(request, |proof| proof.certificate = weak.certificate))
        })
        .await;
    assert_eq!(code, "WS-045");
    // The authority itself is no computer.
    let own = Computer {
        certificate: domain.authority.certificate.to_der().unwrap(),
        key: domain.authority.key.clone(),
    };
    assert_eq!(domain.try_as("poste-1", &own).await, "WS-044");
    assert!(domain.hospital.hosts().await.is_empty());
}

/// A professional has a certificate of a good authority too, with a key that signs.
#[tokio::test]
async fn a_card_is_no_computer_even_where_its_authority_was_installed_as_one() {
    let pki = pki();
    let card = Computer { certificate: authentication("good"), key: card("good").authentication.key.clone() };
    let domain = Domain::open(false).await;
    assert_eq!(domain.try_as("poste-1", &card).await, "WS-042");
    for (name, authority) in [("root.pem", &pki.root), ("persons.pem", &pki.persons)] {
        let path = domain.dir.path().join("anchors").join(name);
        std::fs::write(path, authority.certificate.to_pem().unwrap()).unwrap();
    }
    domain.hospital.login.reload(domain.hospital.clock.now()).unwrap();
    assert_eq!(domain.try_as("poste-1", &card).await, "WS-042");
    // What that authority would say of a computer counts no more.
    let template = template(&["poste-1"]);
    assert_eq!(domain.try_as("poste-1", &Computer::of(&pki.persons, &template)).await, "WS-042");
    assert_eq!(domain.try_as("poste-1", &domain.computer(&["poste-1"])).await, "");
}

#[tokio::test]
async fn a_proof_is_for_one_key_server_name_and_moment_and_counts_once() {
    let domain = Domain::open(false).await;
    let computer = domain.computer(&["poste-1"]);
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let elsewhere = WebOrigin::parse("https://autre.example").unwrap();
    let changed = async |change: &dyn Fn(&mut MachineProof)| {
        domain.try_with("poste-1", |request| Some(computer.prove(request, change))).await
    };
    assert_eq!(changed(&|proof| proof.workstation_key = stranger.kid().to_owned()).await, "WS-049");
    assert_eq!(changed(&|proof| proof.audience = elsewhere.clone()).await, "WS-049", "another server's");
    assert_eq!(changed(&|proof| proof.host_name = "poste-9".into()).await, "WS-049");
    assert_eq!(
        changed(&|proof| proof.issued_at -= TimeDelta::seconds(1)).await,
        "WS-049",
        "one that was kept"
    );
    // Somebody who has seen the certificate, which is no secret, has not its key.
    let thief = domain.computer(&["poste-7"]);
    let seen = computer.certificate.clone();
    let code = domain
        .try_with("poste-1", |request| Some(thief.prove(request, |proof| proof.certificate = seen)))
        .await;
    assert_eq!(code, "WS-049");
    assert_eq!(domain.try_with("poste-1", |_| Some("a.b.c".into())).await, "WS-040");

    let (mut request, key) = domain.request("poste-1");
    request.machine_proof = Some(computer.prove(&request, |_| {}));
    let jws = jose::sign(&key, TYP_ENROLMENT, &request.to_payload()).unwrap();
    assert_eq!(domain.hospital.post(&jws, ADDRESS).await, "");
    assert_eq!(domain.hospital.post(&jws, ADDRESS).await, "WS-025", "the whole message once more");
}

#[tokio::test]
async fn a_revoked_computer_and_one_without_a_list_in_its_time() {
    let domain = Domain::open(true).await;
    let (lost, kept) = (domain.computer(&["poste-1"]), domain.computer(&["poste-2"]));
    assert_eq!(domain.try_as("poste-2", &kept).await, "WS-048", "there is no list");
    domain.publish(&[&lost]);
    assert_eq!(domain.try_as("poste-2", &kept).await, "");
    assert_eq!(domain.try_as("poste-1", &lost).await, "WS-047");
    domain.hospital.clock.advance(TimeDelta::days(8));
    assert_eq!(domain.try_as("poste-2", &kept).await, "WS-048", "the list is too old");
}

#[tokio::test]
async fn a_server_without_an_authority_of_computers_takes_none() {
    let hospital = Hospital::open().await;
    let limits = Limits { machine_certificate: true, ..hospital.limits() };
    let (_, code) = hospital.token(&limits).await;
    assert_eq!(hospital.try_enrol("poste-1", &code).await, "WS-041");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) =
        (Computer::of(&authority(), &template(&["a"])), Computer::of(&authority(), &template(&["b"])));
    let code = |certificate: &PathBuf, key: &PathBuf| {
        let error = MachineIdentity::read(certificate, key).unwrap_err();
        assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
        error.code()
    };
    let (certificate, key) = one.files(dir.path());
    MachineIdentity::read(&certificate, &key).unwrap();
    assert_eq!(code(&dir.path().join("none"), &key), "AGENT-058");
    assert_eq!(code(&key, &key), "AGENT-058", "no certificate");
    std::fs::write(&certificate, &other.certificate).unwrap();
    assert_eq!(code(&certificate, &key), "AGENT-058", "another one's key");
    let (certificate, key) = one.files(dir.path());
    assert!(std::process::Command::new("chmod").arg("644").arg(&key).status().unwrap().success());
    assert_eq!(code(&certificate, &key), "AGENT-058", "everybody can read it");
    std::fs::remove_file(&key).unwrap();
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let locked = one.key.private_key_to_pem_pkcs8_passphrase(cipher, b"x").unwrap();
    crate::crypto::files::write_private(&key, &locked).unwrap();
    assert_eq!(code(&certificate, &key), "AGENT-058", "a passphrase that nobody is there to type");
}
