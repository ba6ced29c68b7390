//! The exchange of an access token of another provider for one of ours (RFC 8693 §2.1): the person has signed in there, and what a
//! service does for them here stands on that.
//!
//! Which service may bring whose tokens, whether one is good and whose it is, says [`ForeignTokens`]. The new token stands on a
//! session of its own, of no browser, that ends with it; sooner where the person signs out there, or the link between the two
//! is taken away. It gives scopes that the client is registered with and no other, and names the client that acts.
//!
//! [`ForeignTokens`]: crate::oidc::foreign::ForeignTokens

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::error::TokenError;
use super::exchange::{self, New};
use super::issue;
use crate::audit::{Caller, Kind};
use crate::crypto::digest::sha256;
use crate::crypto::jose;
use crate::ids::{GrantId, Secret, SessionId, uuid_v4};
use crate::oidc::authorize::OFFLINE;
use crate::oidc::parameters::Parameters;
use crate::oidc::{Provider, profile};
use crate::session::{Amr, Station};
use crate::store;
use crate::store::client::Client;
use crate::store::grant::{Confirmation, Details, Grant, Granted, NewTokens};
use crate::store::session::NewSession;
use crate::store::token::{ForeignExchange, ForeignToken};

/// The other provider whose token it is; none where it is one of ours. One that can be read says itself whose it is; of another
/// the client says it (`subject_issuer`, as Keycloak takes it).
pub(super) fn issuer(provider: &Provider, form: &Parameters, token: &str) -> Option<String> {
    let tokens = provider.foreign.as_ref()?;
    match jose::unverified_claims(token) {
        Some(claims) => tokens.of_issuer(claims.get("iss")?.as_str()?),
        None => tokens.named(form.first("subject_issuer")?),
    }
}

pub(super) async fn exchange(
    provider: &Provider,
    client: &Client,
    form: &Parameters,
    caller: &Caller,
    proven: Option<&Confirmation>,
    (issuer, token): (&str, &str),
) -> Result<Value, TokenError> {
    let tokens = provider.foreign.as_ref().ok_or(TokenError::SubjectTokenOfOthers)?;
    if proven.is_none() && profile::of(client).rules().bound_tokens_only {
        return Err(TokenError::Unbound);
    }
    let audience = exchange::audience(client, form)?;
    let zone = caller.zone.clone().unwrap_or_default();
    if !client.demands().admit(&zone) {
        return Err(TokenError::Zone);
    }
    let foreign = tokens.read(issuer, token, client).await?;
    let scope = exchange::scope(client, form.first("scope"), &given(client, &foreign))?;

    let now = provider.now();
    let station = Station { zone, shared: false };
    let proof = &foreign.authentication;
    let life = provider.settings.lifetimes.exchanged_token;
    // Nobody is at its session, which ends with the sign-in there growing too old, like every other.
    let policy = provider.settings.policies.at(&station).tightened(&client.demands());
    let life = life.min(policy.idle).min(proof.at + policy.lifetime - now);
    if life <= TimeDelta::zero() {
        return Err(TokenError::SessionOver);
    }
    let new = NewSession {
        id: SessionId::new(now, &*provider.random),
        // Nobody is given the cookie of which this is the hash.
        cookie_hash: sha256(Secret::of_256_bits(&*provider.random).expose().as_bytes()),
        authentication: proof.clone(),
        expires_at: now + life,
        station,
        watched: None,
    };
    let session = new.begun(now);
    let grant = Grant {
        id: GrantId::new(now, &*provider.random),
        session_id: session.id,
        person_id: session.person_id,
        client_id: client.id.clone(),
        scope,
        nonce: String::new(),
        created_at: now,
        revoked_at: None,
        details: Details { resources: audience, ..Details::default() },
    };
    let granted = Granted { grant, session };
    let person = issue::standing(provider, client, &granted).await?;
    let Granted { grant, session } = granted;
    let (jti, expires_at) = (uuid_v4(&*provider.random), now + life);
    let token = New { grant: &grant, session: &session, jti, expires_at };
    let token = exchange::sign(provider, client, &person, token, json!({ "sub": client.id }), proven).await?;
    let response = exchange::response(&token, life, &grant.scope, proven);

    let factors: Vec<String> = proof.amr.iter().copied().map(Amr::as_str).map(str::to_owned).collect();
    let event = |kind| {
        let event = provider.trail.event(kind).person(proof.person).client(&client.id).session(new.id);
        event.id_nat(&person.id_nat).caller(caller).upstream(&foreign.there.provider)
    };
    let begun = event(Kind::SignIn).level(proof.acr.as_str(), &factors).note("token-exchange");
    let exchanged = event(Kind::TokenExchanged).note(&format!("for {}", foreign.client_id));
    let events = [(&begun).into(), (&exchanged).into()];
    let kept = ForeignExchange {
        session: new,
        brought: foreign,
        grant,
        tokens: NewTokens { access_jti: jti, access_expires_at: expires_at, refresh: None },
    };
    if !store::token::exchange_foreign(&provider.db, &kept, &events, now).await? {
        return Err(TokenError::Overtaken);
    }
    Ok(response)
}

/// What of the token's scopes the client is registered with: those of another provider say nothing of what is given here.
fn given(client: &Client, foreign: &ForeignToken) -> String {
    let of_ours = profile::scopes();
    let own = client.metadata.scope.as_deref().unwrap_or_default().split_ascii_whitespace();
    let there = |scope: &str| foreign.scope.split_ascii_whitespace().any(|one| one == scope);
    // What is told of a person has to be told there already; and nothing is given for the time after they have left.
    let given = own.filter(|scope| !of_ours.contains(scope) || (there(scope) && *scope != OFFLINE));
    given.collect::<Vec<_>>().join(" ")
}
