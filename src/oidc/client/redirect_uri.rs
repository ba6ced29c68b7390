//! Redirect addresses: what may be registered, and what a request's is compared with.
//!
//! Compared character by character (RFC 9700 §2.1), as PSC does. Two exceptions: PSC's sandbox knows `*` at the end, which is
//! honoured where the installation says it is a sandbox and can be registered nowhere else; and a native application of the
//! profile `standard` listens on whatever port is free of this machine (RFC 8252 §7.3).

use url::{Host, Url};

use crate::oidc::profile;
use crate::store::client::Client;

/// Why an address cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// No absolute address.
    #[error("{0:?} is not an absolute address such as https://service.hopital.example/callback")]
    NotAbsolute(String),
    /// With `#`.
    #[error("{0:?} has a fragment (#…): leave it out")]
    Fragment(String),
    /// `http` to another machine.
    #[error("{0:?} is not protected: use https (http is accepted for this machine only)")]
    Unprotected(String),
    /// A scheme that runs in the browser.
    #[error("{0:?} has a scheme that a browser would run or show instead of calling the service")]
    Scheme(String),
    /// With user name or password.
    #[error("{0:?} holds a user name or password: leave it out")]
    Credentials(String),
    /// With `*`.
    #[error("{0:?} has a *: that is for sandboxes only")]
    Wildcard(String),
    /// With characters that no address holds.
    #[error("{0:?} holds a blank or a character that must be percent-encoded")]
    Characters(String),
}

impl RegistrationError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        "OIDC-080"
    }
}

/// Whether `asked` is one of the client's addresses.
pub fn is_of(client: &Client, asked: &str, sandbox: bool) -> bool {
    let is_native = client.metadata.application_type.as_deref() == Some("native");
    let any_port = is_native && profile::of(client).rules().loopback_ports;
    is_registered(&client.redirect_uris, asked, sandbox)
        || (any_port && client.redirect_uris.iter().any(|known| matches_but_port(known, asked)))
}

/// Whether `asked` is one of the registered addresses.
pub fn is_registered(registered: &[String], asked: &str, sandbox: bool) -> bool {
    registered.iter().any(|known| known == asked || (sandbox && matches_wildcard(known, asked)))
}

/// Whether both are addresses of this machine, by its number, that differ in their port only (RFC 8252 §7.3, §8.3: a name
/// such as `localhost` may lead elsewhere).
fn matches_but_port(known: &str, asked: &str) -> bool {
    without_port(known).is_some_and(|known| without_port(asked) == Some(known))
}

/// Host and rest of a loopback address, taken apart as text: what no parser reads, no two parsers read differently.
fn without_port(address: &str) -> Option<(&'static str, &str)> {
    let (host, after) = ["http://127.0.0.1", "http://[::1]"]
        .into_iter()
        .find_map(|host| address.strip_prefix(host).map(|after| (host, after)))?;
    let rest = match after.strip_prefix(':') {
        None => after,
        Some(after) => {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (port, rest) = after.split_at_checked(digits)?;
            port.parse::<u16>().ok().filter(|port| *port != 0 && !after.starts_with('0'))?;
            rest
        }
    };
    rest.starts_with('/').then_some((host, rest))
}

fn matches_wildcard(known: &str, asked: &str) -> bool {
    // The part before `*` must hold a path, so that it cannot match another host; and an address that browsers and
    // URL parsers would understand differently matches nothing.
    let Some(prefix) = known.strip_suffix('*') else { return false };
    let has_path = prefix.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    has_path
        && asked.starts_with(prefix)
        && !asked.contains(['#', '\\', '@'])
        && !asked.contains("..")
        // Browsers take `%2e` for a dot.
        && !asked.to_ascii_lowercase().contains("%2e")
        && asked.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether the address may be registered.
///
/// # Errors
/// [`RegistrationError`].
pub fn check_registration(address: &str, sandbox: bool) -> Result<(), RegistrationError> {
    let owned = || address.to_owned();
    if !address.bytes().all(|b| b.is_ascii_graphic()) || address.contains(['\\', '"', '<', '>']) {
        return Err(RegistrationError::Characters(owned()));
    }
    if address.contains('*') && !(sandbox && address.ends_with("/*")) {
        return Err(RegistrationError::Wildcard(owned()));
    }
    let url = Url::parse(address).map_err(|_| RegistrationError::NotAbsolute(owned()))?;
    if url.fragment().is_some() {
        return Err(RegistrationError::Fragment(owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(RegistrationError::Credentials(owned()));
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(()),
        "http" if is_this_machine(&url) => Ok(()),
        "http" => Err(RegistrationError::Unprotected(owned())),
        "javascript" | "data" | "blob" | "file" | "about" | "filesystem" | "vbscript" | "ws" | "wss"
        | "ftp" => Err(RegistrationError::Scheme(owned())),
        // Private-use schemes of applications hold a dot (RFC 8252 §7.1).
        scheme if scheme.contains('.') => Ok(()),
        _ => Err(RegistrationError::Scheme(owned())),
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_character_by_character() {
        let registered = ["https://rp.example/cb?x=1".to_owned(), "http://localhost:4200/*".to_owned()];
        let known = |asked| is_registered(&registered, asked, false);
        assert!(known("https://rp.example/cb?x=1"));
        for other in [
            "https://rp.example/cb?x=1&y=2",
            "https://rp.example/cb?x=1/",
            "https://RP.example/cb?x=1",
            "https://rp.example:443/cb?x=1",
            "https://rp.example/CB?x=1",
            "http://localhost:4200/cb",
            "",
        ] {
            assert!(!known(other), "{other}");
        }
    }

    #[test]
    fn the_sandbox_knows_a_wildcard_at_the_end_of_a_path() {
        let registered = ["http://localhost:4200/*".to_owned(), "https://rp.example*".to_owned()];
        let known = |asked| is_registered(&registered, asked, true);
        assert!(known("http://localhost:4200/cb?x=1"));
        for hostile in [
            "https://rp.example.evil.example/",
            "https://rp.example@evil.example/",
            "http://localhost:4200/../evil",
            "http://localhost:4200/%2E%2e/evil",
            "http://localhost:4200/cb#x",
            "http://localhost:4200/\\evil",
            "http://localhost:42000/cb",
            "http://localhost:4200/a\r\nSet-Cookie: x",
        ] {
            assert!(!known(hostile), "{hostile}");
        }
    }

    #[test]
    fn of_an_address_of_this_machine_the_port_may_be_another_and_nothing_else() {
        for known in ["http://127.0.0.1/cb?x=1", "http://127.0.0.1:3000/cb?x=1"] {
            for good in
                ["http://127.0.0.1/cb?x=1", "http://127.0.0.1:1/cb?x=1", "http://127.0.0.1:65535/cb?x=1"]
            {
                assert!(matches_but_port(known, good), "{good}");
            }
            for bad in [
                "http://127.0.0.1:65536/cb?x=1",
                "http://127.0.0.1:0/cb?x=1",
                "http://127.0.0.1:080/cb?x=1",
                "http://127.0.0.1:/cb?x=1",
                "http://127.0.0.1:80@evil.example/cb?x=1",
                "http://127.0.0.1:80.evil.example/cb?x=1",
                "http://127.0.0.1.evil.example/cb?x=1",
                "http://127.0.0.1@evil.example/cb?x=1",
                "http://127.0.0.2:80/cb?x=1",
                "http://127.1:80/cb?x=1",
                "http://[::1]:80/cb?x=1",
                "http://localhost:80/cb?x=1",
                "https://127.0.0.1:80/cb?x=1",
                "HTTP://127.0.0.1:80/cb?x=1",
                "http://127.0.0.1:80/cb?x=2",
                "http://127.0.0.1:80/CB?x=1",
                "http://127.0.0.1:80/cb/?x=1",
                "http://127.0.0.1:80/../cb?x=1",
                "http://127.0.0.1:80/cb?x=1#y",
                "http://127.0.0.1:80\\cb?x=1",
            ] {
                assert!(!matches_but_port(known, bad), "{bad}");
            }
        }
        assert!(matches_but_port("http://[::1]/cb", "http://[::1]:5000/cb"));
        assert!(!matches_but_port("http://localhost/cb", "http://localhost:5000/cb"));
        assert!(!matches_but_port("https://rp.example/cb", "https://rp.example:8443/cb"));
    }

    #[test]
    fn only_addresses_that_cannot_hurt_are_registered() {
        for good in
            ["https://rp.example/cb", "http://127.0.0.1:8081/cb", "http://[::1]/cb", "fr.example.app:/cb"]
        {
            assert_eq!(check_registration(good, false), Ok(()), "{good}");
        }
        for bad in [
            "/cb",
            "https://rp.example/cb#x",
            "http://rp.example/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "app:/cb",
            "https://u:p@rp.example/",
            "https://rp.example/*",
            "https://rp.example/\r\nx",
            "https://rp.example/é",
            "https:///cb cd",
        ] {
            assert!(check_registration(bad, false).is_err(), "{bad}");
        }
        assert_eq!(check_registration("http://localhost:4200/*", true), Ok(()));
        assert!(check_registration("https://rp.example*", true).is_err());
        assert!(check_registration("https://*.example/cb", true).is_err());
    }
}
