//! The addresses that are listened on: that of the pages, and that of the host which asks for the card's certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Router, middleware};
use tokio_util::sync::CancellationToken;

use super::{App, StartError};
use crate::card::tls_login;
use crate::config::{CardHandshake, Config};
use crate::telemetry::operation::{self, Operations};
use crate::web::assets;
use crate::web::client_certificate::{self, CertificateHost, Source};
use crate::web::proxy::{self, TrustedProxies};
use crate::web::serve::{Listener, Patience, Transport};
use crate::web::tls::{Asks, Host, TlsError, TlsHosts};

/// The certificates of our own listeners; none behind a proxy and on loopback.
#[derive(Debug, Clone)]
pub struct Certificates {
    front: Option<Arc<TlsHosts>>,
    card: Option<Arc<TlsHosts>>,
}

impl Certificates {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// [`TlsError`], where they cannot be used.
    pub fn read(config: &Config) -> Result<Self, TlsError> {
        let hosts =
            |host: Option<Host>| host.map(|host| TlsHosts::read(vec![host]).map(Arc::new)).transpose();
        let front = config.tls.as_ref().map(|tls| Host {
            names: config.server.front_url.host_str().map(str::to_owned).into_iter().collect(),
            certificate_file: tls.certificate_file.clone(),
            key_file: tls.key_file.clone(),
            asks: Asks::Nothing,
        });
        let card = config.card.tls.as_ref().and_then(|card| match &card.handshake {
            CardHandshake::Ours(tls) => Some(Host {
                names: card.url.host_str().map(str::to_owned).into_iter().collect(),
                certificate_file: tls.certificate_file.clone(),
                key_file: tls.key_file.clone(),
                asks: Asks::CardCertificate,
            }),
            CardHandshake::Proxies(_) => None,
        });
        Ok(Self { front: hosts(front)?, card: hosts(card)? })
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// [`TlsError`]; the former certificates stay in use then.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.front.iter().chain(&self.card).try_for_each(|hosts| hosts.reload())
    }
}

/// The addresses taken, not yet answered.
#[derive(Debug)]
pub struct Listeners {
    front: Listener,
    card: Option<Listener>,
}

impl Listeners {
    /// The pages alone, on an address that was taken before the configuration was made.
    pub fn front_only(front: Listener) -> Self {
        Self { front, card: None }
    }

    /// The address of the pages, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.front.address()
    }

    /// The address of the host that asks for the card's certificate, where there is one.
    pub fn card_address(&self) -> Option<SocketAddr> {
        self.card.as_ref().map(Listener::address)
    }
}

impl App {
    /// Takes the addresses that the configuration names.
    ///
    /// # Errors
    /// [`StartError::Serve`].
    pub async fn bind(&self) -> Result<Listeners, StartError> {
        let server = &self.config.server;
        let transport = match &self.certificates.front {
            Some(hosts) => Transport::Tls(Arc::clone(hosts)),
            None => Transport::Plain { behind_proxy: !server.trusted_proxies.is_empty() },
        };
        let front = Listener::bind(server.listen, transport).await?;
        let card = match &self.config.card.tls {
            Some(card) => {
                let transport = match &self.certificates.card {
                    Some(hosts) => Transport::Tls(Arc::clone(hosts)),
                    None => Transport::Plain { behind_proxy: true },
                };
                Some(Listener::bind(card.listen, transport).await?)
            }
            None => None,
        };
        Ok(Listeners { front, card })
    }

    /// Answers until `stop`, on both addresses.
    pub(super) async fn answer(&self, listeners: Listeners, stop: &CancellationToken) {
        let front = listeners.front.serve(self.router(), Patience::default(), stop.clone());
        let card = async {
            if let (Some(listener), Some(router)) = (listeners.card, self.certificate_router()) {
                // A handshake proves the card for one request: the next one, perhaps another person's, has its own.
                let patience = Patience { keep_alive: false, ..Patience::default() };
                listener.serve(router, patience, stop.clone()).await;
            }
        };
        tokio::join!(front, card);
    }

    /// What answers on the host that asks for the card's certificate.
    pub fn certificate_router(&self) -> Option<Router> {
        let card = self.config.card.tls.as_ref()?;
        let (source, proxies) = match &card.handshake {
            CardHandshake::Ours(_) => (Source::Handshake, TrustedProxies::default()),
            CardHandshake::Proxies(networks) => {
                let proxies = TrustedProxies::new(networks);
                (Source::Proxies(proxies.clone()), proxies)
            }
        };
        let host = CertificateHost { name: card.url.host_str().unwrap_or_default().to_owned(), source };
        let operations = Operations { clock: self.clock.clone(), random: self.random.clone() };
        let router = self
            .pages
            .around(tls_login::certificate_host(&self.card))
            // For the page of an error.
            .merge(assets::router())
            .layer(middleware::from_fn_with_state(host, client_certificate::name_certificate))
            .layer(middleware::from_fn_with_state(proxies, proxy::name_client))
            .layer(middleware::from_fn_with_state(operations, operation::track));
        Some(router)
    }
}
