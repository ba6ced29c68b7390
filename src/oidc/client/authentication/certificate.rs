//! `tls_client_auth` and `self_signed_tls_client_auth`: the certificate of the connection (RFC 8705 §2).
//!
//! What a hospital gets: software that authenticates by the certificate it has from IGC-Santé (the `ORG AUTH_CLI` offer),
//! as at Pro Santé Connect, or by one that it made itself and registered. Holding the key is proven by the handshake, ours
//! or that of a proxy that is named for it ([`crate::web::client_certificate`]); here it is judged whose certificate it is.
//!
//! The authorities are those of a directory of their own: a card's certificate, which a person holds, is no client's.

use crate::crypto::digest::sha256;
use crate::crypto::x509::names::{DistinguishedName, NameError, Names};
use crate::crypto::x509::trust::TrustError;
use crate::oidc::Provider;
use crate::oidc::client::keys::ClientKeysError;
use crate::store::client::{AuthMethod, Client, Metadata};

/// Why a certificate does not authenticate a client.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The connection has none, or was made to another host than the one that asks for it.
    #[error("no certificate was shown; it is asked for at the addresses of mtls_endpoint_aliases")]
    Missing,
    /// No authorities are installed for clients.
    #[error("no authorities of clients are installed: set oidc.mtls.anchors_dir")]
    NoAuthorities,
    /// No path, out of its dates, or revoked.
    #[error("the certificate is not trusted: {0}")]
    Untrusted(#[from] TrustError),
    /// It or the registration cannot be read.
    #[error("the names cannot be compared: {0}")]
    Names(#[from] NameError),
    /// Not exactly one name is registered.
    #[error("the client is registered with no name of its certificate, or with several")]
    Registration,
    /// It names somebody else.
    #[error("the certificate names somebody else")]
    OtherName,
    /// None of those that the client registered.
    #[error("the certificate is none of those in the client's key set")]
    NotRegistered,
    /// The client's key set.
    #[error(transparent)]
    Keys(#[from] ClientKeysError),
}

impl CertificateError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "OIDC-156",
            Self::NoAuthorities | Self::Registration => "OIDC-157",
            Self::Untrusted(error) => error.code(),
            Self::Names(_) | Self::OtherName => "OIDC-158",
            Self::NotRegistered => "OIDC-159",
            Self::Keys(_) => "OIDC-049",
        }
    }
}

/// Whether the certificate is the client's.
///
/// # Errors
/// [`CertificateError`].
pub(super) async fn check(
    provider: &Provider,
    client: &Client,
    method: AuthMethod,
    certificate: Option<&[u8]>,
) -> Result<(), CertificateError> {
    let der = certificate.ok_or(CertificateError::Missing)?;
    if method == AuthMethod::SelfSignedTlsClientAuth {
        return self_signed(provider, client, der).await;
    }
    let authorities = provider.mtls.as_ref().and_then(|mtls| mtls.authorities.as_ref());
    let evidence = authorities.ok_or(CertificateError::NoAuthorities)?.judge(der, provider.now())?;
    if let Some(exception) = evidence.exception() {
        tracing::warn!(
            client = client.id,
            exception,
            "a client's certificate was accepted by the fallback rule"
        );
    }
    match is_named(&client.metadata, &Names::read(der)?)? {
        true => Ok(()),
        false => Err(CertificateError::OtherName),
    }
}

/// Whether the certificate has the one name that is registered (RFC 8705 §2.1.2).
fn is_named(metadata: &Metadata, names: &Names) -> Result<bool, CertificateError> {
    let Metadata {
        tls_client_auth_subject_dn: subject,
        tls_client_auth_san_dns: dns,
        tls_client_auth_san_uri: uri,
        tls_client_auth_san_ip: ip,
        tls_client_auth_san_email: mail,
        ..
    } = metadata;
    match (subject, dns, uri, ip, mail) {
        (Some(subject), None, None, None, None) => Ok(names.has_subject(&DistinguishedName::parse(subject)?)),
        (None, Some(dns), None, None, None) => Ok(names.has_dns(dns)),
        (None, None, Some(uri), None, None) => Ok(names.has_uri(uri)),
        (None, None, None, Some(ip), None) => Ok(ip.parse().is_ok_and(|ip| names.has_address(ip))),
        (None, None, None, None, Some(mail)) => Ok(names.has_mail(mail)),
        _ => Err(CertificateError::Registration),
    }
}

/// RFC 8705 §2.2: the very certificate is registered, in `x5c` of a key. It says nothing else, and is judged by nothing
/// else: to take it back is to change the key set.
async fn self_signed(provider: &Provider, client: &Client, der: &[u8]) -> Result<(), CertificateError> {
    let shown = sha256(der);
    let is_among = |registered: &[Vec<u8>]| registered.iter().any(|one| sha256(one) == shown);
    match provider.client_keys.has_certificate(client, is_among).await? {
        true => Ok(()),
        false => Err(CertificateError::NotRegistered),
    }
}
