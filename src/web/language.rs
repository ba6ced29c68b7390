//! The language of a page: what the relying party asked (`ui_locales`, OpenID Connect Core §3.1.2.1), else what the
//! browser prefers (`Accept-Language`, RFC 9110 §12.5.4), else French.
//!
//! Never a cookie and never a redirect: the choice is a pure function of the request.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::{header, request::Parts};

/// A language the pages exist in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    #[default]
    French,
    English,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::French, Self::English];

    /// The BCP 47 tag, as in `<html lang>`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::French => "fr",
            Self::English => "en",
        }
    }

    /// The first known language of `ui_locales` (space separated, by preference), else the best of `Accept-Language`,
    /// else French.
    pub fn choose(ui_locales: Option<&str>, accept_language: Option<&str>) -> Self {
        let asked = ui_locales.unwrap_or_default().split_ascii_whitespace().find_map(Self::from_tag);
        asked.or_else(|| accept_language.and_then(Self::accepted)).unwrap_or_default()
    }

    /// Only the primary subtag counts: `fr-CA` is French.
    fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }

    fn accepted(header: &str) -> Option<Self> {
        let mut best: Option<(Self, f32)> = None;
        for range in header.split(',').take(20) {
            let mut parts = range.trim().split(';');
            let Some(language) = parts.next().and_then(|tag| Self::from_tag(tag.trim())) else { continue };
            let weight = parts
                .find_map(|parameter| parameter.trim().strip_prefix("q="))
                .map_or(Some(1.0), |q| q.parse::<f32>().ok())
                .filter(|q| (0.0..=1.0).contains(q));
            let Some(weight) = weight.filter(|q| *q > 0.0) else { continue };
            // On equal weights the first named wins, as browsers list by preference.
            if best.is_none_or(|(_, q)| weight > q) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }
}

/// From the request itself. A page of a login transaction uses [`Language::choose`] with the transaction's
/// `ui_locales` instead.
impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

impl Language {
    /// The language of a request: its query's `ui_locales`, else its `Accept-Language`.
    pub fn of(parts: &Parts) -> Self {
        let accept = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self::of_query(parts.uri.query()).unwrap_or_else(|| Self::choose(None, accept))
    }

    /// The first known language of the query's `ui_locales`: what the switch at the foot of a page asks for.
    pub fn of_query(query: Option<&str>) -> Option<Self> {
        let query = query.unwrap_or_default().as_bytes();
        let (_, ui_locales) = form_urlencoded::parse(query).find(|(name, _)| name == "ui_locales")?;
        ui_locales.split_ascii_whitespace().find_map(Self::from_tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relying_party_then_browser_then_french() {
        use Language::{English, French};
        for (ui_locales, accept, expected) in [
            (None, None, French),
            (Some("en"), Some("fr"), English),
            (Some("de en-GB fr"), None, English),
            (Some("de"), Some("en"), English),
            (Some(""), Some("en-US,en;q=0.9,fr;q=0.8"), English),
            (None, Some("fr;q=0.2, en;q=0.7"), English),
            (None, Some("fr, en"), French),
            (None, Some("en;q=0, fr;q=0.1"), French),
            (None, Some("en;q=nonsense, de"), French),
            (None, Some("EN_us"), English),
        ] {
            assert_eq!(Language::choose(ui_locales, accept), expected, "{ui_locales:?} {accept:?}");
        }
    }

    #[test]
    fn reads_the_query() {
        let parts = |uri: &str| {
            let request =
                http::Request::get(uri).header("accept-language", "fr").body(()).expect("a request");
            request.into_parts().0
        };
        assert_eq!(Language::of(&parts("/auth?ui_locales=en%20fr")), Language::English);
        assert_eq!(Language::of(&parts("/auth")), Language::French);
        assert_eq!(Language::of(&parts("/auth?ui_locales=de")), Language::French);
        assert_eq!(Language::of_query(None), None);
    }
}
