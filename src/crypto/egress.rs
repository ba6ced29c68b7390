//! The one client for outbound calls whose address somebody else chose: back-channel logout, key sets, pushes,
//! revocation lists, OCSP.
//!
//! What a hospital gets: whoever registers a relying party cannot make the provider call the machines behind it.
//! Loopback, link-local, metadata, private, multicast and reserved addresses are refused unless the configuration
//! allows them (`[egress] allow`). The check is on the addresses that are connected to: names are resolved here, and
//! only allowed addresses are handed to the connection. No redirects, no proxy of the environment, bounded size and
//! time.
//!
//! Plain HTTP reaches what is listed only, with one exception: documents that carry a signature of their own, which the
//! caller verifies ([`Egress::download_signed`], [`Egress::post_signed`]). Authorities publish revocation by plain HTTP,
//! since its protection must not hang on what it protects (RFC 5280 §8).

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use openssl::pkey::PKey;
use openssl::x509::X509;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use url::{Host, Url};

use crate::config::{self, Destination};

const CONNECT: Duration = Duration::from_secs(3);
const WHOLE: Duration = Duration::from_secs(10);
const LARGEST_ANSWER: u64 = 256 * 1024;
/// Ports of other protocols, whose servers could take our request for one of theirs (the blocked ports of the Fetch
/// standard, which browsers call neither). An address in `[egress] allow` does not open them.
const PORTS_OF_OTHERS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103,
    104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514,
    515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723,
    2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Why a call was not made, or has no answer.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// No address we call.
    #[error("{0:?} is no http or https address")]
    Address(String),
    /// Plain HTTP to something that is not allowed by name or network.
    #[error("{0} is plain http: use https, or list the host in [egress] allow")]
    Unprotected(String),
    /// A private address that is not allowed.
    #[error(
        "{0} is not reachable for outbound calls: it is private, or called by plain http; list it in [egress] allow"
    )]
    Forbidden(String),
    /// The port of another protocol.
    #[error("port {0} is that of another protocol, and is never called")]
    Port(u16),
    /// The other side does not answer, or not in time.
    #[error("the call failed: {0}")]
    Failed(String),
    /// The answer is longer than any that we read.
    #[error("the answer is longer than {0} bytes")]
    TooLong(u64),
    /// What arrives cannot be kept.
    #[error("the answer cannot be written: {0}")]
    Written(std::io::Error),
    /// The client cannot be made.
    #[error("the outbound client cannot be made: {0}")]
    Client(String),
}

impl EgressError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address(_) => "OIDC-033",
            Self::Unprotected(_) => "OIDC-034",
            Self::Forbidden(_) => "OIDC-035",
            Self::Port(_) => "OIDC-166",
            Self::Failed(_) | Self::Written(_) => "OIDC-036",
            Self::TooLong(_) => "OIDC-037",
            Self::Client(_) => "OIDC-038",
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status, whatever it is.
    pub status: StatusCode,
    /// The body.
    pub body: Vec<u8>,
}

/// A signed document to fetch.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its address, http or https.
    pub address: &'a str,
    /// `ETag` of the version at hand, to have it only if it has changed.
    pub etag: Option<&'a str>,
    /// `Last-Modified` of the version at hand.
    pub modified: Option<&'a str>,
    /// No more than this is read.
    pub limit: u64,
    /// From the beginning of the connection to the last byte.
    pub within: Duration,
}

/// How a fetch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The status, whatever it is.
    pub status: StatusCode,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
    /// `Date`: the other side's clock.
    pub date: Option<String>,
}

/// The client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Egress {
    /// For https: what is listed, and public addresses.
    client: reqwest::Client,
    /// For plain http: what is listed, and nothing else.
    plain: reqwest::Client,
    rules: Arc<Rules>,
}

#[derive(Debug, Clone, Default)]
struct Rules(Vec<Destination>);

impl Egress {
    /// A client that reaches public addresses, and what the configuration allows.
    ///
    /// # Errors
    /// [`EgressError::Client`], where the system's certificates cannot be read.
    pub fn new(config: &config::Egress) -> Result<Self, EgressError> {
        Self::trusting(config, None)
    }

    /// As [`Self::new`], which shows this certificate to whoever asks for one (RFC 8705 §2): for the calls to one server,
    /// because nobody else has to learn whose they are. Certificate and those above it, and key, in PEM.
    ///
    /// # Errors
    /// [`EgressError::Client`], where they are none, or do not belong together.
    pub fn showing(
        config: &config::Egress,
        certificate: &str,
        key: &SecretString,
    ) -> Result<Self, EgressError> {
        Self::made(config, None, Some(identity(certificate, key)?))
    }

    /// As [`Self::new`], which believes this authority too: the test's.
    pub(crate) fn trusting(
        config: &config::Egress,
        authority: Option<reqwest::Certificate>,
    ) -> Result<Self, EgressError> {
        Self::made(config, authority, None)
    }

    /// As [`Self::showing`], which believes this authority too: the test's.
    #[cfg(test)]
    pub(crate) fn showing_to(
        config: &config::Egress,
        authority: reqwest::Certificate,
        certificate: &str,
        key: &SecretString,
    ) -> Result<Self, EgressError> {
        Self::made(config, Some(authority), Some(identity(certificate, key)?))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that makes a client for outbound calls")]
    fn made(
        config: &config::Egress,
        authority: Option<reqwest::Certificate>,
        identity: Option<reqwest::Identity>,
    ) -> Result<Self, EgressError> {
        let rules = Arc::new(Rules(config.allow.clone()));
        let client = |public: bool| {
            let mut builder = reqwest::Client::builder();
            if let Some(identity) = identity.clone().filter(|_| public) {
                builder = builder.identity(identity);
            }
            builder
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT)
                .timeout(WHOLE)
                .pool_max_idle_per_host(2)
                .user_agent(concat!("sceau/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Arc::new(Resolver { rules: Arc::clone(&rules), public }))
                .tls_certs_merge(authority.clone())
                .build()
                .map_err(|error| EgressError::Client(chain(&error)))
        };
        Ok(Self { client: client(true)?, plain: client(false)?, rules })
    }

    fn client(&self, url: &Url) -> &reqwest::Client {
        if url.scheme() == "https" { &self.client } else { &self.plain }
    }

    /// Posts a form.
    ///
    /// # Errors
    /// [`EgressError`]; a status that is no success is not an error here.
    pub async fn post_form(&self, address: &str, fields: &[(&str, &str)]) -> Result<Answer, EgressError> {
        let url = self.rules.check(address)?;
        let answer = self.client(&url).post(url).form(fields).send().await;
        read(answer, LARGEST_ANSWER).await
    }

    /// Posts a JSON document with a bearer token.
    ///
    /// # Errors
    /// [`EgressError`]; a status that is no success is not an error here.
    pub async fn post_json(
        &self,
        address: &str,
        bearer: &str,
        document: &(impl Serialize + Sync),
    ) -> Result<Answer, EgressError> {
        let url = self.rules.check(address)?;
        let answer = self.client(&url).post(url).bearer_auth(bearer).json(document).send().await;
        read(answer, LARGEST_ANSWER).await
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// [`EgressError`]; a status that is no success is not an error here.
    pub async fn fetch(&self, address: &str) -> Result<Answer, EgressError> {
        let url = self.rules.check(address)?;
        let answer = self.client(&url).get(url).send().await;
        read(answer, LARGEST_ANSWER).await
    }

    /// Makes a call that somebody else has put together, within that time.
    ///
    /// # Errors
    /// [`EgressError`]; a status that is no success is not an error here.
    pub async fn call(
        &self,
        call: http::Request<Vec<u8>>,
        within: Duration,
    ) -> Result<http::Response<Vec<u8>>, EgressError> {
        let (parts, body) = call.into_parts();
        let url = self.rules.check(&parts.uri.to_string())?;
        let request = self.client(&url).request(parts.method, url).headers(parts.headers);
        let answer = request.body(body).timeout(within).send().await.map_err(|error| failure(&error))?;
        let headers = answer.headers().clone();
        let Answer { status, body } = read(Ok(answer), LARGEST_ANSWER).await?;
        let mut whole = http::Response::new(body);
        (*whole.status_mut(), *whole.headers_mut()) = (status, headers);
        Ok(whole)
    }

    /// Fetches a document that carries its own signature into `target`, which is written to only where the answer is
    /// 200. Verify it before it is used: by plain HTTP anybody on the way may have changed it.
    ///
    /// # Errors
    /// [`EgressError`]; a status that is no success is not an error here. `target` may hold a part then.
    pub async fn download_signed(
        &self,
        wanted: &Wanted<'_>,
        target: &mut (dyn AsyncWrite + Unpin + Send),
    ) -> Result<Fetched, EgressError> {
        let url = self.rules.check_signed(wanted.address)?;
        let mut request = self.client.get(url).timeout(wanted.within);
        for (name, value) in
            [(header::IF_NONE_MATCH, wanted.etag), (header::IF_MODIFIED_SINCE, wanted.modified)]
        {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let mut answer = request.send().await.map_err(|error| failure(&error))?;
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let fetched = Fetched {
            status: answer.status(),
            etag: text(header::ETAG),
            modified: text(header::LAST_MODIFIED),
            date: text(header::DATE),
        };
        if fetched.status != StatusCode::OK {
            return Ok(fetched);
        }
        if answer.content_length().is_some_and(|length| length > wanted.limit) {
            return Err(EgressError::TooLong(wanted.limit));
        }
        let mut length = 0;
        while let Some(chunk) = answer.chunk().await.map_err(|error| failure(&error))? {
            length += chunk.len() as u64;
            if length > wanted.limit {
                return Err(EgressError::TooLong(wanted.limit));
            }
            target.write_all(&chunk).await.map_err(EgressError::Written)?;
        }
        target.flush().await.map_err(EgressError::Written)?;
        Ok(fetched)
    }

    /// Posts a question whose answer carries its own signature. Verify it before it is used.
    ///
    /// # Errors
    /// [`EgressError`]; a status that is no success is not an error here.
    pub async fn post_signed(
        &self,
        address: &str,
        content_type: &'static str,
        body: Vec<u8>,
        limit: u64,
        within: Duration,
    ) -> Result<Answer, EgressError> {
        let url = self.rules.check_signed(address)?;
        let request = self.client.post(url).header(header::CONTENT_TYPE, content_type);
        read(request.body(body).timeout(within).send().await, limit).await
    }
}

impl Egress {
    /// Posts a message whose address is a secret of its receiver: no error names it. Of the answer, nothing is read but
    /// its status.
    ///
    /// # Errors
    /// [`EgressError`]; a status that is no success is not an error here.
    pub async fn post_push(
        &self,
        address: &str,
        headers: HeaderMap,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<StatusCode, EgressError> {
        let url = self.rules.check(address)?;
        let request = self.client(&url).post(url).headers(headers).body(body).timeout(within);
        let answer = request.send().await.map_err(|error| failure(&error.without_url()))?;
        Ok(answer.status())
    }
}

/// A certificate and its key, as the client takes them.
fn identity(certificate: &str, key: &SecretString) -> Result<reqwest::Identity, EgressError> {
    fn refused(what: &str, error: &dyn std::error::Error) -> EgressError {
        EgressError::Client(format!("{what}: {}", chain(error)))
    }
    let key = PKey::private_key_from_pem(key.expose_secret().as_bytes());
    let key = key.map_err(|error| refused("the client key", &error))?;
    let certificates = X509::stack_from_pem(certificate.as_bytes());
    let certificates = certificates.map_err(|error| refused("the client certificate", &error))?;
    let is_its = |own: &X509| own.public_key().is_ok_and(|public| public.public_eq(&key));
    if !certificates.first().is_some_and(is_its) {
        return Err(EgressError::Client("the client key is not that of the client certificate".into()));
    }
    let pem = key.private_key_to_pem_pkcs8().map_err(|error| refused("the client key", &error))?;
    reqwest::Identity::from_pkcs8_pem(certificate.as_bytes(), &pem)
        .map_err(|error| refused("the client certificate", &error))
}

async fn read(answer: Result<reqwest::Response, reqwest::Error>, limit: u64) -> Result<Answer, EgressError> {
    let mut answer = answer.map_err(|error| failure(&error))?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failure(&error))? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(EgressError::TooLong(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

impl Rules {
    /// As [`check`](Self::check), for what is protected by its own signature: plain HTTP to public addresses as well.
    fn check_signed(&self, address: &str) -> Result<Url, EgressError> {
        let url = Url::parse(address).map_err(|_| EgressError::Address(address.to_owned()))?;
        match url.host() {
            Some(Host::Domain(_)) => {}
            Some(Host::Ipv4(ip)) => _ = self.judge(ip.into())?,
            Some(Host::Ipv6(ip)) => _ = self.judge(ip.into())?,
            None => return Err(EgressError::Address(address.to_owned())),
        }
        check_port(&url)?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            _ => Err(EgressError::Address(address.to_owned())),
        }
    }

    /// What can be said of an address before its name is resolved. An address given by numbers is judged here, since no
    /// resolver is asked for it.
    fn check(&self, address: &str) -> Result<Url, EgressError> {
        let url = Url::parse(address).map_err(|_| EgressError::Address(address.to_owned()))?;
        let allowed = match url.host() {
            Some(Host::Domain(name)) => self.allows_name(name),
            Some(Host::Ipv4(ip)) => self.judge(ip.into())?,
            Some(Host::Ipv6(ip)) => self.judge(ip.into())?,
            None => return Err(EgressError::Address(address.to_owned())),
        };
        check_port(&url)?;
        match url.scheme() {
            "https" => Ok(url),
            // A name that is not listed may still resolve into a listed network.
            "http" if allowed || matches!(url.host(), Some(Host::Domain(_))) && self.has_networks() => {
                Ok(url)
            }
            "http" => Err(EgressError::Unprotected(url.host_str().unwrap_or_default().to_owned())),
            _ => Err(EgressError::Address(address.to_owned())),
        }
    }

    /// Whether the address is listed; refuses it where it is neither listed nor public.
    fn judge(&self, ip: IpAddr) -> Result<bool, EgressError> {
        let listed = self.allows_address(ip);
        if listed || is_public(ip) { Ok(listed) } else { Err(EgressError::Forbidden(ip.to_string())) }
    }

    /// Of the addresses that a name has at this moment, those that may be connected to. The connection is made to these
    /// and to no other, so that a name which has another address a moment later (DNS rebinding) gains nothing.
    fn admitted(
        &self,
        name: &str,
        found: Vec<SocketAddr>,
        public: bool,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        let by_name = self.allows_name(name);
        let good = |ip: IpAddr| by_name || self.allows_address(ip) || (public && is_public(ip));
        let good: Vec<SocketAddr> = found.into_iter().filter(|address| good(address.ip())).collect();
        if good.is_empty() { Err(EgressError::Forbidden(name.to_owned())) } else { Ok(good) }
    }

    fn allows_name(&self, name: &str) -> bool {
        self.0.iter().any(|entry| matches!(entry, Destination::Host(host) if host.eq_ignore_ascii_case(name)))
    }

    fn allows_address(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|entry| matches!(entry, Destination::Network(network) if network.contains(&ip)))
    }

    fn has_networks(&self) -> bool {
        self.0.iter().any(|entry| matches!(entry, Destination::Network(_)))
    }
}

fn check_port(url: &Url) -> Result<(), EgressError> {
    match url.port() {
        Some(port) if PORTS_OF_OTHERS.contains(&port) => Err(EgressError::Port(port)),
        _ => Ok(()),
    }
}

/// Resolves names by the system, and hands on the addresses that may be connected to.
#[derive(Debug)]
struct Resolver {
    rules: Arc<Rules>,
    /// Public addresses that are not listed are among them.
    public: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, public) = (Arc::clone(&self.rules), self.public);
        Box::pin(async move {
            let name = name.as_str();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name, 0)).await?.collect();
            let addresses: Addrs = Box::new(rules.admitted(name, found, public)?.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address is one of the Internet's (IANA special-purpose registries).
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let protocol = a == 192 && b == 0 && c == 0;
            let benchmark = a == 198 && (18..20).contains(&b);
            let reserved = a == 0 || a >= 240;
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_documentation()
                || ip.is_broadcast()
                || (shared || protocol || benchmark || reserved))
        }
        IpAddr::V6(ip) => {
            // Only global unicast, 2000::/3, without what tunnels to IPv4 or is for documentation.
            let [first, second, ..] = ip.segments();
            let tunnels = first == 0x2002 || (first == 0x2001 && second < 0x0200);
            let documentation = (first == 0x2001 && second == 0x0db8) || (first & 0xfff0 == 0x3ff0);
            first & 0xe000 == 0x2000 && !tunnels && !documentation
        }
    }
}

fn failure(error: &reqwest::Error) -> EgressError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(EgressError::Forbidden(what)) = cause.downcast_ref() {
            return EgressError::Forbidden(what.clone());
        }
        source = cause.source();
    }
    EgressError::Failed(chain(error))
}

/// An error with what caused it, in one line: the text of a library's outermost error says little.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str]) -> Rules {
        let entry = |text: &&str| match text.parse() {
            Ok(network) => Destination::Network(network),
            Err(_) => Destination::Host((*text).to_owned()),
        };
        Rules(allow.iter().map(entry).collect())
    }

    fn refusal(rules: &Rules, address: &str) -> &'static str {
        rules.check(address).unwrap_err().code()
    }

    #[test]
    fn addresses_that_are_not_of_the_internet_are_refused() {
        for private in [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "192.0.2.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:7f00:1::]",
            "[2001:0:0:1::]",
            "[2001:db8::1]",
            // The same address by other numbers, as browsers and curl read them.
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
        ] {
            assert_eq!(refusal(&rules(&[]), &format!("https://{private}/x")), "OIDC-035", "{private}");
        }
        for public in ["https://9.9.9.9/x", "https://[2620:fe::fe]/x", "https://rp.example/x"] {
            assert!(rules(&[]).check(public).is_ok(), "{public}");
        }
    }

    #[test]
    fn what_is_listed_is_reached() {
        let rules = rules(&["10.1.0.0/16", "dpi.hopital.example"]);
        assert!(rules.check("http://10.1.2.3/x").is_ok());
        assert!(rules.check("http://[::ffff:10.1.2.3]/x").is_ok());
        assert!(rules.check("http://DPI.hopital.example/x").is_ok());
        assert_eq!(refusal(&rules, "https://10.2.0.1/x"), "OIDC-035");
        assert_eq!(refusal(&rules, "http://9.9.9.9/x"), "OIDC-034");
    }

    #[test]
    fn only_http_is_called() {
        for odd in ["file:///etc/passwd", "ftp://rp.example/", "gopher://rp.example/", "rp.example", "https:"]
        {
            assert_eq!(refusal(&rules(&[]), odd), "OIDC-033", "{odd}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused_when_it_is_resolved() {
        let egress = Egress::new(&config::Egress::default()).unwrap();
        let error = egress.post_form("https://localhost:8443/x", &[]).await.unwrap_err();
        assert_eq!(error.code(), "OIDC-035", "{error}");
    }

    #[test]
    fn a_name_is_judged_by_the_addresses_it_has_each_time_it_is_called() {
        let rules = rules(&["10.1.0.0/16"]);
        let of = |addresses: &[&str]| {
            let found = addresses.iter().map(|ip| (ip.parse::<IpAddr>().unwrap(), 443).into()).collect();
            let admitted = rules.admitted("rebind.example", found, true);
            admitted.map(|good| good.iter().map(|one| one.ip().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["9.9.9.9"]).unwrap(), ["9.9.9.9"]);
        for inside in
            ["127.0.0.1", "::1", "10.2.0.1", "169.254.169.254", "64:ff9b::7f00:1", "::ffff:127.0.0.1"]
        {
            assert_eq!(of(&[inside]).unwrap_err().code(), "OIDC-035", "{inside}, a moment later");
            assert_eq!(of(&["9.9.9.9", inside]).unwrap(), ["9.9.9.9"], "{inside}, beside a public one");
        }
        assert_eq!(of(&["10.1.2.3"]).unwrap(), ["10.1.2.3"], "listed");
        assert!(of(&[]).is_err());
    }

    #[test]
    fn ports_of_other_protocols_are_never_called() {
        let rules = rules(&["10.1.0.0/16", "dpi.hopital.example"]);
        for address in [
            "https://rp.example:25/x",
            "https://rp.example:0/x",
            "http://dpi.hopital.example:6667/x",
            "http://10.1.2.3:22/x",
        ] {
            assert_eq!(refusal(&rules, address), "OIDC-166", "{address}");
            assert_eq!(rules.check_signed(address).unwrap_err().code(), "OIDC-166", "{address}");
        }
        for address in ["https://rp.example:8443/x", "http://10.1.2.3:8080/x", "https://rp.example:443/x"] {
            assert!(rules.check(address).is_ok(), "{address}");
        }
    }

    #[tokio::test]
    async fn plain_http_reaches_what_is_listed_and_no_public_address() {
        let reached = async |public, address: &str| {
            let resolver = Resolver { rules: Arc::new(rules(&["10.0.0.0/8"])), public };
            resolver.resolve(address.parse().unwrap()).await.is_ok()
        };
        assert!(reached(true, "9.9.9.9").await && reached(true, "10.1.2.3").await);
        assert!(reached(false, "10.1.2.3").await);
        assert!(!reached(false, "9.9.9.9").await, "a name that leads to a public address");
        assert!(!reached(true, "192.168.1.1").await);
    }

    /// A certificate that names a machine of the hospital as its distribution point must not make us call it.
    #[test]
    fn signed_documents_come_by_plain_http_from_public_addresses_and_from_no_private_one() {
        let rules = rules(&["10.1.0.0/16"]);
        assert!(rules.check_signed("http://igc-sante.esante.gouv.fr/CRL/ACI-FO-PP.crl").is_ok());
        assert!(
            rules.check_signed("http://9.9.9.9/x").is_ok() && rules.check_signed("http://10.1.2.3/x").is_ok()
        );
        for (address, code) in [
            ("http://127.0.0.1/x", "OIDC-035"),
            ("http://169.254.169.254/latest", "OIDC-035"),
            ("http://10.2.0.1/x", "OIDC-035"),
            ("ldap://annuaire-igc.esante.gouv.fr/cn=AC", "OIDC-033"),
            ("file:///etc/passwd", "OIDC-033"),
        ] {
            assert_eq!(rules.check_signed(address).unwrap_err().code(), code, "{address}");
        }
    }

    #[tokio::test]
    async fn redirects_are_not_followed_and_long_answers_not_read() {
        use axum::response::Redirect;
        use axum::routing::{get, post};
        let routes = axum::Router::new()
            .route("/redirect", post(|| async { Redirect::to("/long") }))
            .route("/long", get(|| async { vec![b'x'; 256 * 1024 + 1] }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        let allow = vec![Destination::Network("127.0.0.0/8".parse().unwrap())];
        let egress = Egress::new(&config::Egress { allow }).unwrap();
        let answer = egress.post_form(&format!("{here}/redirect"), &[("a", "b")]).await.unwrap();
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(egress.fetch(&format!("{here}/long")).await.unwrap_err().code(), "OIDC-037");
        server.abort();
    }
}
