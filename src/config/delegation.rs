//! `[delegation]`: what providers that delegate their sign-in to this installation are told, and where it meets the Internet.

use std::net::SocketAddr;

use chrono::TimeDelta;

use super::reader::Section;
use super::server::{Server, overlap, socket};
use super::tls::Tls;

/// What providers that delegate to us are told, and where.
#[derive(Debug, Clone)]
pub struct Delegation {
    /// The tenant: what such a provider knows this establishment by; none: a name that `sceau init` made.
    pub tenant: Option<String>,
    /// How old a sign-in may be of which such a provider is told.
    pub max_age: TimeDelta,
    /// An address of its own, where what such a provider needs answers and nothing else.
    pub listen: Option<SocketAddr>,
}

impl Delegation {
    /// `others` are the addresses of ours besides, each with its key.
    pub(super) fn read(
        section: &mut Section<'_>,
        server: Option<&Server>,
        tls: Option<&Tls>,
        others: &[(&str, SocketAddr)],
    ) -> Self {
        let tenant = section.text("tenant", |text| {
            let fine = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
            match text.is_empty() || text.len() > 100 || !text.chars().all(fine) {
                true => {
                    Err("must be 1 to 100 visible characters of ASCII, without quote and backslash".into())
                }
                false => Ok(text.to_owned()),
            }
        });
        let longest = TimeDelta::hours(4);
        let max_age = section.span("max_age", TimeDelta::minutes(1)..=longest).unwrap_or(longest);
        let listen = section.text("listen", |text| {
            let listen = socket(text)?;
            // Where one of them stands for all addresses, it would serve the pages of the establishment on the Internet.
            match others.iter().find(|(_, taken)| overlap(*taken, listen)) {
                Some((key, taken)) => Err(format!(
                    "is taken by {key} ({taken}): what faces the Internet has an address of its own; write in {key} the one \
                     of the establishment's network, and not that of all"
                )),
                None => Ok(listen),
            }
        });
        let is_behind_proxy = server.is_some_and(|server| !server.trusted_proxies.is_empty());
        if let Some(listen) = listen
            && tls.is_none()
            && !is_behind_proxy
            && !listen.ip().is_loopback()
        {
            section.refuse(
                "listen",
                "would be plain HTTP on a network: give a certificate in [tls], or name the proxy in server.trusted_proxies",
            );
        }
        Self { tenant, max_age, listen }
    }
}
