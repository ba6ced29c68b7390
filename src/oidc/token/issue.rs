//! Making the tokens of one answer. Everything is computed and signed here, before the database is told.

use chrono::TimeDelta;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::error::TokenError;
use crate::crypto::digest::sha256;
use crate::crypto::jose;
use crate::ids::{Secret, uuid_v4};
use crate::oidc::encryption::{self, Registered};
use crate::oidc::profile::{self, Facts, Issued, Stamp};
use crate::oidc::proof::binding;
use crate::oidc::subject::Subject;
use crate::oidc::{Provider, signing};
use crate::session::Standing;
use crate::store::client::Client;
use crate::store::grant::{Confirmation, Granted, NewTokens};

/// Tokens that are signed and not yet kept.
pub(super) struct Prepared {
    /// For the database.
    pub tokens: NewTokens,
    /// For the relying party.
    pub response: Value,
}

/// The person of a grant, once session and person were looked at again.
///
/// # Errors
/// Where the session is over or the person may no longer be here.
pub(super) async fn standing(
    provider: &Provider,
    client: &Client,
    granted: &Granted,
) -> Result<Subject, TokenError> {
    let Granted { grant, session } = granted;
    if grant.revoked_at.is_some() {
        return Err(TokenError::Revoked);
    }
    match session.standing(provider.settings.policy(session, client), provider.now()) {
        // What the person consented to for the time after they have left.
        _ if grant.details.offline => {}
        Standing::Alive => {}
        Standing::Locked | Standing::Unwatched => return Err(TokenError::SessionLocked),
        Standing::Expired | Standing::Ended => return Err(TokenError::SessionOver),
    }
    if !client.demands().admit(&session.zone) {
        return Err(TokenError::Zone);
    }
    Ok(provider.subject(grant.person_id, client).await?)
}

/// Makes and signs access, ID and refresh token, in the shapes of the client's profile.
///
/// # Errors
/// Where a token cannot be signed.
pub(super) async fn prepare(
    provider: &Provider,
    client: &Client,
    granted: &Granted,
    subject: &Subject,
    bound_to: Option<&Confirmation>,
) -> Result<Prepared, TokenError> {
    let Granted { grant, session } = granted;
    let now = provider.now();
    let lifetimes = provider.settings.lifetimes;
    // Nothing outlives the session, but for what was consented to; and that not for ever.
    let (refresh_life, end) = if grant.details.offline {
        (lifetimes.offline_access, grant.created_at + lifetimes.offline_access)
    } else {
        (lifetimes.refresh_token, session.expires_at)
    };
    let within = |lifetime: TimeDelta| lifetime.min(end - now);
    let (access_life, refresh_life) = (within(lifetimes.access_token), within(refresh_life));
    let profile = profile::of(client);
    if profile.rules().bound_tokens_only && bound_to.is_none() {
        return Err(TokenError::Unbound);
    }
    let facts = Facts {
        issuer: provider.settings.issuer.as_str(),
        subject,
        session,
        client,
        grant,
        choices: &provider.settings.choices,
        tenant: &provider.settings.delegation.tenant,
        issued_at: now,
    };
    let access_jti = uuid_v4(&*provider.random);
    let access_expires_at = now + access_life;
    let algorithm = signing::of_tokens(client);
    let access_stamp = Stamp { jti: access_jti.to_string(), expires_at: access_expires_at };
    let access = confirmed(profile.access_token(&facts, access_stamp), bound_to);
    let access_token = provider.token_keys.sign(algorithm, profile.access_token_type(), &access).await?;

    let id_stamp = Stamp { jti: uuid_v4(&*provider.random).to_string(), expires_at: access_expires_at };
    let id = profile.id_token(&facts, id_stamp, signing::at_hash(algorithm, &access_token));
    let id_token = provider.token_keys.sign(algorithm, "JWT", &id).await?;
    let id_token =
        encryption::encrypted(provider, client, Registered::of_id_tokens(client), id_token).await?;

    let refresh = refresh_token(provider, &facts, refresh_life, bound_to).await?;
    let issued = Issued {
        access_token,
        expires_in: access_life.num_seconds(),
        token_type: binding::token_type(bound_to),
        refresh: refresh.as_ref().map(|token| (token.clone(), refresh_life.num_seconds())),
        id_token,
    };
    let kept = refresh.map(|token| (sha256(token.as_bytes()), now + refresh_life));
    Ok(Prepared {
        tokens: NewTokens { access_jti, access_expires_at, refresh: kept },
        response: profile.response(&facts, issued),
    })
}

/// A refresh token, for a client that is registered to use one.
async fn refresh_token(
    provider: &Provider,
    facts: &Facts<'_>,
    life: TimeDelta,
    bound_to: Option<&Confirmation>,
) -> Result<Option<String>, TokenError> {
    let metadata = &facts.client.metadata;
    if !profile::of(facts.client).rules().let_use(facts.client, "refresh_token") {
        return Ok(None);
    }
    // 256 random bits, since its hash is all that stands between a guess and a session.
    let jti = Secret::of_256_bits(&*provider.random).expose().to_owned();
    let stamp = Stamp { jti, expires_at: facts.issued_at + life };
    let claims = profile::of(facts.client).refresh_token(facts, stamp);
    // Those of other clients are bound to the client's authentication (RFC 9449 §5, RFC 8705 §4).
    let claims = confirmed(claims, bound_to.filter(|_| metadata.is_public()));
    Ok(Some(jose::sign(provider.refresh_keys.keys().await.current(), "JWT", &claims)?))
}

/// The claims with `cnf` (RFC 7800 §3.1).
fn confirmed(claims: Value, bound_to: Option<&Confirmation>) -> Value {
    match (claims, bound_to) {
        (Value::Object(mut members), Some(bound_to)) => {
            members.insert("cnf".into(), json!(bound_to));
            Value::Object(members)
        }
        (claims, _) => claims,
    }
}

/// What a refresh token of ours is bound to. Its hash must have been found in the database: then its members are what we
/// signed.
pub(super) fn bound_to(token: &str) -> Option<Confirmation> {
    let claims = jose::unverified_claims(token)?;
    Confirmation::deserialize(claims.get("cnf")?).ok()
}
