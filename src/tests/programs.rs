//! The programs as a person runs them: what they print, how they end, what they leave. Being a test of this package, it
//! also makes cargo build them for the tests with real parts.

#![cfg(test)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sceau::clock::{Clock as _, SystemClock};

const SCEAU: &str = env!("CARGO_BIN_EXE_sceau");
const AGENT: &str = env!("CARGO_BIN_EXE_sceau-agent");

/// An installation in a directory of its own.
struct Installation {
    dir: tempfile::TempDir,
}

impl Installation {
    fn new() -> Self {
        let installation = Self { dir: tempfile::tempdir().unwrap() };
        installation.configure("");
        installation
    }

    /// After `sceau init`.
    fn initialised() -> Self {
        let installation = Self::new();
        installation.done(&["init"]);
        installation
    }

    fn configure(&self, more: &str) {
        let text = format!(
            "config_version = 1\n[server]\nissuer = \"http://localhost:8080/auth/realms/esante-wallet\"\n\
             listen = \"127.0.0.1:0\"\nstate_dir = \"state\"\n{more}"
        );
        std::fs::write(self.path("sceau.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(SCEAU);
        command.arg("--config").arg(self.path("sceau.toml")).args(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    /// What a command says that fails.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stderr).unwrap()
    }

    fn serve(&self) -> Serving {
        let mut command = Command::new(SCEAU);
        command.arg("--config").arg(self.path("sceau.toml")).arg("serve").stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let before = said.len();
            assert!(log.read_line(&mut said).unwrap() > 0, "the server ended: {said}");
            let line: serde_json::Value = serde_json::from_str(&said[before..]).unwrap();
            if line["message"] == "serving" {
                break line["address"].as_str().unwrap().to_owned();
            }
        };
        // Read all along: a full pipe would hold the server up.
        let log = std::thread::spawn(move || {
            log.read_to_string(&mut said).unwrap();
            said
        });
        Serving { child, log: Some(log), address }
    }
}

/// A running `sceau serve`.
struct Serving {
    child: Child,
    log: Option<JoinHandle<String>>,
    address: String,
}

impl Serving {
    /// The answer to a GET: status line, headers and body.
    fn get(&self, path: &str) -> String {
        get(&self.address, path)
    }

    /// Sends `signal`, waits for the end, and yields the whole log.
    fn stop(mut self, signal: &str) -> String {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "it did not end in good order");
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

const REALM: &str = "/auth/realms/esante-wallet";

fn eventually(what: &str, within: Duration, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + within;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn both_programs_name_themselves_and_their_commands() {
    for (program, name, what, command) in [
        (SCEAU, "sceau", "identity provider", "serve"),
        (AGENT, "sceau-agent", "workstation program", "card"),
    ] {
        let said = |argument| {
            String::from_utf8(Command::new(program).arg(argument).output().unwrap().stdout).unwrap()
        };
        assert_eq!(said("--version").trim(), format!("{name} {}", env!("CARGO_PKG_VERSION")));
        let help = said("--help");
        assert!(
            help.lines().next().is_some_and(|line| line.contains(what)) && help.contains(command),
            "{help}"
        );
    }
}

#[test]
fn an_installation_is_made_once_serves_and_stops_at_either_signal() {
    let installation = Installation::new();
    let first = installation.done(&["init"]);
    assert_eq!(installation.done(&["init"]), first, "a second time changes nothing");
    assert!(installation.done(&["check"]).contains("in order"));
    let key = installation.path("state/seal.key");
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&key.metadata().unwrap().permissions()) & 0o777,
        0o600
    );
    for signal in ["-TERM", "-INT"] {
        let serving = installation.serve();
        assert!(serving.get("/health/live").starts_with("HTTP/1.1 200"));
        assert!(serving.get("/health/ready").contains(r#""missing":[]"#));
        assert!(serving.get(&format!("{REALM}/.well-known/openid-configuration")).contains("esante-wallet"));
        let log = serving.stop(signal);
        assert!(log.contains("\"stopped\""), "{log}");
        let secret = std::fs::read_to_string(&key).unwrap();
        assert!(!log.contains(secret.trim()));
    }
    let events = installation.done(&["audit", "list"]);
    assert!(events.contains("server.started") && events.contains("server.stopped"), "{events}");
    assert!(installation.done(&["audit", "verify"]).contains("all sealed"));
}

#[test]
fn what_is_asked_in_an_address_is_not_logged() {
    let installation = Installation::new();
    installation.done(&["init"]);
    let serving = installation.serve();
    serving.get(&format!("{REALM}/protocol/openid-connect/logout?id_token_hint=very-secret-hint"));
    let log = serving.stop("-TERM");
    assert!(log.contains("openid-connect/logout") && !log.contains("very-secret-hint"), "{log}");
}

#[test]
fn nothing_is_served_before_init_or_without_the_seal_key() {
    let installation = Installation::new();
    for command in [&["serve"][..], &["client", "list"], &["means", "list", "899700366240"]] {
        assert!(installation.refused(command).contains("CONF-020"), "{command:?}");
    }
    let said = installation.refused(&["check"]);
    assert!(said.contains("sceau init") && !said.contains("STORE-010"), "nothing is lost yet: {said}");
    let said = String::from_utf8(installation.run(&["doctor"]).stdout).unwrap();
    assert!(said.contains("sceau init") && !said.contains("STORE-010"), "nothing is lost yet: {said}");
    assert!(!installation.path("state").exists(), "no command but init makes an installation");
    std::fs::create_dir(installation.path("state")).unwrap();
    for command in ["doctor", "check"] {
        installation.refused(&[command]);
        let made = std::fs::read_dir(installation.path("state")).unwrap().count();
        assert_eq!(made, 0, "{command} looks, and makes nothing");
    }
    installation.done(&["init"]);
    let key = installation.path("state/seal.key");
    std::fs::rename(&key, installation.path("elsewhere")).unwrap();
    for command in ["serve", "init", "check"] {
        let said = installation.refused(&[command]);
        assert!(
            said.contains("STORE-010") && said.contains("restore it from the backup"),
            "{command}: {said}"
        );
        assert!(!key.exists(), "{command} made another key: what is sealed could never be read again");
    }
    std::fs::rename(installation.path("elsewhere"), &key).unwrap();
    installation.done(&["check"]);
}

#[test]
fn site_tokens_are_made_listed_and_revoked() {
    let installation = Installation::initialised();
    let create = ["workstation", "token", "create", "--site", "Site", "--zone", "soins", "--count", "3"];
    let next_year = (SystemClock.now() + chrono::TimeDelta::days(300)).format("%Y-%m-%d").to_string();
    let next_year = next_year.as_str();
    let code =
        installation.done(&[&create[..], &["--until", next_year, "--network", "10.20.0.0/16"]].concat());
    assert!(code.trim().starts_with("sceausite1."), "{code}");
    let path = installation.path("site-token");
    let to_file = [&create[..], &["--until", next_year, "--output", path.to_str().unwrap()]].concat();
    assert_eq!(installation.done(&to_file), "", "the token stands in the file alone");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("sceausite1."));
    assert!(installation.refused(&to_file).contains("exists"), "no token is written over");
    for until in ["2020-01-01", "2199-01-01"] {
        assert!(
            installation.refused(&[&create[..], &["--until", until]].concat()).contains("WS-027"),
            "{until}"
        );
    }

    let listed = installation.json(&["workstation", "token", "list", "--json"]);
    let [_, oldest] = &listed.as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&oldest["state"], &oldest["places"]), (&"active".into(), &3.into()));
    assert_eq!(oldest["networks"], serde_json::json!(["10.20.0.0/16"]));
    assert!(!listed.to_string().contains("sceausite1."), "a token is shown once");
    let id = oldest["id"].as_str().unwrap();
    let revoke = ["workstation", "token", "revoke", id];
    assert!(installation.done(&revoke).contains("is revoked"));
    assert!(installation.refused(&revoke).contains("WS-010"));
    assert!(installation.done(&["workstation", "token", "list"]).contains("revoked"));
    for kind in ["site-token.created", "site-token.revoked"] {
        let events = installation.done(&["audit", "list", "--kind", kind]);
        assert!(events.contains(kind), "{events}");
    }

    let nobody = "019390f2-6d3c-7e41-9a53-0c6d8a4b2f10";
    assert!(installation.refused(&["workstation", "rename", nobody, "Accueil"]).contains("WS-010"));
    assert!(installation.refused(&["workstation", "rename", nobody, "a\u{202e}b"]).contains("WS-026"));
}

#[test]
fn check_says_every_fault_with_its_line() {
    let installation = Installation::new();
    installation.configure("lisen = 1\n\n[session]\nidle = \"2 h\"\n");
    let said = installation.refused(&["check"]);
    assert!(said.contains("line 6: server.lisen is unknown; did you mean \"listen\"?"), "{said}");
    assert!(said.contains("line 9: session.idle must be between 1 min and 30 min"), "{said}");
    assert_eq!(installation.refused(&["serve"]), said, "the server says the same");
}

#[test]
fn check_looks_at_what_the_configuration_names() {
    let installation = Installation::new();
    installation.done(&["init"]);
    std::fs::write(installation.path("server.pem"), "no certificate").unwrap();
    std::fs::create_dir(installation.path("anchors")).unwrap();
    installation.configure(
        "[tls]\ncertificate_file = \"server.pem\"\nkey_file = \"absent.key\"\n[card]\nanchors_dir = \"anchors\"\n\
         crl_dir = \"nowhere\"\n",
    );
    let said = installation.refused(&["check"]);
    for code in ["CERT-013", "WEB-03", "card.crl_dir"] {
        assert!(said.contains(code), "{code} is missing in: {said}");
    }
    installation.configure("");
    let open =
        std::fs::read_to_string(installation.path("sceau.toml")).unwrap().replace("127.0.0.1:0", "0.0.0.0:0");
    std::fs::write(installation.path("sceau.toml"), open).unwrap();
    assert!(installation.refused(&["check"]).contains("[tls]"));
    assert!(installation.refused(&["serve"]).contains("WEB-021"));
}

#[test]
fn a_running_server_follows_what_commands_change() {
    let installation = Installation::new();
    installation.done(&["init"]);
    let serving = installation.serve();
    let redirect = "https://dpi.hopital.example/callback";
    let ask = || {
        serving.get(&format!(
            "{REALM}/protocol/openid-connect/auth?client_id=dpi&response_type=code&scope=openid%20scope_all&state=s&\
             nonce=n&acr_values=eidas1&redirect_uri={redirect}"
        ))
    };
    assert!(ask().starts_with("HTTP/1.1 400"), "{}", ask());
    installation.done(&["client", "add", "dpi", "--name", "DPI", "--redirect-uri", redirect]);
    eventually("a new client", Duration::from_secs(5), || ask().starts_with("HTTP/1.1 303"));

    let keys = || serving.get(&format!("{REALM}/protocol/openid-connect/certs"));
    let before = keys();
    installation.done(&["keys", "rotate", "--at-once"]);
    let body = |answer: &str| answer.split("\r\n\r\n").nth(1).unwrap().to_owned();
    eventually("a rotated key", Duration::from_secs(6), || body(&keys()) != body(&before));

    installation.done(&["client", "remove", "dpi"]);
    eventually("a removed client", Duration::from_secs(5), || ask().starts_with("HTTP/1.1 400"));
    serving.stop("-TERM");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let installation = Installation::new();
    installation.done(&["init"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let holder = std::net::TcpListener::bind(taken.unwrap()).unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let path: &Path = &installation.path("sceau.toml");
    let text = std::fs::read_to_string(path).unwrap().replace("127.0.0.1:0", &address);
    std::fs::write(path, text).unwrap();
    let said = installation.refused(&["serve"]);
    assert!(said.contains("WEB-020") && said.contains(&address) && said.contains("ss -ltnp"), "{said}");
}

#[test]
fn the_sandbox_takes_no_configuration_and_leaves_nothing() {
    let here = Installation::initialised();
    let free = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
    assert!(here.refused(&[&["sandbox"], &free[..]].concat()).contains("SANDBOX-014"));
    let temporary = here.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let sandbox = |more: &[&str]| {
        let mut command = Command::new(SCEAU);
        command.arg("sandbox").args(free).args(more).env("TMPDIR", &temporary);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let state = here.path("state");
    let over = sandbox(&["--state-dir", state.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8(over.stderr).unwrap();
    assert!(over.status.code() == Some(1) && said.contains("SANDBOX-010"), "{said}");

    let kept = here.path("kept");
    for more in [&[][..], &["--state-dir", kept.to_str().unwrap()]] {
        let mut child = sandbox(more).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = |label: &str| {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(label).unwrap_or_else(|| panic!("{line}")).trim().to_owned()
        };
        let (discovery, control) = (said("discovery"), said("control"));
        assert!(discovery.ends_with("/.well-known/wallet-openid-configuration"));
        let address = control.trim_start_matches("http://").trim_end_matches('/');
        let mut connection = TcpStream::connect(address).unwrap();
        write!(connection, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("899700366240"), "{answer}");
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "it goes with the process");

    let path = here.path("sceau.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"state\"", "\"kept\"");
    std::fs::write(&path, text).unwrap();
    for command in ["serve", "init"] {
        assert!(here.refused(&[command]).contains("CONF-025"), "{command}");
    }
}

#[test]
fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let here = Installation::new();
    let said = here.refused(&["doctor"]);
    assert!(said.contains("checks failed"), "{said}");
    here.done(&["init"]);
    let state = |report: &serde_json::Value, check: &str| {
        let checks = report["checks"].as_array().unwrap();
        let found = checks.iter().find(|found| found["check"] == check);
        found.unwrap_or_else(|| panic!("{check} is missing in {report}"))["state"].clone()
    };
    let report = here.json(&["doctor", "--json"]);
    for check in
        ["configuration", "state-directory", "seal-key", "database", "signing-keys", "audit", "tls", "clock"]
    {
        assert_eq!(state(&report, check), "ok", "{check}");
    }
    assert_eq!(state(&report, "authorities"), "warn", "nobody signs in with a card");
    assert_eq!(state(&report, "directory"), "warn");
    assert!(here.done(&["doctor"]).contains("ok    database"));

    // Test authorities whose lists are made by `sceau-certs`, and one list too old.
    std::fs::create_dir(here.path("crl")).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = sceau_certs::Options {
        addresses: sceau_certs::Addresses::at(&format!("http://{nobody}")),
        ..sceau_certs::Options::only(&["good"])
    };
    let pki = sceau_certs::Pki::generate(now(), &options).unwrap();
    std::fs::create_dir(here.path("anchors")).unwrap();
    for (name, authority) in [("root.pem", &pki.root), ("persons.pem", &pki.persons)] {
        std::fs::write(here.path("anchors").join(name), authority.certificate.to_pem().unwrap()).unwrap();
    }
    let card = "[card]\nanchors_dir = \"anchors\"\ncrl_dir = \"crl\"\n";
    here.configure(card);
    let report = |arguments: &[&str]| {
        let output = here.run(arguments);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), report)
    };
    let offline: &[&str] = &["doctor", "--json", "--offline"];
    let (code, found) = report(offline);
    assert_eq!((code, state(&found, "revocation-lists")), (Some(1), "fail".into()), "{found}");
    std::fs::write(here.path("crl/persons.crl"), &pki.crls.persons).unwrap();
    let (code, found) = report(offline);
    assert_eq!((code, state(&found, "revocation-lists")), (Some(0), "ok".into()), "{found}");
    assert_eq!(state(&found, "authorities"), "ok");

    // Nobody answers there: said, and no reason to fail while the list is good.
    here.configure(&format!(
        "{card}crl_urls = [\"http://{nobody}/x.crl\"]\nocsp_url = \"http://{nobody}/\"\n\
         [egress]\nallow = [\"127.0.0.1\"]\n"
    ));
    let (code, found) = report(&["doctor", "--json"]);
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(
        (state(&found, "list-sources"), state(&found, "ocsp")),
        ("warn".into(), "warn".into()),
        "{found}"
    );
    let text = found.to_string();
    assert!(text.contains("OIDC-036") && text.contains(&nobody.to_string()), "{text}");
    here.configure("nonsense = 1\n");
    let (code, found) = report(&["doctor", "--json"]);
    assert_eq!((code, state(&found, "configuration")), (Some(1), "fail".into()));
}

/// Answers every GET with the list of its path, until the test ends.
fn publish(lists: Vec<(&'static str, Vec<u8>)>, listener: std::net::TcpListener) {
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut line = String::new();
            if BufReader::new(&connection).read_line(&mut line).is_err() {
                continue;
            }
            let path = line.split(' ').nth(1).unwrap_or_default();
            let found = lists.iter().find(|(name, _)| *name == path);
            let (status, body) =
                found.map_or(("404 Not Found", [].as_slice()), |(_, list)| ("200 OK", list.as_slice()));
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _sent = connection.write_all(&[head.as_bytes(), body].concat());
        }
    });
}

#[test]
fn a_running_server_fetches_the_lists_that_its_configuration_and_its_authorities_name() {
    let here = Installation::initialised();
    let publisher = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", publisher.local_addr().unwrap());
    let options = sceau_certs::Options {
        addresses: sceau_certs::Addresses::at(&origin),
        ..sceau_certs::Options::only(&["good", "revoked"])
    };
    let pki = sceau_certs::Pki::generate(now(), &options).unwrap();
    publish(
        vec![("/persons.crl", pki.crls.persons.clone()), ("/root.crl", pki.crls.root.clone())],
        publisher,
    );
    std::fs::create_dir(here.path("anchors")).unwrap();
    for (name, authority) in [("root.pem", &pki.root), ("persons.pem", &pki.persons)] {
        std::fs::write(here.path("anchors").join(name), authority.certificate.to_pem().unwrap()).unwrap();
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    here.configure(&format!(
        "[card]\nanchors_dir = \"anchors\"\ncrl_dir = \"state/crl\"\ncrl_urls = [\"{origin}/persons.crl\"]\n\
         [egress]\nallow = [\"127.0.0.1\"]\n[metrics]\nlisten = \"{free}\"\n"
    ));
    let serving = here.serve();
    eventually("figures", Duration::from_secs(10), || TcpStream::connect(free).is_ok());
    let figures = || get(&free.to_string(), "/metrics");
    let entries = |name: &str, count: f64| {
        format!("sceau_revocation_list_entries{{issuer=\"TEST AC {name}\",kind=\"full\"}} {count:.1}")
    };
    let (cards, root) = (entries("IGC-SANTE FORT PERSONNES", 2.0), entries("RACINE IGC-SANTE FORT", 0.0));
    eventually("both lists", Duration::from_secs(20), || {
        let figures = figures();
        figures.contains(&cards) && figures.contains(&root)
    });
    assert!(serving.get("/health/ready").contains("\"revocation_list_age_seconds\":"));
    eventually("an event for each", Duration::from_secs(20), || {
        here.done(&["audit", "list", "--kind", "crl.read"]).matches("crl.read").count() == 2
    });
    serving.stop("-TERM");
    // Whoever starts it next has them at once, Internet or not.
    let files = std::fs::read_dir(here.path("state/crl")).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.ends_with(".crl")).count(), 2, "{names:?}");
}

#[expect(clippy::disallowed_methods, reason = "the programs under test have the computer's clock")]
fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}

#[test]
fn figures_are_served_on_this_machine_alone() {
    let here = Installation::initialised();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    here.configure(&format!("[metrics]\nlisten = \"{free}\"\n"));
    let serving = here.serve();
    eventually("figures", Duration::from_secs(10), || TcpStream::connect(free).is_ok());
    let figures = get(&free.to_string(), "/metrics");
    assert!(figures.contains("sceau_check_in_order{check=\"database\"} 1.0"), "{figures}");
    for standing in ["waiting", "given-up"] {
        let line = format!("sceau_logout_deliveries{{standing=\"{standing}\"}} 0.0");
        assert!(figures.contains(&line), "{figures}");
    }
    assert!(get(&free.to_string(), "/health/details").contains("\"in_order\":true"));
    assert!(serving.get("/metrics").starts_with("HTTP/1.1 404"), "not where everybody can ask");
    serving.stop("-TERM");
    here.configure("[metrics]\nlisten = \"0.0.0.0:9464\"\n");
    assert!(here.refused(&["check"]).contains("CONF-006"));
}

#[test]
fn services_are_looked_after_from_a_shell() {
    let here = Installation::initialised();
    let add = |id: &'static str, uri: &'static str| {
        ["client", "add", id, "--name", "Dossier", "--redirect-uri", uri]
    };
    let uri = "https://dpi.example/cb";
    let added = here.json(&[add("dpi", uri).as_slice(), &["--json"]].concat());
    assert_eq!(added["issuer"], "http://localhost:8080/auth/realms/esante-wallet");
    let secret = added["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 43);
    assert!(here.refused(&add("dpi", uri)).contains("OIDC-085"));
    assert!(here.refused(&add("other", "http://dpi.example/cb")).contains("OIDC-080"));
    assert!(here.refused(&add("other", "https://dpi.example/*")).contains("OIDC-080"));
    assert!(here.refused(&add("899700366240", uri)).contains("OIDC-081"));
    let shown = here.json(&["client", "show", "dpi", "--json"]);
    assert_eq!((&shown["audience"], &shown["redirect_uris"][0]), (&"affiliated".into(), &uri.into()));
    assert!(!shown.to_string().contains(&secret), "the secret is kept nowhere");
    let rotated = here.json(&["client", "rotate-secret", "dpi", "--json"]);
    assert_ne!(rotated["client_secret"], secret);
    assert_eq!(here.json(&["client", "list", "--json"]).as_array().unwrap().len(), 1);
    assert!(here.done(&["client", "disable", "dpi", "--reason", "essai"]).contains("dpi is disabled"));
    assert!(here.done(&["client", "disable", "dpi"]).contains("DISABLED since"), "once is enough");
    assert!(here.done(&["client", "list"]).contains("DISABLED since"));
    assert!(here.done(&["client", "show", "dpi"]).contains("DISABLED since"));
    assert!(here.json(&["client", "show", "dpi", "--json"])["disabled_at"].is_string());
    assert!(here.done(&["client", "enable", "dpi"]).contains("dpi is enabled."));
    assert!(here.done(&["client", "enable", "dpi"]).contains("enabled already"));
    for command in ["disable", "enable"] {
        assert!(here.refused(&["client", command, "nobody"]).contains("OIDC-086"));
    }
    assert!(here.json(&["client", "show", "dpi", "--json"])["disabled_at"].is_null());
    let names = [
        "client",
        "policy",
        "dpi",
        "--acr-name",
        "eidas2=substantial",
        "--amr-name",
        "user=fido",
        "--no-phr",
    ];
    assert!(here.done(&names).contains("eidas2 is told as substantial"));
    let shown = here.json(&["client", "show", "dpi", "--json"]);
    assert_eq!((&shown["acr_names"]["eidas2"], &shown["phr"]), (&"substantial".into(), &false.into()));
    for more in ["eidas1=eidas3", "eidas1=phr", "eidas1=", "high=x"] {
        assert!(
            here.refused(&["client", "policy", "dpi", "--acr-name", more]).contains("OIDC-171"),
            "{more}"
        );
    }
    assert_eq!(here.json(&["client", "show", "dpi", "--json"]), shown, "what is refused changes nothing");
    here.done(&["client", "policy", "dpi"]);
    assert_eq!(here.json(&["client", "show", "dpi", "--json"])["acr_names"], serde_json::json!({}));
    assert!(here.done(&["client", "logouts"]).contains("No service was told"));
    assert_eq!(here.json(&["client", "logouts", "dpi", "--json"]), serde_json::json!([]));
    assert!(here.refused(&["client", "logouts", "nobody"]).contains("OIDC-086"));
    here.done(&["client", "remove", "dpi"]);
    assert!(here.refused(&["client", "remove", "dpi"]).contains("OIDC-086"));
    let trail = here.done(&["audit", "list"]);
    for kind in
        ["client.added", "client.secret-rotated", "client.disabled", "client.enabled", "client.removed"]
    {
        assert!(trail.contains(kind), "{trail}");
    }
    assert!(!trail.contains(&secret));
}

#[test]
fn keys_are_rotated_from_a_shell_and_not_too_early() {
    let here = Installation::initialised();
    let keys = || {
        let all = here.json(&["keys", "list", "--json"]);
        let is = |key: &&serde_json::Value, state: &str| key["purpose"] == "token" && key["state"] == state;
        let kid =
            |state| all.as_array().unwrap().iter().find(|key| is(key, state)).map(|key| key["kid"].clone());
        (kid("current").unwrap(), kid("next").unwrap(), kid("retired"))
    };
    let (current, next, retired) = keys();
    assert_eq!(retired, None);
    assert!(here.refused(&["keys", "rotate"]).contains("OIDC-091"));
    here.done(&["keys", "rotate", "--at-once"]);
    let after = keys();
    assert_eq!((after.0, after.2), (next, Some(current)));
    std::fs::remove_file(here.path("state/seal.key")).unwrap();
    assert!(here.refused(&["keys", "rotate", "--at-once"]).contains("STORE-010"));
}
