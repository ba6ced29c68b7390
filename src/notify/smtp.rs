//! The way to the mail server: SMTP over TLS (RFC 3207, RFC 8314), by the library.
//!
//! Never: a mail or a password over a connection that TLS does not protect, but to this machine; a certificate that nobody
//! vouches for; the server's own words in a log, which may hold an address.

use std::error::Error as _;
use std::fmt::{self, Debug};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::config::{Mail, MailTls};

/// How long a whole mail may take, from looking up the name on.
const WHOLE: Duration = Duration::from_secs(45);

/// A mail server.
pub struct Smtp {
    server: String,
    port: u16,
    way: Way,
    hello: ClientId,
    credentials: Option<Credentials>,
    whole: Duration,
}

enum Way {
    StartTls(TlsParameters),
    Implicit(TlsParameters),
    Plain,
}

impl Debug for Smtp {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp({}:{})", self.server, self.port)
    }
}

/// Why the mail server cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its authority cannot be read.
    #[error("mail.ca_file {path} cannot be read as a certificate: {why}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS to the mail server cannot be set up: {0}")]
    Tls(String),
    /// A sender that is no address.
    #[error("{0} is no mailbox, such as \"Sceau <sceau@hopital.example>\"")]
    Mailbox(&'static str),
}

impl OpenError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Authority { .. } | Self::Tls(_) => "MAIL-008",
            Self::Mailbox(_) => "MAIL-009",
        }
    }
}

/// Why a mail was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nobody answers there.
    #[error("the mail server cannot be reached, or broke off")]
    Unreachable,
    /// TLS is not offered, or the certificate is not that of the server.
    #[error("the mail server offers no TLS, or its certificate does not hold")]
    Tls,
    /// It does not take our user or password.
    #[error("the mail server does not take our user and password")]
    Authentication,
    /// It took too long.
    #[error("the mail server took too long")]
    Slow,
    /// It refuses for now.
    #[error("the mail server refused for now, by {0}")]
    ForNow(u16),
    /// It refuses, for a reason that lies with it or with us.
    #[error("the mail server refused, by {0}")]
    Refused(u16),
    /// There is no such address.
    #[error("the mail server knows no such address, by {0}")]
    NoSuchAddress(u16),
    /// What it answers is not SMTP.
    #[error("the mail server does not speak SMTP")]
    NotSmtp,
}

impl SendError {
    /// The stable code of `docs/errors.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable | Self::NotSmtp => "MAIL-001",
            Self::Tls => "MAIL-002",
            Self::Authentication => "MAIL-003",
            Self::Slow => "MAIL-004",
            Self::ForNow(_) | Self::Refused(_) => "MAIL-005",
            Self::NoSuchAddress(_) => "MAIL-006",
        }
    }

    /// Whether another attempt is of no use.
    pub fn is_final(self) -> bool {
        matches!(self, Self::NoSuchAddress(_))
    }
}

impl Smtp {
    /// The server of the configuration; we say that we are `hello`. Connects to nobody.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(mail: &Mail, hello: &str) -> Result<Self, OpenError> {
        let way = match mail.tls {
            MailTls::StartTls => Way::StartTls(parameters(mail)?),
            MailTls::Implicit => Way::Implicit(parameters(mail)?),
            MailTls::Plain => Way::Plain,
        };
        let credentials = mail
            .user
            .as_ref()
            .map(|user| Credentials::new(user.name.clone(), user.password.expose_secret().to_owned()));
        let (server, hello) = (mail.server.clone(), ClientId::Domain(hello.to_owned()));
        Ok(Self { server, port: mail.port, way, hello, credentials, whole: WHOLE })
    }

    /// Sends a mail.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, letter: &Message) -> Result<(), SendError> {
        self.in_time(async {
            let mut connection = self.connect().await?;
            let sent = connection.send(letter.envelope(), &letter.formatted()).await;
            connection.abort().await;
            sent.map(|_| ()).map_err(|error| match cause(&error) {
                SendError::Refused(code) if is_of_the_address(&error) => SendError::NoSuchAddress(code),
                cause => cause,
            })
        })
        .await
    }

    /// Connects, with TLS and authentication, and sends nothing.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn try_connection(&self) -> Result<(), SendError> {
        self.in_time(async {
            self.connect().await?.abort().await;
            Ok(())
        })
        .await
    }

    /// The same server, for a test that does not wait for long.
    #[cfg(test)]
    pub(super) fn hasty(self, whole: Duration) -> Self {
        Self { whole, ..self }
    }

    async fn in_time<T>(&self, attempt: impl Future<Output = Result<T, SendError>>) -> Result<T, SendError> {
        tokio::time::timeout(self.whole, attempt).await.unwrap_or(Err(SendError::Slow))
    }

    /// A connection over which a mail can go.
    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let wrong = |error| cause(&error);
        let place = (self.server.as_str(), self.port);
        let mut connection = match &self.way {
            Way::StartTls(tls) => {
                let stream = TcpStream::connect(place).await.map_err(|_| SendError::Unreachable)?;
                let stream = Box::new(ByteByByte(stream));
                let connection = AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await;
                let mut connection = connection.map_err(wrong)?;
                connection.starttls(tls.clone(), &self.hello).await.map_err(wrong)?;
                connection
            }
            Way::Implicit(tls) => {
                let tls = Some(tls.clone());
                let connected =
                    AsyncSmtpConnection::connect_tokio1(place, None, &self.hello, tls, None).await;
                connected.map_err(wrong)?
            }
            Way::Plain => {
                let connected =
                    AsyncSmtpConnection::connect_tokio1(place, None, &self.hello, None, None).await;
                connected.map_err(wrong)?
            }
        };
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await.map_err(wrong)?;
        }
        Ok(connection)
    }
}

/// A connection of which nothing is read that was not asked for. What somebody on the way sends in the clear behind the
/// server's consent to STARTTLS would otherwise wait in a buffer of the library and be taken for answers under TLS; so it
/// is part of the handshake, which it breaks (RFC 3207 §6).
#[derive(Debug)]
struct ByteByByte(TcpStream);

impl AsyncRead for ByteByByte {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        let read = Pin::new(&mut self.0).poll_read(context, &mut one);
        buffer.put_slice(one.filled());
        read
    }
}

impl AsyncWrite for ByteByByte {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl AsyncTokioStream for ByteByByte {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

fn parameters(mail: &Mail) -> Result<TlsParameters, OpenError> {
    let builder = TlsParameters::builder(mail.server.clone());
    let builder = match &mail.ca_file {
        Some(path) => {
            let wrong = |why: String| OpenError::Authority { path: path.clone(), why };
            let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            let authority = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
            builder.certificate_store(CertificateStore::None).add_root_certificate(authority)
        }
        None => builder,
    };
    builder.build().map_err(|error| OpenError::Tls(error.to_string()))
}

/// Whether the refusal is of the address that we write to. A bare 550 is no such thing: many servers answer so where they do
/// not relay, or do not like the sender (5.1.7, 5.1.8); what says it is the enhanced code (RFC 3463 §3.2, RFC 7505 §4).
fn is_of_the_address(error: &lettre::transport::smtp::Error) -> bool {
    const OF_THE_RECIPIENT: [&str; 6] = ["5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10"];
    let Some(said) = error.source().map(ToString::to_string) else { return false };
    let enhanced = said.split_ascii_whitespace().next().unwrap_or_default();
    OF_THE_RECIPIENT.contains(&enhanced)
}

/// What to do about it, of what the library says. Its own text may hold an address.
fn cause(error: &lettre::transport::smtp::Error) -> SendError {
    if let Some(code) = error.status() {
        let number = u16::from(code);
        return match number {
            530 | 534 | 535 | 538 => SendError::Authentication,
            _ if error.is_permanent() => SendError::Refused(number),
            _ => SendError::ForNow(number),
        };
    }
    if error.is_response() {
        return SendError::NotSmtp;
    }
    if error.is_client() {
        // The library has two of these: no STARTTLS, and no way to authenticate that both know.
        return match error.to_string().contains("STARTTLS") {
            true => SendError::Tls,
            false => SendError::Authentication,
        };
    }
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return match io.kind() {
                io::ErrorKind::TimedOut => SendError::Slow,
                _ => SendError::Unreachable,
            };
        }
        source = inner.source();
    }
    // What neither the server nor the system said, TLS did.
    match error.is_tls() || error.source().is_some_and(|inner| inner.source().is_some()) {
        true => SendError::Tls,
        false => SendError::Unreachable,
    }
}
