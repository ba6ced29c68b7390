//! The addresses that are listened on: that of the pages, and those of the hosts which ask for a certificate, the card's and
//! that of services. The latter shares the address of the pages unless it has one of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Extension, Router, middleware};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{App, StartError};
use crate::card::{login, tls_login};
use crate::config::{Config, Handshake};
use crate::oidc;
use crate::telemetry::operation::{self, Operations};
use crate::upstream;
use crate::web::assets;
use crate::web::caller::Outside;
use crate::web::client_certificate::{self, CertificateHost, Source};
use crate::web::hosts;
use crate::web::proxy::{self, TrustedProxies};
use crate::web::serve::{Listener, Patience, Transport};
use crate::web::tls::{Asks, Host, TlsError, TlsHosts};
use crate::webauthn;

/// The certificates of our own listeners; none behind a proxy and on loopback.
#[derive(Debug, Clone)]
pub struct Certificates {
    front: Option<Arc<TlsHosts>>,
    card: Option<Arc<TlsHosts>>,
    services: Option<Arc<TlsHosts>>,
}

impl Certificates {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// [`TlsError`], where they cannot be used.
    pub fn read(config: &Config) -> Result<Self, TlsError> {
        let asking = |url: &Url, handshake: &Handshake, asks| match handshake {
            Handshake::Ours(tls) => Some(Host {
                names: url.host_str().map(str::to_owned).into_iter().collect(),
                certificate_file: tls.certificate_file.clone(),
                key_file: tls.key_file.clone(),
                asks,
            }),
            Handshake::Proxies(_) => None,
        };
        let pages = config.tls.as_ref().map(|tls| Host {
            names: config.server.front_url.host_str().map(str::to_owned).into_iter().collect(),
            certificate_file: tls.certificate_file.clone(),
            key_file: tls.key_file.clone(),
            asks: Asks::Nothing,
        });
        let card = config.card.tls.as_ref();
        let card = card.and_then(|card| asking(&card.url, &card.handshake, Asks::CardCertificate));
        let services = config.oidc.mtls.as_ref();
        let services = services.and_then(|host| asking(&host.url, &host.handshake, Asks::Certificate));
        // The pages first: they answer whoever names no host.
        let (front, services) = match shares_the_front(config) {
            true => (pages.into_iter().chain(services).collect(), None),
            false => (Vec::from_iter(pages), services),
        };
        let read = |hosts: Vec<Host>| match hosts.as_slice() {
            [] => Ok(None),
            _ => TlsHosts::read(hosts).map(Arc::new).map(Some),
        };
        Ok(Self {
            front: read(front)?,
            card: read(Vec::from_iter(card))?,
            services: read(Vec::from_iter(services))?,
        })
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// [`TlsError`]; the former certificates stay in use then.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.front.iter().chain(&self.card).chain(&self.services).try_for_each(|hosts| hosts.reload())
    }
}

/// The addresses taken, not yet answered.
#[derive(Debug)]
pub struct Listeners {
    front: Listener,
    card: Option<Listener>,
    services: Option<Listener>,
    delegation: Option<Listener>,
}

impl Listeners {
    /// The pages alone, on an address that was taken before the configuration was made.
    pub fn front_only(front: Listener) -> Self {
        Self { front, card: None, services: None, delegation: None }
    }

    /// The address of the pages, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.front.address()
    }

    /// The address of the host that asks for the card's certificate, where there is one.
    pub fn card_address(&self) -> Option<SocketAddr> {
        self.card.as_ref().map(Listener::address)
    }

    /// The address that faces the Internet for providers that delegate to us, where there is one.
    pub fn delegation_address(&self) -> Option<SocketAddr> {
        self.delegation.as_ref().map(Listener::address)
    }

    /// The address of the host that asks for the certificate of services, where it has one of its own.
    pub fn services_address(&self) -> Option<SocketAddr> {
        self.services.as_ref().map(Listener::address)
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
        let delegation = match self.config.delegation.listen {
            Some(listen) => Some(Listener::bind(listen, transport.clone()).await?),
            None => None,
        };
        let front = Listener::bind(server.listen, transport).await?;
        let asking = async |listen: Option<SocketAddr>, hosts: &Option<Arc<TlsHosts>>| {
            let Some(listen) = listen else { return Ok(None) };
            let transport = match hosts {
                Some(hosts) => Transport::Tls(Arc::clone(hosts)),
                None => Transport::Plain { behind_proxy: true },
            };
            Listener::bind(listen, transport).await.map(Some)
        };
        let card = self.config.card.tls.as_ref().map(|card| card.listen);
        let services = self.config.oidc.mtls.as_ref().and_then(|host| host.listen);
        let card = asking(card, &self.certificates.card).await?;
        let services = asking(services, &self.certificates.services).await?;
        Ok(Listeners { front, card, services, delegation })
    }

    /// Answers until `stop`, on every address.
    pub(super) async fn answer(&self, listeners: Listeners, stop: &CancellationToken) {
        let front = listeners.front.serve(self.front_router(), Patience::default(), stop.clone());
        let card = async {
            if let (Some(listener), Some(router)) = (listeners.card, self.certificate_router()) {
                // A handshake proves the card for one request: the next one, perhaps another person's, has its own.
                let patience = Patience { keep_alive: false, ..Patience::default() };
                listener.serve(router, patience, stop.clone()).await;
            }
        };
        let services = async {
            if let (Some(listener), Some(router)) = (listeners.services, self.services_router()) {
                listener.serve(router, Patience::default(), stop.clone()).await;
            }
        };
        let delegation = async {
            if let Some(listener) = listeners.delegation {
                listener.serve(self.delegation_router(), Patience::default(), stop.clone()).await;
            }
        };
        tokio::join!(front, card, services, delegation);
    }

    /// What answers on the address of the pages.
    fn front_router(&self) -> Router {
        let host = self.config.oidc.mtls.as_ref().filter(|_| shares_the_front(&self.config));
        match (host.and_then(|host| host.url.host_str()), self.services_router()) {
            (Some(name), Some(services)) => hosts::apart(name.to_owned(), services, self.router()),
            _ => self.router(),
        }
    }

    /// What answers on the address that faces the Internet: what a provider that delegates to us needs and whoever it sends
    /// here, for such clients alone; and where providers say that somebody has signed out there. Everything else is not there.
    pub fn delegation_router(&self) -> Router {
        let routes = oidc::delegation_routes(&self.provider).merge(login::sign_in_routes(&self.card));
        let routes = match &self.keys {
            Some(keys) => routes.merge(webauthn::sign_in_routes(keys)),
            None => routes,
        };
        let routes = match &self.upstreams {
            Some(upstreams) => routes.merge(upstream::internet_routes(upstreams)),
            None => routes,
        };
        let operations = Operations { clock: self.clock.clone(), random: self.random.clone() };
        let proxies = TrustedProxies::new(&self.config.server.trusted_proxies);
        self.pages
            .around(routes)
            .layer(Extension(Outside))
            .layer(middleware::from_fn_with_state(proxies, proxy::name_client))
            .layer(middleware::from_fn_with_state(operations, operation::track))
            .merge(assets::router())
    }

    /// What answers on the host that asks for the card's certificate.
    pub fn certificate_router(&self) -> Option<Router> {
        let card = self.config.card.tls.as_ref()?;
        let routes = tls_login::certificate_host(&self.card);
        // With the style of the page of an error.
        Some(self.on_certificate_host(
            &card.url,
            &card.handshake,
            self.pages.around(routes).merge(assets::router()),
        ))
    }

    /// What answers on the host that asks for the certificate of services.
    pub fn services_router(&self) -> Option<Router> {
        let host = self.config.oidc.mtls.as_ref()?;
        let routes = if host.url.origin() == self.config.server.issuer.origin() {
            // The issuer has a host of its own, without pages, and this is it.
            oidc::routes(&self.provider)
        } else {
            oidc::client_routes(&self.provider)
        };
        Some(self.on_certificate_host(
            &host.url,
            &host.handshake,
            self.pages.around(routes).merge(assets::router()),
        ))
    }

    fn on_certificate_host(&self, url: &Url, handshake: &Handshake, router: Router) -> Router {
        let (source, proxies) = match handshake {
            Handshake::Ours(_) => (Source::Handshake, TrustedProxies::default()),
            Handshake::Proxies(networks) => {
                let proxies = TrustedProxies::new(networks);
                (Source::Proxies(proxies.clone()), proxies)
            }
        };
        let host = CertificateHost { name: url.host_str().unwrap_or_default().to_owned(), source };
        let operations = Operations { clock: self.clock.clone(), random: self.random.clone() };
        router
            .layer(middleware::from_fn_with_state(host, client_certificate::name_certificate))
            .layer(middleware::from_fn_with_state(proxies, proxy::name_client))
            .layer(middleware::from_fn_with_state(operations, operation::track))
    }
}

/// Whether the address of the pages answers for the host of services too.
fn shares_the_front(config: &Config) -> bool {
    config.oidc.mtls.as_ref().is_some_and(|host| host.listen.is_none())
}
