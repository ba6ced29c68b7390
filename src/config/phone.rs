//! `[phone]`: phones that answer for their persons.

use chrono::TimeDelta;
use ipnet::IpNet;
use url::Url;

use super::card::CardAcr;
use super::reader::Section;

/// The push services of the browsers that people have: Chrome, Firefox, Safari, Edge.
const BROWSERS: [&str; 4] =
    ["fcm.googleapis.com", "updates.push.services.mozilla.com", "*.push.apple.com", "*.notify.windows.com"];

/// Phones that answer for their persons.
#[derive(Debug, Clone)]
pub struct Phone {
    /// Whether there are any.
    pub enabled: bool,
    /// The level that an answer reaches at most.
    pub level: CardAcr,
    /// For how long a phone is good.
    pub life: TimeDelta,
    /// The networks of the establishment.
    pub networks: Vec<IpNet>,
    /// Whether a phone answers for any browser anywhere.
    pub anywhere: bool,
    /// How they are woken; absent: they are not.
    pub push: Option<Push>,
}

/// How phones are woken (Web Push).
#[derive(Debug, Clone)]
pub struct Push {
    /// Whom a push service writes to where something is wrong with what we send: `mailto:` or `https:`. Absent: the
    /// address of the pages says who we are.
    pub contact: Option<String>,
    /// The push services that are called.
    pub services: Vec<PushService>,
}

/// A push service, by its host. It is called by https.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushService {
    /// Its name, in lower case.
    host: String,
    /// Whether every host below that name is meant instead.
    is_below: bool,
    port: u16,
}

impl std::str::FromStr for PushService {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no host of a push service; write \"push.example\" or \"*.push.example\"");
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?),
            None => (text, 443),
        };
        let (is_below, host) = name.strip_prefix("*.").map_or((false, name), |host| (true, host));
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        // Below a whole top-level domain anybody has a host.
        let is_narrow = !is_below || host.contains('.');
        if host.parse::<std::net::IpAddr>().is_ok() || !host.split('.').all(is_label) || !is_narrow {
            return Err(wrong());
        }
        Ok(Self { host: host.to_ascii_lowercase(), is_below, port })
    }
}

impl PushService {
    /// Whether that address is one of this service.
    #[must_use]
    pub fn serves(&self, address: &Url) -> bool {
        let named = address.domain().is_some_and(|name| match self.is_below {
            true => {
                name.strip_suffix(&self.host).is_some_and(|below| below.len() > 1 && below.ends_with('.'))
            }
            false => name == self.host,
        });
        named && address.scheme() == "https" && address.port_or_known_default() == Some(self.port)
    }

    /// Where it answers, if it is one host.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        (!self.is_below).then(|| format!("https://{}:{}/", self.host, self.port))
    }
}

impl std::fmt::Display for PushService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let below = if self.is_below { "*." } else { "" };
        write!(f, "{below}{}", self.host)?;
        if self.port == 443 { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl Push {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let contact = section.text("contact", contact);
        let services = section.list("hosts", str::parse);
        let browsers = || BROWSERS.iter().filter_map(|host| host.parse().ok()).collect();
        let push = Self { contact, services: services.unwrap_or_else(browsers) };
        section.flag("enabled").unwrap_or(false).then_some(push)
    }
}

/// RFC 8292 §2.1: a `mailto:` or an `https:` address.
fn contact(text: &str) -> Result<String, String> {
    let is_mail = text.strip_prefix("mailto:").is_some_and(|mail| {
        mail.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
    });
    let is_page = Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.host().is_some());
    let is_plain = text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic());
    match is_plain && (is_mail || is_page) {
        true => Ok(text.to_owned()),
        false => Err("must be \"mailto:dsi@hopital.example\" or an https address".into()),
    }
}

impl Phone {
    /// Whether people can be asked for a browser that they have not used before.
    #[must_use]
    pub fn has_anywhere_to_ask(&self) -> bool {
        self.anywhere || !self.networks.is_empty()
    }

    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let network =
            |text: &str| text.parse::<IpNet>().map_err(|_| "must be networks such as \"10.0.0.0/8\"".into());
        let networks = section.list("networks", network).unwrap_or_default();
        let years = TimeDelta::days(1)..=TimeDelta::days(3 * 365);
        // Neither a number nor a code resists phishing: high is never reached.
        let level = section.text("level", CardAcr::parse).unwrap_or(CardAcr::Eidas1);
        if level == CardAcr::Eidas3 {
            section.refuse(
                "level",
                "must be \"eidas1\" or \"eidas2\": an answer on a phone does not resist phishing",
            );
        }
        Self {
            enabled: section.flag("enabled").unwrap_or(false),
            level,
            life: section.span("life", years).unwrap_or(TimeDelta::days(3 * 365)),
            networks,
            anywhere: section.flag("anywhere").unwrap_or(false),
            push: section.section("push", "phone.push").and_then(|mut section| Push::read(&mut section)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serves(service: &str, address: &str) -> bool {
        service.parse::<PushService>().unwrap().serves(&Url::parse(address).unwrap())
    }

    #[test]
    fn a_push_service_is_a_host_by_https_and_no_other() {
        assert!(serves("fcm.googleapis.com", "https://fcm.googleapis.com/fcm/send/x"));
        assert!(serves("*.notify.windows.com", "https://wns2-par02p.notify.windows.com/w/?token=x"));
        assert!(serves("push.example:8443", "https://PUSH.example:8443/x"));
        for (service, address) in [
            ("fcm.googleapis.com", "http://fcm.googleapis.com/x"),
            ("fcm.googleapis.com", "https://fcm.googleapis.com:8443/x"),
            ("fcm.googleapis.com", "https://fcm.googleapis.com.evil.example/x"),
            ("fcm.googleapis.com", "https://evil.example/fcm.googleapis.com"),
            ("fcm.googleapis.com", "https://fcm.googleapis.com@evil.example/x"),
            ("*.push.apple.com", "https://push.apple.com/x"),
            ("*.push.apple.com", "https://evilpush.apple.com/x"),
            ("*.push.apple.com", "https://.push.apple.com/x"),
            ("push.example:8443", "https://push.example/x"),
            ("localhost", "https://127.0.0.1/x"),
        ] {
            assert!(!serves(service, address), "{service} {address}");
        }
        for wrong in
            ["", "*", "*.com", "10.0.0.1", "https://push.example", "push.example:0", "a..b", "*.*.b.c", "a/b"]
        {
            assert!(wrong.parse::<PushService>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn whom_a_push_service_writes_to_is_an_address() {
        for good in ["mailto:dsi@hopital.example", "https://hopital.example/dsi"] {
            assert_eq!(contact(good).as_deref(), Ok(good));
        }
        for wrong in
            ["dsi@hopital.example", "mailto:", "mailto:dsi", "http://hopital.example", "mailto:a b@c.d", ""]
        {
            assert!(contact(wrong).is_err(), "{wrong}");
        }
    }
}
