//! Where a request comes from, for the audit: operation id, address, user agent.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;

use super::proxy::ClientAddress;
use super::serve::Peer;
use crate::audit::Caller;
use crate::ids::OperationId;

/// The mark of a request that came by the address that faces the Internet (`[delegation] listen`).
#[derive(Clone, Copy, Debug)]
pub struct Outside;

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<ClientAddress>().map(|client| client.0);
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.address);
        Ok(Self {
            operation: parts.extensions.get::<OperationId>().copied(),
            address,
            // Behind a proxy the port is the proxy's.
            port: peer.filter(|peer| Some(peer.ip().to_canonical()) == address).map(|peer| peer.port()),
            user_agent: parts
                .headers
                .get(header::USER_AGENT)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            zone: None,
            outside: parts.extensions.get::<Outside>().is_some(),
        })
    }
}
