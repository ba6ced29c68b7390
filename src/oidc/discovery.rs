//! The two discovery documents (OpenID Connect Discovery 1.0 §3, RFC 8414, RFC 9126 §5, RFC 9207 §3).
//!
//! They list what is enabled and nothing else, and differ only in the authorization endpoint: relying parties of PSC
//! read `wallet-openid-configuration`, whose endpoint is on the front host.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;

use crate::crypto::jose::{ContentEncryption, KeyManagement};
use crate::crypto::keys::Algorithm;

use super::authorize::REQUEST_OBJECT_ENCRYPTION;
use super::authorize::response_mode::ResponseMode;
use super::mtls::Mtls;
use super::proof::dpop;
use super::{Provider, client, logout, profile, proof, psc, token};
use crate::store::client::{AuthMethod, CIBA};

#[derive(Serialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    userinfo_endpoint: String,
    end_session_endpoint: String,
    jwks_uri: String,
    pushed_authorization_request_endpoint: String,
    require_pushed_authorization_requests: bool,
    #[serde(flatten)]
    backchannel: Option<Backchannel>,
    grant_types_supported: Vec<&'static str>,
    acr_values_supported: [&'static str; 1],
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 7],
    subject_types_supported: [&'static str; 2],
    id_token_signing_alg_values_supported: [&'static str; 4],
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    claims_supported: &'static [&'static str],
    claim_types_supported: [&'static str; 1],
    claims_parameter_supported: bool,
    scopes_supported: Vec<&'static str>,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    require_request_uri_registration: bool,
    request_object_signing_alg_values_supported: [&'static str; 4],
    request_object_encryption_alg_values_supported: [&'static str; 1],
    request_object_encryption_enc_values_supported: [&'static str; 4],
    prompt_values_supported: [&'static str; 4],
    display_values_supported: [&'static str; 2],
    ui_locales_supported: [&'static str; 2],
    code_challenge_methods_supported: [&'static str; 1],
    frontchannel_logout_supported: bool,
    frontchannel_logout_session_supported: bool,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    authorization_response_iss_parameter_supported: bool,
    authorization_signing_alg_values_supported: [&'static str; 4],
    id_token_encryption_alg_values_supported: [&'static str; 5],
    id_token_encryption_enc_values_supported: [&'static str; 4],
    userinfo_encryption_alg_values_supported: [&'static str; 5],
    userinfo_encryption_enc_values_supported: [&'static str; 4],
    introspection_encryption_alg_values_supported: [&'static str; 5],
    introspection_encryption_enc_values_supported: [&'static str; 4],
    authorization_encryption_alg_values_supported: [&'static str; 5],
    authorization_encryption_enc_values_supported: [&'static str; 4],
    dpop_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_client_certificate_bound_access_tokens: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtls_endpoint_aliases: Option<BTreeMap<&'static str, String>>,
}

/// CIBA Core §4: where people can be asked.
#[derive(Serialize)]
struct Backchannel {
    backchannel_authentication_endpoint: String,
    backchannel_token_delivery_modes_supported: [&'static str; 2],
    backchannel_authentication_request_signing_alg_values_supported: [&'static str; 4],
    backchannel_user_code_parameter_supported: bool,
}

/// What a token or userinfo of ours can hold.
const CLAIMS: &[&str] = &[
    "aud",
    "sub",
    "iss",
    "auth_time",
    "acr",
    "given_name",
    "family_name",
    "preferred_username",
    "SubjectNameID",
    "authMode",
    "otherIds",
    "SubjectRefPro",
    "SubjectRole",
    "SubjectOrganization",
    "SubjectOrganizationID",
    "Secteur_Activite",
];

/// `GET {iss}/.well-known/openid-configuration`
pub(super) async fn standard(State(provider): State<Arc<Provider>>) -> Response {
    let native = provider.settings.issuer.address(psc::AUTHORIZATION);
    document(&provider, native)
}

/// `GET {iss}/.well-known/wallet-openid-configuration`
pub(super) async fn wallet(State(provider): State<Arc<Provider>>) -> Response {
    let [front, _] = psc::FRONT_AUTHORIZATION;
    document(&provider, provider.settings.front_address(front))
}

fn document(provider: &Provider, authorization_endpoint: String) -> Response {
    let issuer = &provider.settings.issuer;
    public(Document {
        issuer: issuer.as_str().to_owned(),
        authorization_endpoint,
        token_endpoint: issuer.address(psc::TOKEN),
        introspection_endpoint: issuer.address(psc::INTROSPECTION),
        revocation_endpoint: issuer.address(psc::REVOCATION),
        userinfo_endpoint: issuer.address(psc::USERINFO),
        end_session_endpoint: issuer.address(psc::LOGOUT),
        jwks_uri: issuer.address(psc::JWKS),
        pushed_authorization_request_endpoint: issuer.address(psc::PUSHED),
        // Of some clients it is required; a document is for all of them.
        require_pushed_authorization_requests: false,
        backchannel: provider.backchannel.is_offered().then(|| Backchannel {
            backchannel_authentication_endpoint: issuer.address(psc::BACKCHANNEL),
            backchannel_token_delivery_modes_supported: ["poll", "ping"],
            backchannel_authentication_request_signing_alg_values_supported: Algorithm::ALL
                .map(Algorithm::name),
            backchannel_user_code_parameter_supported: false,
        }),
        grant_types_supported: grant_types(provider),
        acr_values_supported: psc::ACR_VALUES,
        response_types_supported: ["code"],
        response_modes_supported: ResponseMode::ALL.map(|(name, _)| name),
        subject_types_supported: ["public", "pairwise"],
        id_token_signing_alg_values_supported: Algorithm::ALL.map(Algorithm::name),
        token_endpoint_auth_methods_supported: client_authentication(provider).collect(),
        token_endpoint_auth_signing_alg_values_supported: algorithms(),
        introspection_endpoint_auth_methods_supported: client_authentication(provider)
            .filter(is_proof)
            .collect(),
        introspection_endpoint_auth_signing_alg_values_supported: algorithms(),
        revocation_endpoint_auth_methods_supported: client_authentication(provider).collect(),
        revocation_endpoint_auth_signing_alg_values_supported: algorithms(),
        claims_supported: CLAIMS,
        claim_types_supported: ["normal"],
        claims_parameter_supported: true,
        scopes_supported: profile::scopes(),
        request_parameter_supported: true,
        request_uri_parameter_supported: true,
        require_request_uri_registration: true,
        request_object_signing_alg_values_supported: Algorithm::ALL.map(Algorithm::name),
        request_object_encryption_alg_values_supported: REQUEST_OBJECT_ENCRYPTION.map(KeyManagement::name),
        request_object_encryption_enc_values_supported: ContentEncryption::ALL.map(ContentEncryption::name),
        prompt_values_supported: ["none", "login", "consent", "select_account"],
        // One page, which fits a window and a popup alike; nothing is made for touch or for WAP.
        display_values_supported: ["page", "popup"],
        ui_locales_supported: ["fr", "en"],
        code_challenge_methods_supported: [proof::pkce::METHOD],
        frontchannel_logout_supported: logout::frontchannel::IS_SUPPORTED,
        frontchannel_logout_session_supported: logout::frontchannel::IS_SUPPORTED,
        backchannel_logout_supported: logout::BACKCHANNEL_IS_SUPPORTED,
        backchannel_logout_session_supported: logout::BACKCHANNEL_IS_SUPPORTED,
        authorization_response_iss_parameter_supported: true,
        authorization_signing_alg_values_supported: Algorithm::ALL.map(Algorithm::name),
        id_token_encryption_alg_values_supported: KeyManagement::ALL.map(KeyManagement::name),
        id_token_encryption_enc_values_supported: ContentEncryption::ALL.map(ContentEncryption::name),
        userinfo_encryption_alg_values_supported: KeyManagement::ALL.map(KeyManagement::name),
        userinfo_encryption_enc_values_supported: ContentEncryption::ALL.map(ContentEncryption::name),
        introspection_encryption_alg_values_supported: KeyManagement::ALL.map(KeyManagement::name),
        introspection_encryption_enc_values_supported: ContentEncryption::ALL.map(ContentEncryption::name),
        authorization_encryption_alg_values_supported: KeyManagement::ALL.map(KeyManagement::name),
        authorization_encryption_enc_values_supported: ContentEncryption::ALL.map(ContentEncryption::name),
        dpop_signing_alg_values_supported: dpop::ALGORITHMS.map(Algorithm::name).to_vec(),
        registration_endpoint: provider.settings.registration.then(|| issuer.address(psc::REGISTRATION)),
        tls_client_certificate_bound_access_tokens: provider.mtls.as_ref().map(|_| true),
        mtls_endpoint_aliases: provider.mtls.as_ref().map(|mtls| {
            let is_offered =
                |(_, path): &(_, &str)| *path != psc::BACKCHANNEL || provider.backchannel.is_offered();
            let alias = |(name, path)| (name, mtls.address(issuer, path));
            Mtls::ENDPOINTS.into_iter().filter(is_offered).map(alias).collect()
        }),
    })
}

fn grant_types(provider: &Provider) -> Vec<&'static str> {
    let mut all = vec!["authorization_code", "refresh_token", token::exchange::GRANT_TYPE];
    all.extend(provider.backchannel.is_offered().then_some(CIBA));
    all
}

fn client_authentication(provider: &Provider) -> impl Iterator<Item = &'static str> {
    client::methods(provider).map(AuthMethod::as_str)
}

/// Whether a client proves anything by this method: introspection answers nobody else (RFC 7662 §2.1).
fn is_proof(method: &&'static str) -> bool {
    *method != AuthMethod::None.as_str()
}

fn algorithms() -> Vec<&'static str> {
    Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect()
}

/// A public document: any page may read it, caches may keep it for five minutes.
pub(super) fn public(document: impl Serialize) -> Response {
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, Json(document)).into_response()
}
