//! The host that a request was sent to: where the issuer has one of its own, pages and cookies are not on it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;

use super::Provider;

/// Host and port as the request names them: `Host` in HTTP/1.1, `:authority` in HTTP/2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AskedHost(Option<String>);

impl<S: Sync> FromRequestParts<S> for AskedHost {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let header = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let asked = header.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
        Ok(Self(asked.map(str::to_ascii_lowercase)))
    }
}

impl AskedHost {
    /// Whether it is the issuer's, and that shows no page.
    pub(super) fn is_issuer_apart(&self, provider: &Provider) -> bool {
        let settings = provider.settings();
        settings.issuer_stands_apart() && self.0.as_deref() == Some(settings.issuer.authority())
    }
}
