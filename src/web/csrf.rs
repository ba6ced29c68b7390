//! Forms come from our own pages only.
//!
//! Two checks, each enough against a known browser: the browser says where a request comes from (`Origin`, else
//! `Sec-Fetch-Site`), and a form of a signed-in person carries a token that only our page could know. Applies to every
//! method that is not safe (RFC 9110 §9.2.1), on routes that read a cookie. Never put it on endpoints that
//! authenticate by what the request carries (token, userinfo, the card's return path).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, Method, header};
use url::Url;

use crate::{
    crypto::{constant_time_eq, digest::hmac_sha256},
    ids::Secret,
};

/// Name of the form field that carries the token.
pub const FIELD: &str = "csrf";

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the request comes from another origin")]
    ForeignOrigin,
    #[error("the browser does not say where the request comes from")]
    UnknownOrigin,
    #[error("the form's token is not of this session")]
    Token,
}

impl Refused {
    pub fn code(self) -> &'static str {
        "WEB-001"
    }
}

/// Our own origin, as browsers write it.
#[derive(Clone, Debug)]
pub struct OwnOrigin(String);

impl OwnOrigin {
    /// Of the address under which people reach our pages.
    pub fn of(front_url: &Url) -> Self {
        Self(front_url.origin().ascii_serialization())
    }

    /// Of an origin as browsers write it.
    pub fn named(origin: &str) -> Self {
        Self(origin.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request may change something here.
    ///
    /// # Errors
    /// Not a safe method, and not from one of our own pages.
    pub fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
        if method.is_safe() { Ok(()) } else { self.check_origin(headers) }
    }

    /// Whether a request comes from one of our own pages, whatever its method.
    ///
    /// # Errors
    /// It does not, or does not say.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        if let Some(origin) = origins.next() {
            let ours = origin.as_bytes() == self.0.as_bytes() && origins.next().is_none();
            return if ours { Ok(()) } else { Err(Refused::ForeignOrigin) };
        }
        match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
            Some(b"same-origin") => Ok(()),
            Some(_) => Err(Refused::ForeignOrigin),
            None => Err(Refused::UnknownOrigin),
        }
    }
}

/// The token of a session's forms. It tells nothing about the session's cookie.
pub fn token(session: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(hmac_sha256(session.expose().as_bytes(), b"sceau csrf v1"))
}

/// Whether a form's token is that of this session.
///
/// # Errors
/// It is another's, or none.
pub fn check_token(session: &Secret, given: &str) -> Result<(), Refused> {
    if constant_time_eq(token(session).as_bytes(), given.as_bytes()) { Ok(()) } else { Err(Refused::Token) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn own() -> OwnOrigin {
        OwnOrigin::of(&Url::parse("https://id.hopital.example/").expect("a URL"))
    }

    fn post(headers: &[(&'static str, &'static str)]) -> Result<(), Refused> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        own().check(&Method::POST, &headers)
    }

    #[test]
    fn our_own_form_passes() {
        assert_eq!(post(&[("origin", "https://id.hopital.example")]), Ok(()));
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(own().check(&Method::GET, &HeaderMap::new()), Ok(()));
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        for origin in [
            "https://evil.example",
            "http://id.hopital.example",
            "https://id.hopital.example:8443",
            "https://id.hopital.example.evil.example",
            "https://ID.hopital.example",
            "null",
            "",
        ] {
            assert_eq!(post(&[("origin", origin)]), Err(Refused::ForeignOrigin), "{origin}");
        }
        assert_eq!(post(&[("sec-fetch-site", "same-site")]), Err(Refused::ForeignOrigin));
        assert_eq!(post(&[("sec-fetch-site", "none")]), Err(Refused::ForeignOrigin));
        assert_eq!(post(&[]), Err(Refused::UnknownOrigin));
        // What a page can set does not make up for what the browser says.
        let both = [("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")];
        assert_eq!(post(&both), Err(Refused::ForeignOrigin));
    }

    #[test]
    fn a_token_is_good_for_its_session_only() {
        let (mine, other) = (Secret::from("mine".to_owned()), Secret::from("other".to_owned()));
        assert_eq!(check_token(&mine, &token(&mine)), Ok(()));
        assert_eq!(check_token(&mine, &token(&other)), Err(Refused::Token));
        assert_eq!(check_token(&mine, ""), Err(Refused::Token));
        assert!(!token(&mine).contains("mine"));
    }
}
