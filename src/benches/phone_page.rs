//! The page of a desk that waits for a phone, and the phone that answers it, as both do over HTTP.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use super::installation::{Failure, Installation, REALM, REDIRECT};
use super::software_phone::SoftwarePhone;

/// Pages of one address: a quarter of what a node holds may come from one.
const OF_ONE_ADDRESS: usize = 4_000;

/// How long a page took to hear.
pub struct Delay {
    pub after_sending: Duration,
    pub after_answer: Duration,
}

impl Installation {
    /// Pairs a phone, as page and application do.
    pub async fn pair(&self, cookie: &str) -> Result<SoftwarePhone, Failure> {
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

    pub async fn open_one(&self, number: usize, scan: bool) -> Result<Page, Failure> {
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
        let page = Page { txn: txn.to_owned(), cookie: cookie.to_owned(), code: Arc::default(), hears };
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
    pub async fn approve(&self, phone: &mut SoftwarePhone, page: &Page) -> Result<Delay, Failure> {
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
    pub async fn connect(&self, address: usize) -> Result<Connection, Failure> {
        let socket = TcpSocket::new_v4()?;
        let source = Ipv4Addr::new(127, 0, 0, u8::try_from(address + 2)?);
        socket.bind(SocketAddr::V4(SocketAddrV4::new(source, 0)))?;
        let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).await?;
        stream.set_nodelay(true)?;
        Ok(Connection(BufReader::with_capacity(2_048, stream), self.port))
    }
}

/// A page that waits.
pub struct Page {
    pub txn: String,
    /// Of the browser that began the sign-in.
    pub cookie: String,
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
    pub fn is_open(&self) -> bool {
        self.hears.has_changed().is_ok() && self.hears.borrow().end.is_none()
    }
}

/// A connection that stays open, and the port that it goes to.
pub struct Connection(BufReader<TcpStream>, u16);

/// An answer.
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it =
            |line: &&str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        self.head.lines().find(is_it)?.split_once(": ").map(|(_, value)| value)
    }
}

impl Connection {
    pub async fn say(&mut self, path: &str, words: &Value, cookie: &str) -> Result<Value, Failure> {
        let answer = self.send("POST", path, cookie, &words.to_string()).await?;
        Ok(serde_json::from_str(&answer.body).map_err(|error| format!("{path}: {error}: {}", answer.head))?)
    }

    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        cookie: &str,
        body: &str,
    ) -> Result<Answer, Failure> {
        let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
        let origin =
            format!("Origin: http://localhost:{}\r\n{cookie}Content-Type: application/json\r\n", self.1);
        self.exchange(&format!("{method} {path}"), &origin, body).await
    }

    /// A service redeems a code.
    pub async fn redeem(&mut self, path: &str, credentials: &str, form: &str) -> Result<Answer, Failure> {
        let headers = format!(
            "Authorization: Basic {credentials}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        );
        self.exchange(&format!("POST {path}"), &headers, form).await
    }

    async fn exchange(&mut self, what: &str, headers: &str, body: &str) -> Result<Answer, Failure> {
        let request = format!(
            "{what} HTTP/1.1\r\nHost: localhost:{}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.1,
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).await?;
        let mut answer = Answer { head: String::new(), body: String::new() };
        loop {
            let from = answer.head.len();
            if self.0.read_line(&mut answer.head).await? == 0 {
                return Err(format!("{what}: the connection ended").into());
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
