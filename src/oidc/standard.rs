//! The profiles of the standards: OpenID Connect Core 1.0 and OAuth with RFC 9700, for relying parties that were not
//! written for Pro Santé Connect; and FAPI 2.0, its stricter rules with the same shapes. Access tokens as in RFC 9068, the
//! level that was really reached, `amr` by RFC 8176.

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::claims_request::ClaimsRequest;
use super::client::authentication::assertion::AssertionAudience;
use super::profile::{BackchannelRules, Extension, Facts, Issued, LevelRule, Pkce, Profile, Rules, Stamp};
use super::psc;
use super::subject::is_told_identifiers;
use crate::crypto::keys::Algorithm;
use crate::session::Level;
use crate::store::client::AuthMethod;

/// The scopes: who, how to show them, and PSC's professional data as one.
pub const SCOPES: &[&str] = &["openid", "profile", psc::SCOPE_OF_EVERYTHING];

/// The header `typ` of access tokens (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The rules of the standards.
pub const RULES: Rules = Rules {
    parameter_aliases: &[],
    scopes: SCOPES,
    pkce: Pkce::OfPublicClients,
    pushed_requests_only: false,
    bound_tokens_only: false,
    auth_methods: &AuthMethod::ALL,
    assertion_audience: AssertionAudience::IssuerOrEndpoint,
    signing_algorithms: &Algorithm::ALL,
    session_state: false,
    loopback_ports: true,
    typed_request_objects: false,
    signed_by: Algorithm::Rs256,
    levels: LevelRule::Wished,
    backchannel: BackchannelRules { digits: (2, 6), signed_only: false, channel: false },
    extensions: &[
        Extension::Claims,
        Extension::AccountChoice,
        Extension::Consent,
        Extension::Offline,
        Extension::Resources,
        Extension::Details,
    ],
    only_grants: None,
    delegation: false,
};

/// The profile of the standards.
#[derive(Debug)]
pub struct Standard;

impl Profile for Standard {
    fn rules(&self) -> &'static Rules {
        &RULES
    }
}

/// The rules of FAPI 2.0 (Security Profile §5.3.2): pushed requests, PKCE, clients that authenticate by a key, tokens that
/// are bound to one.
pub const FAPI2_RULES: Rules = Rules {
    // §5.4.1: PS256, ES256 or EdDSA.
    signed_by: Algorithm::Ps256,
    pkce: Pkce::Always,
    pushed_requests_only: true,
    bound_tokens_only: true,
    loopback_ports: false,
    typed_request_objects: true,
    levels: LevelRule::Required,
    // FAPI-CIBA §5.2.2.
    backchannel: BackchannelRules { signed_only: true, ..RULES.backchannel },
    auth_methods: &[
        AuthMethod::PrivateKeyJwt,
        AuthMethod::TlsClientAuth,
        AuthMethod::SelfSignedTlsClientAuth,
    ],
    assertion_audience: AssertionAudience::Issuer,
    // RSA with PKCS#1 v1.5 is not among them (§5.4.1).
    signing_algorithms: &[Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa],
    ..RULES
};

/// The profile of FAPI 2.0: stricter rules, the same shapes.
#[derive(Debug)]
pub struct Fapi2;

impl Profile for Fapi2 {
    fn rules(&self) -> &'static Rules {
        &FAPI2_RULES
    }
}

/// OpenID Connect Core §2, §3.1.3.6; `sid` by Back-Channel Logout §2.1.
pub(super) fn id_token(facts: &Facts<'_>, stamp: Stamp, at_hash: String) -> Value {
    let Facts { subject, session, client, grant, .. } = facts;
    let mut claims = members(json!({
        "iss": facts.issuer,
        "sub": subject.sub,
        "aud": client.id,
        "exp": stamp.expires_at.timestamp(),
        "iat": facts.issued_at.timestamp(),
        "auth_time": session.auth_time.timestamp(),
        "jti": stamp.jti,
        "azp": client.id,
        "acr": level(facts),
        "amr": facts.client.names.of_factors(session),
        "at_hash": at_hash,
        "sid": session.id,
    }));
    if !grant.nonce.is_empty() {
        claims.insert("nonce".into(), json!(grant.nonce));
    }
    add_asked(&mut claims, facts, |asked| &asked.id_token);
    Value::Object(claims)
}

/// The level that is told: the one that was asked for, where it was reached, else the one that was. A session that was
/// renewed at a lower level since tells that one. Each by the client's name for it.
fn level<'a>(facts: &Facts<'a>) -> &'a str {
    let names = &facts.client.names;
    let is_offered = |asked: &Level| asked.assurance().is_some() || names.has_phr();
    let asked = facts.grant.details.acr.filter(|asked| asked.is_met_by(facts.session)).filter(is_offered);
    names.of_level(asked.unwrap_or(facts.session.acr.into()))
}

/// Adds the claims that were asked for by name (OpenID Connect Core §5.5), of the scopes that the client may ask for. What
/// stands there already stays: nobody asks for another issuer.
fn add_asked(
    claims: &mut Map<String, Value>,
    facts: &Facts<'_>,
    of: impl FnOnce(&ClaimsRequest) -> &std::collections::BTreeSet<String>,
) {
    let Some(asked) = &facts.grant.details.claims else { return };
    let Ok(asked) = ClaimsRequest::deserialize(asked) else { return };
    let names = of(&asked);
    if names.is_empty() {
        return;
    }
    let registered = facts.client.metadata.scope.as_deref();
    let may_have =
        |scope: &str| registered.is_none_or(|all| all.split_ascii_whitespace().any(|one| one == scope));
    for (name, value) in all_claims(facts, may_have) {
        if names.contains(&name) {
            claims.entry(name).or_insert(value);
        }
    }
}

/// RFC 9068 §2.2. The audience is the resource that was asked for (RFC 8707), else the provider's own userinfo.
pub(super) fn access_token(facts: &Facts<'_>, stamp: Stamp) -> Value {
    let Facts { subject, session, grant, .. } = facts;
    let audience = match grant.details.resources.as_slice() {
        [] => json!(facts.issuer),
        [one] => json!(one),
        several => json!(several),
    };
    json!({
        "iss": facts.issuer,
        "sub": subject.sub,
        "aud": audience,
        "exp": stamp.expires_at.timestamp(),
        "iat": facts.issued_at.timestamp(),
        "auth_time": session.auth_time.timestamp(),
        "jti": stamp.jti,
        "client_id": grant.client_id,
        "scope": grant.scope,
        "acr": level(facts),
        "amr": facts.client.names.of_factors(session),
        "sid": session.id,
    })
}

/// Opaque to relying parties: it says nothing but its name, whose it is and how long it is good.
pub(super) fn refresh_token(facts: &Facts<'_>, stamp: Stamp) -> Value {
    json!({
        "iss": facts.issuer,
        "aud": facts.issuer,
        "exp": stamp.expires_at.timestamp(),
        "iat": facts.issued_at.timestamp(),
        "jti": stamp.jti,
        "typ": psc::REFRESH_TOKEN_TYPE,
    })
}

/// RFC 6749 §5.1, OpenID Connect Core §3.1.3.3.
pub(super) fn response(facts: &Facts<'_>, issued: Issued) -> Value {
    let mut answer = members(json!({
        "access_token": issued.access_token,
        "token_type": issued.token_type,
        "expires_in": issued.expires_in,
        "id_token": issued.id_token,
        "scope": facts.grant.scope,
    }));
    if let Some((token, _)) = issued.refresh {
        answer.insert("refresh_token".into(), json!(token));
    }
    Value::Object(answer)
}

/// OpenID Connect Core §5.1, §5.4; professional data by PSC's names where its scope was granted.
pub(super) fn userinfo(facts: &Facts<'_>) -> Value {
    let has = |scope: &str| facts.grant.scope.split(' ').any(|granted| granted == scope);
    let mut claims = all_claims(facts, has);
    claims.remove("auth_time");
    add_asked(&mut claims, facts, |asked| &asked.userinfo);
    Value::Object(claims)
}

/// What can be said of the person and the sign-in, of these scopes.
fn all_claims(facts: &Facts<'_>, has: impl Fn(&str) -> bool) -> Map<String, Value> {
    let Facts { subject, session, client, .. } = facts;
    let mut claims = Map::new();
    if has(psc::SCOPE_OF_EVERYTHING)
        && let Ok(Value::Object(everything)) = serde_json::to_value(subject.userinfo(session))
    {
        claims = everything;
    }
    claims.insert("sub".into(), json!(subject.sub));
    claims.insert("auth_time".into(), json!(session.auth_time.timestamp()));
    if has("profile") {
        claims.insert("name".into(), json!(format!("{} {}", subject.given_name, subject.family_name)));
        claims.insert("given_name".into(), json!(subject.given_name));
        claims.insert("family_name".into(), json!(subject.family_name));
        if is_told_identifiers(client) {
            claims.insert("preferred_username".into(), json!(subject.id_nat));
        }
    }
    claims
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
