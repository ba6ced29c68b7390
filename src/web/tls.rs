//! TLS by OpenSSL: certificates per host name, and the question for a client certificate.
//!
//! What a hospital gets: TLS 1.2 and 1.3 with Mozilla's intermediate list; certificates read again without a restart;
//! and host names that ask for a client certificate apart from those that serve pages, so that no page ever makes a
//! browser ask for a card. A client certificate is only proven here (the peer holds its key); whether it is trusted is
//! judged by who uses it, with an error page in words. Where a host asks, sessions are not resumed (a resumed session
//! would skip the question; OpenSSL keeps that setting from the first context, so it holds for all hosts of the
//! listener), and that host has no HTTP/2 (RFC 8740, and connections must not be shared between hosts).
//!
//! A host that asks for a *card* speaks TLS 1.2 at most and offers no RSA-PSS: a CPS3 signs PKCS#1 v1.5 only, which
//! TLS 1.3 has no place for (RFC 8446 §4.2.3). The version is chosen before the host name is looked at, so such a host
//! needs a listener of its own.

use std::{
    collections::HashMap,
    fmt::Debug,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use openssl::{
    error::ErrorStack,
    ssl::{
        self, AlpnError, NameType, SniError, Ssl, SslAcceptor, SslContext, SslFiletype, SslMethod,
        SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion,
    },
};
use tokio::{net::TcpStream, time::timeout};
use tokio_openssl::SslStream;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(
        "the certificate {file} cannot be used ({why}): it has to be PEM, the certificate first, then those that lead \
         to its authority"
    )]
    Certificate { file: PathBuf, why: String },
    #[error(
        "the key {file} cannot be used ({why}): it has to be PEM, without a passphrase, readable by the service"
    )]
    Key { file: PathBuf, why: String },
    #[error("the key {key} is not that of the certificate {certificate}")]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("no host is configured for TLS")]
    NoHost,
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] ErrorStack),
}

impl TlsError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Certificate { .. } => "WEB-030",
            Self::Key { .. } => "WEB-031",
            Self::Mismatch { .. } => "WEB-032",
            Self::NoHost => "WEB-033",
            Self::OpenSsl(_) => "WEB-034",
        }
    }
}

/// Host names that share a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// In lower case. The first host of the list also answers for names that no host has.
    pub names: Vec<String>,
    /// PEM: the certificate, then those that lead to its authority.
    pub certificate_file: PathBuf,
    /// PEM.
    pub key_file: PathBuf,
    pub asks: Asks,
}

/// What a host asks of its clients. Whoever has none gets in all the same, to be told so on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing.
    Nothing,
    /// A certificate.
    Certificate,
    /// The certificate of a card, CPS3 included.
    CardCertificate,
}

impl Asks {
    fn is_something(self) -> bool {
        self != Self::Nothing
    }
}

/// Signatures that the host of a card's certificate makes and takes: all but RSA-PSS.
const WITHOUT_PSS: &str = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:RSA+SHA256:RSA+SHA384:RSA+SHA512";

/// The name of HTTP/2 over TLS (RFC 9113 §3.2).
const HTTP2: &[u8] = b"h2";

/// What a handshake said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The name that the client asked for.
    pub server_name: Option<String>,
    /// Whether this host asks for a client certificate.
    pub asked_for_certificate: bool,
    /// The client's certificate and those it sent along, DER, its own first. It holds the key of the first; nothing
    /// more is known of it.
    pub client_certificates: Vec<Vec<u8>>,
    /// HTTP/2 was agreed on (RFC 7301, RFC 9113 §3.2); else it is HTTP/1.1.
    pub http2: bool,
    /// Hosts that ask for certificates exist, so a request for another host than the handshake's is sent back.
    strict: bool,
}

impl Handshake {
    /// Whether a request for `host` may come over this connection.
    pub fn is_for(&self, host: Option<&str>) -> bool {
        !self.strict
            || match (host, &self.server_name) {
                (Some(host), Some(name)) => host.eq_ignore_ascii_case(name),
                (_, None) => !self.asked_for_certificate,
                (None, Some(_)) => false,
            }
    }
}

/// The hosts we answer for; certificates can be read again.
pub struct TlsHosts {
    hosts: Vec<Host>,
    acceptor: RwLock<Arc<SslAcceptor>>,
}

impl Debug for TlsHosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsHosts").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl TlsHosts {
    /// Reads the certificates.
    ///
    /// # Errors
    /// A file is missing, is not PEM, or a key is another certificate's.
    pub fn read(hosts: Vec<Host>) -> Result<Self, TlsError> {
        let acceptor = RwLock::new(Arc::new(acceptor(&hosts)?));
        Ok(Self { hosts, acceptor })
    }

    /// Reads the files again. Connections that stand are not touched.
    ///
    /// # Errors
    /// As [`TlsHosts::read`]; then the former certificates stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(acceptor(&self.hosts)?);
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Shakes hands; `None` if the client does not manage in time.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        wait: Duration,
    ) -> Option<(SslStream<TcpStream>, Handshake)> {
        let acceptor = Arc::clone(&self.acceptor.read().unwrap_or_else(PoisonError::into_inner));
        let ssl = Ssl::new(acceptor.context()).ok()?;
        let mut stream = SslStream::new(ssl, stream).ok()?;
        match timeout(wait, Pin::new(&mut stream).accept()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return None;
            }
            Err(_) => return None,
        }
        let server_name = stream.ssl().servername(NameType::HOST_NAME).map(str::to_ascii_lowercase);
        let shake = Handshake {
            asked_for_certificate: self
                .host(server_name.as_deref())
                .is_some_and(|host| host.asks.is_something()),
            client_certificates: client_certificates(stream.ssl()),
            http2: stream.ssl().selected_alpn_protocol() == Some(HTTP2),
            strict: self.hosts.iter().any(|host| host.asks.is_something()),
            server_name,
        };
        Some((stream, shake))
    }

    fn host(&self, name: Option<&str>) -> Option<&Host> {
        let named =
            self.hosts.iter().find(|host| host.names.iter().any(|known| Some(known.as_str()) == name));
        named.or_else(|| self.hosts.first())
    }
}

fn acceptor(hosts: &[Host]) -> Result<SslAcceptor, TlsError> {
    let (first, others) = hosts.split_first().ok_or(TlsError::NoHost)?;
    let resume = !hosts.iter().any(|host| host.asks.is_something());
    let mut by_name: HashMap<String, SslContext> = HashMap::new();
    for host in others {
        let context = context(host, resume)?.build().into_context();
        by_name.extend(host.names.iter().map(|name| (name.clone(), context.clone())));
    }
    let mut builder = context(first, resume)?;
    if !by_name.is_empty() {
        builder.set_servername_callback(move |ssl, _| {
            let context =
                ssl.servername(NameType::HOST_NAME).and_then(|name| by_name.get(&name.to_ascii_lowercase()));
            match context.map(|context| (ssl.set_ssl_context(context), context)) {
                None => Ok(()),
                Some((Err(_), _)) => Err(SniError::ALERT_FATAL),
                Some((Ok(()), context)) => {
                    // OpenSSL takes the certificate and the ALPN of the new context, but keeps whom to ask.
                    ssl.set_verify_callback(context.verify_mode(), |_, _| true);
                    Ok(())
                }
            }
        });
    }
    Ok(builder.build())
}

/// Why a file was not taken: what the system says of it, or OpenSSL's reason without the places in its own sources.
fn why(file: &Path, stack: &ErrorStack) -> String {
    if let Err(error) = std::fs::File::open(file) {
        return error.to_string();
    }
    // The first is the cause; those after it are the callers that passed it on.
    stack.errors().iter().find_map(openssl::error::Error::reason).unwrap_or("OpenSSL refuses it").to_owned()
}

fn context(host: &Host, resume: bool) -> Result<ssl::SslAcceptorBuilder, TlsError> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_options(SslOptions::NO_RENEGOTIATION);
    let (certificate, key) = (&host.certificate_file, &host.key_file);
    builder.set_certificate_chain_file(certificate).map_err(|stack| TlsError::Certificate {
        file: certificate.clone(),
        why: why(certificate, &stack),
    })?;
    builder
        .set_private_key_file(key, SslFiletype::PEM)
        .map_err(|stack| TlsError::Key { file: key.clone(), why: why(key, &stack) })?;
    builder
        .check_private_key()
        .map_err(|_| TlsError::Mismatch { certificate: certificate.clone(), key: key.clone() })?;
    builder.set_session_id_context(b"sceau")?;
    if host.asks.is_something() {
        builder.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
    } else {
        builder.set_verify(SslVerifyMode::NONE);
    }
    if host.asks == Asks::CardCertificate {
        builder.set_max_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_sigalgs_list(WITHOUT_PSS)?;
    }
    if !resume {
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_options(SslOptions::NO_TICKET);
        builder.set_num_tickets(0)?;
    }
    let protocols: &'static [u8] =
        if host.asks.is_something() { b"\x08http/1.1" } else { b"\x02h2\x08http/1.1" };
    builder.set_alpn_select_callback(move |_, offered| {
        ssl::select_next_proto(protocols, offered).ok_or(AlpnError::NOACK)
    });
    Ok(builder)
}

fn client_certificates(ssl: &ssl::SslRef) -> Vec<Vec<u8>> {
    let own = ssl.peer_certificate().and_then(|certificate| certificate.to_der().ok());
    let Some(own) = own else { return Vec::new() };
    // On the server's side the chain leaves the peer's own certificate out.
    let along =
        ssl.peer_cert_chain().into_iter().flatten().filter_map(|certificate| certificate.to_der().ok());
    std::iter::once(own).chain(along).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{fs, path::Path};

    use openssl::{
        asn1::Asn1Time,
        hash::MessageDigest,
        pkey::{PKey, Private},
        x509::{X509, X509NameBuilder},
    };

    use super::*;

    /// Writes a self-signed certificate for `name`.
    pub(crate) fn host(folder: &Path, name: &str, asks: Asks) -> Host {
        let (certificate, key) = certificate(name).expect("a certificate");
        let certificate_file = folder.join(format!("{name}.pem"));
        let key_file = folder.join(format!("{name}.key"));
        fs::write(&certificate_file, certificate.to_pem().expect("PEM")).expect("a file");
        fs::write(&key_file, key.private_key_to_pem_pkcs8().expect("PEM")).expect("a file");
        Host { names: vec![name.to_owned()], certificate_file, key_file, asks }
    }

    pub(crate) fn certificate(name: &str) -> Result<(X509, PKey<Private>), ErrorStack> {
        let key = PKey::ec_gen("prime256v1")?;
        let mut subject = X509NameBuilder::new()?;
        subject.append_entry_by_text("CN", name)?;
        let subject = subject.build();
        let mut certificate = X509::builder()?;
        certificate.set_version(2)?;
        certificate.set_subject_name(&subject)?;
        certificate.set_issuer_name(&subject)?;
        certificate.set_pubkey(&key)?;
        certificate.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
        certificate.set_not_after(Asn1Time::days_from_now(2)?.as_ref())?;
        certificate.sign(&key, MessageDigest::sha256())?;
        Ok((certificate.build(), key))
    }

    #[test]
    fn a_key_of_another_certificate_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) =
            (host(folder.path(), "one", Asks::Nothing), host(folder.path(), "two", Asks::Nothing));
        let mixed = Host { key_file: two.key_file, ..one };
        assert!(matches!(TlsHosts::read(vec![mixed]), Err(TlsError::Mismatch { .. } | TlsError::Key { .. })));
        assert!(matches!(TlsHosts::read(Vec::new()), Err(TlsError::NoHost)));
    }

    #[test]
    fn a_bad_file_leaves_the_former_certificate_in_use() {
        let folder = tempfile::tempdir().expect("a folder");
        let host = host(folder.path(), "one", Asks::Nothing);
        let hosts = TlsHosts::read(vec![host.clone()]).expect("good files");
        fs::write(&host.certificate_file, "not PEM").expect("a file");
        let said = hosts.reload().expect_err("no certificate").to_string();
        assert!(said.contains("cannot be used (no start line)") && said.contains("PEM"), "{said}");
        fs::remove_file(&host.certificate_file).expect("it is there");
        let said = hosts.reload().expect_err("no file").to_string();
        assert!(said.contains("No such file") && !said.contains("bss_file"), "{said}");
    }

    #[test]
    fn a_request_stays_on_the_host_of_its_handshake() {
        let shake = |name: Option<&str>, strict| Handshake {
            server_name: name.map(str::to_owned),
            strict,
            ..Handshake::default()
        };
        assert!(shake(Some("id.example"), true).is_for(Some("ID.example")));
        assert!(!shake(Some("id.example"), true).is_for(Some("carte.example")));
        assert!(!shake(Some("id.example"), true).is_for(None));
        assert!(shake(Some("id.example"), false).is_for(Some("other.example")));
        assert!(shake(None, true).is_for(Some("192.0.2.1")), "no name, as with an address");
    }
}
