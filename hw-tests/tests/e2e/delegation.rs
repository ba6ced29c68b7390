//! Delegation, in a real Chromium: a second installation plays Pro Santé Connect. From a national service over "Délégation" to the
//! hospital, whose session serves after one click that names the person; paired with the card at the first time.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use sceau::clock::SystemClock;
use sceau::crypto::random::SystemRandom;
use sceau::ids::Secret;
use sceau::sandbox::SERVICES;
use sceau::sandbox::relying_party::RelyingParty;
use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use serde_json::Value;

use crate::harness::browser::{Browser, ENGLISH, FRENCH};
use crate::harness::hospital::{DIRECTORY, FINESS, FRONT, Hospital, ISSUER, RECORDS, Setup};
use crate::harness::program::{Program, ours};
use crate::harness::run;
use crate::security_keys::to_means;
use crate::sign_in::{to_popup, type_pin};

/// Pro Santé Connect, at an address of its own: browsers share cookies between the ports of one host.
const NATIONAL: &str = "http://127.0.0.1:8090";
const NATIONAL_PORT: u16 = 8090;
const NATIONAL_ISSUER: &str = "http://127.0.0.1:8090/auth/realms/esante-wallet";
const HOSPITAL: &str = "Centre hospitalier de Saint-Aubin";

/// Pro Santé Connect with one national service.
struct National {
    directory: tempfile::TempDir,
    program: Option<Program>,
}

impl National {
    /// To which the hospital gave `secret`; its cards are those of `pki`.
    async fn open(pki: &Path, secret: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let text = format!(
            r#"config_version = 1
[server]
issuer = "{NATIONAL_ISSUER}"
listen = "127.0.0.1:{NATIONAL_PORT}"
state_dir = "state"
[establishment]
name = "Pro Santé Connect"
finess = ["{FINESS}"]
[card]
anchors_dir = {anchors:?}
crl_dir = {lists:?}
crl_fetch = false
ocsp = false
accept_test_cards = true
[egress]
allow = ["127.0.0.1", "::1"]
[upstream.saint-aubin]
profile = "standard"
label = "{HOSPITAL}"
issuer = "{ISSUER}"
client_id = "psc"
client_secret = "{secret}"
link = "confirmed"
subject_claim = "user_id"
tenant = "ch-saint-aubin"
level = "eidas3"
"#,
            anchors = pki.join("anchors"),
            lists = pki.join("crl"),
        );
        std::fs::write(directory.path().join("sceau.toml"), text).unwrap();
        let mut national = Self { directory, program: None };
        national.sceau(&["init"]);
        let program = Program::start("the other sceau serve", national.command().arg("serve"));
        national.program = Some(program.listening_on(NATIONAL_PORT).await);
        let list = national.directory.path().join("directory.txt");
        std::fs::write(&list, DIRECTORY).unwrap();
        national.sceau(&["directory", "import", list.to_str().unwrap()]);
        national.start_service().await;
        national
    }

    /// The national service, which knows Pro Santé Connect alone.
    async fn start_service(&self) {
        let [service, _] = SERVICES;
        let said = self.sceau(&[
            "client",
            "add",
            service.client_id,
            "--json",
            "--name",
            service.name,
            "--redirect-uri",
            &service.redirect_uri(),
            "--post-logout-redirect-uri",
            &service.post_logout_redirect_uri(),
        ]);
        let registered: Value = serde_json::from_str(&said).unwrap();
        let secret = Secret::from(registered["client_secret"].as_str().unwrap().to_owned());
        let port = service.port;
        let issuer = url::Url::parse(NATIONAL_ISSUER).unwrap();
        let party = RelyingParty::new(service, issuer, secret, Arc::new(SystemClock), Arc::new(SystemRandom));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, party.router()).await });
    }

    fn sceau(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "sceau {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(ours("sceau"));
        let configuration: PathBuf = self.directory.path().join("sceau.toml");
        command.env("HOME", self.directory.path()).arg("--config").arg(configuration);
        command
    }

    fn audit(&self) -> Vec<Value> {
        let listed = self.sceau(&["audit", "list", "--json"]);
        listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].take()).collect()
    }
}

/// A hospital, and Pro Santé Connect that delegates to it; the workstation is enrolled with both.
async fn both() -> (Hospital, National) {
    let mut hospital = Hospital::empty(&Setup::default()).await;
    hospital.import();
    let callback = format!("{NATIONAL}/login/provider/saint-aubin/callback");
    let said = hospital.sceau(&[
        "client",
        "add",
        "psc",
        "--json",
        "--profile",
        "psc-delegation",
        "--name",
        "Pro Santé Connect",
        "--redirect-uri",
        &callback,
        "--post-logout-redirect-uri",
        &format!("{NATIONAL}/login/provider/saint-aubin/logged-out"),
        "--tenant",
        "ch-saint-aubin",
        "--claim",
        "oid=user_id",
    ]);
    let registered: Value = serde_json::from_str(&said).unwrap();
    let discovery = format!("{ISSUER}/.well-known/openid-configuration");
    assert_eq!(registered["discovery"], discovery, "what is handed over is there from the Internet too");
    let secret = registered["client_secret"].as_str().unwrap().to_owned();
    let national = National::open(&hospital.directory().join("pki"), &secret).await;
    hospital.enrol();
    let invited = national.sceau(&["workstation", "invite", "--site", "Site principal"]);
    let code = invited.split_whitespace().find(|word| word.starts_with("sceau1.")).expect("a code");
    hospital.enrol_with(NATIONAL, code);
    hospital.start_agent().await;
    hospital.insert("good");
    (hospital, national)
}

/// From the service to "Délégation" and on to the hospital.
async fn to_hospital(browser: &Browser, go_on: &str) {
    browser.open(RECORDS).await;
    browser.press("demo-sign-in").await;
    browser.is_at(NATIONAL).await;
    browser.click_text(HOSPITAL).await;
    browser.click_text(&format!("{go_on} {HOSPITAL}")).await;
    browser.is_at(FRONT).await;
}

/// The service and Pro Santé Connect know the browser no more; the hospital, whose host is another, does.
async fn forget_nation(browser: &Browser) {
    browser.open(RECORDS).await;
    browser.client().delete_all_cookies().await.unwrap();
}

async fn with_card(browser: &Browser) {
    let first = to_popup(browser).await;
    type_pin(browser, PIN).await;
    browser.popup_closed(&first).await;
}

const CLICK: &str = "Continuer vers Pro Santé Connect en tant que";

#[test]
fn from_a_national_service_one_click_at_the_hospital_opens_it() {
    isolated(|| {
        run(async {
            let (hospital, national) = both().await;
            let desk = Browser::start(FRENCH).await;
            // The session of the morning.
            to_means(&desk).await;

            // The first time: the click, then the card at Pro Santé Connect, and what is linked with what.
            to_hospital(&desk, "Continuer avec").await;
            desk.shows(CLICK).await;
            desk.shows("KIT DOC0036624").await;
            desk.pictures("delegation-1-click-fr").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());
            desk.click_text(CLICK).await;
            desk.is_at(NATIONAL).await;
            desk.shows("n’est encore rattaché à personne ici").await;
            desk.pictures("delegation-2-first-time-fr").await;
            with_card(&desk).await;
            desk.says("pairing-title").await;
            desk.pictures("delegation-3-pairing-fr").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());
            desk.press("pairing-confirm").await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;
            let kinds: Vec<Value> =
                national.audit().into_iter().map(|mut event| event["kind"].take()).collect();
            assert!(kinds.contains(&"identity.linked".into()), "{kinds:?}");

            // From then on: the click alone.
            desk.press("sign-out").await;
            desk.is_at(RECORDS).await;
            to_hospital(&desk, "Continuer avec").await;
            desk.click_text(CLICK).await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;
            let used = hospital.audit().into_iter().filter(|event| event["kind"] == "session.used").count();
            assert_eq!(used, 2, "each time, and recorded");

            // Whoever signs out of the service has signed out at the hospital too, and the card is the click.
            desk.press("sign-out").await;
            desk.is_at(RECORDS).await;
            to_hospital(&desk, "Continuer avec").await;
            desk.says("card-insert").await;
            with_card(&desk).await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;

            // Somebody else sits down: the session is closed, and only means that are passed on are offered.
            forget_nation(&desk).await;
            to_hospital(&desk, "Continuer avec").await;
            desk.press("delegate-not-me").await;
            desk.says("card-insert").await;
            desk.pictures("delegation-4-somebody-else-fr").await;
            with_card(&desk).await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;

            // The hospital passes on keys alone from now on: the session of a card does no more.
            let terms = ["--tenant", "ch-saint-aubin", "--claim", "oid=user_id", "--means", "security-key"];
            let said = hospital.sceau(&[&["client", "delegation", "psc"], &terms[..]].concat());
            assert!(said.contains("security-key") && said.contains("oid is told as user_id"), "{said}");
            forget_nation(&desk).await;
            to_hospital(&desk, "Continuer avec").await;
            desk.says("again-means").await;
            desk.says("key-lead").await;
            desk.pictures("delegation-8-other-means-fr").await;
        });
    });
}

#[test]
fn without_a_session_the_card_is_the_click_and_the_page_speaks_english() {
    isolated(|| {
        run(async {
            let (_hospital, _national) = both().await;
            let desk = Browser::start(ENGLISH).await;
            to_hospital(&desk, "Continue with").await;
            desk.says("card-insert").await;
            with_card(&desk).await;
            desk.is_at(NATIONAL).await;
            desk.shows("is not linked to anybody here yet").await;
            desk.pictures("delegation-5-first-time-en").await;
            with_card(&desk).await;
            desk.says("pairing-title").await;
            desk.pictures("delegation-6-pairing-en").await;
            // Declined: the service opens by the card, and nothing is linked.
            desk.press("pairing-leave").await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;
            desk.press("sign-out").await;
            desk.is_at(RECORDS).await;
            // Whoever said that the account was not theirs is asked at the hospital who they are; and says so once more,
            // before they sign in.
            to_hospital(&desk, "Continue with").await;
            desk.says("card-insert").await;
            with_card(&desk).await;
            desk.is_at(NATIONAL).await;
            desk.shows("is not linked to anybody here yet").await;
            assert_eq!(desk.accessibility_faults().await, Vec::<String>::new());
            desk.press("pairing-not-mine").await;
            desk.says("error-UPSTREAM-047").await;
            // Then it is linked after all: the click alone.
            to_hospital(&desk, "Continue with").await;
            desk.says("card-insert").await;
            with_card(&desk).await;
            desk.is_at(NATIONAL).await;
            desk.shows("is not linked to anybody here yet").await;
            with_card(&desk).await;
            desk.press("pairing-confirm").await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;
            desk.press("sign-out").await;
            desk.is_at(RECORDS).await;
            to_hospital(&desk, "Continue with").await;
            desk.shows("Continue to Pro Santé Connect as").await;
            desk.pictures("delegation-7-click-en").await;
        });
    });
}
