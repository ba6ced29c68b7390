//! What may be registered of a client: one check for every member, whoever registers (RFC 7591 §2, OpenID Connect
//! Registration §2, RFC 8705 §2.1.2, RFC 9449 §5.2).
//!
//! A hospital gets from this that nothing registered can hurt later: no address that a browser would run, no key that is
//! weak or private, no way of authenticating that its profile refuses or that nobody can use. A client that registers
//! itself is held to more: https alone, grants and scopes of everybody, nothing that an administrator has to vouch for.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::redirect_uri::{self, RegistrationError};
use crate::crypto::jose::{ContentEncryption, KeyManagement, KeySet};
use crate::crypto::keys::Algorithm;
use crate::crypto::x509::names::DistinguishedName;
use crate::oidc::authorize::{OFFLINE, REQUEST_OBJECT_ENCRYPTION};
use crate::oidc::profile::{Extension, Rules};
use crate::store::client::{AuthMethod, CIBA, DeliveryMode, Metadata, SubjectType};

/// The longest text that is kept, in bytes.
const LONGEST: usize = 2048;
/// The most entries of a list.
const MOST: usize = 20;
/// What everybody may use.
const GRANTS: [&str; 2] = ["authorization_code", "refresh_token"];
/// What an administrator may allow besides (RFC 8693).
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A registration as a document (RFC 7591 §2).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// Its name, as its users know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Where it may be answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// Where a user may be sent after a logout.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// `code`, or nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_types: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub metadata: Metadata,
}

/// Why a registration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataFault {
    /// Not one JSON object, or a member of the wrong kind, or twice.
    #[error("the registration cannot be read: {0}")]
    Unreadable(String),
    /// A member that has no meaning here.
    #[error("{0} is not known: mistyped, or of a specification that is not supported")]
    Unknown(String),
    /// A software statement (RFC 7591 §2.3).
    #[error("software statements are not supported: nobody's word is taken for a client")]
    SoftwareStatement,
    /// One of the addresses for answers.
    #[error(transparent)]
    Address(#[from] RegistrationError),
    /// A value.
    #[error("{member}: {why}")]
    Member {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl MetadataFault {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address(error) => error.code(),
            Self::Unreadable(_) | Self::Unknown(_) => "OIDC-150",
            Self::SoftwareStatement => "OIDC-151",
            Self::Member { .. } => "OIDC-152",
        }
    }

    /// The error of RFC 7591 §3.2.2.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Address(_) => "invalid_redirect_uri",
            Self::SoftwareStatement => "unapproved_software_statement",
            _ => "invalid_client_metadata",
        }
    }
}

/// Who registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registrar {
    /// An administrator, who vouches for the client.
    Administrator,
    /// The client itself (RFC 7591).
    Itself,
}

impl Document {
    /// Reads a document. Members that are not known are refused to an administrator, who may have mistyped, and ignored in
    /// what a client sends (RFC 7591 §2).
    ///
    /// # Errors
    /// [`MetadataFault`].
    pub fn read(json: &[u8], registrar: Registrar) -> Result<Self, MetadataFault> {
        let unreadable = |error: serde_json::Error| MetadataFault::Unreadable(error.to_string());
        let members: serde_json::Map<String, Value> = serde_json::from_slice(json).map_err(unreadable)?;
        if members.contains_key("software_statement") {
            return Err(MetadataFault::SoftwareStatement);
        }
        // Each half by itself: only so serde sees a member that is there twice.
        let _once: Metadata = serde_json::from_slice(json).map_err(unreadable)?;
        let document: Self = serde_json::from_slice(json).map_err(unreadable)?;
        if registrar == Registrar::Administrator
            && let Some(name) = members.keys().find(|name| !is_known(name))
        {
            return Err(MetadataFault::Unknown(name.chars().take(64).collect()));
        }
        Ok(document)
    }
}

/// Whether a member has a meaning: then it has a type, and an object is of none of them.
fn is_known(name: &str) -> bool {
    let object = serde_json::json!({ name: {} });
    name == "jwks" || serde_json::from_value::<Document>(object).is_err()
}

/// Checks what is registered of a client with the rules of its profile, where clients can authenticate by `methods`.
///
/// # Errors
/// [`MetadataFault`]: the first member that is refused.
pub fn check(
    document: &Document,
    registrar: Registrar,
    rules: &Rules,
    methods: &[AuthMethod],
    wildcards: bool,
) -> Result<(), MetadataFault> {
    let Document { metadata, .. } = document;
    let check = Check { metadata, registrar, rules };
    check.addresses(document, wildcards)?;
    check.texts()?;
    check.requests(document)?;
    check.backchannel()?;
    check.authentication(methods)?;
    check.algorithms()?;
    check.subjects(document)
}

struct Check<'a> {
    metadata: &'a Metadata,
    registrar: Registrar,
    rules: &'a Rules,
}

fn fault(member: &'static str, why: impl Into<String>) -> MetadataFault {
    MetadataFault::Member { member, why: why.into() }
}

fn ensure(good: bool, member: &'static str, why: &str) -> Result<(), MetadataFault> {
    if good { Ok(()) } else { Err(fault(member, why)) }
}

impl Check<'_> {
    fn is_stranger(&self) -> bool {
        self.registrar == Registrar::Itself
    }

    fn addresses(&self, document: &Document, wildcards: bool) -> Result<(), MetadataFault> {
        let native = self.metadata.application_type.as_deref() == Some("native");
        for (member, list) in [
            ("redirect_uris", &document.redirect_uris),
            ("post_logout_redirect_uris", &document.post_logout_redirect_uris),
            ("request_uris", &self.metadata.request_uris),
            ("resources", &self.metadata.resources),
        ] {
            ensure(list.len() <= MOST, member, "too many")?;
            ensure(list.iter().all(|one| one.len() <= LONGEST), member, "too long")?;
        }
        // What is redeemed without a browser is sent nowhere.
        let is_answered = !self.metadata.may_use("authorization_code") || !document.redirect_uris.is_empty();
        ensure(is_answered, "redirect_uris", "at least one is needed")?;
        for address in document.redirect_uris.iter().chain(&document.post_logout_redirect_uris) {
            redirect_uri::check_registration(address, wildcards)?;
            // OpenID Connect Registration §2: what runs in a browser is reached by https.
            if self.is_stranger() && !native && !address.starts_with("https://") {
                return Err(RegistrationError::Unprotected(address.clone()).into());
            }
        }
        let Metadata {
            client_uri,
            logo_uri,
            policy_uri,
            tos_uri,
            jwks_uri,
            sector_identifier_uri,
            initiate_login_uri,
            frontchannel_logout_uri,
            backchannel_client_notification_endpoint,
            ..
        } = self.metadata;
        for (member, address) in [
            ("client_uri", client_uri),
            ("logo_uri", logo_uri),
            ("policy_uri", policy_uri),
            ("tos_uri", tos_uri),
            ("jwks_uri", jwks_uri),
            ("sector_identifier_uri", sector_identifier_uri),
            ("initiate_login_uri", initiate_login_uri),
            ("frontchannel_logout_uri", frontchannel_logout_uri),
            ("backchannel_client_notification_endpoint", backchannel_client_notification_endpoint),
            ("backchannel_logout_uri", &document.backchannel_logout_uri),
        ] {
            if let Some(address) = address {
                self.address(member, address)?;
            }
        }
        for address in &self.metadata.request_uris {
            self.address("request_uris", address)?;
        }
        if let Some(address) = frontchannel_logout_uri {
            // Front-Channel Logout §2: scheme, host and port are those of an address for answers.
            let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
            let is_own = document.redirect_uris.iter().any(|one| origin(one) == origin(address));
            ensure(is_own, "frontchannel_logout_uri", "its origin is none of redirect_uris")?;
        }
        // OpenID Connect Core §8.1: whoever could change the list on its way could join the sector.
        let protected = sector_identifier_uri.as_ref().is_none_or(|address| address.starts_with("https://"));
        ensure(protected, "sector_identifier_uri", "must begin with https://")?;
        let is_stranger = self.is_stranger();
        ensure(
            !is_stranger || sector_identifier_uri.is_none(),
            "sector_identifier_uri",
            "ask an administrator",
        )?;
        ensure(!is_stranger || self.metadata.resources.is_empty(), "resources", "ask an administrator")
    }

    /// An address that we, or a browser for us, will call. Plain http is judged when it is called: only what
    /// `[egress] allow` lists is reached so, and a stranger never.
    fn address(&self, member: &'static str, address: &str) -> Result<(), MetadataFault> {
        ensure(address.len() <= LONGEST, member, "too long")?;
        ensure(address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), member, "no address")?;
        let url = Url::parse(address).map_err(|_| fault(member, "no absolute address"))?;
        let scheme = url.scheme() == "https" || (url.scheme() == "http" && !self.is_stranger());
        ensure(scheme && url.has_host(), member, "must begin with https://")?;
        let bare = url.username().is_empty() && url.password().is_none();
        // A digest of the content may stand behind # there (RFC 9101 §5.2).
        let fragment = member == "request_uris" || url.fragment().is_none();
        ensure(bare && fragment, member, "must have no user, no password and no #")
    }

    fn texts(&self) -> Result<(), MetadataFault> {
        let Metadata {
            software_id, software_version, application_type, contacts, default_acr_values, ..
        } = self.metadata;
        let is_text = |text: &String| {
            !text.trim().is_empty() && text.chars().count() <= 100 && !text.chars().any(char::is_control)
        };
        for (member, text) in [("software_id", software_id), ("software_version", software_version)] {
            ensure(text.iter().all(is_text), member, "1 to 100 characters that people can read")?;
        }
        for (member, list) in [("contacts", contacts), ("default_acr_values", default_acr_values)] {
            ensure(list.len() <= MOST && list.iter().all(is_text), member, "too many, or no readable text")?;
        }
        let known = application_type.as_deref().is_none_or(|kind| matches!(kind, "web" | "native"));
        ensure(known, "application_type", "must be web or native")
    }

    fn requests(&self, document: &Document) -> Result<(), MetadataFault> {
        let Metadata { grant_types, scope, authorization_details_types, .. } = self.metadata;
        let code = document.response_types.iter().all(|kind| kind == "code");
        ensure(code, "response_types", "the only one is code")?;
        let may_use = |grant: &String| {
            let is_vouched_for = [EXCHANGE, CIBA].contains(&grant.as_str()) && !self.is_stranger();
            GRANTS.contains(&grant.as_str()) || is_vouched_for
        };
        ensure(grant_types.iter().all(may_use), "grant_types", "one that is not offered")?;
        let of_profile =
            |grant: &String| self.rules.only_grants.is_none_or(|only| only.contains(&grant.as_str()));
        ensure(grant_types.iter().all(of_profile), "grant_types", "one that the profile does not have")?;
        let answered = document.response_types.is_empty() || self.metadata.may_use("authorization_code");
        ensure(answered, "grant_types", "code needs authorization_code")?;
        let mut scopes = scope.iter().flat_map(|scope| scope.split_ascii_whitespace());
        // The server of an API has scopes of its own, which mean something there (RFC 8693 §2.1).
        let has_own = grant_types.iter().any(|grant| grant == EXCHANGE);
        let exists = |scope: &str| {
            self.rules.scopes.contains(&scope)
                || (scope == OFFLINE && self.rules.honours(Extension::Offline))
                || (has_own
                    && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')))
        };
        ensure(scopes.all(exists), "scope", "one that does not exist")?;
        let types = authorization_details_types;
        let is_good = |kind: &String| !kind.is_empty() && kind.len() <= 100 && kind.is_ascii();
        let allowed =
            types.len() <= MOST && types.iter().all(is_good) && (types.is_empty() || !self.is_stranger());
        ensure(allowed, "authorization_details_types", "ask an administrator, or correct them")?;
        for resource in &self.metadata.resources {
            // RFC 8707 §2: absolute, without fragment. It is compared, and never called.
            let url = Url::parse(resource).ok().filter(|url| url.fragment().is_none());
            ensure(url.is_some(), "resources", "must be absolute addresses without #")?;
        }
        Ok(())
    }

    /// CIBA Core §4: a client that asks people proves who it is, says how it learns of the answer, and needs no page.
    fn backchannel(&self) -> Result<(), MetadataFault> {
        const MODE: &str = "backchannel_token_delivery_mode";
        const ADDRESS: &str = "backchannel_client_notification_endpoint";
        let metadata = self.metadata;
        let (mode, asks) = (metadata.backchannel_token_delivery_mode, metadata.may_use(CIBA));
        ensure(asks || mode.is_none(), MODE, "means nothing without the grant type of CIBA")?;
        ensure(!asks || mode.is_some(), MODE, "must be poll or ping")?;
        ensure(!asks || !metadata.is_public(), "grant_types", "a client without authentication asks nobody")?;
        ensure(!asks || !metadata.consent_required, "consent_required", "there is no page to consent on")?;
        let is_told = metadata.backchannel_client_notification_endpoint.is_some();
        ensure(is_told == (mode == Some(DeliveryMode::Ping)), ADDRESS, "belongs to ping, and only there")?;
        let codes = metadata.backchannel_user_code_parameter;
        ensure(!codes, "backchannel_user_code_parameter", "user codes are not supported: people type digits")
    }

    fn authentication(&self, methods: &[AuthMethod]) -> Result<(), MetadataFault> {
        const METHOD: &str = "token_endpoint_auth_method";
        let metadata = self.metadata;
        let method = metadata.token_endpoint_auth_method;
        if let Some(method) = method {
            ensure(methods.contains(&method), METHOD, "is not enabled here")?;
            ensure(self.rules.auth_methods.contains(&method), METHOD, "the profile does not know it")?;
        }
        ensure(metadata.jwks.is_none() || metadata.jwks_uri.is_none(), "jwks", "or jwks_uri, never both")?;
        if let Some(keys) = &metadata.jwks {
            let text = serde_json::to_vec(keys).map_err(|error| fault("jwks", error.to_string()))?;
            let keys = KeySet::parse(&text).map_err(|error| fault("jwks", error.to_string()))?;
            if let Some((kid, why)) = keys.faults().next() {
                return Err(fault("jwks", format!("the key {:?}: {why}", kid.unwrap_or_default())));
            }
            ensure(keys.usable() > 0, "jwks", "holds no key")?;
            let certified =
                method != Some(AuthMethod::SelfSignedTlsClientAuth) || !keys.certificates().is_empty();
            ensure(certified, "jwks", "holds no certificate (x5c) of a key of its own")?;
        }
        let by_key = matches!(method, Some(AuthMethod::PrivateKeyJwt | AuthMethod::SelfSignedTlsClientAuth));
        let has_keys = metadata.jwks.is_some() || metadata.jwks_uri.is_some();
        ensure(!by_key || has_keys, METHOD, "needs jwks or jwks_uri")?;
        ensure(
            !metadata.require_signed_request_object || has_keys,
            "require_signed_request_object",
            "needs keys",
        )?;
        let Metadata {
            tls_client_auth_subject_dn: subject,
            tls_client_auth_san_dns: dns,
            tls_client_auth_san_uri: uri,
            tls_client_auth_san_ip: ip,
            tls_client_auth_san_email: mail,
            ..
        } = metadata;
        let names = [subject, dns, uri, ip, mail].into_iter().flatten().count();
        let expected = usize::from(method == Some(AuthMethod::TlsClientAuth));
        ensure(names == expected, METHOD, "tls_client_auth needs one name of the certificate, others none")?;
        if let Some(subject) = subject {
            let parsed = DistinguishedName::parse(subject);
            parsed.map_err(|error| fault("tls_client_auth_subject_dn", error.to_string()))?;
        }
        let is_address = ip.as_ref().is_none_or(|ip| ip.parse::<IpAddr>().is_ok());
        ensure(is_address, "tls_client_auth_san_ip", "is no IP address")?;
        let bound = metadata.tls_client_certificate_bound_access_tokens;
        let enabled = methods.contains(&AuthMethod::SelfSignedTlsClientAuth);
        let member = "tls_client_certificate_bound_access_tokens";
        ensure(!bound || enabled, member, "no host asks for certificates here")?;
        ensure(
            !bound || !metadata.dpop_bound_access_tokens,
            member,
            "or dpop_bound_access_tokens, never both",
        )
    }

    fn algorithms(&self) -> Result<(), MetadataFault> {
        let metadata = self.metadata;
        for (member, name) in [
            ("token_endpoint_auth_signing_alg", &metadata.token_endpoint_auth_signing_alg),
            ("request_object_signing_alg", &metadata.request_object_signing_alg),
            (
                "backchannel_authentication_request_signing_alg",
                &metadata.backchannel_authentication_request_signing_alg,
            ),
        ] {
            let ours = |name: &String| self.rules.signing_algorithms.iter().any(|one| one.name() == name);
            ensure(name.iter().all(ours), member, "is no algorithm of the profile")?;
        }
        for (member, name) in [
            ("id_token_signed_response_alg", &metadata.id_token_signed_response_alg),
            ("userinfo_signed_response_alg", &metadata.userinfo_signed_response_alg),
            ("introspection_signed_response_alg", &metadata.introspection_signed_response_alg),
            ("authorization_signed_response_alg", &metadata.authorization_signed_response_alg),
        ] {
            let known = name.as_ref().is_none_or(|name| Algorithm::from_name(name).is_some());
            ensure(known, member, "must be RS256, PS256, ES256 or EdDSA")?;
            let ours = |name: &String| self.rules.signing_algorithms.iter().any(|one| one.name() == name);
            ensure(name.iter().all(ours), member, "is no algorithm of the profile")?;
        }
        // Others encrypt to us by the keys that we have.
        let name = metadata.request_object_encryption_alg.as_ref();
        let ours = name.is_none_or(|name| REQUEST_OBJECT_ENCRYPTION.iter().any(|one| one.name() == name));
        ensure(ours, "request_object_encryption_alg", "must be RSA-OAEP-256")?;
        for (alg, name, enc, content) in [
            (
                "id_token_encrypted_response_alg",
                &metadata.id_token_encrypted_response_alg,
                "id_token_encrypted_response_enc",
                &metadata.id_token_encrypted_response_enc,
            ),
            (
                "userinfo_encrypted_response_alg",
                &metadata.userinfo_encrypted_response_alg,
                "userinfo_encrypted_response_enc",
                &metadata.userinfo_encrypted_response_enc,
            ),
            (
                "introspection_encrypted_response_alg",
                &metadata.introspection_encrypted_response_alg,
                "introspection_encrypted_response_enc",
                &metadata.introspection_encrypted_response_enc,
            ),
            (
                "authorization_encrypted_response_alg",
                &metadata.authorization_encrypted_response_alg,
                "authorization_encrypted_response_enc",
                &metadata.authorization_encrypted_response_enc,
            ),
            (
                "request_object_encryption_alg",
                &metadata.request_object_encryption_alg,
                "request_object_encryption_enc",
                &metadata.request_object_encryption_enc,
            ),
        ] {
            let known = name.as_ref().is_none_or(|name| KeyManagement::from_name(name).is_some());
            ensure(known, alg, "is no algorithm that keys are wrapped with here")?;
            let known = content.as_ref().is_none_or(|name| ContentEncryption::from_name(name).is_some());
            ensure(known, enc, "is no algorithm that is encrypted with here")?;
            ensure(content.is_none() || name.is_some(), enc, "means nothing without its _alg")?;
        }
        Ok(())
    }

    /// OpenID Connect Core §8.1: subjects of a sector, where the addresses are of several hosts, need its name.
    fn subjects(&self, document: &Document) -> Result<(), MetadataFault> {
        if self.metadata.subject_type != Some(SubjectType::Pairwise) {
            return Ok(());
        }
        ensure(!self.rules.delegation, "subject_type", "the profile has one subject for each person: oid")?;
        let host = |address: &String| Url::parse(address).ok()?.host_str().map(str::to_owned);
        let mut hosts: Vec<_> = document.redirect_uris.iter().map(host).collect();
        hosts.sort();
        hosts.dedup();
        let is_one = hosts.len() == 1 || self.metadata.sector_identifier_uri.is_some();
        ensure(is_one, "subject_type", "pairwise over several hosts needs sector_identifier_uri")
    }
}

#[cfg(test)]
mod tests;
