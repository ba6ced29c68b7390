//! A fleet, a terminal server and a terminal, with the real programs: a computer that enrols itself, two users who share
//! one port, and a command that learns who holds the card.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sceau::clock::{Clock as _, SystemClock};
use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use serde_json::Value;

use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{AGENT_PORT, FRONT, Hospital, PinEntry, RECORDS, Setup};
use crate::harness::program::{Program, ours};
use crate::harness::{run, until};
use crate::sign_in::{sees_the_doctor, to_popup, to_sign_in_page};

/// Two who work on the terminal server, and one whose agent does not run.
const ANNE: u32 = 1001;
const BRUNO: u32 = 1002;
const CHLOE: u32 = 1003;
/// Those who may use the computer's enrolment, and the user of the switch.
const STAFF: u32 = 4242;
const SWITCH: u32 = 990;

/// A computer of several people. Everything of it stands in a folder that they can all look into.
struct TerminalServer {
    folder: tempfile::TempDir,
}

impl TerminalServer {
    fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "a test with two users needs the superuser: sudo -E cargo test, or make test in a container"
        );
        let folder = tempfile::tempdir().unwrap();
        let server = Self { folder };
        server.make("", 0o755, 0, 0);
        server.make("etc", 0o755, 0, 0);
        server.make("run", 0o755, 0, 0);
        server.make("run/switch", 0o755, SWITCH, SWITCH);
        server.make("system", 0o2750, 0, STAFF);
        for user in [ANNE, BRUNO, CHLOE] {
            server.make(&format!("home-{user}"), 0o700, user, user);
        }
        // The folder that it is built in may be closed to others.
        std::fs::copy(ours("sceau-agent"), server.path("sceau-agent")).unwrap();
        let settings = format!(
            "servers = [{FRONT:?}]\ntoken_file = {:?}\nseveral_users = true\n",
            server.path("etc/site-token")
        );
        std::fs::write(server.path("etc/agent.toml"), settings).unwrap();
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make(&self, name: &str, mode: u32, user: u32, group: u32) {
        let path = self.path(name);
        std::fs::create_dir_all(&path).unwrap();
        chown(&path, Some(user), Some(group)).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    /// A program as another user, who is in no group but these.
    fn as_user(&self, user: u32, groups: &[u32], program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={user}")).arg(format!("--regid={user}"));
        match groups {
            [] => command.arg("--clear-groups"),
            groups => {
                let groups: Vec<_> = groups.iter().map(u32::to_string).collect();
                command.arg(format!("--groups={}", groups.join(",")))
            }
        };
        command.arg(program).env("HOME", self.path(&format!("home-{user}"))).env_remove("XDG_STATE_HOME");
        command
    }

    /// `sceau-agent enrol` as the unit runs it at boot.
    fn enrol(&self, host: &str) -> Output {
        let mut command = Command::new(self.path("sceau-agent"));
        command.args(["enrol", "--host-name", host, "--config"]).arg(self.path("etc/agent.toml"));
        command.arg("--system-dir").arg(self.path("system")).output().unwrap()
    }

    async fn switch(&self) -> Program {
        let mut command = self.as_user(SWITCH, &[], self.path("sceau-agent"));
        command.args(["switch", "--socket"]).arg(self.socket());
        Program::start("sceau-agent switch", &mut command).listening_on(AGENT_PORT).await
    }

    /// The switch as systemd starts it with its socket unit: the port is somebody else's, passed as descriptor 3.
    async fn switch_at(&self, port: &TcpListener) -> Program {
        const PASS: &str = r#"exec 3<&"$0"; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@""#;
        rustix::io::fcntl_setfd(port, rustix::io::FdFlags::empty()).unwrap();
        let mut command = self.as_user(SWITCH, &[], "bash");
        command.args(["-c", PASS]).arg(port.as_raw_fd().to_string()).arg(self.path("sceau-agent"));
        command.args(["switch", "--socket"]).arg(self.socket());
        let mut program = Program::start("sceau-agent switch", &mut command);
        program.said("that it answers", |log| log.contains("the switch answers").then_some(())).await;
        program
    }

    fn socket(&self) -> PathBuf {
        self.path("run/switch/switch.sock")
    }

    async fn agent(&self, user: u32) -> Program {
        let mut command = self.as_user(user, &[STAFF], self.path("sceau-agent"));
        command.arg("run").arg("--switch").arg(self.socket());
        command.arg("--config").arg(self.path("etc/agent.toml")).arg("--system-dir").arg(self.path("system"));
        let mut program = Program::start(&format!("the agent of {user}"), &mut command);
        program.said("that it answers", |log| log.contains("the agent answers").then_some(())).await;
        program
    }

    /// What a browser of `user` gets that posts a card request from a page of `origin`: status, or nothing.
    fn browse(&self, user: u32, origin: &str) -> Option<u16> {
        const POST: &str = r#"exec 3<>/dev/tcp/127.0.0.1/47810
printf 'POST / HTTP/1.1\r\nHost: 127.0.0.1:47810\r\nOrigin: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\nConnection: close\r\n\r\nrequest=x' "$0" >&3
cat <&3"#;
        let output = self.as_user(user, &[], "bash").args(["-c", POST, origin]).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok())
    }
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn token(hospital: &Hospital, path: &Path, more: &[&str]) {
    let file = path.to_str().unwrap();
    let arguments =
        ["workstation", "token", "create", "--site", "Site principal", "--zone", "soins", "--output", file];
    hospital.sceau(&[&arguments[..], more].concat());
}

fn listed(hospital: &Hospital) -> Vec<Value> {
    serde_json::from_str(&hospital.sceau(&["workstation", "list", "--json"])).unwrap()
}

fn next_year() -> String {
    (SystemClock.now() + chrono::TimeDelta::days(300)).format("%Y-%m-%d").to_string()
}

#[test]
fn a_computer_enrols_itself_at_each_boot_and_keeps_its_place() {
    isolated(|| {
        run(async {
            let hospital = Hospital::empty(&Setup::default()).await;
            let computer = TerminalServer::new();
            let file = computer.path("etc/site-token");
            token(&hospital, &file, &["--count", "1", "--until", &next_year(), "--good-for-hours", "12"])
                .await;
            assert!(said(&computer.enrol("VDI-1")).contains("zone \"soins\""));
            let first = listed(&hospital).remove(0);
            assert_eq!((&first["host_name"], &first["state"]), (&"vdi-1".into(), &"active".into()));
            assert_eq!((&first["site"], &first["zone"]), (&"Site principal".into(), &"soins".into()));
            assert_eq!(first["agent_served"], true);
            let id = first["id"].as_str().unwrap().to_owned();
            hospital.sceau(&["workstation", "rename", &id, "Salle de réveil"]);
            assert!(said(&computer.enrol("vdi-1")).starts_with("Already enrolled"), "nothing to do");

            // A boot of a desktop that keeps nothing.
            std::fs::remove_dir_all(computer.path("system")).unwrap();
            computer.make("system", 0o2750, 0, STAFF);
            // Two requests of one second are not told apart from one that is sent twice.
            let again = until("the computer to enrol anew", async || {
                let output = computer.enrol("vdi-1");
                output.status.success().then_some(output)
            })
            .await;
            assert!(said(&again).contains(&id), "its place is the same");
            let now = listed(&hospital);
            assert_eq!((now.len(), &now[0]["name"]), (1, &"Salle de réveil".into()));
            assert_ne!(now[0]["created_at"], first["created_at"]);
            let list = hospital.sceau(&["workstation", "list"]);
            assert!(list.contains("Salle de réveil  Site principal  soins") && list.contains("LAST ANSWER"));
            assert!(hospital.sceau(&["workstation", "token", "list"]).contains("1/1"));

            std::fs::remove_dir_all(computer.path("system")).unwrap();
            computer.make("system", 0o2750, 0, STAFF);
            let other = computer.enrol("vdi-2");
            assert!(!other.status.success() && String::from_utf8_lossy(&other.stderr).contains("WS-023"));
            hospital.assert_audited("workstation.renamed");
            hospital.assert_audited("WS-023");
        });
    });
}

#[test]
fn each_users_browser_reaches_that_users_agent_and_no_other() {
    isolated(|| {
        run(async {
            let hospital = Hospital::empty(&Setup::default()).await;
            let computer = TerminalServer::new();
            let file = computer.path("etc/site-token");
            token(&hospital, &file, &["--count", "1", "--until", &next_year()]).await;
            assert!(said(&computer.enrol("ts-1")).contains("Enrolled with"));

            let switch = computer.switch().await;
            let (anne, bruno) = (computer.agent(ANNE).await, computer.agent(BRUNO).await);
            // Each page has a name of its own, so that the logs say who was asked.
            for turn in 0..10 {
                let (of_anne, of_bruno) =
                    (format!("https://anne-{turn}.example"), format!("https://bruno-{turn}.example"));
                assert_eq!(computer.browse(ANNE, &of_anne), Some(403));
                assert_eq!(computer.browse(BRUNO, &of_bruno), Some(403));
            }
            for turn in 0..10 {
                let (of_anne, of_bruno) = (format!("anne-{turn}.example"), format!("bruno-{turn}.example"));
                assert!(anne.log().contains(&of_anne) && bruno.log().contains(&of_bruno), "turn {turn}");
                assert!(!anne.log().contains(&of_bruno) && !bruno.log().contains(&of_anne), "turn {turn}");
            }

            // The enrolment of the computer is that of each of them: its own server is known, what it asks is not signed.
            assert_eq!(computer.browse(ANNE, FRONT), Some(400));
            assert!(anne.log().contains("AGENT-010"), "{}", anne.log());
            // The token is for the superuser alone, and nobody writes what counts for all.
            let token = computer.path("etc/site-token");
            for (program, path) in [("cat", &token), ("touch", &computer.path("system/enrolments.json"))] {
                let output = computer.as_user(ANNE, &[STAFF], program).arg(path).output().unwrap();
                assert!(!output.status.success(), "{program} {}", path.display());
            }

            // Somebody without an agent gets nothing, and not another's; nor by waiting at the socket unasked.
            assert_eq!(computer.browse(CHLOE, "https://chloe.example"), None);
            let mut stranger = computer.as_user(CHLOE, &[], "bash");
            stranger.args(["-c", "rm -f \"$0\"; : > \"$0\""]).arg(computer.socket());
            assert!(!stranger.output().unwrap().status.success(), "the socket is the switch's");
            assert_eq!(computer.browse(BRUNO, "https://bruno-again.example"), Some(403));
            assert!(!format!("{}{}", anne.log(), bruno.log()).contains("chloe"));
            assert!(switch.log().contains("AGENT-054"), "{}", switch.log());

            // An agent that starts anew is found again, and so is a switch.
            drop(anne);
            let anne = computer.agent(ANNE).await;
            assert_eq!(computer.browse(ANNE, "https://anne-again.example"), Some(403));
            assert!(switch.stop().await.success());
            // Whoever takes the port meanwhile would get everybody's requests.
            let mut command = computer.as_user(CHLOE, &[], computer.path("sceau-agent"));
            command.args(["switch", "--socket"]).arg(computer.path(&format!("home-{CHLOE}/switch.sock")));
            let taken = Program::start("a colleague's program", &mut command).listening_on(AGENT_PORT).await;
            until("the alert", async || {
                hospital.audit().iter().any(|event| event["code"] == "AGENT-030").then_some(())
            })
            .await;
            assert!(taken.stop().await.success());
            let _switch = computer.switch().await;
            until("the agent to come back", async || {
                (computer.browse(ANNE, "https://anne-third.example") == Some(403)).then_some(())
            })
            .await;
            assert!(anne.log().contains("anne-third") && !bruno.log().contains("anne-third"));
        });
    });
}

#[test]
fn the_port_is_never_free_while_the_switch_starts_anew() {
    isolated(|| {
        run(async {
            let hospital = Hospital::empty(&Setup::default()).await;
            let computer = TerminalServer::new();
            let file = computer.path("etc/site-token");
            token(&hospital, &file, &["--count", "1", "--until", &next_year()]).await;
            assert!(said(&computer.enrol("ts-1")).contains("Enrolled with"));
            let port = TcpListener::bind(("127.0.0.1", AGENT_PORT)).unwrap();
            let switch = computer.switch_at(&port).await;
            let anne = computer.agent(ANNE).await;
            assert_eq!(computer.browse(ANNE, "https://anne.example"), Some(403));

            assert!(switch.stop().await.success());
            let taken = TcpListener::bind(("127.0.0.1", AGENT_PORT));
            assert_eq!(taken.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
            let audited = |code: &str| hospital.audit().iter().any(|event| event["code"] == code);
            until("the notice", async || audited("AGENT-055").then_some(())).await;
            // Whoever asks meanwhile waits, and is answered by the right agent.
            let asking = std::thread::scope(|scope| {
                let waiting = scope.spawn(|| computer.browse(ANNE, "https://anne-waits.example"));
                let _switch = tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(computer.switch_at(&port))
                });
                waiting.join().unwrap()
            });
            assert_eq!(asking, Some(403));
            assert!(anne.log().contains("anne-waits.example"), "{}", anne.log());
            assert!(!audited("AGENT-030"), "the port was nobody else's");
        });
    });
}

#[test]
fn a_sign_in_through_the_switch() {
    isolated(|| {
        run(async {
            let setup = Setup { pin: PinEntry::Terminal, ..Setup::default() };
            let mut hospital = Hospital::open(setup).await;
            hospital.stop_agent().await;
            let computer = TerminalServer::new();
            let _switch = computer.switch().await;
            let mut command = hospital.agent_command();
            command.arg("run").arg("--switch").arg(computer.socket());
            let page = command.args(["--pin-entry", "page"]).output().unwrap();
            assert!(String::from_utf8_lossy(&page.stderr).contains("AGENT-038"), "{page:?}");
            let mut command = hospital.agent_command();
            command.arg("run").arg("--switch").arg(computer.socket());
            let _agent = Program::start("sceau-agent run --switch", &mut command);

            let browser = Browser::start(FRENCH).await;
            to_sign_in_page(&browser, RECORDS).await;
            let first = to_popup(&browser).await;
            browser.press("agent-start").await;
            let terminal = hospital.terminal.as_mut().unwrap();
            terminal.shows("Dossier patient").await;
            terminal.types(PIN);
            browser.popup_closed(&first).await;
            sees_the_doctor(&browser, RECORDS).await;
        });
    });
}

#[test]
fn a_terminal_learns_who_holds_the_card() {
    isolated(|| {
        run(async {
            let mut hospital = Hospital::open(Setup { pin: PinEntry::Terminal, ..Setup::default() }).await;
            let mut command = hospital.agent_command();
            command.args(["card", "login", FRONT, "--json"]);
            let mut login = Program::start("sceau-agent card login", &mut command);
            let terminal = hospital.terminal.as_mut().unwrap();
            terminal.shows("Terminal").await;
            terminal.types(PIN);
            let identity = login
                .said("who it is", |log| {
                    let (_, json) = log.split_once('{')?;
                    serde_json::from_str::<Value>(&format!("{{{json}")).ok()
                })
                .await;
            assert_eq!(identity["server"], FRONT);
            assert_eq!(identity["acr"], "eidas3");
            assert!(identity["id_nat"].as_str().unwrap().starts_with('8'), "{identity}");
            assert!(!hospital.terminal.as_ref().unwrap().text().contains(PIN), "the PIN was shown");
            let last = hospital.audit().pop().unwrap();
            assert_eq!((last["kind"].as_str(), last["outcome"].as_str()), (Some("sign-in"), Some("success")));
            assert_eq!(last["detail"]["application"], "Terminal", "{last}");
        });
    });
}
