//! `[oidc.mtls]`: the host on which services authenticate by a TLS certificate.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use super::card::{Card, Fallback, fallback};
use super::card_tls::{Handshake, handshake};
use super::reader::Section;
use super::server::{Server, origin, overlap, socket};
use super::tls::Tls;

/// The host on which services authenticate by a TLS certificate.
#[derive(Debug, Clone)]
pub struct OidcMtls {
    /// Its origin as services see it: https, with a host name that shows no page.
    pub url: Url,
    /// Where we listen for it; where nothing is written, on the address of the pages (`server.listen`), for those who ask for
    /// this host's name in the handshake.
    pub listen: Option<SocketAddr>,
    /// Who shakes hands with services.
    pub handshake: Handshake,
    /// Directory of the authorities of services (PEM, one per file). Without it services have certificates of their own
    /// making only.
    pub anchors_dir: Option<PathBuf>,
    /// Directory of their revocation lists.
    pub crl_dir: Option<PathBuf>,
    /// Whether lists are fetched by HTTP.
    pub crl_fetch: bool,
    /// What to do while no list in its time is at hand.
    pub fallback: Fallback,
}

impl OidcMtls {
    pub(super) fn read(
        section: &mut Section<'_>,
        server: Option<&Server>,
        tls: Option<&Tls>,
        card: &Card,
    ) -> Option<Self> {
        let url = section.required(
            "url",
            "write the address of a host name that shows no page, such as url = \"https://mtls.hopital.example:8444\"",
            |text| own_host(text, server),
        );
        let taken = |listen: SocketAddr| {
            let card = card.tls.as_ref().map(|tls| tls.listen);
            let server = server.map(|server| server.listen);
            card.into_iter().chain(server).any(|taken| overlap(taken, listen))
        };
        let shares = !section.has("listen");
        let listen = section.text("listen", |text| match socket(text)? {
            listen if taken(listen) => {
                Err("is taken by server.listen or card.tls.listen; leave it out, and server.listen answers for this host"
                    .to_owned())
            }
            listen => Ok(listen),
        });
        let handshake = handshake(section);
        if shares && (tls.is_none() || matches!(handshake, Some(Handshake::Proxies(_)))) {
            section.refuse(
                "listen",
                "is missing: server.listen answers for this host only where [tls] is there and the handshake is ours; \
                 write an address of its own, such as listen = \"127.0.0.1:8444\"",
            );
        }
        let anchors_dir = section.path_of("anchors_dir");
        if anchors_dir.is_some() && anchors_dir == card.anchors_dir {
            section.refuse(
                "anchors_dir",
                "must not be card.anchors_dir: whoever has a card would pass for a service",
            );
            return None;
        }
        let crl_dir = section.path_of("crl_dir");
        let crl_fetch = section.flag("crl_fetch").unwrap_or(true);
        let fallback = section.text("revocation_fallback", fallback).unwrap_or_default();
        Some(Self { url: url?, listen, handshake: handshake?, anchors_dir, crl_dir, crl_fetch, fallback })
    }
}

fn own_host(text: &str, server: Option<&Server>) -> Result<Url, String> {
    let url = origin(text)?;
    if url.scheme() != "https" || url.domain().is_none() {
        return Err(
            "must begin with https:// and have a host name: services are asked for a certificate".into()
        );
    }
    if server.is_some_and(|server| server.front_url.host() == url.host()) {
        return Err("must not be the host of the pages: browsers would ask people for a certificate".into());
    }
    Ok(url)
}
