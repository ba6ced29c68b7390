//! Whose address a request comes from.
//!
//! What a hospital gets: addresses in the audit and in request limits that a client cannot make up. `X-Forwarded-For`
//! is read only when the connection comes from a proxy that the configuration names, from right to left, and only as
//! far as named proxies wrote it. `Forwarded` (RFC 7239) is not read: two headers would be two truths.

use std::net::IpAddr;
use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use ipnet::IpNet;

use super::serve::Peer;

/// The address of the client of a request, as an extension of it; put there by [`name_client`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The proxies that may say whom they speak for.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    /// The client behind a connection from `peer`.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        let mut client = peer;
        if !self.trusts(peer) {
            return client;
        }
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("?")).collect();
        let hops = lines.iter().flat_map(|line| line.split(',')).collect::<Vec<_>>();
        for hop in hops.into_iter().rev() {
            // Something that is no address was not written by a proxy of ours: what we know ends here.
            let Some(address) = address(hop.trim()) else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }

    /// Whether one of the proxies has this address.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Middleware: finds the client's address once, for everything behind it. Plain HTTP is answered to the named proxies
/// and to this machine only: whoever finds a way round the proxy would otherwise speak to us in the clear.
pub async fn name_client(
    State(proxies): State<TrustedProxies>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(peer) = request.extensions().get::<Peer>() {
        let (address, is_plain) = (peer.address.ip().to_canonical(), peer.tls.is_none());
        if is_plain && !address.is_loopback() && !proxies.trusts(address) {
            tracing::warn!(peer = %address, "plain HTTP from an address that is not in trusted_proxies was refused");
            return StatusCode::FORBIDDEN.into_response();
        }
        let client = ClientAddress(proxies.client(address, request.headers()));
        request.extensions_mut().insert(client);
    }
    next.run(request).await
}

/// Proxies write `192.0.2.1`, `2001:db8::1`, and some `192.0.2.1:1234` or `[2001:db8::1]:1234`.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    plain.or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, lines: &[&'static str]) -> String {
        let proxies = TrustedProxies::new(&[
            "10.0.0.0/24".parse().expect("a network"),
            "::1/128".parse().expect("a network"),
        ]);
        let headers = lines
            .iter()
            .map(|line| ("x-forwarded-for".parse().expect("a name"), HeaderValue::from_static(line)));
        proxies.client(peer.parse().expect("an address"), &headers.collect()).to_string()
    }

    #[tokio::test]
    async fn plain_http_past_the_proxy_is_refused() {
        use tower::ServiceExt as _;

        let proxies = TrustedProxies::new(&["10.0.0.0/24".parse().expect("a network")]);
        let router = axum::Router::new()
            .route("/", axum::routing::get(async || "answered"))
            .layer(axum::middleware::from_fn_with_state(proxies, name_client));
        let status = async |peer: &str, tls: bool| {
            let address = peer.parse().expect("an address");
            let peer = Peer { address, tls: tls.then(Default::default) };
            let mut request = Request::new(axum::body::Body::empty());
            request.extensions_mut().insert(peer);
            router.clone().oneshot(request).await.expect("an answer").status()
        };
        assert_eq!(status("10.0.0.1:1", false).await, StatusCode::OK);
        assert_eq!(status("[::ffff:10.0.0.1]:1", false).await, StatusCode::OK);
        assert_eq!(status("127.0.0.1:1", false).await, StatusCode::OK);
        assert_eq!(status("10.0.1.1:1", false).await, StatusCode::FORBIDDEN);
        assert_eq!(status("10.0.1.1:1", true).await, StatusCode::OK, "TLS may come from anywhere");
    }

    #[test]
    fn a_named_proxy_is_believed() {
        assert_eq!(client("10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client("::ffff:10.0.0.1", &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(client("10.0.0.1", &["192.0.2.7, 10.0.0.2"]), "192.0.2.7");
        assert_eq!(client("10.0.0.1", &["192.0.2.7", "10.0.0.2"]), "192.0.2.7");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_client_cannot_make_up_an_address() {
        // Straight to us.
        assert_eq!(client("203.0.113.9", &["192.0.2.7"]), "203.0.113.9");
        // Through the proxy, with entries of its own in front of what the proxy adds.
        assert_eq!(client("10.0.0.1", &["127.0.0.1, 10.0.0.9, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["192.0.2.7, nonsense, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &[""]), "10.0.0.1");
    }
}
