//! `[egress]`: private addresses that outbound calls may reach (back-channel logout of relying parties, …).

use ipnet::IpNet;

use super::reader::Section;

/// What outbound calls may reach beyond public addresses.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    /// Everything private that is not listed is refused.
    pub allow: Vec<Destination>,
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Every address of a network.
    Network(IpNet),
    /// Every address that this name resolves to.
    Host(String),
}

impl Egress {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self { allow: section.list("allow", destination).unwrap_or_default() }
    }
}

fn destination(text: &str) -> Result<Destination, String> {
    let address = text.parse::<std::net::IpAddr>().map(IpNet::from);
    if let Ok(network) = text.parse().or(address) {
        return Ok(Destination::Network(network));
    }
    let name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if text.is_empty() || text.starts_with(['.', '-']) || !text.chars().all(name) {
        return Err(format!(
            "{text:?} is no network and no host name; write \"10.1.0.0/16\" or \"dpi.hopital.example\""
        ));
    }
    Ok(Destination::Host(text.to_ascii_lowercase()))
}
