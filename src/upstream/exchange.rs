//! An access token of a provider that a service brings to exchange it for one of ours (RFC 8693): whose it is, and whether the
//! provider says so still. The servers of "API Pro Santé Connectées" take the tokens of Pro Santé Connect so.
//!
//! What it stops. *A service that brings what is not of its software*: whose tokens, by the client there, a service here may
//! bring is configured, and nothing is where nothing is. Whom that software meant a token for nobody can tell: those of Pro
//! Santé Connect have no audience. *A made-up token*: one that can be read has to be signed by the provider,
//! before anything is asked. *One that is over*: the provider is asked, and its word is kept for half a minute at most. *A
//! token that is bound to a key* is good in its holder's hands alone. Of a token no more than its hash is ever kept.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::identity::{Known, authentication, stable_subject, text};
use super::provider::{Provider, ProviderError, Said};
use super::{Refusal, Upstreams};
use crate::clock::Time;
use crate::config::UpstreamProfile;
use crate::crypto::digest::sha256;
use crate::crypto::jose;
use crate::store;
use crate::store::client::Client;
use crate::store::token::ForeignToken;
use crate::store::upstream_session::UpstreamSession;

/// The longest token that is passed on, in bytes.
const LONGEST: usize = 16 * 1024;
/// How long the word of a provider is good for: so long a token that was revoked there may still be exchanged.
const GOOD_FOR: TimeDelta = TimeDelta::seconds(30);
/// So many words are kept, of some kilobytes each.
const MOST: usize = 2_000;

/// What providers said a moment ago, by the provider and the hash of the token.
#[derive(Debug, Default)]
pub(super) struct Words(Mutex<HashMap<(String, [u8; 32]), Word>>);

/// What a provider said of a token that is good. Of one that is not, nothing is kept.
#[derive(Debug, Clone)]
struct Word {
    until: Time,
    said: Map<String, Value>,
}

impl Words {
    fn get(&self, key: &(String, [u8; 32]), now: Time) -> Option<Word> {
        let words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        words.get(key).filter(|word| word.until > now).cloned()
    }

    fn keep(&self, key: (String, [u8; 32]), word: Word, now: Time) {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() >= MOST {
            words.retain(|_, word| word.until > now);
        }
        if words.len() < MOST {
            words.insert(key, word);
        }
    }

    /// Forgets what is good no more.
    pub(super) fn forget_old(&self, now: Time) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, word| word.until > now);
    }
}

impl Upstreams {
    /// Whose token of a provider it is that `client` brings.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn read_token(
        &self,
        name: &str,
        token: &str,
        client: &Client,
    ) -> Result<ForeignToken, Refusal> {
        let now = self.now();
        let provider = self.provider(name)?;
        let issued_to = provider.settings.exchange.get(&client.id).ok_or(Refusal::TokenOfOthers)?;
        // Whatever is no token for this service is no reason to ask.
        let read = read(provider, token, issued_to, now).await?;
        let word = self.word(provider, token, now).await?;
        let mut said = word.ok_or(Refusal::TokenNotGood("the provider says so"))?;
        check(provider, &said, now)?;
        // RFC 7662 §2.2 leaves both out where it likes; then nothing tells it from a refresh token, which is no proof of anybody.
        if text(&said, "typ").or_else(|| text(&said, "token_type")).is_none_or(|kind| !is_bearer(kind)) {
            return Err(Refusal::TokenNotGood("the provider does not say that it is an access token"));
        }
        if let (Some(one), Some(other)) = (text(&read, "sub"), text(&said, "sub"))
            && one != other
        {
            return Err(ProviderError::Untrue("it answers about somebody else than the token".into()).into());
        }
        // What the answer does not tell stands in the token, where that can be read.
        for (name, value) in read {
            said.entry(name).or_insert(value);
        }
        let client_id = holder(&said, issued_to)?.ok_or(Refusal::TokenOfOthers)?.to_owned();
        self.brought(provider, client, client_id, said, now).await
    }

    /// What the provider says of a token, now or a moment ago.
    async fn word(
        &self,
        provider: &Provider,
        token: &str,
        now: Time,
    ) -> Result<Option<Map<String, Value>>, ProviderError> {
        let key = (provider.name.clone(), sha256(token.as_bytes()));
        if let Some(word) = self.words.get(&key, now) {
            return Ok(Some(word.said));
        }
        let said = provider.introspect(token).await?;
        if let Some(said) = said.clone() {
            self.words.keep(key, Word { until: now + GOOD_FOR, said }, now);
        }
        Ok(said)
    }

    async fn brought(
        &self,
        provider: &Provider,
        client: &Client,
        client_id: String,
        claims: Map<String, Value>,
        now: Time,
    ) -> Result<ForeignToken, Refusal> {
        let subject = text(&claims, "sub").ok_or(Refusal::NoSubject)?.to_owned();
        let there = UpstreamSession {
            provider: provider.name.clone(),
            issuer: provider.settings.issuer.clone(),
            subject: subject.clone(),
            sid: text(&claims, "sid").map(str::to_owned),
            // Nobody signs out there by it.
            id_token: None,
        };
        // Whether somebody has signed out since is known by that alone.
        let issued_at = moment(&claims, "iat").ok_or(Refusal::TokenNotGood("it does not tell since when"))?;
        let issued_at = issued_at.min(now);
        let scope = text(&claims, "scope").unwrap_or_default().to_owned();
        // It was told to us by the provider itself, as its UserInfo is.
        let said = Said {
            subject,
            raw: String::new(),
            id_token: claims.clone(),
            access_token: claims.clone(),
            userinfo: claims,
        };
        let stable = stable_subject(provider, &said)?;
        let (person, linked) = match self.person(provider, &said, &stable, client.audience, now).await? {
            Known::Linked(person, _) => (person, Some(stable)),
            // A link is made, and what is new is kept, where the person is.
            Known::Told(person, _) => (person, None),
            Known::Unpaired => return Err(Refusal::NotLinked),
        };
        if store::upstream_session::was_ended_there(&self.parts.db, &there, issued_at).await? {
            return Err(Refusal::EndedThere);
        }
        // Where it is not told when they signed in there, it was before the token was issued.
        let authentication = authentication(provider, &said, person, provider.level, issued_at);
        Ok(ForeignToken { authentication, there, linked, issued_at, client_id, scope })
    }
}

/// The claims of a token that can be read, once it is certain that it is the provider's, and of a client whose tokens are taken.
/// None of one that cannot.
async fn read(
    provider: &Provider,
    token: &str,
    issued_to: &BTreeSet<String>,
    now: Time,
) -> Result<Map<String, Value>, Refusal> {
    if token.len() > LONGEST {
        return Err(Refusal::TokenNotGood("it is too long"));
    }
    let Some(unverified) = jose::unverified_claims(token) else {
        return match provider.settings.profile {
            UpstreamProfile::Psc => {
                Err(Refusal::TokenNotGood("it cannot be read, and those of Pro Santé Connect can"))
            }
            UpstreamProfile::Standard => Ok(Map::new()),
        };
    };
    holder(&unverified, issued_to)?;
    let signed: Map<String, Value> = provider
        .signed(token)
        .await?
        .map_err(|error| ProviderError::Untrue(format!("the token is not signed by it: {error}")))?;
    check(provider, &signed, now)?;
    Ok(signed)
}

/// The client there that a token was issued to, where that is told: one of those whose tokens are taken.
fn holder<'a>(
    claims: &'a Map<String, Value>,
    issued_to: &BTreeSet<String>,
) -> Result<Option<&'a str>, Refusal> {
    let told = ["azp", "client_id"].map(|name| text(claims, name));
    match told.iter().flatten().all(|told| issued_to.contains(*told)) {
        true => Ok(told.into_iter().flatten().next()),
        false => Err(Refusal::TokenOfOthers),
    }
}

/// Whether it is an access token of that provider, in its time and in everybody's hands.
fn check(provider: &Provider, claims: &Map<String, Value>, now: Time) -> Result<(), Refusal> {
    if text(claims, "iss").is_some_and(|iss| iss != provider.settings.issuer) {
        return Err(Refusal::TokenNotGood("it is of another issuer"));
    }
    if claims.contains_key("exp") && moment(claims, "exp").is_none_or(|end| end <= now) {
        return Err(Refusal::TokenNotGood("it is expired"));
    }
    // Keycloak says by `typ` what a token is, and signs them all with the same keys.
    if text(claims, "typ").is_some_and(|typ| !is_bearer(typ)) {
        return Err(Refusal::TokenNotGood("it is no access token"));
    }
    // OpenID Connect Core §3.1.3.6. `nonce` tells nothing: Keycloak writes it in access tokens too.
    if claims.contains_key("at_hash") {
        return Err(Refusal::TokenNotGood("it is an ID token"));
    }
    if claims.contains_key("cnf") {
        return Err(Refusal::TokenNotGood("it is bound to a key of its holder"));
    }
    Ok(())
}

fn is_bearer(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("Bearer")
}

fn moment(claims: &Map<String, Value>, name: &str) -> Option<Time> {
    claims.get(name).and_then(Value::as_i64).and_then(|seconds| Time::from_timestamp(seconds, 0))
}
