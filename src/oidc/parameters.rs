//! The parameters of a request, from a query or a form (RFC 6749 §3.1, appendix B).
//!
//! A parameter that is there twice is refused: two readers could each take another one. A parameter without a value
//! is as good as absent.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use zeroize::Zeroize as _;

/// More bytes than any request needs.
const LONGEST_FORM: usize = 64 * 1024;
/// More parameters than any request needs.
const MOST: usize = 100;

/// The parameters of one request, in their order. Wiped when dropped: they may be codes, tokens and secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

/// A parameter is there more than once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {0} is there more than once")]
pub struct Duplicate(pub String);

impl Parameters {
    /// From `application/x-www-form-urlencoded`.
    pub fn parse(encoded: &[u8]) -> Self {
        Self(
            form_urlencoded::parse(encoded)
                .take(MOST)
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        )
    }

    /// The value of `name`, unless it is absent or empty. Where it is there twice, the first.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, value)| found == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Every value of `name` that is not empty.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(found, value)| *found == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// The value of `name`, unless it is absent or empty.
    ///
    /// # Errors
    /// [`Duplicate`].
    pub fn one(&self, name: &str) -> Result<Option<&str>, Duplicate> {
        let times = self.0.iter().filter(|(found, _)| found == name).count();
        if times > 1 { Err(Duplicate(name.to_owned())) } else { Ok(self.first(name)) }
    }

    /// The first of `names` that is there more than once.
    ///
    /// # Errors
    /// [`Duplicate`].
    pub fn each_once(&self, names: &[&str]) -> Result<(), Duplicate> {
        names.iter().try_for_each(|name| self.one(name).map(drop))
    }

    /// Whether `name` is there, even without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    /// Those of these names, in their order.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        self.iter().filter(|(name, _)| names.contains(name)).collect()
    }

    /// With one in the place of those of its name.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let others = self.iter().filter(|(other, _)| *other != name);
        others.chain(std::iter::once((name, value))).collect()
    }

    /// Names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// As a query.
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

/// The names only: values may be codes, tokens and secrets.
impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Why a form cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadableForm {
    /// Not `application/x-www-form-urlencoded`.
    MediaType,
    /// Longer than any request needs, or cut off.
    Body,
}

impl IntoResponse for UnreadableForm {
    fn into_response(self) -> Response {
        let (status, description) = match self {
            Self::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the request must be application/x-www-form-urlencoded")
            }
            Self::Body => (StatusCode::PAYLOAD_TOO_LARGE, "the request is too long or incomplete"),
        };
        super::error::json(status, "invalid_request", description)
    }
}

/// Parameters from the query of a GET, or the form of a POST; a POST's query is not read, so that no parameter can
/// come from two places.
impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = UnreadableForm;

    async fn from_request(request: Request, _: &S) -> Result<Self, UnreadableForm> {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(Self::parse(request.uri().query().unwrap_or_default().as_bytes()));
        }
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type =
            media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
        if !media_type.is_empty() && !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(UnreadableForm::MediaType);
        }
        let body = axum::body::to_bytes(request.into_body(), LONGEST_FORM).await;
        let body = body.map_err(|_| UnreadableForm::Body)?;
        if media_type.is_empty() && !body.is_empty() {
            return Err(UnreadableForm::MediaType);
        }
        Ok(Self::parse(&body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_there_once_or_not_at_all() {
        let parameters = Parameters::parse(b"a=1&b=&c=3&c=4&d=%C3%A9+x");
        assert_eq!(parameters.one("a"), Ok(Some("1")));
        assert_eq!(parameters.one("b"), Ok(None), "without a value as good as absent");
        assert_eq!(parameters.one("c"), Err(Duplicate("c".into())));
        assert_eq!(parameters.one("d"), Ok(Some("é x")));
        assert_eq!(parameters.one("e"), Ok(None));
        assert_eq!(parameters.each_once(&["a", "d"]), Ok(()));
        assert_eq!(format!("{parameters:?}"), r#"["a", "b", "c", "c", "d"]"#);
    }
}
