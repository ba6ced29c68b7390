//! `sceau serve` as a program, with TLS of its own: the host of the pages, the one that asks for the card's certificate, and
//! the one that asks for those of services. No reader and no agent: people sign in by the card's certificate.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openssl::bn::{BigNum, BigNumContext};
use openssl::x509::X509;
use sceau_certs::crl::CrlTemplate;
use sceau_certs::{KeyPair, Options, Pki};
use serde_json::{Value, json};

use super::certificates;
use super::hospital::{DIRECTORY, FINESS};
use super::program::{Program, ours};

/// Where the pages are, and services where they have no port of their own.
pub const PORT: u16 = 8443;
const CARD_PORT: u16 = 8445;
const FRONT: &str = "id.localhost";
const CARD: &str = "carte.localhost";
/// The host on which services show certificates.
pub const SERVICES: &str = "mtls.localhost";

/// A running server. Dropping it ends it.
pub struct TlsServer {
    directory: tempfile::TempDir,
    program: Option<Program>,
}

impl TlsServer {
    /// Its files: authorities of cards and of services, a card, the certificates of the hosts and of three services.
    pub fn prepared() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let now = sceau::clock::Clock::now(&sceau::clock::SystemClock);
        let pki = Pki::generate(now, &Options { organisations: true, ..Options::only(&["good"]) }).unwrap();
        pki.write_to(&root.join("pki")).unwrap();
        // The authorities of services are never those of cards.
        for folder in ["services", "services-crl", "keys"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        for (name, authority) in [("root", &pki.root), ("organisations", &pki.organisations)] {
            let certificate = authority.certificate.to_pem().unwrap();
            std::fs::write(root.join(format!("services/{name}.pem")), certificate).unwrap();
            let list = CrlTemplate::new(1, now, now + chrono::TimeDelta::days(7));
            let list = authority.issue_crl(&list).unwrap();
            std::fs::write(root.join(format!("services-crl/{name}.crl")), list).unwrap();
        }
        certificates::self_signed(root, "hosts", &[FRONT, CARD, SERVICES]);
        let keys = root.join("keys");
        write(&keys, "card", &pki.card("good").unwrap().authentication);
        write(&keys, "client", &pki.organisation("client").unwrap().pair);
        certificates::self_signed(&keys, "own", &["pacs.hopital.example"]);
        // It has the name of the client, and not the authority.
        certificates::self_signed(&keys, "thief", &["client.hopital-generique.test"]);
        Self { directory, program: None }
    }

    /// The certificate of its hosts, and its key.
    pub fn hosts(&self) -> (PathBuf, PathBuf) {
        (self.directory.path().join("hosts.pem"), self.directory.path().join("hosts.key"))
    }

    /// The address of services where the server shakes hands, with its certificate.
    pub fn handshake(&self) -> String {
        let (certificate, key) = self.hosts();
        format!("certificate_file = {certificate:?}\nkey_file = {key:?}\n")
    }

    /// Starts it, with `services` in `[oidc.mtls]` beside its address, which has this port.
    pub async fn start(&mut self, port: u16, services: &str) {
        let ours = self.handshake();
        let root = self.directory.path();
        let text = format!(
            r#"config_version = 1

[server]
issuer = "{issuer}"
listen = "127.0.0.1:{PORT}"
state_dir = {state:?}

[tls]
{ours}
[establishment]
name = "Centre hospitalier de Saint-Aubin"
finess = ["{FINESS}"]

[card]
anchors_dir = {anchors:?}
crl_dir = {lists:?}
crl_fetch = false
ocsp = false
accept_test_cards = true

[card.tls]
url = "https://{CARD}:{CARD_PORT}"
listen = "127.0.0.1:{CARD_PORT}"
{ours}
[oidc]
refresh_grace = "0 s"

[oidc.mtls]
url = "https://{SERVICES}:{port}"
anchors_dir = {services_anchors:?}
crl_dir = {services_lists:?}
crl_fetch = false
{services}
"#,
            issuer = Self::issuer(),
            state = root.join("state"),
            anchors = root.join("pki/anchors"),
            lists = root.join("pki/crl"),
            services_anchors = root.join("services"),
            services_lists = root.join("services-crl"),
        );
        std::fs::write(root.join("sceau.toml"), text).unwrap();
        self.sceau(&["init"]);
        std::fs::write(root.join("directory.txt"), DIRECTORY).unwrap();
        self.sceau(&["directory", "import", root.join("directory.txt").to_str().unwrap()]);
        let program = Program::start("sceau serve", self.command().arg("serve"));
        self.program = Some(program.listening_on(PORT).await);
    }

    pub fn issuer() -> String {
        format!("https://{FRONT}:{PORT}/auth/realms/esante-wallet")
    }

    /// The keys of the clients and of the card.
    pub fn keys(&self) -> PathBuf {
        self.directory.path().join("keys")
    }

    /// The certificate of a client, with its key, as a client registers it (RFC 8705 section 2.2.2).
    pub fn jwk(&self, name: &str) -> Value {
        let pem = std::fs::read(self.keys().join(format!("{name}.pem"))).unwrap();
        let certificate = X509::from_pem(&pem).unwrap();
        let key = certificate.public_key().unwrap().ec_key().unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let mut context = BigNumContext::new().unwrap();
        key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
        let member = |number: BigNum| URL_SAFE_NO_PAD.encode(number.to_vec_padded(32).unwrap());
        json!({
            "kty": "EC", "crv": "P-256", "x": member(x), "y": member(y), "use": "sig",
            "x5c": [STANDARD.encode(certificate.to_der().unwrap())],
        })
    }

    /// Registers a client with this document; what was said of it.
    pub fn register(&self, id: &str, profile: &str, document: &Value, more: &[&str]) -> Value {
        let file = self.directory.path().join(format!("{id}.json"));
        std::fs::write(&file, document.to_string()).unwrap();
        let arguments =
            ["client", "add", id, "--json", "--profile", profile, "--metadata", file.to_str().unwrap()];
        serde_json::from_str(&self.sceau(&[&arguments[..], more].concat())).unwrap()
    }

    /// Runs a command of `sceau`, which has to succeed; what it says on standard output.
    pub fn sceau(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "sceau {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What OpenSSL's own client says of a handshake with `host`.
    pub fn handshake_of(host: &str, port: u16) -> String {
        let output = Command::new("openssl")
            .args(["s_client", "-servername", host, "-connect", &format!("127.0.0.1:{port}")])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(ours("sceau"));
        command.env("HOME", self.directory.path()).env("LC_ALL", "C.UTF-8");
        command.arg("--config").arg(self.directory.path().join("sceau.toml"));
        command
    }
}

fn write(keys: &Path, name: &str, pair: &KeyPair) {
    std::fs::write(keys.join(format!("{name}.pem")), pair.certificate.to_pem().unwrap()).unwrap();
    std::fs::write(keys.join(format!("{name}.key")), pair.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
}
