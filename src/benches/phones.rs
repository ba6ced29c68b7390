//! Who waits for a phone: how soon the page of a desk hears of the answer among two thousand that wait, and what twenty
//! thousand that wait cost one node. The program itself, over HTTP on loopback, on SQLite; phones answer by their protocol.
//!
//! `cargo bench --bench phones -- [PAGES [MANY]]`: 2 000 and 20 000 unless said otherwise. Prints figures and asserts nothing.

mod installation;
mod software_phone;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use installation::{Failure, Installation, REALM, REDIRECT, Server};
use serde_json::{Value, json};
use software_phone::SoftwarePhone;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Answers of which the delay is measured.
const ANSWERS: usize = 200;
/// Pages opened at a time.
const AT_ONCE: usize = 64;
/// Pages of one address: a quarter of what a node holds may come from one.
const OF_ONE_ADDRESS: usize = 4_000;
/// For how long what waits is watched.
const WATCHED: Duration = Duration::from_secs(10);

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let pages = numbers.next().map_or(Ok(2_000), |text| text.parse::<usize>())?;
    let wanted = numbers.next().map_or(Ok(20_000), |text| text.parse::<usize>())?;
    let many = wanted.min(most_pages()?);
    if many < wanted {
        println!("{wanted} pages were asked for; the limit of open files (ulimit -n) allows {many}");
    }
    let dir = std::env::temp_dir().join(format!("sceau-bench-phones-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let measured = tokio::runtime::Runtime::new()?.block_on(measure(&dir, pages, many));
    std::fs::remove_dir_all(&dir)?;
    measured
}

/// So many connections can this process hold, with some files beside them (proc(5), `limits`).
fn most_pages() -> Result<usize, Failure> {
    const BESIDE: usize = 2_000;
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next()).unwrap_or_default();
    // "unlimited" is no number.
    Ok(soft.parse::<usize>().map_or(usize::MAX, |soft| soft.saturating_sub(BESIDE)))
}

async fn measure(dir: &Path, pages: usize, many: usize) -> Result<(), Failure> {
    let here = Installation::new(dir, "[phone]\nenabled = true\nnetworks = [\"127.0.0.0/8\"]\n")?;
    let here = Arc::new(here);
    here.sceau(&["init"])?;
    here.sceau(&["client", "add", "dpi", "--name", "DPI", "--redirect-uri", REDIRECT])?;
    here.add_doctor()?;
    let cookie = here.begin_sessions(1).await?.pop().unwrap_or_default();
    let server = here.serve()?;
    let idle = server.resident()?;
    let mut phone = here.pair(&cookie).await?;

    // The delay, while so many go on waiting.
    let waiting = here.open(pages + ANSWERS, true).await?;
    let spent = spends_while(&server, WATCHED).await?;
    println!("{pages} pages that show a code each second: {spent:.1} % of one processor");
    let mut delays = Vec::with_capacity(ANSWERS);
    for page in waiting.iter().take(ANSWERS) {
        delays.push(here.approve(&mut phone, page).await?);
    }
    let of = |which: fn(&Delay) -> Duration| {
        let mut times: Vec<Duration> = delays.iter().map(which).collect();
        times.sort();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        (ms(at(50)), ms(at(99)))
    };
    let (median, p99) = of(|delay| delay.after_answer);
    println!(
        "from the phone's 200 to the page, {pages} waiting: {median} at the median (target 300 ms), {p99} at p99"
    );
    let (median, p99) = of(|delay| delay.after_sending);
    println!("from the phone's sending to the page: {median} at the median, {p99} at p99");
    drop(waiting);
    drop(server);

    // What many cost: pages that show a number, and pages that show a code.
    for (scan, what) in [(false, "a number"), (true, "a code each second")] {
        let server = here.serve()?;
        let (before, begun) = (server.resident()?, Instant::now());
        let waiting = here.open(many, scan).await?;
        println!("{many} pages with {what}: opened in {} s", begun.elapsed().as_secs());
        let spent = spends_while(&server, WATCHED).await?;
        let after = server.resident()?;
        println!(
            "  resident {} MB of {} MB idle (target 400 MB), {} bytes each; {spent:.1} % of one processor; {} still there",
            after / 1024,
            before / 1024,
            (after.saturating_sub(before)) * 1024 / u64::try_from(many)?,
            waiting.iter().filter(|page| page.is_open()).count()
        );
        if scan {
            let mut delays = Vec::new();
            for page in waiting.iter().take(20) {
                match here.approve(&mut phone, page).await {
                    Ok(delay) => delays.push(delay.after_answer),
                    Err(error) => println!("  not approved: {error}"),
                }
            }
            delays.sort();
            if let Some(median) = delays.get(delays.len() / 2) {
                println!("  from the phone's 200 to the page: {} at the median", ms(*median));
            }
        }
    }
    println!("resident, idle, at the very first: {} MB", idle / 1024);
    Ok(())
}

/// How long a page took to hear.
struct Delay {
    after_sending: Duration,
    after_answer: Duration,
}

impl Installation {
    /// Pairs a phone, as page and application do.
    async fn pair(&self, cookie: &str) -> Result<SoftwarePhone, Failure> {
        let mut phone = SoftwarePhone::new(&format!("http://localhost:{}", self.port))?;
        let mut connection = self.connect(0).await?;
        let begun = connection.say("/means/phone", &json!({}), cookie).await?;
        let address = scanned(begun.get("code").ok_or_else(|| format!("no code: {begun}"))?)?;
        let (_, secret) = address.split_once("#pair=").ok_or("no secret")?;
        let taken = connection.say("/phone/pair/take", &json!({"code": secret}), "").await?;
        let brought = connection.say("/phone/pair/bring", &phone.brings(&taken)?, "").await?;
        let digits = brought.get("digits").ok_or_else(|| format!("no digits: {brought}"))?;
        let words = json!({"pairing": begun.get("pairing"), "digits": digits});
        connection.say("/means/phone/confirm", &words, cookie).await?;
        let words = json!({"handle": taken.get("handle"), "credential": phone.credential()});
        let paired = connection.say("/phone/pair/brought", &words, "").await?;
        let id =
            paired.get("phone").and_then(Value::as_str).ok_or_else(|| format!("not paired: {paired}"))?;
        phone.id = Some(id.to_owned());
        Ok(phone)
    }

    /// So many pages that wait, each with a sign-in and a connection of its own.
    async fn open(self: &Arc<Self>, count: usize, scan: bool) -> Result<Vec<Page>, Failure> {
        let turn = Arc::new(Semaphore::new(AT_ONCE));
        let pages = (0..count).map(|number| {
            let (here, turn) = (Arc::clone(self), Arc::clone(&turn));
            tokio::spawn(async move {
                let _turn = turn.acquire_owned().await?;
                here.open_one(number, scan).await
            })
        });
        let mut opened = Vec::with_capacity(count);
        for page in pages.collect::<Vec<_>>() {
            opened.push(page.await??);
        }
        Ok(opened)
    }

    async fn open_one(&self, number: usize, scan: bool) -> Result<Page, Failure> {
        let mut connection = self.connect(number / OF_ONE_ADDRESS).await?;
        let path = format!(
            "{REALM}/auth?response_type=code&client_id=dpi&scope=openid%20scope_all&acr_values=eidas1&state=s&nonce=n\
             &redirect_uri={REDIRECT}"
        );
        let begun = connection.send("GET", &path, "", "").await?;
        let txn =
            begun.header("location").and_then(|to| to.rsplit_once("/login/")).ok_or("no sign-in page")?.1;
        let (txn, _) = txn.split_once('?').unwrap_or((txn, ""));
        let cookie =
            begun.header("set-cookie").and_then(|cookie| cookie.split(';').next()).ok_or("no cookie")?;
        // The same connection, as a browser's.
        let request = format!(
            "GET /login/phone/events?txn={txn}&scan={scan} HTTP/1.1\r\nHost: localhost:{}\r\nCookie: {cookie}\r\n\r\n",
            self.port
        );
        connection.0.get_mut().write_all(request.as_bytes()).await?;
        let (mut lines, (told, hears)) = (connection.0, watch::channel(Heard::default()));
        let mut status = String::new();
        lines.read_line(&mut status).await?;
        if !status.starts_with("HTTP/1.1 200") {
            return Err(status.into());
        }
        let page = Page { code: Arc::default(), hears };
        let code = Arc::clone(&page.code);
        tokio::spawn(async move {
            let mut line = String::with_capacity(1_024);
            while lines.read_line(&mut line).await.is_ok_and(|length| length > 0) {
                if line.contains("\"approved\"") || line.contains("\"failed\"") {
                    let _ = told.send(Heard { is_waiting: true, end: Some((Instant::now(), line.clone())) });
                } else if let Some(data) = line.strip_prefix("data: {") {
                    if data.contains("modules") {
                        data.clone_into(&mut code.lock().unwrap_or_else(PoisonError::into_inner));
                    }
                    told.send_if_modified(|heard| !std::mem::replace(&mut heard.is_waiting, true));
                }
                line.clear();
            }
        });
        let mut first = page.hears.clone();
        first.wait_for(|heard| heard.is_waiting).await?;
        Ok(page)
    }

    /// The phone scans the code of a page and approves.
    async fn approve(&self, phone: &mut SoftwarePhone, page: &Page) -> Result<Delay, Failure> {
        let mut connection = self.connect(0).await?;
        let shown = page.code.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let said: Value = serde_json::from_str(&format!("{{{shown}"))?;
        let code = scanned(said.get("qr").ok_or("no code")?)?;
        let opened = connection.say("/phone/question", &phone.asks(&code)?, "").await?;
        if opened.get("question").is_none() {
            return Err(format!("not opened: {opened}").into());
        }
        let answer = phone.approves(&opened)?;
        let sent = Instant::now();
        let answered = connection.say("/phone/answer", &answer, "").await?;
        let done = Instant::now();
        if answered.get("state") != Some(&json!("done")) {
            return Err(format!("not approved: {answered}").into());
        }
        let mut hears = page.hears.clone();
        let heard = hears.wait_for(|heard| heard.end.is_some()).await?;
        let (at, said) = heard.end.as_ref().ok_or("not heard")?;
        if !said.contains("approved") {
            return Err(said.clone().into());
        }
        // The page may hear before the phone does.
        Ok(Delay { after_sending: *at - sent, after_answer: at.saturating_duration_since(done) })
    }

    /// A connection from the address of that number on loopback.
    async fn connect(&self, address: usize) -> Result<Connection, Failure> {
        let socket = TcpSocket::new_v4()?;
        let source = Ipv4Addr::new(127, 0, 0, u8::try_from(address + 2)?);
        socket.bind(SocketAddr::V4(SocketAddrV4::new(source, 0)))?;
        let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).await?;
        stream.set_nodelay(true)?;
        Ok(Connection(BufReader::with_capacity(2_048, stream), self.port))
    }
}

/// A page that waits.
struct Page {
    /// The last code that it was told, as JSON without its first bracket.
    code: Arc<Mutex<String>>,
    hears: watch::Receiver<Heard>,
}

/// What a page was told.
#[derive(Default)]
struct Heard {
    is_waiting: bool,
    /// The last word, and when.
    end: Option<(Instant, String)>,
}

impl Page {
    fn is_open(&self) -> bool {
        self.hears.has_changed().is_ok() && self.hears.borrow().end.is_none()
    }
}

/// Hundredths of one processor that the server spends, while time passes.
async fn spends_while(server: &Server, time: Duration) -> Result<f64, Failure> {
    let (begun, before) = (Instant::now(), server.spent()?);
    tokio::time::sleep(time).await;
    Ok((server.spent()? - before).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0)
}

/// A connection that stays open, and the port that it goes to.
struct Connection(BufReader<TcpStream>, u16);

/// An answer.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let is_it =
            |line: &&str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        self.head.lines().find(is_it)?.split_once(": ").map(|(_, value)| value)
    }
}

impl Connection {
    async fn say(&mut self, path: &str, words: &Value, cookie: &str) -> Result<Value, Failure> {
        let answer = self.send("POST", path, cookie, &words.to_string()).await?;
        Ok(serde_json::from_str(&answer.body).map_err(|error| format!("{path}: {error}: {}", answer.head))?)
    }

    async fn send(&mut self, method: &str, path: &str, cookie: &str, body: &str) -> Result<Answer, Failure> {
        let host = format!("localhost:{}", self.1);
        let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{cookie}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).await?;
        let mut answer = Answer { head: String::new(), body: String::new() };
        loop {
            let from = answer.head.len();
            if self.0.read_line(&mut answer.head).await? == 0 {
                return Err(format!("{path}: the connection ended").into());
            }
            if answer.head.get(from..).unwrap_or_default().trim_end().is_empty() {
                break;
            }
        }
        let length =
            answer.header("content-length").map_or(Ok(0), |length| length.trim().parse::<usize>())?;
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).await?;
        answer.body = String::from_utf8(bytes)?;
        Ok(answer)
    }
}

/// What a camera reads in a code.
fn scanned(code: &Value) -> Result<String, Failure> {
    let size = code.get("size").and_then(Value::as_u64).ok_or("no size")?;
    let size = usize::try_from(size)?;
    let modules = code.get("modules").and_then(Value::as_str).ok_or("no modules")?.as_bytes();
    let edge = (size + 8) * 4;
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(edge, edge, |x, y| {
        let (x, y) = ((x / 4).wrapping_sub(4), (y / 4).wrapping_sub(4));
        let is_dark = x < size && y < size && modules.get(y * size + x) == Some(&b'1');
        if is_dark { 0 } else { 255 }
    });
    let (_, text) = image.detect_grids().first().ok_or("no code in the picture")?.decode()?;
    Ok(text)
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
