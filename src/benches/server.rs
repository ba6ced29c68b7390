//! The server as a whole: how fast it is ready, what it needs of the memory, how many code flows a second of one
//! processor gives. The program itself, over HTTP on loopback, on SQLite.
//!
//! `cargo bench --bench server -- [SESSIONS]`: 10 000 unless said otherwise. Times of a busy machine are those of the
//! others too, so what can be is counted in seconds of the processor, and stands beside what `openssl speed` makes of
//! the same machine in the same minute. Prints figures and asserts nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
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

type Failure = Box<dyn std::error::Error + Send + Sync>;

const SCEAU: &str = env!("CARGO_BIN_EXE_sceau");
const REALM: &str = "/auth/realms/esante-wallet/protocol/openid-connect";
const REDIRECT: &str = "https://dpi.hopital.example/callback";
/// Who signs in: a doctor of the published card kits, nobody real.
const DOCTOR: &str = "899700366240";
/// Connections at a time.
const CLIENTS: usize = 4;
/// Starts of the program that a time is the median of.
const STARTS: usize = 9;

fn main() -> Result<(), Failure> {
    // Cargo adds --bench.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let sessions = arguments.next().map_or(Ok(10_000), |text| text.parse::<usize>())?;
    let dir = std::env::temp_dir().join(format!("sceau-bench-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let measured = measure(&dir, sessions);
    std::fs::remove_dir_all(&dir)?;
    measured
}

fn measure(dir: &Path, sessions: usize) -> Result<(), Failure> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let here = Installation { config: dir.join("sceau.toml"), port };
    std::fs::write(
        &here.config,
        format!(
            "config_version = 1\n[server]\nissuer = \"http://localhost:{port}/auth/realms/esante-wallet\"\n\
             listen = \"127.0.0.1:{port}\"\nstate_dir = \"state\"\nrequests_per_minute = 1000000\n"
        ),
    )?;

    let begun = Instant::now();
    here.sceau(&["init"])?;
    let initialised = begun.elapsed();
    let first = here.serve()?;
    println!("first start: {} (init {}, target 1 s)", ms(initialised + first.ready), ms(initialised));
    drop(first);
    let mut ready = (0..STARTS).map(|_| Ok(here.serve()?.ready)).collect::<Result<Vec<_>, Failure>>()?;
    ready.sort();
    let median = ready.get(STARTS / 2).copied().unwrap_or_default();
    println!("ready on an existing database: {} (target 100 ms)", ms(median));

    let added =
        here.sceau(&["client", "add", "dpi", "--json", "--name", "DPI", "--redirect-uri", REDIRECT])?;
    let added: serde_json::Value = serde_json::from_str(&added)?;
    let secret = added.get("client_secret").and_then(|secret| secret.as_str()).ok_or("no secret")?;
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("dpi:{secret}"));
    here.sceau(&[
        "person",
        "add",
        DOCTOR,
        "--family-name",
        "DOC",
        "--given-name",
        "KIT",
        "--sector",
        "SA01",
        "--structure-name",
        "Centre hospitalier de l’Exemple",
    ])?;
    let cookies = here.begin_sessions(sessions)?;

    let server = here.serve()?;
    println!("resident memory, idle: {} MB (target 40)", server.resident()?);
    for (name, path) in [
        ("discovery", "/auth/realms/esante-wallet/.well-known/openid-configuration".to_owned()),
        ("JWKS", format!("{REALM}/certs")),
    ] {
        let requests = 20_000;
        let spent = server
            .processor_time(|| here.by_all(requests, |connection, _| connection.get(&path, "").map(drop)))?;
        let each = spent.as_secs_f64() * 1e3 / requests as f64;
        println!("{name}: {each:.4} ms of the processor (target 0.05)");
    }

    let signatures = rsa_signatures_per_second()?;
    let before = Instant::now();
    let spent = server.processor_time(|| {
        here.by_all(sessions, |connection, number| {
            let cookie = cookies.get(number).map(String::as_str).unwrap_or_default();
            connection.flow(cookie, &credentials)
        })
    })?;
    let (wall, flows) = (before.elapsed(), sessions as f64);
    let per_second = flows / spent.as_secs_f64();
    let bound = signatures / 2.0;
    println!(
        "code flows: {per_second:.0} per second of one processor (target 800), {:.2} ms each; {:.0} per second on the clock",
        spent.as_secs_f64() * 1e3 / flows,
        flows / wall.as_secs_f64(),
    );
    println!(
        "openssl speed rsa2048: {signatures:.0} signatures per second, so {bound:.0} flows at most: {:.0} % of that",
        per_second / bound * 100.0
    );
    println!("resident memory with {sessions} sessions in use: {} MB (target 80)", server.resident()?);
    Ok(())
}

/// An installation on loopback.
struct Installation {
    config: std::path::PathBuf,
    port: u16,
}

impl Installation {
    fn sceau(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = Command::new(SCEAU).arg("--config").arg(&self.config).args(arguments).output()?;
        if !output.status.success() {
            return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts the server and waits until it says that it is ready.
    fn serve(&self) -> Result<Server, Failure> {
        let begun = Instant::now();
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
        let ready = Connection::to(self.port)?.get("/health/ready", "")?;
        let ready =
            if ready.starts_with("HTTP/1.1 200") { begun.elapsed() } else { return Err(ready.into()) };
        Ok(Server { child, ready })
    }

    /// Begins sessions of the doctor, as card sign-ins would; their cookies.
    fn begin_sessions(&self, count: usize) -> Result<Vec<String>, Failure> {
        tokio::runtime::Runtime::new()?.block_on(async {
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
        })
    }

    /// Does `work` for each number below `count`, over a few connections at once.
    fn by_all(
        &self,
        count: usize,
        work: impl Fn(&mut Connection, usize) -> Result<(), Failure> + Sync,
    ) -> Result<(), Failure> {
        let work = &work;
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    scope.spawn(move || {
                        let mut connection = Connection::to(self.port)?;
                        (client..count).step_by(CLIENTS).try_for_each(|number| work(&mut connection, number))
                    })
                })
                .collect();
            clients.into_iter().try_for_each(|client| client.join().map_err(|_| "a client failed")?)
        })
    }
}

/// A running server.
struct Server {
    child: Child,
    /// From the start of the program until it said that it is ready.
    ready: Duration,
}

impl Server {
    /// Megabytes of resident memory.
    fn resident(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    }

    /// What the server spends of the processor during `work`.
    fn processor_time(&self, work: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
        let before = self.spent()?;
        work()?;
        Ok(self.spent()? - before)
    }

    /// Time on the processor, its own and the system's for it: fields 14 and 15 of `/proc/PID/stat`, in hundredths of a
    /// second.
    fn spent(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name of the program, in brackets, may hold anything.
        let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
        Ok(Duration::from_millis(10 * (ticks(14).ok_or("no utime")? + ticks(15).ok_or("no stime")?)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A connection that stays open, as a proxy's do.
struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Connection {
    fn to(port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), host: format!("localhost:{port}") })
    }

    fn get(&mut self, path: &str, headers: &str) -> Result<String, Failure> {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.host))
    }

    /// `/auth` with a live session, then the code at the token endpoint.
    fn flow(&mut self, cookie: &str, credentials: &str) -> Result<(), Failure> {
        let path = format!(
            "{REALM}/auth?response_type=code&client_id=dpi&scope=openid%20scope_all&acr_values=eidas1&state=s&nonce=n\
             &redirect_uri={REDIRECT}"
        );
        let redirect = self.get(&path, &format!("Cookie: {cookie}\r\n"))?;
        let (_, code) = redirect.split_once("code=").ok_or_else(|| format!("no code: {redirect}"))?;
        let code = code.split(['&', '\r']).next().unwrap_or_default();
        let body = format!("grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}");
        let answer = self.send(&format!(
            "POST {REALM}/token HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {credentials}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        ))?;
        if answer.contains("\"id_token\"") { Ok(()) } else { Err(format!("no tokens: {answer}").into()) }
    }

    /// The answer: status line, headers and body, which has a known length or comes in chunks.
    fn send(&mut self, request: &str) -> Result<String, Failure> {
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (mut answer, mut length, mut chunked) = (String::new(), 0, false);
        loop {
            let from = answer.len();
            self.stream.read_line(&mut answer)?;
            let line = answer.get(from..).unwrap_or_default().trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            chunked |= line == "transfer-encoding: chunked";
            if line.is_empty() {
                break;
            }
        }
        while chunked {
            let mut size = String::new();
            self.stream.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16)?;
            self.read(size, &mut answer)?;
            self.stream.read_line(&mut String::new())?;
            chunked = size > 0;
        }
        self.read(length, &mut answer)?;
        Ok(answer)
    }

    fn read(&mut self, length: usize, into: &mut String) -> Result<(), Failure> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        into.push_str(std::str::from_utf8(&bytes)?);
        Ok(())
    }
}

/// What the machine's OpenSSL makes, on one processor.
fn rsa_signatures_per_second() -> Result<f64, Failure> {
    let output = Command::new("openssl").args(["speed", "-seconds", "3", "-mr", "rsa2048"]).output()?;
    let said = String::from_utf8(output.stdout)?;
    // +F2:2:2048:signatures per second:verifications per second
    let line = said.lines().find(|line| line.starts_with("+F2:")).ok_or("openssl speed said nothing")?;
    Ok(line.split(':').nth(3).ok_or("no signatures")?.parse()?)
}

fn ms(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}
