//! A mail server of our own on loopback: SMTP (RFC 5321) with STARTTLS, implicit TLS and AUTH PLAIN, over the real TLS of
//! OpenSSL, with a certificate of `sceau-certs`. It takes mails, or behaves as badly as a test wants.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslAcceptor, SslMethod};
use openssl::x509::X509;
use sceau_certs::extension::{Extension, SERVER_AUTH, Usage};
use sceau_certs::name::{Attribute, COMMON_NAME, Name, Rdn};
use sceau_certs::{Authority, Template};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_openssl::SslStream;

use crate::config::{Mail, MailTls, MailUser};
use crate::crypto::x509::test_pki::now;

pub(super) const USER: &str = "sceau";
pub(super) const PASSWORD: &str = "mot de passe du serveur";

/// A mail as it came over the wire.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub to: String,
    pub data: Vec<u8>,
    pub encrypted: bool,
    pub authenticated: bool,
}

/// How the server behaves.
#[derive(Debug, Clone)]
pub(super) struct Manners {
    pub tls: MailTls,
    /// Whether it offers STARTTLS.
    pub offers: bool,
    /// The host in its certificate.
    pub host: &'static str,
    /// Says nothing at all.
    pub silent: bool,
    /// What it answers to `RCPT`, the first time, the second …; then it takes the mail.
    pub refusals: Vec<&'static str>,
    /// Sends words in the clear together with its consent to STARTTLS, as somebody on the way would.
    pub injected: &'static str,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            tls: MailTls::StartTls,
            offers: true,
            host: "localhost",
            silent: false,
            refusals: Vec::new(),
            injected: "",
        }
    }
}

/// What the server has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub received: Vec<Received>,
    /// Commands that came in the clear.
    pub in_the_clear: Vec<String>,
    refused: usize,
}

/// A running server; it stops with its value.
pub(super) struct Server {
    pub port: u16,
    pub seen: Arc<Mutex<Seen>>,
    running: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn p256() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn name(text: &str) -> Name {
    Name(vec![Rdn::one(Attribute::utf8(COMMON_NAME, text))])
}

/// The hospital's own authority.
fn authority() -> &'static Authority {
    static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
        let year = TimeDelta::days(365);
        Authority::root(name("CHU d’Essai, serveurs"), p256(), now() - year, now() + year).unwrap()
    });
    &AUTHORITY
}

fn acceptor(host: &str) -> SslAcceptor {
    let template = Template::new(name("SMTP"), now() - TimeDelta::days(1), now() + TimeDelta::days(90))
        .with(Extension::end_entity())
        .with(Extension::key_usage(&[Usage::DigitalSignature]))
        .with(Extension::extended_key_usage(&[SERVER_AUTH]))
        .with(Extension::hosts(&[host]));
    let key = p256();
    let certificate = X509::from_der(&authority().issue_unchecked(&template, &key).unwrap()).unwrap();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.build()
}

impl Server {
    pub(super) async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, manners)
    }

    pub(super) fn on(listener: TcpListener, manners: Manners) -> Self {
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (shared, tls) = (Arc::clone(&seen), acceptor(manners.host));
        let running = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let session =
                    Session { manners: manners.clone(), seen: Arc::clone(&shared), tls: tls.clone() };
                tokio::spawn(session.serve(stream));
            }
        });
        Self { port, seen, running }
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.seen.lock().unwrap().received.clone()
    }

    /// The configuration that leads here, with the authority's certificate in `dir`.
    pub(super) fn mail(&self, dir: &Path) -> Mail {
        mail(self.port, dir)
    }
}

/// A configuration for a server on that port, with the authority's certificate in `dir`.
pub(super) fn mail(port: u16, dir: &Path) -> Mail {
    let ca_file = dir.join("authority.pem");
    std::fs::write(&ca_file, authority().certificate.to_pem().unwrap()).unwrap();
    Mail {
        server: "localhost".into(),
        port,
        tls: MailTls::StartTls,
        ca_file: Some(ca_file),
        user: Some(MailUser { name: USER.into(), password: PASSWORD.to_owned().into() }),
        from: "Identité – CHU d’Essai <sceau@chu.example>".into(),
        reply_to: Some("securite@chu.example".into()),
        contact: "securite@chu.example, poste 4242".into(),
        security: None,
    }
}

#[derive(Clone)]
struct Session {
    manners: Manners,
    seen: Arc<Mutex<Seen>>,
    tls: SslAcceptor,
}

impl Session {
    async fn serve(self, stream: TcpStream) {
        if self.manners.silent {
            std::future::pending::<()>().await;
        }
        if self.manners.tls == MailTls::Implicit {
            let Some(stream) = self.handshake(stream).await else { return };
            self.talk(BufReader::new(stream), true, true).await;
            return;
        }
        let Some(stream) = self.talk(BufReader::new(stream), false, true).await else { return };
        let Some(stream) = self.handshake(stream).await else { return };
        self.talk(BufReader::new(stream), true, false).await;
    }

    async fn handshake(&self, stream: TcpStream) -> Option<SslStream<TcpStream>> {
        let mut stream = SslStream::new(Ssl::new(self.tls.context()).unwrap(), stream).unwrap();
        Pin::new(&mut stream).accept().await.ok()?;
        Some(stream)
    }

    /// One conversation. Yields the stream where TLS begins in it.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
        encrypted: bool,
        greets: bool,
    ) -> Option<S> {
        if greets {
            stream.get_mut().write_all(b"220 localhost ESMTP\r\n").await.ok()?;
        }
        let (mut authenticated, mut to) = (false, String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_owned();
            if !encrypted {
                self.seen.lock().unwrap().in_the_clear.push(line.clone());
            }
            let verb = line.to_ascii_uppercase();
            let answer = if verb.starts_with("EHLO") {
                let offered = if !encrypted && self.manners.offers { "250-STARTTLS\r\n" } else { "" };
                format!("250-localhost\r\n{offered}250 AUTH PLAIN")
            } else if verb == "STARTTLS" {
                let consent = format!("220 go on\r\n{}", self.manners.injected);
                stream.get_mut().write_all(consent.as_bytes()).await.ok()?;
                return Some(stream.into_inner());
            } else if let Some(given) = line.strip_prefix("AUTH PLAIN ") {
                authenticated = STANDARD.decode(given).ok()? == format!("\0{USER}\0{PASSWORD}").as_bytes();
                if authenticated { "235 welcome".to_owned() } else { "535 5.7.8 no".to_owned() }
            } else if let Some(address) = line.strip_prefix("RCPT TO:") {
                to = address.trim_matches(['<', '>']).to_owned();
                let mut seen = self.seen.lock().unwrap();
                let refusal = self.manners.refusals.get(seen.refused).copied();
                seen.refused += 1;
                refusal.unwrap_or("250 ok").to_owned()
            } else if verb == "DATA" {
                stream.get_mut().write_all(b"354 go on\r\n").await.ok()?;
                let data = data(&mut stream).await?;
                let received = Received { to: to.clone(), data, encrypted, authenticated };
                self.seen.lock().unwrap().received.push(received);
                "250 taken".to_owned()
            } else if verb == "QUIT" {
                stream.get_mut().write_all(b"221 bye\r\n").await.ok()?;
                return None;
            } else {
                "250 ok".to_owned()
            };
            stream.get_mut().write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
            stream.get_mut().flush().await.ok()?;
        }
    }
}

/// A mail up to the line with one dot, without the dots that were added (RFC 5321 §4.5.2).
async fn data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        if line == b".\r\n" {
            return Some(all);
        }
        all.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
