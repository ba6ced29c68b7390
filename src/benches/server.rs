//! The server as a whole: how fast it is ready, what it needs of the memory, how many code flows a second of one
//! processor gives. The program itself, over HTTP on loopback, on SQLite.
//!
//! `cargo bench --bench server -- [SESSIONS]`: 10 000 unless said otherwise. Times of a busy machine are those of the
//! others too, so what can be is counted in seconds of the processor, and stands beside what `openssl speed` makes of
//! the same machine in the same minute. Prints figures and asserts nothing.

mod installation;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;

use installation::{Failure, Installation, REALM, REDIRECT, Server};

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
    let here = Installation::new(dir, "")?;

    let begun = Instant::now();
    here.sceau(&["init"])?;
    let initialised = begun.elapsed();
    let (first, ready) = here.serve_timed()?;
    println!("first start: {} (init {}, target 1 s)", ms(initialised + ready), ms(initialised));
    drop(first);
    let mut ready = (0..STARTS).map(|_| Ok(here.serve_timed()?.1)).collect::<Result<Vec<_>, Failure>>()?;
    ready.sort();
    let median = ready.get(STARTS / 2).copied().unwrap_or_default();
    println!("ready on an existing database: {} (target 100 ms)", ms(median));

    let added =
        here.sceau(&["client", "add", "dpi", "--json", "--name", "DPI", "--redirect-uri", REDIRECT])?;
    let added: serde_json::Value = serde_json::from_str(&added)?;
    let secret = added.get("client_secret").and_then(|secret| secret.as_str()).ok_or("no secret")?;
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("dpi:{secret}"));
    here.add_doctor()?;
    let cookies = tokio::runtime::Runtime::new()?.block_on(here.begin_sessions(sessions))?;

    let server = here.serve()?;
    println!("resident memory, idle: {} MB (target 40)", server.resident()? / 1024);
    for (name, path) in [
        ("discovery", "/auth/realms/esante-wallet/.well-known/openid-configuration".to_owned()),
        ("JWKS", format!("{REALM}/certs")),
    ] {
        let requests = 20_000;
        let all = || here.by_all(requests, |connection, _| connection.get(&path, "").map(drop));
        let spent = processor_time(&server, all)?;
        let each = spent.as_secs_f64() * 1e3 / requests as f64;
        println!("{name}: {each:.4} ms of the processor (target 0.05)");
    }

    let signatures = rsa_signatures_per_second()?;
    let before = Instant::now();
    let spent = processor_time(&server, || {
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
    println!("resident memory with {sessions} sessions in use: {} MB (target 80)", server.resident()? / 1024);
    Ok(())
}

impl Installation {
    /// The server, and how long it took from the start of the program until it answered that it is ready.
    fn serve_timed(&self) -> Result<(Server, Duration), Failure> {
        let begun = Instant::now();
        let server = self.serve()?;
        let ready = Connection::to(self.port)?.get("/health/ready", "")?;
        if ready.starts_with("HTTP/1.1 200") { Ok((server, begun.elapsed())) } else { Err(ready.into()) }
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

/// What the server spends of the processor during `work`.
fn processor_time(server: &Server, work: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let before = server.spent()?;
    work()?;
    Ok(server.spent()? - before)
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
