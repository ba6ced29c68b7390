//! Accepting connections, and stopping without dropping a request.
//!
//! What a hospital gets: TLS by OpenSSL, or plain HTTP on loopback or behind a named proxy; HTTP/1.1 and HTTP/2; a
//! slow or broken client that holds up nobody; and a stop that lets running requests finish.
//!
//! A handshake never runs in the accept loop. Plain HTTP is refused on an address that others can reach, unless the
//! configuration names a proxy in front.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::IntoResponse};
use http::{Request, StatusCode, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::tls::{self, TlsHosts};

/// The other end of the connection of a request, as an extension of it.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// What the TLS handshake said; `None` over plain HTTP.
    pub tls: Option<Arc<tls::Handshake>>,
}

/// Why we cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "cannot listen on {address}: {source}; choose another address, or see who has this one with `ss -ltnp`"
    )]
    Bind { address: SocketAddr, source: io::Error },
    #[error(
        "plain HTTP on {0} could be read on the network: listen on 127.0.0.1, name the proxy in trusted_proxies, or \
         give a certificate in [tls]"
    )]
    PlainInTheOpen(SocketAddr),
}

impl ServeError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "WEB-020",
            Self::PlainInTheOpen(_) => "WEB-021",
        }
    }
}

/// What the connections speak.
#[derive(Clone, Debug)]
pub enum Transport {
    /// HTTP without TLS.
    Plain {
        /// A proxy is named, so that listening beyond loopback was meant.
        behind_proxy: bool,
    },
    Tls(Arc<TlsHosts>),
}

/// How patient we are.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For the headers of a request.
    pub headers: Duration,
    /// For running requests when we stop; event streams end with it.
    pub drain: Duration,
    /// Connections at once; more wait in the system's queue.
    pub connections: usize,
    /// Whether a connection may carry a second request. Not where each request needs a handshake of its own.
    pub keep_alive: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            headers: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            // Twenty thousand pages and four thousand programs that wait leave room for whoever answers them.
            connections: 28_000,
            keep_alive: true,
        }
    }
}

/// A socket that listens, not yet answered.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    transport: Transport,
}

impl Listener {
    /// Takes the address.
    ///
    /// # Errors
    /// It is taken, not ours, or would be served in the clear on the network.
    pub async fn bind(address: SocketAddr, transport: Transport) -> Result<Self, ServeError> {
        if matches!(transport, Transport::Plain { behind_proxy: false }) && !address.ip().is_loopback() {
            return Err(ServeError::PlainInTheOpen(address));
        }
        let failed = |source| ServeError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address, transport })
    }

    /// The address taken, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers connections until `stop`, then lets running requests finish for [`Patience::drain`].
    pub async fn serve(self, router: Router, patience: Patience, stop: CancellationToken) {
        let graceful = GracefulShutdown::new();
        let slots = Arc::new(Semaphore::new(patience.connections));
        let tasks = TaskTracker::new();
        let give_up = CancellationToken::new();
        while let Some((stream, address, slot)) = self.next(&slots, &stop).await {
            let (router, transport, watcher) = (router.clone(), self.transport.clone(), graceful.watcher());
            let give_up = give_up.clone();
            // Thousands of connections only wait: each branch is on the heap, so that none is as large as the largest.
            tasks.spawn(async move {
                let serving = async {
                    // Answers are small and wait for nothing: sent at once.
                    let _ = stream.set_nodelay(true);
                    match transport {
                        Transport::Plain { .. } => {
                            let connection =
                                Connection { router, peer: Peer { address, tls: None }, patience };
                            Box::pin(connection.run(stream, watcher, false)).await;
                        }
                        Transport::Tls(hosts) => {
                            let shaken = Box::pin(hosts.accept(stream, patience.handshake)).await;
                            let Some((stream, shake)) = shaken else { return };
                            let http2 = shake.http2;
                            let peer = Peer { address, tls: Some(Arc::new(shake)) };
                            let connection = Connection { router, peer, patience };
                            Box::pin(connection.run(stream, watcher, http2)).await;
                        }
                    }
                };
                tokio::select! {
                    () = serving => {}
                    () = give_up.cancelled() => {}
                }
                drop(slot);
            });
        }
        drop(self.socket);
        tasks.close();
        if timeout(patience.drain, graceful.shutdown()).await.is_err() {
            tracing::info!(left = tasks.len(), "connections were closed before they ended");
        }
        give_up.cancel();
        tasks.wait().await;
    }

    /// The next connection, or `None` once stopped.
    async fn next(
        &self,
        slots: &Arc<Semaphore>,
        stop: &CancellationToken,
    ) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
        let accepting = async {
            let slot = Arc::clone(slots).acquire_owned().await.ok()?;
            loop {
                match self.socket.accept().await {
                    Ok((stream, address)) => return Some((stream, address, slot)),
                    Err(error) => {
                        // A client that left at once is no matter. Out of descriptors: wait for some to come back.
                        tracing::debug!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            next = accepting => next,
        }
    }
}

/// One connection, ready to be answered.
struct Connection {
    router: Router,
    peer: Peer,
    patience: Patience,
}

impl Connection {
    async fn run<S>(self, stream: S, watcher: hyper_util::server::graceful::Watcher, http2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, peer, patience } = self;
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.headers)
            .keep_alive(patience.keep_alive);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(128)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20));
        // What was agreed on, and nothing is guessed from the first bytes: that would double the buffer of each page that
        // waits. In the clear it is HTTP/1.1, as proxies speak it.
        builder = if http2 { builder.http2_only() } else { builder.http1_only() };
        let service = service_fn(move |mut request: Request<Incoming>| {
            let router = router.clone();
            let misdirected = peer.tls.as_ref().is_some_and(|shake| !shake.is_for(host(&request)));
            request.extensions_mut().insert(peer.clone());
            async move {
                // RFC 9110 §7.4: a browser may reuse a connection for another of our hosts, past the question for a
                // card's certificate. It comes back on a connection of its own.
                if misdirected {
                    return Ok::<_, Infallible>(StatusCode::MISDIRECTED_REQUEST.into_response());
                }
                router.oneshot(request.map(Body::new)).await
            }
        });
        if let Err(error) = watcher.watch(builder.serve_connection(TokioIo::new(stream), service)).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// The host name a request is for, without port.
pub(crate) fn host<B>(request: &Request<B>) -> Option<&str> {
    let authority = || request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(|authority| authority.as_str()).or_else(authority)?;
    Some(
        host.rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(host, |(h, _)| h),
    )
}

#[cfg(test)]
mod tests;
