//! `[metrics]`: figures for a monitoring system on this machine. Without this section there are none.

use std::net::SocketAddr;

use super::reader::Section;

/// Where figures are served.
#[derive(Debug, Clone, Copy, Default)]
pub struct Metrics {
    /// An address of this machine's own; anybody who reaches it may read.
    pub listen: Option<SocketAddr>,
}

impl Metrics {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let listen = |text: &str| match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(address),
            Ok(_) => Err("must be an address of this machine alone, such as \"127.0.0.1:9464\"".to_owned()),
            Err(_) => Err("must be an address and a port, such as \"127.0.0.1:9464\"".to_owned()),
        };
        Self { listen: section.text("listen", listen) }
    }
}
