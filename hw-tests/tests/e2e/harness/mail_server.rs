//! A mail server of a hospital, on loopback and without TLS, as `[mail] tls = "none"` allows to a server on the same machine.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::until;

/// A mail: to whom, and its text with nothing of the transport left in it.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    pub text: String,
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct MailServer {
    port: u16,
    received: Arc<Mutex<Vec<Mail>>>,
    running: JoinHandle<()>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl MailServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::default();
        let kept = Arc::clone(&received);
        let running = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(converse(stream, Arc::clone(&kept)));
            }
        });
        Self { port, received, running }
    }

    /// The section of the configuration that leads here.
    pub fn section(&self) -> String {
        format!(
            "\n[mail]\nserver = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"Sceau <sceau@chu.example>\"\n\
             contact = \"le support, poste 4242\"",
            self.port
        )
    }

    /// Waits for a mail in which `text` stands.
    pub async fn brings(&self, text: &str) -> Mail {
        let all = || self.received.lock().unwrap().clone();
        until(&format!("a mail with “{text}”"), async || {
            all().into_iter().find(|mail| mail.text.contains(text))
        })
        .await
    }
}

/// One conversation (RFC 5321).
async fn converse(stream: TcpStream, kept: Arc<Mutex<Vec<Mail>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"220 localhost ESMTP\r\n").await.ok()?;
    let mut to = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(address) = line.trim_end().strip_prefix("RCPT TO:") {
            to = address.trim_matches(['<', '>']).to_owned();
        }
        if line.trim_end() == "DATA" {
            stream.get_mut().write_all(b"354 go on\r\n").await.ok()?;
            let mut text = String::new();
            while !text.ends_with("\r\n.\r\n") {
                stream.read_line(&mut text).await.ok()?;
            }
            kept.lock().unwrap().push(Mail { to: to.clone(), text: decoded(&text) });
        }
        stream.get_mut().write_all(b"250 ok\r\n").await.ok()?;
    }
}

/// The text of a mail without quoted-printable (RFC 2045 §6.7), as a mail program shows it.
fn decoded(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let [first, more @ ..] = rest {
        let hex = more.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, hex) {
            (b'=', Some(byte)) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
