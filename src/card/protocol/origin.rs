//! Web origins, compared byte for byte.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::ProtocolError;

/// An origin in the one spelling that browsers send: `https://sceau.example.org`, `http://localhost:8080`.
///
/// Two origins are equal if their text is equal. Plain HTTP is accepted for this machine's own names only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin(String);

impl WebOrigin {
    /// Reads an origin in its canonical spelling; anything else (a path, a default port, capitals) is refused.
    pub fn parse(text: &str) -> Result<Self, ProtocolError> {
        let refused = || ProtocolError::Origin(text.chars().take(200).collect());
        let url = Url::parse(text).map_err(|_| refused())?;
        let acceptable = match url.scheme() {
            "https" => url.host().is_some(),
            "http" => is_this_machine(&url),
            _ => false,
        };
        if !acceptable || url.origin().ascii_serialization() != text {
            return Err(refused());
        }
        Ok(Self(text.to_owned()))
    }

    /// The origin of an address as a person types it: `sceau.example.org`, `https://sceau.example.org/`.
    pub fn of_address(typed: &str) -> Result<Self, ProtocolError> {
        let typed = typed.trim();
        let address = if typed.contains("://") { typed.to_owned() } else { format!("https://{typed}") };
        let url =
            Url::parse(&address).map_err(|_| ProtocolError::Origin(typed.chars().take(200).collect()))?;
        Self::parse(&url.origin().ascii_serialization())
    }

    /// The origin as browsers write it, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of `path` (which begins with `/`) at this origin.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// Names that browsers and resolvers keep on this machine.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = ProtocolError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<WebOrigin> for String {
    fn from(origin: WebOrigin) -> Self {
        origin.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spelling_of_browsers_is_an_origin() {
        for good in [
            "https://sceau.chu.example",
            "https://sceau.chu.example:8443",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
        ] {
            assert_eq!(WebOrigin::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "null",
            "",
            "https://sceau.chu.example/",
            "https://Sceau.chu.example",
            "https://sceau.chu.example:443",
            "http://sceau.chu.example",
            "http://10.0.0.1",
            "ftp://sceau.chu.example",
            "https://a@sceau.chu.example",
            "https://sceau.chu.example?x",
            "http://localhost.evil.example",
            "file:///etc",
            "https://é.example",
        ] {
            assert!(WebOrigin::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_a_person_types_is_brought_to_that_spelling() {
        for typed in
            ["sceau.chu.example", " https://sceau.chu.example/ ", "HTTPS://Sceau.CHU.example:443/auth"]
        {
            assert_eq!(WebOrigin::of_address(typed).unwrap().as_str(), "https://sceau.chu.example");
        }
        assert!(WebOrigin::of_address("http://sceau.chu.example").is_err());
    }
}
