//! Response headers of pages.
//!
//! What a hospital gets: a page that no other site can frame, script, or read the address of, even if a flaw lets text
//! of a stranger into it. Content Security Policy Level 3 without inline script or style, Cross-Origin-Opener-Policy,
//! Referrer Policy, Permissions Policy, RFC 6797 (HSTS) when the site is on https.
//!
//! Never: a nonce, a hash, `unsafe-inline`, or a source other than our own host.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

/// What no page may use; security keys, which those may that ask for them; and the camera, which the phone scans with.
macro_rules! permissions {
    ($keys:literal, $camera:literal) => {
        concat!(
            "camera=", $camera, ", display-capture=(), geolocation=(), hid=(), microphone=(), midi=(), payment=(), serial=(), usb=(), \
             publickey-credentials-create=", $keys, ", publickey-credentials-get=", $keys
        )
    };
}

/// What one page may do beyond showing itself.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The page has scripts of ours.
    pub scripts: bool,
    /// They call our own endpoints.
    pub calls: bool,
    /// The page shows images of ours. Off on the agent's pages, which have none.
    pub images: bool,
    /// Where forms may go besides the page's own origin, redirects included (Chromium checks the whole chain).
    /// Entries come from [`form_target`].
    pub form_targets: Vec<String>,
    /// Whose pages it shows in frames. Entries come from [`form_target`].
    pub frames: Vec<String>,
    /// The page opens the agent in a popup: `same-origin-allow-popups`, and its origin is told to the agent.
    pub opens_agent: bool,
    /// A form of the page posts to another site, which is told our origin and nothing of the address.
    pub tells_origin: bool,
    /// The page asks for security keys.
    pub keys: bool,
    /// The page is the application of the phone: it has a manifest and a worker of ours, and looks through the camera.
    pub application: bool,
    /// The site is reached by https, so browsers are told to stay there.
    pub https: bool,
}

impl Policy {
    /// The headers, complete: whatever is absent from a `Policy` is denied.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(header::CACHE_CONTROL, "no-store");
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        let opener = if self.opens_agent { "same-origin-allow-popups" } else { "same-origin" };
        set(HeaderName::from_static("cross-origin-opener-policy"), opener);
        set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        // Not `no-referrer`: with it a form would post `Origin: null`, also to ourselves, and `csrf` would refuse it.
        set(
            header::REFERRER_POLICY,
            if self.opens_agent || self.tells_origin { "origin" } else { "same-origin" },
        );
        set(
            HeaderName::from_static("permissions-policy"),
            match (self.keys, self.application) {
                (true, true) => permissions!("(self)", "(self)"),
                (true, false) => permissions!("(self)", "()"),
                (false, _) => permissions!("()", "()"),
            },
        );
        if self.https {
            set(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains");
        }
        let policy = HeaderValue::from_str(&self.content_security())
            .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers
    }

    fn content_security(&self) -> String {
        let mut policy =
            String::from("default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'");
        if self.scripts {
            policy.push_str("; script-src 'self'; require-trusted-types-for 'script'");
        }
        if self.calls {
            policy.push_str("; connect-src 'self'");
        }
        if self.images {
            policy.push_str("; img-src 'self'");
        }
        if self.application {
            policy.push_str("; manifest-src 'self'; worker-src 'self'; trusted-types phone-worker");
        }
        if !self.frames.is_empty() {
            policy.push_str("; frame-src");
            for source in &self.frames {
                policy.push(' ');
                policy.push_str(source);
            }
        }
        policy.push_str("; form-action 'self'");
        for target in &self.form_targets {
            policy.push(' ');
            policy.push_str(target);
        }
        policy
    }
}

/// The CSP source for an address a form may end at: its origin, or its scheme for an application's private scheme.
/// `None` for what no form should ever reach, so that a strange registration cannot widen the policy.
pub fn form_target(address: &Url) -> Option<String> {
    match address.scheme() {
        // The grammar of CSP has no IPv6 address, so only its scheme can be named.
        scheme @ ("http" | "https") => match address.host()? {
            url::Host::Ipv6(_) => Some(format!("{scheme}:")),
            // URLs allow characters in a host name that end a source or a directive: `;`, `,`, `'`, …
            url::Host::Domain(name) if !name.bytes().all(is_of_host_name) => None,
            _ => Some(address.origin().ascii_serialization()),
        },
        "javascript" | "data" | "blob" | "file" | "about" | "filesystem" => None,
        scheme => Some(format!("{scheme}:")),
    }
}

fn is_of_host_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csp(policy: &Policy) -> String {
        policy.headers()["content-security-policy"].to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn a_plain_page_can_do_nothing() {
        let policy = Policy::default();
        assert_eq!(
            csp(&policy),
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
        );
        let headers = policy.headers();
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(!headers.contains_key("strict-transport-security"));
    }

    #[test]
    fn no_policy_allows_inline_code() {
        let policy = Policy {
            scripts: true,
            calls: true,
            images: true,
            form_targets: vec!["https://rp.example".into()],
            opens_agent: true,
            tells_origin: true,
            https: true,
            keys: true,
            application: true,
            frames: vec!["https://rp.example".into()],
        };
        assert!(!csp(&policy).contains("unsafe"));
        assert!(csp(&policy).ends_with("form-action 'self' https://rp.example"));
        assert_eq!(policy.headers()["cross-origin-opener-policy"], "same-origin-allow-popups");
        assert_eq!(policy.headers()["referrer-policy"], "origin");
        assert!(policy.headers().contains_key("strict-transport-security"));
    }

    #[test]
    fn only_a_page_that_asks_for_security_keys_may_use_them() {
        let allowed = |keys| {
            let headers = Policy { keys, ..Policy::default() }.headers();
            headers["permissions-policy"].to_str().expect("ASCII").to_owned()
        };
        for (keys, whom) in [(false, "()"), (true, "(self)")] {
            for act in ["create", "get"] {
                let said = format!("publickey-credentials-{act}={whom}");
                assert!(allowed(keys).split(", ").any(|part| part == said), "{}", allowed(keys));
            }
        }
    }

    #[test]
    fn form_targets_are_origins_and_nothing_else() {
        let target = |address: &str| form_target(&Url::parse(address).expect("a URL"));
        assert_eq!(target("https://rp.example:8443/cb?x=1").as_deref(), Some("https://rp.example:8443"));
        assert_eq!(target("http://127.0.0.1:8081/cb").as_deref(), Some("http://127.0.0.1:8081"));
        assert_eq!(target("http://[::1]:8081/cb").as_deref(), Some("http:"));
        assert_eq!(target("fr.example.app:/cb").as_deref(), Some("fr.example.app:"));
        assert_eq!(target("javascript:alert(1)"), None);
        assert_eq!(target("data:text/html,x"), None);
        assert_eq!(target("https://a;script-src-elem.example/cb"), None);
    }

    #[test]
    fn a_forged_target_cannot_add_a_directive() {
        let policy = Policy { form_targets: vec!["x\r\nset-cookie: a=b".into()], ..Policy::default() };
        assert_eq!(csp(&policy), "default-src 'none'; frame-ancestors 'none'");
    }
}
