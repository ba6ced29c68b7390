//! Cookies that no other host, path or scheme can set or read: the `__Host-` prefix (RFC 6265bis §4.1.3.2).
//!
//! All are `Secure; HttpOnly; Path=/; SameSite=Lax`. Lax and not Strict: a relying party's redirect must find the
//! session. Browsers accept them over plain HTTP on `localhost` and `127.0.0.1`. Nothing is ever stored in a cookie
//! but a random handle, or a mark that says nothing but that it is there.

use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue, header};

use crate::ids::{Secret, TransactionId};

/// The cookie of a browser session.
pub fn session() -> HostCookie {
    HostCookie::named("session")
}

/// The cookie by which a browser is known to people who have signed in in it.
pub fn browser() -> HostCookie {
    HostCookie::named("browser")
}

/// The cookie of a browser that signs out at a provider of others too, until it comes back.
pub fn sign_out() -> HostCookie {
    HostCookie::named("sign-out")
}

/// The mark of a browser in which somebody has said that a session from that provider was not theirs: another may be open
/// there.
pub fn not_me(provider: &str) -> HostCookie {
    HostCookie::named(&format!("not-me-{provider}"))
}

/// The cookie that binds a sign-in on its way to the browser it began in. One each, so that two tabs do not disturb each
/// other.
pub fn transaction(id: TransactionId) -> HostCookie {
    HostCookie::named(&format!("txn-{}", id.0.simple()))
}

/// The sign-ins on their way of a browser, by the names of its cookies: what it says, and no proof.
pub fn transactions(headers: &HeaderMap) -> Vec<TransactionId> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let names =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| Some(pair.trim().split_once('=')?.0));
    names.filter_map(|name| name.strip_prefix("__Host-txn-")?.parse().ok()).collect()
}

/// For how long a mark stays: a working day.
const MARKED: TimeDelta = TimeDelta::hours(12);

/// A value that no cookie can carry.
#[derive(Debug, thiserror::Error)]
#[error("a cookie cannot carry this value")]
pub struct NoCookie;

/// A cookie by its name without the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCookie {
    name: String,
}

impl HostCookie {
    /// `session` is sent as `__Host-session`. The name holds letters, digits, `-` and `_` only; others are dropped.
    pub fn named(name: &str) -> Self {
        let plain = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        Self { name: std::iter::once("__Host-").map(str::to_owned).chain(plain.map(String::from)).collect() }
    }

    /// Its value in a request; `None` also when it is there twice, since a browser sends each `__Host-` cookie once.
    pub fn read(&self, headers: &HeaderMap) -> Option<Secret> {
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name)
            .map(|(_, value)| value);
        let value = values.next().filter(|value| !value.is_empty())?;
        values.next().is_none().then(|| Secret::from(value.to_owned()))
    }

    /// `Set-Cookie` with this value, for `lifetime`, or until the browser ends.
    ///
    /// # Errors
    /// The value holds something other than the characters of base64url.
    pub fn set(&self, value: &Secret, lifetime: Option<TimeDelta>) -> Result<HeaderValue, NoCookie> {
        let value = value.expose();
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Err(NoCookie);
        }
        let age = lifetime.map_or_else(String::new, |age| format!("; Max-Age={}", age.num_seconds().max(0)));
        self.line(value, &age)
    }

    /// `Set-Cookie` of a mark, for as long as a provider of others may hold a session.
    ///
    /// # Errors
    /// None in practice: names are checked when made.
    pub fn set_mark(&self) -> Result<HeaderValue, NoCookie> {
        self.line("1", &format!("; Max-Age={}", MARKED.num_seconds()))
    }

    /// `Set-Cookie` that makes the browser forget it.
    ///
    /// # Errors
    /// None in practice: names are checked when made.
    pub fn clear(&self) -> Result<HeaderValue, NoCookie> {
        self.line("", "; Max-Age=0")
    }

    fn line(&self, value: &str, age: &str) -> Result<HeaderValue, NoCookie> {
        let line = format!("{}={value}{age}; Path=/; Secure; HttpOnly; SameSite=Lax", self.name);
        let mut line = HeaderValue::from_str(&line).map_err(|_| NoCookie)?;
        line.set_sensitive(true);
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn reads_its_own_value_among_others() {
        let session = HostCookie::named("session");
        let found = |lines: &[&'static str]| session.read(&headers(lines)).map(|s| s.expose().to_owned());
        assert_eq!(found(&["a=b; __Host-session=xyz; c=d"]).as_deref(), Some("xyz"));
        assert_eq!(found(&["a=b", "__Host-session=xyz"]).as_deref(), Some("xyz"));
        // A neighbour on another port of this host, or a page over plain HTTP, can set these; never the prefixed name.
        assert_eq!(found(&["session=evil; __host-session=evil; X__Host-session=evil"]), None);
        assert_eq!(found(&["__Host-session=one; __Host-session=two"]), None);
        assert_eq!(found(&["__Host-session="]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn sets_and_clears_with_every_guard() {
        let cookie = HostCookie::named("txn-a");
        let set =
            cookie.set(&Secret::from("v-1_".to_owned()), Some(TimeDelta::minutes(10))).expect("a value");
        assert_eq!(set, "__Host-txn-a=v-1_; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert!(set.is_sensitive(), "kept out of traces");
        let clear = cookie.clear().expect("a line");
        assert_eq!(clear, "__Host-txn-a=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn no_value_and_no_name_can_add_an_attribute() {
        for value in ["", "a; Domain=example.fr", "a\r\nb", "a=b", "é"] {
            assert!(HostCookie::named("x").set(&Secret::from(value.to_owned()), None).is_err(), "{value:?}");
        }
        assert_eq!(HostCookie::named("a=b; c"), HostCookie::named("abc"));
    }
}
