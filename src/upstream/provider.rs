//! One provider of others, as a relying party sees it: the code flow, and what its tokens say. [`documents`] reads what it says
//! of itself, [`ciba`] asks somebody who is at no browser of its, [`introspection`] asks whether a token of its own is good.
//!
//! The protocol is the business of `openidconnect` and `oauth2`. Ours is what they leave open: algorithms are named and none
//! of them is symmetric, and every call has an end.

mod call;
mod ciba;
mod documents;
mod introspection;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreGenderClaim, CoreIdToken, CoreJwsSigningAlgorithm, CoreTokenResponse,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalClaims, AsyncHttpClient, AuthorizationCode,
    ClaimsVerificationError, CsrfToken, HttpRequest, HttpResponse, Nonce, NonceVerifier,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RequestTokenError, Scope,
    SignatureVerificationError, TokenResponse as _, UserInfoClaims, UserInfoError,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use url::Url;

pub use self::ciba::{Answer, Ask, Look};
use self::documents::Documents;
use super::breaker::Breaker;
use crate::clock::SharedClock;
use crate::config::Upstream;
use crate::crypto::egress::{Egress, EgressError, chain};
use crate::crypto::jose::{self, Expected, JwsError};
use crate::crypto::keys::Algorithm;
use crate::ids::Secret;
use crate::session::Acr;

/// The longest that any call to a provider may last: a person waits for it.
const WITHIN: Duration = Duration::from_secs(8);
/// How often UserInfo is asked for at most, and what is between two times.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);
/// How far the provider's clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::seconds(60);
/// With what ID tokens may be signed. Never with a secret that both sides have.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 7] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
];

/// With what its other tokens may be signed. `typ` is not looked at: providers write `JWT` where others name the kind (RFC 9068
/// §2.1; Back-Channel Logout 1.0 §2.4). Whoever has one verified tells it from every other token by its claims.
const SIGNED: Expected<'_> = Expected {
    typ: None,
    algorithms: &[Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256],
    max_len: 16 * 1024,
};

/// Why a provider is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It was asked in vain a moment ago.
    #[error("the provider did not answer a moment ago, and is not asked")]
    Away,
    /// It does not answer, or with something else.
    #[error("the provider does not answer as expected: {0}")]
    Unusable(String),
    /// It refuses what we ask for.
    #[error("the provider refuses: {0}")]
    Refused(String),
    /// It asks nobody at their phone or card.
    #[error("the provider asks nobody at their phone or card")]
    NoBackchannel,
    /// What it says is not acceptable.
    #[error("what the provider says is not acceptable: {0}")]
    Untrue(String),
}

impl ProviderError {
    /// Whether another time may go better: it is the provider that fails, and not what was asked.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Away | Self::Unusable(_))
    }
}

/// Claims as they came.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct AsTheyCame(Map<String, Value>);
impl AdditionalClaims for AsTheyCame {}

/// A provider of others.
#[derive(Debug)]
pub struct Provider {
    /// Its name in the configuration, and in addresses.
    pub name: String,
    /// The rest of what is configured.
    pub settings: Upstream,
    /// The level that a sign-in there reaches at most.
    pub level: Acr,
    redirect_uri: String,
    http: Http,
    clock: SharedClock,
    known: RwLock<Option<Arc<Documents>>>,
    /// Who reads its documents: one at a time, and nobody waits for it who has no need to.
    reading: Mutex<()>,
    breaker: Breaker,
}

/// What stays here of a sign-in that went to a provider, until it comes back.
#[derive(Serialize, Deserialize)]
pub struct Kept {
    nonce: String,
    verifier: String,
}

/// A sign-in on its way to a provider.
pub struct Started {
    /// Where the browser goes.
    pub address: Url,
    /// Comes back with the code.
    pub state: Secret,
    /// What stays here.
    pub kept: Kept,
}

/// What is asked of a provider beyond a sign-in.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The person is to sign in there anew.
    pub fresh: bool,
    /// The language of the page.
    pub language: &'static str,
    /// The provider behind it by which the person should sign in, in the relying party's words.
    pub idp_hint: Option<String>,
}

/// What a provider says of somebody, verified.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Said {
    /// Who it is there.
    pub subject: String,
    /// The ID token as it came: what signs out there.
    pub raw: String,
    /// The claims of the ID token.
    pub id_token: Map<String, Value>,
    /// The claims of the access token, where it is one of ours to read: a hint, and no proof.
    pub access_token: Map<String, Value>,
    /// The claims of UserInfo; empty where the provider has none.
    pub userinfo: Map<String, Value>,
}

impl Provider {
    /// The provider that is configured under that name, whose browsers come back to `redirect_uri`.
    #[must_use]
    pub fn new(
        name: &str,
        settings: &Upstream,
        level: Acr,
        redirect_uri: String,
        egress: Egress,
        clock: SharedClock,
    ) -> Self {
        Self {
            name: name.to_owned(),
            settings: settings.clone(),
            level,
            redirect_uri,
            http: Http(egress),
            clock,
            known: RwLock::default(),
            reading: Mutex::new(()),
            breaker: Breaker::default(),
        }
    }

    /// The level that an answer in its application reaches at most, which is that of a phone of ours: whoever is deceived types
    /// the digits of a stranger's page.
    #[must_use]
    pub fn answer_level(&self) -> Acr {
        self.level.min(Acr::Eidas2)
    }

    /// Whether an address is one of its hosts.
    #[must_use]
    pub fn is_at(&self, address: &str) -> bool {
        let Ok(address) = Url::parse(address) else { return false };
        let issuer = Url::parse(&self.settings.issuer).ok();
        let known = self.last_read();
        let there = known.as_ref().map(|known| known.client.auth_uri().url());
        let hosts = issuer.iter().chain([&self.settings.discovery]).chain(there);
        hosts.into_iter().any(|host| host.origin() == address.origin())
    }

    /// Whether somebody may be sent there. Nothing is asked for it.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.breaker.lets_through(self.clock.now())
    }

    /// Begins a sign-in: code flow with PKCE, state and nonce.
    ///
    /// # Errors
    /// [`ProviderError`], where the provider does not answer.
    pub async fn start(&self, wishes: Wishes) -> Result<Started, ProviderError> {
        // Whoever is sent to a provider that is gone sees an error of their browser, and none of ours.
        let known = self.known_to_be_there().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = known.client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        );
        for scope in self.settings.scope.split_ascii_whitespace().filter(|scope| *scope != "openid") {
            request = request.add_scope(Scope::new(scope.to_owned()));
        }
        if !self.settings.acr_values.is_empty() {
            request = request.add_extra_param("acr_values", self.settings.acr_values.clone());
        }
        if wishes.fresh {
            // With `max_age` it has to tell when (OpenID Connect Core §3.1.2.1).
            request = request.add_extra_param("prompt", "login").add_extra_param("max_age", "0");
        }
        if let Some(hint) = wishes.idp_hint {
            request = request.add_extra_param("kc_idp_hint", hint);
        }
        let (address, state, nonce) =
            request.add_extra_param("ui_locales", wishes.language).set_pkce_challenge(challenge).url();
        Ok(Started {
            address,
            state: Secret::from(state.into_secret()),
            kept: Kept { nonce: nonce.secret().to_owned(), verifier: verifier.into_secret() },
        })
    }

    /// Whether an answer comes from this provider and no other (RFC 9207 §2.4).
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn check_issuer(&self, iss: Option<&str>) -> Result<(), ProviderError> {
        match iss {
            Some(iss) if iss == self.settings.issuer => Ok(()),
            None if !self.known().await?.names_issuer => Ok(()),
            _ => Err(ProviderError::Untrue("the answer is of another issuer".into())),
        }
    }

    /// Redeems a code, verifies what it yields, and asks for UserInfo.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn finish(&self, kept: Kept, code: String) -> Result<Said, ProviderError> {
        let known = self.known().await?;
        let request = known
            .client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| ProviderError::Unusable(chain(&error)))?;
        let response =
            request.set_pkce_verifier(PkceCodeVerifier::new(kept.verifier)).request_async(&self.http);
        let response = response.await.map_err(|error| self.judge(error))?;
        let nonce = Nonce::new(kept.nonce);
        self.said(&known, &response, || &nonce, Instant::now() + WITHIN).await
    }

    /// What tokens say of somebody, once they are verified; `nonce` says each time what that of the ID token has to be. UserInfo
    /// is asked for until then at the latest.
    async fn said<N: NonceVerifier>(
        &self,
        known: &Arc<Documents>,
        response: &CoreTokenResponse,
        nonce: impl Fn() -> N,
        until: Instant,
    ) -> Result<Said, ProviderError> {
        let token = response.id_token().ok_or_else(|| untrue("there is no ID token"))?;
        let subject = match self.verified(known, token, nonce(), response.access_token()) {
            Err(Unverified::UnknownKey) => {
                let known = self.known_with_new_keys(known).await?;
                self.verified(&known, token, nonce(), response.access_token())
            }
            result => result,
        };
        let subject = subject.map_err(|error| match error {
            Unverified::UnknownKey => untrue("the ID token is signed by an unknown key"),
            Unverified::Else(why) => ProviderError::Untrue(why),
        })?;
        let userinfo = self.userinfo(known, response.access_token(), &subject, until).await?;
        self.breaker.succeeded(self.clock.now());
        Ok(Said {
            subject,
            raw: token.to_string(),
            id_token: jose::unverified_claims(&token.to_string()).unwrap_or_default(),
            access_token: jose::unverified_claims(response.access_token().secret()).unwrap_or_default(),
            userinfo,
        })
    }

    /// Where its session is ended; none where it says nothing of it. It is asked each time, whenever it answered last: whoever
    /// leaves a workstation must not be left with an error of their browser.
    ///
    /// # Errors
    /// [`ProviderError`], where the provider does not answer.
    pub(super) async fn end_session_endpoint(&self) -> Result<Option<Url>, ProviderError> {
        Ok(self.read().await?.end_session.clone())
    }

    /// The claims of a token of its own that is not an ID token, once its signature is verified: a logout token, an access
    /// token.
    ///
    /// # Errors
    /// [`ProviderError`], where its keys cannot be read; inside, why the token is not taken.
    pub(super) async fn signed<T: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<Result<T, JwsError>, ProviderError> {
        // Whoever calls is there, whatever we know of its documents.
        let known = match self.usable() {
            Some(known) => known,
            None => self.known().await?,
        };
        match jose::verify_with_set(token, SIGNED, &known.keys) {
            Err(JwsError::UnknownKey) => {
                let known = self.known_with_new_keys(&known).await?;
                Ok(jose::verify_with_set(token, SIGNED, &known.keys))
            }
            read => Ok(read),
        }
    }

    /// The claims of UserInfo about that subject; none of a provider that has no UserInfo. The person has signed in, and what
    /// they are asked about with is had once: where the provider fails for a moment it is asked again.
    async fn userinfo(
        &self,
        known: &Documents,
        access_token: &AccessToken,
        subject: &str,
        until: Instant,
    ) -> Result<Map<String, Value>, ProviderError> {
        let mut tries = 0;
        let said: UserInfoClaims<AsTheyCame, CoreGenderClaim> = loop {
            let Ok(request) = known.client.user_info(access_token.clone(), None) else {
                return Ok(Map::new());
            };
            tries += 1;
            let why = match timeout_at(until, request.request_async(&self.http)).await {
                Ok(Ok(said)) => break said,
                Ok(Err(UserInfoError::Request(error))) => chain(&error),
                Ok(Err(error)) => return Err(ProviderError::Untrue(chain(&error))),
                Err(_) => "UserInfo does not answer in time".to_owned(),
            };
            if tries == TRIES || Instant::now() + PAUSE >= until {
                self.note_failure();
                return Err(ProviderError::Unusable(why));
            }
            tracing::warn!(provider = self.name, "UserInfo is asked for again: {why}");
            tokio::time::sleep(PAUSE).await;
        };
        // OpenID Connect Core §5.3.2: it is about the same person, or not to be used.
        match said.subject().as_str() == subject {
            true => Ok(as_map(&said)),
            false => Err(untrue("UserInfo is about somebody else")),
        }
    }

    /// Who the ID token is about, if it is this provider's, for us, for this sign-in, in its time.
    fn verified(
        &self,
        known: &Documents,
        token: &CoreIdToken,
        nonce: impl NonceVerifier,
        access_token: &AccessToken,
    ) -> Result<String, Unverified> {
        let now = self.clock.now();
        let verifier = known
            .client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(|| now)
            .set_issue_time_verifier_fn(|at| match at <= now + AHEAD {
                true => Ok(()),
                false => Err("it is made in the future: is a clock wrong?".into()),
            });
        let claims = token.claims(&verifier, nonce)?;
        // OpenID Connect Core §3.1.3.8: where the ID token binds the access token, it is that one.
        if let Some(expected) = claims.access_token_hash() {
            let refused = |error: &dyn std::error::Error| Unverified::Else(chain(error));
            let algorithm = token.signing_alg().map_err(|error| refused(&error))?;
            let key = token.signing_key(&verifier).map_err(|error| refused(&error))?;
            let found = AccessTokenHash::from_token(access_token, algorithm, key);
            if found.map_err(|error| refused(&error))? != *expected {
                return Err(Unverified::Else("it binds another access token".into()));
            }
        }
        Ok(claims.subject().as_str().to_owned())
    }

    /// Whether the provider refused, or failed.
    fn judge<T>(&self, error: RequestTokenError<HttpError, T>) -> ProviderError
    where
        T: openidconnect::ErrorResponse + 'static,
    {
        match error {
            RequestTokenError::ServerResponse(response) => {
                // It works, and says no.
                self.breaker.succeeded(self.clock.now());
                ProviderError::Refused(format!("{response:?}").chars().take(200).collect())
            }
            RequestTokenError::Request(error) => self.failed(&error),
            // It answers, if not as the standard has it: this one sign-in fails, and nobody else's.
            error => ProviderError::Untrue(chain(&error)),
        }
    }

    fn failed(&self, error: &dyn std::error::Error) -> ProviderError {
        self.note_failure();
        ProviderError::Unusable(chain(error))
    }

    fn note_failure(&self) {
        if self.breaker.failed(self.clock.now()) {
            tracing::warn!(provider = self.name, "nobody is sent there until it answers again");
        }
    }
}

/// Why an ID token is not taken.
enum Unverified {
    UnknownKey,
    Else(String),
}

impl From<ClaimsVerificationError> for Unverified {
    fn from(error: ClaimsVerificationError) -> Self {
        match error {
            ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey | SignatureVerificationError::AmbiguousKeyId(_),
            ) => Self::UnknownKey,
            error => Self::Else(chain(&error)),
        }
    }
}

fn untrue(why: &str) -> ProviderError {
    ProviderError::Untrue(why.to_owned())
}

fn as_map(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Why there is no answer to read.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// None came.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// A proxy, or the provider itself, is out of order.
    #[error("it answers {0}")]
    Status(http::StatusCode),
}

/// The calls of the crates, by our client for outbound calls: no redirects, an end in time and size.
#[derive(Debug, Clone)]
struct Http(Egress);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = BoxFuture<'c, Result<HttpResponse, HttpError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.0.call(request, WITHIN).await?;
            match answer.status() {
                status if status.is_server_error() => Err(HttpError::Status(status)),
                _ => Ok(answer),
            }
        })
    }
}
