//! Token exchange (RFC 8693): the authorization server of an API takes a person's access token and gets one for its API,
//! as the "API Pro Santé Connectées" are protected. That of another provider is the business of [`foreign`].
//!
//! Only clients that are registered for it, only for the audiences that they are registered with, and only tokens that
//! were meant for them: whose audience they are, which they were issued themselves, or, for tokens of the profile of PSC,
//! which have no audience, where they may introspect every token. The new token says who acts (`act`), gives no more than
//! the old one and the client's own scopes together, and ends with the session at the latest. It ends, besides, with what it
//! came of: the token that was exchanged and its grant, through every exchange before, and the clients of all of them.
//! Nobody gets a refresh token this way.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::TokenError;
use super::foreign;
use crate::audit::{Caller, Kind};
use crate::clock::Time;
use crate::ids::{GrantId, uuid_v4};
use crate::oidc::access::{self, Access};
use crate::oidc::parameters::Parameters;
use crate::oidc::profile::{self, Facts, Stamp};
use crate::oidc::proof::binding;
use crate::oidc::subject::Subject;
use crate::oidc::{Provider, signing, standard};
use crate::session::Session;
use crate::store;
use crate::store::client::Client;
use crate::store::grant::{Confirmation, Details, Grant};
use crate::store::token::Exchange;

/// The grant (RFC 8693 §2.1).
pub(in crate::oidc) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What is taken and given (RFC 8693 §3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// An access token of ours is one; ANS's guide names it so.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// How many may act one behind the other: a service, the server of its API, and two more behind that.
const LONGEST_CHAIN: usize = 3;

pub(super) async fn exchange(
    provider: &Provider,
    client: &Client,
    form: &Parameters,
    caller: &Caller,
    proven: Option<&Confirmation>,
) -> Result<Value, TokenError> {
    // A public client that exchanges its own token for one that is bound to nothing could be whoever stole it.
    if !client.metadata.may_use(GRANT_TYPE) || client.metadata.is_public() {
        return Err(TokenError::GrantOfOthers);
    }
    let subject_token = form.first("subject_token").ok_or(TokenError::Missing("subject_token"))?;
    let given = form.first("subject_token_type").ok_or(TokenError::Missing("subject_token_type"))?;
    let wanted = form.first("requested_token_type").unwrap_or(ACCESS_TOKEN);
    if [given, wanted].iter().any(|one| !matches!(*one, ACCESS_TOKEN | JWT)) {
        return Err(TokenError::TokenType);
    }
    if form.has("actor_token") {
        return Err(TokenError::ActorToken);
    }
    if let Some(issuer) = foreign::issuer(provider, form, subject_token) {
        return foreign::exchange(provider, client, form, caller, proven, (&issuer, subject_token)).await;
    }
    let subject = access::check(provider, subject_token).await.map_err(TokenError::SubjectToken)?;
    if !is_meant_for(client, &subject) {
        return Err(TokenError::SubjectTokenOfOthers);
    }
    if actors(&subject.claims) >= LONGEST_CHAIN {
        return Err(TokenError::ChainTooLong);
    }
    if proven.is_none() && profile::of(client).rules().bound_tokens_only {
        return Err(TokenError::Unbound);
    }
    let audience = audience(client, form)?;
    let scope = scope(client, form.first("scope"), &subject.grant.scope)?;

    let now = provider.now();
    if !client.demands().admit(&subject.session.zone) {
        return Err(TokenError::Zone);
    }
    let life = provider.settings.lifetimes.exchanged_token.min(subject.session.expires_at - now);
    // Exchanged again, a token lives no longer than it would have.
    let life = if subject.claims.contains_key("act") { life.min(subject.expires_at - now) } else { life };
    let (access_jti, expires_at) = (uuid_v4(&*provider.random), now + life);
    let grant = Grant {
        id: GrantId::new(now, &*provider.random),
        session_id: subject.session.id,
        person_id: subject.grant.person_id,
        client_id: client.id.clone(),
        scope,
        nonce: String::new(),
        created_at: now,
        revoked_at: None,
        details: Details { resources: audience, ..Details::default() },
    };
    // The person, as the client that asks may know them: it may be another sector, or welcome others.
    let person = provider.subject(grant.person_id, client).await?;
    let new = New { grant: &grant, session: &subject.session, jti: access_jti, expires_at };
    let token = sign(provider, client, &person, new, actor(client, &subject), proven).await?;

    let exchange = Exchange {
        subject_jti: subject.jti,
        id: grant.id,
        session_id: grant.session_id,
        person_id: grant.person_id,
        client_id: grant.client_id.clone(),
        scope: grant.scope.clone(),
        details: grant.details.clone(),
        access_jti,
        expires_at,
    };
    let event = provider.trail.event(Kind::TokenExchanged).person(grant.person_id).client(&client.id);
    let event = event.session(grant.session_id).id_nat(&person.id_nat).caller(caller);
    let event = event.note(&format!("for {}", subject.client.id));
    if !store::token::exchange(&provider.db, &exchange, now, &(&event).into()).await? {
        return Err(TokenError::Overtaken);
    }
    Ok(response(&token, life, &grant.scope, proven))
}

/// A token to be made.
pub(super) struct New<'a> {
    pub grant: &'a Grant,
    pub session: &'a Session,
    pub jti: Uuid,
    pub expires_at: Time,
}

/// Makes and signs the new token, in the hands of `actor`.
pub(super) async fn sign(
    provider: &Provider,
    client: &Client,
    person: &Subject,
    new: New<'_>,
    actor: Value,
    proven: Option<&Confirmation>,
) -> Result<String, TokenError> {
    let facts = Facts {
        issuer: provider.settings.issuer.as_str(),
        subject: person,
        session: new.session,
        client,
        grant: new.grant,
        choices: &provider.settings.choices,
        tenant: &provider.settings.delegation.tenant,
        issued_at: provider.now(),
    };
    let stamp = Stamp { jti: new.jti.to_string(), expires_at: new.expires_at };
    let mut claims = standard::access_token(&facts, stamp);
    if let Value::Object(members) = &mut claims {
        members.insert("act".into(), actor);
        // What the old token is bound to is its holder's; the new one is of who acts.
        if let Some(bound_to) = proven {
            members.insert("cnf".into(), json!(bound_to));
        }
    }
    let algorithm = signing::of_tokens(client);
    Ok(provider.token_keys.sign(algorithm, standard::ACCESS_TOKEN_TYPE, &claims).await?)
}

/// The answer (RFC 8693 §2.2.1).
pub(super) fn response(token: &str, life: TimeDelta, scope: &str, proven: Option<&Confirmation>) -> Value {
    json!({
        "access_token": token,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": binding::token_type(proven),
        "expires_in": life.num_seconds(),
        "scope": scope,
    })
}

/// Whether the token was issued to the client, or for it.
fn is_meant_for(client: &Client, subject: &Access) -> bool {
    let names =
        |audience: &str| client.id == audience || client.metadata.resources.iter().any(|one| one == audience);
    match subject.claims.get("aud") {
        None => client.may_introspect || subject.client.id == client.id,
        Some(Value::String(one)) => subject.client.id == client.id || names(one),
        Some(Value::Array(several)) => {
            subject.client.id == client.id || several.iter().filter_map(Value::as_str).any(names)
        }
        Some(_) => false,
    }
}

/// Whom the new token is for: `audience` and `resource`, each of which must be registered; else the client itself.
pub(super) fn audience(client: &Client, form: &Parameters) -> Result<Vec<String>, TokenError> {
    let asked =
        form.iter().filter(|(name, value)| matches!(*name, "audience" | "resource") && !value.is_empty());
    let mut audience: Vec<String> = Vec::new();
    for (_, one) in asked {
        if one != client.id && !client.metadata.resources.iter().any(|registered| registered == one) {
            return Err(TokenError::Target);
        }
        if !audience.iter().any(|known| known == one) {
            audience.push(one.to_owned());
        }
    }
    Ok(if audience.is_empty() { vec![client.id.clone()] } else { audience })
}

/// What was asked for, out of what the old token gives and what the client is registered with; without a wish, what the
/// old token gives.
pub(super) fn scope(client: &Client, asked: Option<&str>, given: &str) -> Result<String, TokenError> {
    let own = client.metadata.scope.as_deref().unwrap_or_default();
    let of_ours = profile::scopes();
    // What we tell of a person is the first service's to pass on; of an API's own scopes its server is registered with some.
    let own = own.split_ascii_whitespace().filter(|one| !of_ours.contains(one));
    let may = |scope: &&str| given.split(' ').chain(own.clone()).any(|one| one == *scope);
    let Some(asked) = asked else { return Ok(given.to_owned()) };
    let asked: Vec<&str> = asked.split_ascii_whitespace().collect();
    if asked.iter().all(may) { Ok(asked.join(" ")) } else { Err(TokenError::ScopeExceeded) }
}

/// How many acted already (RFC 8693 §4.1).
fn actors(claims: &Map<String, Value>) -> usize {
    std::iter::successors(claims.get("act"), |actor| actor.get("act")).count()
}

/// RFC 8693 §4.1: who acts, and behind it who acted before.
fn actor(client: &Client, subject: &Access) -> Value {
    let mut actor = Map::from_iter([("sub".to_owned(), json!(client.id))]);
    if let Some(before) = subject.claims.get("act") {
        actor.insert("act".into(), before.clone());
    }
    Value::Object(actor)
}
