//! `[server]`: how the provider is reached, and where it keeps what is its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use ipnet::IpNet;
use url::{Host, Url};

use super::reader::Section;

/// A sign-in takes some fifteen requests; a ward behind one address signs in together at the change of shifts.
const REQUESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(2_999);

/// Addresses, state directory, proxies.
#[derive(Debug, Clone)]
pub struct Server {
    /// The issuer of every token, without a slash at its end.
    pub issuer: Url,
    /// The origin of the pages: scheme, host and port, without a path. Default: that of the issuer.
    pub front_url: Url,
    /// Where we listen.
    pub listen: SocketAddr,
    /// Who may say, in `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`, whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
    /// The database of one node, and the seal key.
    pub state_dir: PathBuf,
    /// Requests of one client's network, evenly spread over a minute; a fifth of them may come at once.
    pub requests_per_minute: NonZeroU32,
    /// The name of this node in the audit: each node has a chain of its own.
    pub node: String,
}

impl Server {
    /// Where the seal key is.
    pub fn seal_key_path(&self) -> PathBuf {
        self.state_dir.join("seal.key")
    }

    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let issuer = section.required(
            "issuer",
            "write the address under which relying parties know this provider, such as \
             issuer = \"https://auth.hopital.example/auth/realms/esante-wallet\"",
            issuer,
        );
        let front_url = section.text("front_url", origin);
        let listen =
            section.text("listen", socket).unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
        let trusted_proxies = section.list("trusted_proxies", network).unwrap_or_default();
        let state_dir = section.path_of("state_dir").unwrap_or_else(|| PathBuf::from("/var/lib/sceau"));
        let requests_per_minute = section
            .number("requests_per_minute", 60..=1_000_000)
            .and_then(|number| u32::try_from(number).ok())
            .and_then(NonZeroU32::new)
            .unwrap_or(REQUESTS_PER_MINUTE);
        let node = section.text("node", node).unwrap_or_else(|| "main".into());
        let issuer = issuer?;
        let front_url = front_url.unwrap_or_else(|| {
            let mut origin = issuer.clone();
            origin.set_path("/");
            origin
        });
        Some(Self { issuer, front_url, listen, trusted_proxies, state_dir, requests_per_minute, node })
    }
}

fn issuer(text: &str) -> Result<Url, String> {
    let url = address(text)?;
    if text.ends_with('/') {
        return Err("must not end with a slash: relying parties compare it byte for byte".into());
    }
    Ok(url)
}

pub(super) fn origin(text: &str) -> Result<Url, String> {
    let url = address(text)?;
    if url.path() != "/" {
        return Err("must have no path: it is the host that shows the pages".into());
    }
    Ok(url)
}

/// An address: https, or plain http on this machine.
pub(super) fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "must be an address that begins with https://".to_owned())?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" if url.host().is_some() => {}
        "http" if local => {}
        _ => return Err("must begin with https:// (http:// is accepted for this machine only)".into()),
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("must have no user, no ? and no #".into());
    }
    Ok(url)
}

pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "must be an address and a port, such as \"127.0.0.1:8080\" or \"[::]:443\"".to_owned())
}

/// Whether two addresses cannot both be listened on: the same, or one of them stands for all of its port, `[::]` for those of
/// IPv4 too. Port 0 is whichever is free.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    let (here, there) = (one.ip(), other.ip());
    let is_one = here == there || covers(here, there) || covers(there, here);
    one.port() != 0 && one.port() == other.port() && is_one
}

pub(super) fn network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .or_else(|_| text.parse().map(|address: std::net::IpAddr| IpNet::from(address)))
        .map_err(|_| format!("{text:?} is no address and no network; write \"10.0.0.4\" or \"10.0.0.0/24\""))
}

fn node(text: &str) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if text.is_empty() || text.len() > 63 || !text.chars().all(fine) {
        return Err("must be letters, digits, - and . (at most 63)".into());
    }
    Ok(text.to_owned())
}
