//! The client certificate of a request: from our own TLS handshake, or from a proxy's.
//!
//! What a hospital gets: a host that asks for the card's certificate, with or without a proxy in front (RFC 9440), on
//! which nobody but that proxy can say whose certificate it is. The fields `Client-Cert` and `Client-Cert-Chain` count
//! only on connections from a proxy that the configuration names for this purpose; from anybody else the request is
//! refused, not cleaned, so that a hole in the set-up is seen. They are read strictly: what another parser might read
//! otherwise is refused.
//!
//! Holding a certificate's key is all that is proven here. Whether it is trusted is judged by who uses it.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::proxy::TrustedProxies;
use super::serve::{self, Peer};

/// RFC 9440 §2.2.
const CLIENT_CERT: &str = "client-cert";
/// RFC 9440 §2.3.
const CLIENT_CERT_CHAIN: &str = "client-cert-chain";
/// The longest certificate that is read, DER. A card's has some 2 KiB.
const MAX_CERTIFICATE_LEN: usize = 16 * 1024;
/// The most certificates that a chain may have.
const MAX_CHAIN_LEN: usize = 8;

/// The certificate whose key the client holds, DER; an extension of the request, put there by [`name_certificate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate(pub Option<Vec<u8>>);

/// Where a host learns of client certificates.
#[derive(Clone, Debug)]
pub enum Source {
    /// From the handshake of its own listener.
    Handshake,
    /// From these proxies, which shake hands in our place.
    Proxies(TrustedProxies),
}

/// A host that asks for certificates.
#[derive(Clone, Debug)]
pub struct CertificateHost {
    /// Its name, in lower case.
    pub name: String,
    pub source: Source,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the request is for another host than the one that asks for certificates")]
    OtherHost,
    #[error("{0} is none of the proxies that may say whose certificate it is")]
    NoProxy(IpAddr),
    #[error("a client certificate in a header, where no proxy may set one")]
    Spoofed,
    #[error("the client certificate: {0}")]
    Malformed(#[from] Malformed),
}

impl Refused {
    /// The stable code of `docs/errors.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::OtherHost => "WEB-040",
            Self::NoProxy(_) => "WEB-041",
            Self::Spoofed => "WEB-042",
            Self::Malformed(_) => "WEB-043",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            // RFC 9110 §15.5.20: the browser comes back on a connection of its own.
            Self::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Self::NoProxy(_) | Self::Spoofed => StatusCode::FORBIDDEN,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// What is wrong with the fields of RFC 9440.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("it is there twice")]
    Twice,
    #[error("it is no byte sequence (RFC 8941 §3.3.5)")]
    NoByteSequence,
    #[error("a certificate in it is empty or too long")]
    Length,
    #[error("the chain is too long")]
    Chain,
    #[error("a chain without a certificate")]
    ChainAlone,
}

/// Middleware: finds the client's certificate once, for everything behind it.
pub async fn name_certificate(
    State(host): State<CertificateHost>,
    mut request: Request,
    next: Next,
) -> Response {
    match host.certificate_of(&request) {
        Ok(certificate) => {
            request.extensions_mut().insert(certificate);
            next.run(request).await
        }
        Err(refused) => {
            tracing::warn!(code = refused.code(), "refused: {refused}");
            refused.status().into_response()
        }
    }
}

impl CertificateHost {
    fn certificate_of(&self, request: &Request) -> Result<ClientCertificate, Refused> {
        let peer = request.extensions().get::<Peer>();
        let from_header = match &self.source {
            Source::Handshake => None,
            Source::Proxies(proxies) => {
                let address =
                    peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.address.ip().to_canonical());
                if !proxies.trusts(address) {
                    return Err(Refused::NoProxy(address));
                }
                Some(of_headers(request.headers())?)
            }
        };
        if !serve::host(request).is_some_and(|host| host.eq_ignore_ascii_case(&self.name)) {
            return Err(Refused::OtherHost);
        }
        if let Some(certificate) = from_header {
            return Ok(ClientCertificate(certificate));
        }
        if [CLIENT_CERT, CLIENT_CERT_CHAIN].iter().any(|name| request.headers().contains_key(*name)) {
            return Err(Refused::Spoofed);
        }
        let shake = peer.and_then(|peer| peer.tls.as_ref());
        let own = shake.and_then(|shake| shake.client_certificates.first());
        if own.is_some_and(|certificate| certificate.len() > MAX_CERTIFICATE_LEN) {
            return Err(Malformed::Length.into());
        }
        Ok(ClientCertificate(own.cloned()))
    }
}

/// The client's own certificate, if the proxy says that there was one.
fn of_headers(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Malformed> {
    let lines = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    of_fields(lines(CLIENT_CERT), lines(CLIENT_CERT_CHAIN))
}

/// The client's own certificate, from the lines of both fields. The chain has to be well formed and is not used: paths are
/// built from installed authorities only.
///
/// # Errors
/// [`Malformed`]; the bytes may be anything.
pub fn of_fields<'a>(
    own: impl IntoIterator<Item = &'a [u8]>,
    along: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<Vec<u8>>, Malformed> {
    let mut lines = own.into_iter();
    let certificate = match (lines.next(), lines.next()) {
        (None, _) => None,
        (Some(line), None) => Some(byte_sequence(line)?),
        (Some(_), Some(_)) => return Err(Malformed::Twice),
    };
    let mut chain = 0_usize;
    for line in along {
        for member in line.split(|byte| *byte == b',') {
            byte_sequence(member.trim_ascii())?;
            chain = chain.saturating_add(1);
        }
    }
    match (chain, &certificate) {
        (1.., None) => Err(Malformed::ChainAlone),
        (length, _) if length > MAX_CHAIN_LEN => Err(Malformed::Chain),
        _ => Ok(certificate),
    }
}

/// An item that is a byte sequence, without parameters: `:base64:`, padded, nothing before and nothing behind.
fn byte_sequence(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let encoded =
        text.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b":")).ok_or(Malformed::NoByteSequence)?;
    if encoded.is_empty() || encoded.len() > MAX_CERTIFICATE_LEN.saturating_mul(4) / 3 {
        return Err(Malformed::Length);
    }
    STANDARD.decode(encoded).map_err(|_| Malformed::NoByteSequence)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use axum::{Extension, Router, middleware, routing::get};
    use tower::ServiceExt as _;

    use super::*;
    use crate::web::tls::Handshake;

    fn host(source: Source) -> Router {
        let host = CertificateHost { name: "carte.example".into(), source };
        Router::new()
            .route(
                "/",
                get(async |Extension(ClientCertificate(found)): Extension<ClientCertificate>| {
                    found.map_or("none".to_owned(), hex::encode)
                }),
            )
            .layer(middleware::from_fn_with_state(host, name_certificate))
    }

    fn by_proxies() -> Source {
        Source::Proxies(TrustedProxies::new(&["10.0.0.0/24".parse().expect("a network")]))
    }

    /// Status and what the handler saw.
    async fn ask(router: &Router, peer: Peer, headers: &[(&'static str, &str)]) -> (u16, String) {
        let mut request = Request::new(Body::empty());
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        if !request.headers().contains_key("host") {
            request.headers_mut().insert("host", HeaderValue::from_static("carte.example:8443"));
        }
        request.extensions_mut().insert(peer);
        let response = router.clone().oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 100_000).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn plain(address: &str) -> Peer {
        Peer { address: address.parse().expect("an address"), tls: None }
    }

    fn shaken(certificates: &[&[u8]]) -> Peer {
        let mut shake = Handshake::default();
        shake.client_certificates = certificates.iter().map(|certificate| certificate.to_vec()).collect();
        Peer { address: ([192, 0, 2, 1], 1).into(), tls: Some(Arc::new(shake)) }
    }

    #[tokio::test]
    async fn the_certificate_of_our_own_handshake() {
        let router = host(Source::Handshake);
        assert_eq!(ask(&router, shaken(&[b"own", b"issuer"]), &[]).await, (200, hex::encode("own")));
        assert_eq!(ask(&router, shaken(&[]), &[]).await, (200, "none".into()));
    }

    /// OpenSSL takes far more in a handshake than any card's certificate has, and we keep what we take.
    #[tokio::test]
    async fn a_certificate_of_a_handshake_has_the_same_limit() {
        let router = host(Source::Handshake);
        let largest = vec![b'x'; MAX_CERTIFICATE_LEN];
        assert_eq!(ask(&router, shaken(&[&largest]), &[]).await.0, 200);
        let larger = vec![b'x'; MAX_CERTIFICATE_LEN + 1];
        assert_eq!(ask(&router, shaken(&[&larger]), &[]).await.0, 400);
    }

    #[tokio::test]
    async fn a_named_proxy_says_whose_certificate_it_is() {
        let router = host(by_proxies());
        let headers = [("client-cert", ":b3du:"), ("client-cert-chain", ":aXNzdWVy:, :cm9vdA==:")];
        for address in ["10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert_eq!(ask(&router, plain(address), &headers).await, (200, hex::encode("own")), "{address}");
        }
        assert_eq!(ask(&router, plain("10.0.0.1:1"), &[]).await, (200, "none".into()));
    }

    #[tokio::test]
    async fn nobody_else_can_say_whose_certificate_it_is() {
        let forged = [("client-cert", ":b3du:")];
        // Past the proxy, this machine's own loopback included.
        for address in ["10.0.1.1:1", "127.0.0.1:1", "[::1]:1"] {
            let (status, seen) = ask(&host(by_proxies()), plain(address), &forged).await;
            assert_eq!((status, seen.as_str()), (403, ""), "{address}");
        }
        // To a listener that shakes hands itself.
        for name in ["client-cert", "client-cert-chain"] {
            let (status, seen) = ask(&host(Source::Handshake), shaken(&[b"own"]), &[(name, ":b3du:")]).await;
            assert_eq!((status, seen.as_str()), (403, ""), "{name}");
        }
    }

    #[tokio::test]
    async fn what_a_proxy_lets_through_by_mistake_is_not_guessed_at() {
        let router = host(by_proxies());
        // The client's own field in front of the proxy's: two lines, or one with a comma.
        let twice = [("client-cert", ":ZXZpbA==:"), ("client-cert", ":b3du:")];
        assert_eq!(ask(&router, plain("10.0.0.1:1"), &twice).await.0, 400);
        for value in [
            ":ZXZpbA==:, :b3du:",
            "",
            ":",
            "::",
            ":b3du",
            "b3du:",
            "b3du",
            ":b3du:;a=1",
            ":b3d:",
            ":b3d1bg:",
            ":b3d1bh==:",
            ":b3 du:",
            ":b3-_:",
            "\"b3du\"",
            "-----BEGIN CERTIFICATE----- b3du -----END CERTIFICATE-----",
            "(null)",
        ] {
            assert_eq!(
                ask(&router, plain("10.0.0.1:1"), &[("client-cert", value)]).await.0,
                400,
                "{value:?}"
            );
        }
        let long = format!(":{}:", "QUFB".repeat(8_000));
        assert_eq!(ask(&router, plain("10.0.0.1:1"), &[("client-cert", &long)]).await.0, 400);
        let chains = [":b3du:,", ",:b3du:", ":b3du: :b3du:", &[":b3du:"; 9].join(",")];
        for chain in chains {
            let headers = [("client-cert", ":b3du:"), ("client-cert-chain", chain)];
            assert_eq!(ask(&router, plain("10.0.0.1:1"), &headers).await.0, 400, "{chain}");
        }
        assert_eq!(ask(&router, plain("10.0.0.1:1"), &[("client-cert-chain", ":b3du:")]).await.0, 400);
    }

    #[tokio::test]
    async fn another_host_is_not_served_here() {
        let other = [("host", "connexion.example")];
        assert_eq!(ask(&host(Source::Handshake), shaken(&[b"own"]), &other).await.0, 421);
        assert_eq!(ask(&host(by_proxies()), plain("10.0.0.1:1"), &other).await.0, 421);
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_what_was_written(bytes in proptest::collection::vec(proptest::num::u8::ANY, 1..200)) {
            let written = format!(":{}:", STANDARD.encode(&bytes));
            assert_eq!(byte_sequence(written.as_bytes()), Ok(bytes));
        }

        #[test]
        fn no_text_is_read_in_two_ways(text in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            if let Ok(bytes) = byte_sequence(&text) {
                assert_eq!(format!(":{}:", STANDARD.encode(bytes)).as_bytes(), text);
            }
        }
    }
}
