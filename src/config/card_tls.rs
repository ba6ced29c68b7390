//! `[card.tls]`: the host that asks browsers for the card's certificate, for workstations with the national middleware.

use std::net::SocketAddr;

use ipnet::IpNet;
use url::Url;

use super::card::CardAcr;
use super::reader::Section;
use super::server::{Server, network, origin, overlap, socket};
use super::tls::Tls;

/// The host that asks browsers for the card's certificate.
#[derive(Debug, Clone)]
pub struct CardTls {
    /// Its origin as browsers see it: https, with a host name that serves nothing else.
    pub url: Url,
    /// Where we listen for it.
    pub listen: SocketAddr,
    /// Who shakes hands with browsers.
    pub handshake: Handshake,
    /// The level that a sign-in by certificate reaches.
    pub acr: CardAcr,
    /// Where it may be used from; empty: from anywhere.
    pub networks: Vec<IpNet>,
    /// Whether it serves relying parties that want the person to prove anew who they are.
    pub fresh: bool,
}

/// Who shakes hands on a host that asks for certificates.
#[derive(Debug, Clone)]
pub enum Handshake {
    /// We do, with this certificate.
    Ours(Tls),
    /// These proxies, which tell us the certificate in `Client-Cert` (RFC 9440).
    Proxies(Vec<IpNet>),
}

impl CardTls {
    pub(super) fn read(section: &mut Section<'_>, server: Option<&Server>) -> Option<Self> {
        let url = section.required(
            "url",
            "write the address of a host name of its own, such as url = \"https://carte.hopital.example:8443\"",
            |text| own_host(text, server),
        );
        let listen = section.required(
            "listen",
            "write an address of its own: TLS is spoken differently there, such as listen = \"[::]:8443\"",
            |text| match (socket(text)?, server) {
                (listen, Some(server)) if overlap(listen, server.listen) => {
                    Err("is taken by server.listen".to_owned())
                }
                (listen, _) => Ok(listen),
            },
        );
        let handshake = handshake(section);
        let acr = section.text("acr", CardAcr::parse).unwrap_or(CardAcr::Eidas2);
        let networks = section.list("networks", network).unwrap_or_default();
        let fresh = section.flag("fresh").unwrap_or(false);
        Some(Self { url: url?, listen: listen?, handshake: handshake?, acr, networks, fresh })
    }
}

/// Who shakes hands, as a section of a host that asks for certificates says.
pub(super) fn handshake(section: &mut Section<'_>) -> Option<Handshake> {
    let proxies = section.list("proxies", network);
    let tls = section.has("certificate_file").then(|| Tls::read(section));
    match (tls, proxies) {
        (None, Some(proxies)) if !proxies.is_empty() => Some(Handshake::Proxies(proxies)),
        (Some(tls), None) => tls.map(Handshake::Ours),
        _ => {
            section.refuse(
                "proxies",
                "or certificate_file and key_file must be there, and not both: who shakes hands with clients?",
            );
            None
        }
    }
}

fn own_host(text: &str, server: Option<&Server>) -> Result<Url, String> {
    let url = origin(text)?;
    if url.scheme() != "https" || url.domain().is_none() {
        return Err(
            "must begin with https:// and have a host name: browsers are asked for a certificate".into()
        );
    }
    let is_taken =
        |server: &Server| [&server.issuer, &server.front_url].iter().any(|other| other.host() == url.host());
    if server.is_some_and(is_taken) {
        return Err("must have a host name of its own: no page may make a browser ask for a card".into());
    }
    Ok(url)
}
