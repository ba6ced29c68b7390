//! `[upstream.NAME]`: the providers of others by which people can sign in here, Pro Santé Connect above all.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::card::CardAcr;
use super::reader::Section;
use super::server::address;

/// The name under which Pro Santé Connect publishes its discovery document.
const PSC_DOCUMENT: &str = "/.well-known/wallet-openid-configuration";
/// The name that the standard gives it (OpenID Connect Discovery 1.0 §4).
const STANDARD_DOCUMENT: &str = "/.well-known/openid-configuration";

/// Claims (OpenID Connect Core §5.1) by which nobody is found.
const NO_IDENTIFIERS: [&str; 9] = [
    "sub",
    "email",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "profile",
    "phone_number",
];

/// Claims that somebody else may have tomorrow.
const PASSING: [&str; 10] = [
    "email",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "upn",
    "phone_number",
    "sid",
];

/// A provider of others.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// What people read on the tab.
    pub label: String,
    /// What it is.
    pub profile: UpstreamProfile,
    /// Its issuer, as it stands in its tokens, character by character.
    pub issuer: String,
    /// The address of its discovery document.
    pub discovery: Url,
    /// What we are called there.
    pub client_id: String,
    /// What we authenticate with there.
    pub credential: UpstreamCredential,
    /// What is asked for, separated by spaces.
    pub scope: String,
    /// The levels that are asked for, separated by spaces; empty: none.
    pub acr_values: String,
    /// The claim that holds a national identifier; none where it tells none.
    pub identifier_claim: Option<String>,
    /// How somebody of it becomes a person here.
    pub link: UpstreamLink,
    /// The level that a sign-in by it reaches at most.
    pub level: CardAcr,
    /// The claim of its ID tokens that somebody is known by for good.
    pub subject_claim: String,
    /// The one tenant of it whose people are taken; none: all are.
    pub tenant: Option<String>,
    /// The claim of its ID tokens that names the tenant.
    pub tenant_claim: String,
    /// Whether a relying party that names it (`kc_idp_hint`) sends people straight to it, past the sign-in page.
    pub direct: bool,
    /// Its application in which people can be asked from the sign-in page (CIBA); none where they are not.
    pub application: Option<UpstreamApplication>,
    /// The services here that exchange access tokens of it for ours, each with the clients there that such tokens were issued
    /// to.
    pub exchange: BTreeMap<String, BTreeSet<String>>,
}

/// The application of a provider, in which its people answer (CIBA).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamApplication {
    /// What people call it.
    pub name: String,
    /// Whether they can be asked on their phone.
    pub mobile: bool,
    /// Whether they can be asked at the card reader of their workstation: of Pro Santé Connect alone.
    pub card: bool,
}

/// What this installation authenticates with at a provider.
#[derive(Debug, Clone)]
pub enum UpstreamCredential {
    /// A secret that both sides have (`client_secret_basic`).
    Secret(SecretString),
    /// A certificate in the handshake (RFC 8705 §2): of IGC-Santé, ORG AUTH_CLI, at Pro Santé Connect.
    Certificate {
        /// The certificate and those above it, PEM.
        certificate: String,
        /// Its key, PEM.
        key: SecretString,
    },
}

/// What a provider of others is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProfile {
    /// Pro Santé Connect, or what behaves as it does.
    Psc,
    /// Any OpenID Provider.
    Standard,
}

/// How somebody whom a provider names becomes a person here, when they come for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamLink {
    /// By the national identifier that it tells: it has proved it.
    Automatic,
    /// They say who they are by a means of ours, in the same sign-in.
    Confirmed,
    /// Somebody of the establishment has said who they are.
    Desk,
}

impl Upstream {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let profile = section
            .text("profile", |text| match text {
                "psc" => Ok(UpstreamProfile::Psc),
                "standard" => Ok(UpstreamProfile::Standard),
                _ => Err("must be \"psc\" or \"standard\"".into()),
            })
            .unwrap_or(UpstreamProfile::Psc);
        let is_psc = profile == UpstreamProfile::Psc;
        let issuer = section.required(
            "issuer",
            "write the issuer as it stands in the provider's discovery document",
            |text| address(text).map(|_| text.to_owned()),
        );
        let discovery = section.text("discovery", address);
        let discovery = discovery.or_else(|| {
            let name = if is_psc { PSC_DOCUMENT } else { STANDARD_DOCUMENT };
            Url::parse(&format!("{}{name}", issuer.as_deref()?.trim_end_matches('/'))).ok()
        });
        let named = |text: &str| match text.trim() {
            "" => Err("must not be empty".to_owned()),
            text => Ok(text.to_owned()),
        };
        let label = section.text("label", named);
        let label = label.or_else(|| is_psc.then(|| "Pro Santé Connect".to_owned()));
        if label.is_none() {
            section.refuse("label", "is missing: write what people read on its tab of the sign-in page");
        }
        let client_id =
            section.required("client_id", "write what this installation is called at the provider", named);
        let credential = credential(section);
        let words = |text: &str| Ok(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
        let scope = section.text("scope", words);
        let scope = scope.unwrap_or_else(|| if is_psc { "scope_all" } else { "profile" }.to_owned());
        let acr_values = section.text("acr_values", words);
        let acr_values = acr_values.unwrap_or_else(|| if is_psc { "eidas1" } else { "" }.to_owned());
        let identifier_claim = section.text("identifier_claim", named);
        let identifier_claim = identifier_claim.or_else(|| is_psc.then(|| "SubjectNameID".to_owned()));
        let link = section.text("link", |text| match text {
            "automatic" => Ok(UpstreamLink::Automatic),
            "confirmed" => Ok(UpstreamLink::Confirmed),
            "desk" => Ok(UpstreamLink::Desk),
            _ => Err("must be \"automatic\", \"confirmed\" or \"desk\"".into()),
        });
        // Of another provider nobody knows here whether it has proved what it tells.
        let link = link.unwrap_or(if is_psc { UpstreamLink::Automatic } else { UpstreamLink::Desk });
        if link == UpstreamLink::Automatic && identifier_claim.is_none() {
            section.refuse(
                "link",
                "\"automatic\" needs identifier_claim: the claim in which the provider tells the national identifier",
            );
        }
        if link == UpstreamLink::Automatic
            && identifier_claim.as_deref().is_some_and(|claim| NO_IDENTIFIERS.contains(&claim))
        {
            section.refuse(
                "identifier_claim",
                "must hold a national identifier: names, mail addresses and the provider's own subjects say nothing of who somebody \
                 is here; name another claim, or write link = \"desk\"",
            );
        }
        let highest = if is_psc { CardAcr::Eidas3 } else { CardAcr::Eidas1 };
        let level = section.text("level", CardAcr::parse).unwrap_or(highest);
        let claim = |text: &str| match named(text)? {
            claim if PASSING.contains(&claim.as_str()) => {
                Err("must be a claim by which somebody is known for good: names and addresses change hands"
                    .to_owned())
            }
            claim => Ok(claim),
        };
        let subject_claim = section.text("subject_claim", claim).unwrap_or_else(|| "sub".to_owned());
        let tenant = section.text("tenant", named);
        // Outside its tenant such a claim is nobody's: an administrator of another one writes what they like.
        if subject_claim != "sub" && tenant.is_none() {
            section.refuse(
                "tenant",
                "is missing: only within one tenant does subject_claim name one person for good",
            );
        }
        let tenant_claim = section.text("tenant_claim", named).unwrap_or_else(|| "tid".to_owned());
        let direct = section.text("hint", |text| match text {
            "tab" => Ok(false),
            "direct" => Ok(true),
            _ => Err("must be \"tab\" or \"direct\"".into()),
        });
        let application = application(section, is_psc, label.as_deref(), identifier_claim.is_some());
        let exchange = section.lists("exchange", named);
        Some(Self {
            label: label?,
            profile,
            issuer: issuer?,
            discovery: discovery?,
            client_id: client_id?,
            credential: credential?,
            scope,
            acr_values,
            identifier_claim,
            link,
            level,
            subject_claim,
            tenant,
            tenant_claim,
            direct: direct.unwrap_or(false),
            application,
            exchange: exchange
                .into_iter()
                .map(|(client, there)| (client, BTreeSet::from_iter(there)))
                .collect(),
        })
    }
}

fn application(
    section: &mut Section<'_>,
    is_psc: bool,
    label: Option<&str>,
    has_identifier: bool,
) -> Option<UpstreamApplication> {
    let is_on = section.flag("ciba").unwrap_or(false);
    let name = section.text("application", |text| match text.trim() {
        "" => Err("must not be empty".to_owned()),
        text => Ok(text.to_owned()),
    });
    let channels = section.list("channels", |text| match text {
        "MOBILE" => Ok(false),
        "CARD" if is_psc => Ok(true),
        "CARD" => Err("\"CARD\" is a channel of the profile \"psc\" alone".into()),
        _ => Err("must be \"MOBILE\" or \"CARD\"".into()),
    });
    let channels = channels.unwrap_or_else(|| vec![false]);
    if !is_on {
        return None;
    }
    if channels.is_empty() {
        section.refuse("channels", "is empty: write [\"MOBILE\"], or leave it out");
    }
    if !has_identifier {
        section.refuse(
            "ciba",
            "needs identifier_claim: whoever answers has to be the one whose identifier was typed",
        );
    }
    let name = name.or_else(|| if is_psc { Some("e-CPS".to_owned()) } else { label.map(str::to_owned) });
    Some(UpstreamApplication {
        name: name?,
        mobile: channels.contains(&false),
        card: channels.contains(&true),
    })
}

/// The secret, or the certificate and its key: one of the two.
fn credential(section: &mut Section<'_>) -> Option<UpstreamCredential> {
    let secret = section.secret("client_secret", "client_secret_file");
    let certificate = section.secret("client_certificate", "client_certificate_file");
    let key = section.secret("client_key", "client_key_file");
    match (secret, certificate, key) {
        (Some(secret), None, None) => Some(UpstreamCredential::Secret(secret)),
        (None, Some(certificate), Some(key)) => {
            Some(UpstreamCredential::Certificate { certificate: certificate.expose_secret().to_owned(), key })
        }
        (None, None, None) => {
            section.refuse(
                "client_secret_file",
                "is missing: name the file with the secret that the provider gave for this installation, or \
                 client_certificate_file and client_key_file",
            );
            None
        }
        (Some(_), _, _) => {
            section.refuse(
                "client_secret_file",
                "stands beside a certificate: keep the one that the provider knows",
            );
            None
        }
        (None, _, _) => {
            section.refuse("client_key_file", "and client_certificate_file are needed together");
            None
        }
    }
}

/// Whether a section may be called that: the name stands in addresses that the provider knows.
pub(super) fn is_name(name: &str) -> bool {
    let of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.len() <= 32 && name.chars().all(of_name)
}
