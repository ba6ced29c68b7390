//! An installation on loopback for the benchmarks, its server a program of its own, and what that needs of the machine.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use sceau::app;
use sceau::clock::{Clock as _, SystemClock};
use sceau::config::Config;
use sceau::crypto::digest::sha256;
use sceau::crypto::random::SystemRandom;
use sceau::ids::{Secret, SessionId, WorkstationId, uuid_v4};
use sceau::session::{Acr, Amr, AuthMode, Authentication, Evidence, Station};
use sceau::store;
use sceau::store::session::NewSession;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub const REALM: &str = "/auth/realms/esante-wallet/protocol/openid-connect";
pub const REDIRECT: &str = "https://dpi.hopital.example/callback";
const SCEAU: &str = env!("CARGO_BIN_EXE_sceau");
/// Who signs in: a doctor of the published card kits, nobody real.
const DOCTOR: &str = "899700366240";

/// An installation on loopback.
pub struct Installation {
    pub config: PathBuf,
    pub port: u16,
}

impl Installation {
    /// In that directory; `more` stands below the section `[server]`. [`Self::sceau`] `init` makes the rest.
    pub fn new(dir: &Path, more: &str) -> Result<Self, Failure> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let here = Self { config: dir.join("sceau.toml"), port };
        std::fs::write(
            &here.config,
            format!(
                "config_version = 1\n[server]\nissuer = \"http://localhost:{port}/auth/realms/esante-wallet\"\n\
                 listen = \"127.0.0.1:{port}\"\nstate_dir = \"state\"\nrequests_per_minute = 1000000\n{more}"
            ),
        )?;
        Ok(here)
    }

    /// A command of the program; what it says.
    pub fn sceau(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = Command::new(SCEAU).arg("--config").arg(&self.config).args(arguments).output()?;
        if !output.status.success() {
            return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The doctor, who is of this establishment.
    pub fn add_doctor(&self) -> Result<(), Failure> {
        let name = ["--family-name", "DOC", "--given-name", "KIT"];
        let place = ["--sector", "SA01", "--structure-name", "Centre hospitalier de l’Exemple"];
        self.sceau(&[&["person", "add", DOCTOR][..], &name, &place].concat()).map(drop)
    }

    /// Starts the server and waits until it says that it is ready.
    pub fn serve(&self) -> Result<Server, Failure> {
        let mut command = Command::new(SCEAU);
        command.arg("--config").arg(&self.config).arg("serve").stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let log = child.stderr.take().ok_or("no log")?;
        let mut log = BufReader::new(log).lines();
        for line in &mut log {
            if line?.contains("\"serving\"") {
                break;
            }
        }
        // Read all along: a full pipe would hold the server up.
        std::thread::spawn(move || log.for_each(drop));
        Ok(Server(child))
    }

    /// Begins sessions of the doctor, as card sign-ins would; their cookies.
    pub async fn begin_sessions(&self, count: usize) -> Result<Vec<String>, Failure> {
        let config = Arc::new(Config::read(&self.config)?);
        let db = app::open_database(&config).await?;
        let person = store::person::by_identifier(&db, DOCTOR).await?.ok_or("nobody")?.id;
        let (now, mut cookies) = (SystemClock.now(), Vec::with_capacity(count));
        for _ in 0..count {
            let cookie = Secret::of_256_bits(&SystemRandom);
            let new = NewSession {
                id: SessionId::new(now, &SystemRandom),
                cookie_hash: sha256(cookie.expose().as_bytes()),
                authentication: Authentication {
                    person,
                    acr: Acr::Eidas3,
                    amr: vec![Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa],
                    auth_mode: AuthMode::Card,
                    at: now,
                    evidence: Evidence::Card {
                        card_number: "8025000001/2800000009".into(),
                        certificate_sha256: "00".repeat(32),
                        serial: "01".into(),
                        issuer: None,
                        workstation: WorkstationId(uuid_v4(&SystemRandom)),
                        pin: "window".into(),
                        interface: "contact".into(),
                    },
                },
                expires_at: now + TimeDelta::hours(4),
                station: Station::default(),
                watched: None,
            };
            store::session::begin(&db, &new, now).await?;
            cookies.push(format!("__Host-session={}", cookie.expose()));
        }
        db.close().await;
        Ok(cookies)
    }
}

/// A running server.
pub struct Server(Child);

impl Server {
    /// Kilobytes of resident memory.
    pub fn resident(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()?)
    }

    /// Time on the processor, its own and the system's for it: fields 14 and 15 of `/proc/PID/stat`, in hundredths of a
    /// second.
    pub fn spent(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // The name of the program, in brackets, may hold anything.
        let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
        Ok(Duration::from_millis(10 * (ticks(14).ok_or("no utime")? + ticks(15).ok_or("no stime")?)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
