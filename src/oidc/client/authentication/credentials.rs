//! What a request carries beside its parameters that can prove something.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;

use crate::web::client_certificate::ClientCertificate;

/// What a request carries beside its parameters that can prove something.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// Its headers.
    pub headers: HeaderMap,
    /// What is known of the client's certificate, where the host asks for one.
    certificate: Option<ClientCertificate>,
}

impl Credentials {
    /// The certificate of the connection, DER. The key is proven, and nothing else.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_ref()?.0.as_deref()
    }

    /// Whether the request came to the host that asks for certificates.
    pub fn came_to_certificate_host(&self) -> bool {
        self.certificate.is_some()
    }
}

impl<S: Sync> FromRequestParts<S> for Credentials {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            headers: parts.headers.clone(),
            certificate: parts.extensions.get::<ClientCertificate>().cloned(),
        })
    }
}
