//! What tokens are bound to, and whether whoever brings one has it: a key (DPoP, RFC 9449) or a TLS certificate (RFC 8705
//! §3).
//!
//! What a hospital gets: where a client asks for it, its profile does, or the client simply sends a proof, a token that is
//! stolen is no use without the key. A bound token never passes as a bearer token (RFC 9449 §7.2).

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::certificate;
use super::dpop::{self, DpopError, ProvenRequest};
use crate::oidc::client::authentication::credentials::Credentials;
use crate::oidc::{Provider, profile};
use crate::store::StoreError;
use crate::store::client::Client;
use crate::store::grant::Confirmation;

/// Why a token is not bound, or not accepted from this sender.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    /// The proof.
    #[error(transparent)]
    Dpop(#[from] DpopError),
    /// The client is registered for tokens that are bound to a key, or the token is, and there is no proof.
    #[error("a DPoP proof is missing")]
    ProofMissing,
    /// The client is registered for tokens that are bound to its certificate, or the token is, and none was shown.
    #[error("a client certificate is missing; it is asked for at the addresses of mtls_endpoint_aliases")]
    CertificateMissing,
    /// A proof of a client whose tokens are bound to its certificate.
    #[error("the tokens of this client are bound to its certificate: a DPoP proof is one thing too many")]
    Both,
    /// Bound to another key or certificate.
    #[error("the token or code is bound to another key")]
    OtherKey,
    /// A token that is not bound, brought as one that is.
    #[error("the token is not bound to a key: the scheme is Bearer")]
    NotBound,
    /// `cnf` of a kind that is not ours.
    #[error("the token is bound in a way that is not known here")]
    Unknown,
}

impl BindingError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dpop(error) => error.code(),
            Self::ProofMissing => "OIDC-132",
            Self::CertificateMissing => "OIDC-133",
            Self::Both => "OIDC-134",
            Self::OtherKey => "OIDC-135",
            Self::NotBound => "OIDC-136",
            Self::Unknown => "OIDC-137",
        }
    }

    /// The error that the relying party is told at endpoints that issue something (RFC 9449 §5, §8).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dpop(error) => error.name(),
            Self::ProofMissing => "invalid_dpop_proof",
            Self::OtherKey => "invalid_grant",
            _ => "invalid_request",
        }
    }

    /// Whether it belongs to every first request of a client: it has no nonce yet. Nothing to record.
    pub fn is_routine(&self) -> bool {
        matches!(self, Self::Dpop(DpopError::Nonce))
    }

    /// Where the database failed.
    pub fn fault(&self) -> Option<&StoreError> {
        match self {
            Self::Dpop(DpopError::Store(error)) => Some(error),
            _ => None,
        }
    }
}

/// What the tokens of this request are bound to: what it proves, where the client is to have bound tokens or proves
/// something for that purpose.
///
/// # Errors
/// [`BindingError`].
pub(in crate::oidc) async fn of_token_request(
    provider: &Provider,
    client: &Client,
    credentials: &Credentials,
    path: &str,
) -> Result<Option<Confirmation>, BindingError> {
    let metadata = &client.metadata;
    let by_certificate = metadata.tls_client_certificate_bound_access_tokens;
    match dpop::of(&credentials.headers)? {
        Some(_) if by_certificate => Err(BindingError::Both),
        Some(proof) => {
            let key = check_proof(provider, client, credentials, proof, ("POST", path), None).await?;
            Ok(Some(Confirmation::Key(key)))
        }
        None if metadata.dpop_bound_access_tokens => Err(BindingError::ProofMissing),
        // A profile that takes bound tokens only is content with the certificate as well.
        None if by_certificate || profile::of(client).rules().bound_tokens_only => {
            match credentials.certificate() {
                Some(der) => Ok(Some(Confirmation::Certificate(certificate::thumbprint(der)))),
                None if by_certificate => Err(BindingError::CertificateMissing),
                None => Ok(None),
            }
        }
        None => Ok(None),
    }
}

/// The thumbprint of the key that a pushed request proves (RFC 9449 §10.1), if it proves one.
///
/// # Errors
/// [`BindingError`].
pub(in crate::oidc) async fn of_pushed_request(
    provider: &Provider,
    client: &Client,
    credentials: &Credentials,
    path: &str,
) -> Result<Option<String>, BindingError> {
    match dpop::of(&credentials.headers)? {
        Some(proof) => {
            Ok(Some(check_proof(provider, client, credentials, proof, ("POST", path), None).await?))
        }
        None => Ok(None),
    }
}

/// Whether a code or refresh token that is bound so may be redeemed by a request that proves this (RFC 9449 §5, §10;
/// RFC 8705 §4).
///
/// # Errors
/// [`BindingError`].
pub(in crate::oidc) fn admit(
    bound_to: Option<&Confirmation>,
    proven: Option<&Confirmation>,
) -> Result<(), BindingError> {
    match (bound_to, proven) {
        (None, _) => Ok(()),
        (Some(bound), Some(proven)) if bound == proven => Ok(()),
        (Some(_), Some(_)) => Err(BindingError::OtherKey),
        (Some(Confirmation::Key(_)), None) => Err(BindingError::ProofMissing),
        (Some(Confirmation::Certificate(_)), None) => Err(BindingError::CertificateMissing),
    }
}

/// `token_type` of an access token that is bound so (RFC 9449 §5, RFC 8705 §3).
pub(in crate::oidc) fn token_type(bound_to: Option<&Confirmation>) -> &'static str {
    match bound_to {
        Some(Confirmation::Key(_)) => "DPoP",
        Some(Confirmation::Certificate(_)) | None => "Bearer",
    }
}

/// How an access token was brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oidc) enum Scheme {
    /// RFC 6750, by header or form.
    Bearer,
    /// RFC 9449 §7.1.
    Dpop,
}

/// Whether whoever brings an access token with these claims has what it is bound to.
///
/// # Errors
/// [`BindingError`].
pub(in crate::oidc) async fn of_resource_request(
    provider: &Provider,
    client: &Client,
    credentials: &Credentials,
    (scheme, token): (Scheme, &str),
    claims: &Map<String, Value>,
    request: (&str, &str),
) -> Result<(), BindingError> {
    let bound = match claims.get("cnf") {
        None => None,
        Some(cnf) => Some(Confirmation::deserialize(cnf).map_err(|_| BindingError::Unknown)?),
    };
    match (bound, scheme) {
        (None, Scheme::Bearer) => Ok(()),
        (None, Scheme::Dpop) => Err(BindingError::NotBound),
        (Some(Confirmation::Key(_)), Scheme::Bearer) => Err(BindingError::ProofMissing),
        (Some(Confirmation::Key(bound)), Scheme::Dpop) => {
            let proof = dpop::of(&credentials.headers)?.ok_or(BindingError::ProofMissing)?;
            let key = check_proof(provider, client, credentials, proof, request, Some(token)).await?;
            if key == bound { Ok(()) } else { Err(BindingError::OtherKey) }
        }
        (Some(Confirmation::Certificate(bound)), Scheme::Bearer) => {
            let der = credentials.certificate().ok_or(BindingError::CertificateMissing)?;
            if certificate::is_of(&bound, der) { Ok(()) } else { Err(BindingError::OtherKey) }
        }
        (Some(Confirmation::Certificate(_)), Scheme::Dpop) => Err(BindingError::Both),
    }
}

async fn check_proof(
    provider: &Provider,
    client: &Client,
    credentials: &Credentials,
    proof: &str,
    (method, path): (&str, &str),
    access_token: Option<&str>,
) -> Result<String, BindingError> {
    let issuer = &provider.settings.issuer;
    // A proof for the one host is none for the other: a request for it was never sent there.
    let address = match &provider.mtls {
        Some(mtls) if credentials.came_to_certificate_host() => mtls.address(issuer, path),
        _ => issuer.address(path),
    };
    let algorithms = profile::of(client).rules().signing_algorithms;
    let request = ProvenRequest { method, addresses: &[address], access_token, algorithms };
    Ok(dpop::check(&provider.db, Some(&provider.nonces), proof, request, provider.now()).await?)
}
