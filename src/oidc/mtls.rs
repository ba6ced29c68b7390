//! The host on which clients show a TLS certificate (RFC 8705 §5): an address of its own for each endpoint that clients
//! call, published in `mtls_endpoint_aliases`. No page is on it, so that no browser ever asks a person for a certificate.

use url::Url;

use super::Issuer;
use super::psc;
use crate::crypto::x509::trust::Trust;

/// Where clients show certificates, and which authorities are believed.
#[derive(Debug)]
pub struct Mtls {
    origin: String,
    /// The authorities of `tls_client_auth`; without them clients have certificates of their own making only.
    pub(super) authorities: Option<Trust>,
}

impl Mtls {
    /// The endpoints that are there: those that clients call, and no page.
    pub const ENDPOINTS: [(&'static str, &'static str); 6] = [
        ("token_endpoint", psc::TOKEN),
        ("introspection_endpoint", psc::INTROSPECTION),
        ("revocation_endpoint", psc::REVOCATION),
        ("userinfo_endpoint", psc::USERINFO),
        ("pushed_authorization_request_endpoint", psc::PUSHED),
        ("backchannel_authentication_endpoint", psc::BACKCHANNEL),
    ];

    /// On the host of this address.
    pub fn new(url: &Url, authorities: Option<Trust>) -> Self {
        Self { origin: url.origin().ascii_serialization(), authorities }
    }

    /// The authorities of `tls_client_auth`.
    pub fn authorities(&self) -> Option<&Trust> {
        self.authorities.as_ref()
    }

    /// The address of something below the issuer, on this host.
    pub(super) fn address(&self, issuer: &Issuer, path: &str) -> String {
        format!("{}{}{path}", self.origin, issuer.path())
    }
}
