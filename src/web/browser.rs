//! Browsers that people are known to use: a cookie that stays, and what a browser is in words of ours.
//!
//! A hospital gets from it the mail "somebody signed in with your card in a browser that you have not used before", and the
//! ground for rules that look at it. The cookie proves nobody: it opens no session and replaces no proof.
//!
//! Never: words that a browser says of itself in a mail or a rule, for whoever sits there chooses them.

use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue};

use super::cookies;
use crate::audit::Caller;
use crate::crypto::digest::sha256;
use crate::ids::{PersonId, Random, Secret};
use crate::store::known_browser::{self, SeenBrowser};
use crate::store::notice::Place;
use crate::store::{Db, StoreError};

/// How long a browser remembers us at most (RFC 6265bis §5.5).
pub const REMEMBERED: TimeDelta = TimeDelta::days(400);

/// Names that browsers give themselves, and what we call them: the first that fits, since most name several.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrom", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// The cookie of a browser, whose time begins anew at each use; another one for a browser that has none yet.
#[must_use]
pub fn introduce(headers: &HeaderMap, random: &dyn Random) -> Option<HeaderValue> {
    let cookie = cookies::browser();
    let value = cookie.read(headers).unwrap_or_else(|| Secret::of_256_bits(random));
    cookie.set(&value, Some(REMEMBERED)).ok()
}

/// The browser in which `person` signs in.
#[must_use]
pub fn seen(person: PersonId, headers: &HeaderMap, caller: &Caller) -> SeenBrowser {
    SeenBrowser { hash: hash(headers).map(|hash| of_person(person, &hash)), place: place(caller) }
}

/// SHA-256 of the cookie of this browser, where it has one.
#[must_use]
pub fn hash(headers: &HeaderMap) -> Option<[u8; 32]> {
    cookies::browser().read(headers).map(|cookie| sha256(cookie.expose().as_bytes()))
}

/// What a person knows the browser with that [`hash`] by.
#[must_use]
pub fn of_person(person: PersonId, hash: &[u8]) -> [u8; 32] {
    sha256(&[person.0.as_bytes(), hash].concat())
}

/// Whether a person has used the browser with that [`hash`] with a card or a key.
///
/// # Errors
/// [`StoreError`].
pub async fn is_known(db: &Db, person: PersonId, hash: Option<&[u8]>) -> Result<bool, StoreError> {
    match hash {
        Some(hash) => known_browser::is_known(db, person, of_person(person, hash)).await,
        None => Ok(false),
    }
}

/// Where a request comes from, in words of ours.
#[must_use]
pub fn place(caller: &Caller) -> Place {
    let browser = caller.user_agent.as_deref().map(in_words).unwrap_or_default();
    Place { zone: caller.zone.clone().unwrap_or_default(), browser }
}

/// `Firefox (Windows)`; empty for a browser that nobody knows.
fn in_words(user_agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} ({system})"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;
    use http::header;
    use uuid::Uuid;

    fn with(cookie: &'static str) -> HeaderMap {
        [(header::COOKIE, HeaderValue::from_static(cookie))].into_iter().collect()
    }

    #[test]
    fn browsers_are_named_in_our_words_and_never_in_theirs() {
        for (said, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox (Linux)"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 \
                 Safari/537.36 Edg/140.0",
                "Edge (Windows)",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari (iOS)",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36",
                "Chrome (Android)",
            ),
            ("Ce n'est rien, appelez le 01 23 45 67 89", ""),
            ("Firefox\r\nBcc: all@example", "Firefox"),
        ] {
            assert_eq!(in_words(said), words, "{said}");
        }
    }

    #[test]
    fn a_browser_keeps_its_cookie_and_is_known_to_each_person_apart() {
        let cookie = introduce(&HeaderMap::new(), &SystemRandom).unwrap();
        let line = cookie.to_str().unwrap();
        assert!(
            line.starts_with("__Host-browser=") && line.contains("; Max-Age=34560000; Path=/; Secure"),
            "{line}"
        );
        let again = introduce(&with("__Host-browser=abc"), &SystemRandom).unwrap();
        assert!(again.to_str().unwrap().starts_with("__Host-browser=abc; Max-Age=34560000;"), "renewed");
        let [one, other] = [1, 2].map(|n| PersonId(Uuid::from_u128(n)));
        let hash = |person, headers: &HeaderMap| seen(person, headers, &Caller::default()).hash;
        assert_eq!(hash(one, &with("__Host-browser=abc")), hash(one, &with("a=b; __Host-browser=abc")));
        assert_ne!(hash(one, &with("__Host-browser=abc")), hash(other, &with("__Host-browser=abc")));
        assert_ne!(hash(one, &with("__Host-browser=abc")), hash(one, &with("__Host-browser=abd")));
        assert_eq!(hash(one, &with("browser=abc")), None, "a neighbour's cookie is none of ours");
    }
}
