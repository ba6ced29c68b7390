//! The hosts on which the same keys sign in (Web Authentication Level 3 §5.11, related origin requests).
//!
//! What a hospital group gets: a key that was registered at the pages of one host also signs in at those of the others,
//! which have names of their own. Keys stay bound to one host, the relying party's. Browsers ask that host for a list before
//! they let a page of another use its keys; here the list is written down, and the server compares origins with it to the
//! letter: scheme, host and port, no sub-domain, nothing that only looks alike.
//!
//! It never opens pages to another host: each host has a node of its own, with its own `front_url`, over the same database.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode};
use serde_json::json;
use url::Url;

use super::SecurityKeys;
use crate::web::serve;

/// Where browsers ask for the list (§5.11).
pub const PATH: &str = "/.well-known/webauthn";
/// How many different names before the public suffix a browser has to take (§5.11.1). No browser takes more.
const MOST_LABELS: usize = 5;

/// Why hosts cannot share their keys as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelatedError {
    /// An address of numbers, or a public suffix such as `gouv.fr`.
    #[error(
        "{0} has no name of its own before the public suffix: browsers do not take it for a related origin"
    )]
    Nameless(String),
    /// Too many.
    #[error(
        "related_origins have {0} different names before their public suffixes (such as clinique in id.clinique.example); \
         browsers read {MOST_LABELS}"
    )]
    TooMany(usize),
    /// The pages are elsewhere.
    #[error(
        "front_url {front} is neither rp_origin {party} nor one of related_origins: no browser lets its pages use the keys"
    )]
    Unrelated {
        /// The origin of the pages.
        front: String,
        /// The origin that keys are bound to.
        party: String,
    },
}

impl RelatedError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        "CONF-030"
    }
}

/// The relying party that keys are bound to, and the origins that may use them.
#[derive(Debug, Clone)]
pub struct RelyingParty {
    /// Where the pages of this node are.
    front: Url,
    /// Its host is the relying party id.
    origin: Url,
    related: Vec<Url>,
}

impl RelyingParty {
    /// One host alone, that of the pages.
    #[must_use]
    pub fn alone(front: &Url) -> Self {
        Self { front: front.clone(), origin: front.clone(), related: Vec::new() }
    }

    /// The relying party at `origin`, with the hosts of `related`, as a node with its pages at `front` sees it.
    ///
    /// # Errors
    /// [`RelatedError`], where browsers would not do what is asked for.
    pub fn new(front: &Url, origin: &Url, related: &[Url]) -> Result<Self, RelatedError> {
        let mut labels: Vec<&str> = Vec::new();
        for url in related {
            let name = url.domain().and_then(psl::domain_str).and_then(|domain| domain.split('.').next());
            let label = name.ok_or_else(|| RelatedError::Nameless(written(url)))?;
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        if labels.len() > MOST_LABELS {
            return Err(RelatedError::TooMany(labels.len()));
        }
        let party = Self { front: front.clone(), origin: origin.clone(), related: related.to_vec() };
        if party.origins().all(|known| known.origin() != front.origin()) {
            return Err(RelatedError::Unrelated { front: written(front), party: written(origin) });
        }
        Ok(party)
    }

    /// The origin whose host keys are bound to.
    pub(super) fn origin(&self) -> &Url {
        &self.origin
    }

    /// Every origin that may use the keys, its own first.
    pub(super) fn origins(&self) -> impl Iterator<Item = &Url> {
        std::iter::once(&self.origin).chain(&self.related)
    }

    /// Whether browsers ask this node for the list.
    pub(super) fn is_asked_here(&self) -> bool {
        !self.related.is_empty() && self.front.origin() == self.origin.origin()
    }
}

/// `GET /.well-known/webauthn`, on the relying party's own host alone.
pub(super) async fn list(
    State(keys): State<Arc<SecurityKeys>>,
    request: Request<axum::body::Body>,
) -> Response {
    let party = keys.parts.ceremonies.relying_party();
    if serve::host(&request).is_none_or(|host| Some(host) != party.origin.host_str()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let origins: Vec<_> = party.related.iter().map(written).collect();
    Json(json!({ "origins": origins })).into_response()
}

/// As browsers write it.
fn written(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(front: &str, related: &[&str]) -> Result<RelyingParty, RelatedError> {
        let url = |text: &str| Url::parse(text).unwrap();
        let related: Vec<_> = related.iter().copied().map(url).collect();
        RelyingParty::new(&url(front), &url("https://id.ght.example"), &related)
    }

    #[test]
    fn browsers_read_five_names_before_the_public_suffix_and_so_do_we() {
        let five =
            ["https://a.one.example", "https://two.example", "https://id.three.fr", "https://four.gouv.fr"];
        // Hosts of one name, under whatever suffix, count once.
        let mut origins = five.to_vec();
        origins.extend([
            "https://id.five.fr",
            "https://other.five.fr:8443",
            "https://five.gouv.fr",
            "https://five.com",
        ]);
        assert!(party("https://id.ght.example", &origins).is_ok());
        origins.push("https://six.example");
        assert_eq!(party("https://id.ght.example", &origins).unwrap_err(), RelatedError::TooMany(6));
    }

    #[test]
    fn what_no_browser_would_do_is_refused_at_the_start() {
        for nameless in ["https://192.0.2.1", "https://[2001:db8::1]", "https://gouv.fr", "https://example"] {
            let refused = party("https://id.ght.example", &[nameless]).unwrap_err();
            assert!(matches!(refused, RelatedError::Nameless(_)), "{nameless}: {refused}");
        }
        let clinic = &["https://id.clinique.example"][..];
        assert!(party("https://id.clinique.example", clinic).is_ok());
        for elsewhere in [
            "https://id.clinique.example:8443",
            "http://id.clinique.example",
            "https://clinique.example",
            "https://x.id.clinique.example",
            "https://badid.clinique.example",
            "https://id.other.example",
        ] {
            let refused = party(elsewhere, clinic).unwrap_err();
            assert!(matches!(refused, RelatedError::Unrelated { .. }), "{elsewhere}: {refused}");
        }
    }

    #[test]
    fn the_list_is_asked_of_the_relying_partys_own_host() {
        let clinic = &["https://id.clinique.example"][..];
        assert!(party("https://id.ght.example", clinic).unwrap().is_asked_here());
        assert!(!party("https://id.clinique.example", clinic).unwrap().is_asked_here());
        assert!(!party("https://id.ght.example", &[]).unwrap().is_asked_here(), "there is none");
    }
}
