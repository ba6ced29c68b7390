//! The relying party's side of OpenID Connect, with the crates `openidconnect` and `oauth2`: discovery, the code flow
//! with PKCE, UserInfo, and the logout token that `openidconnect` does not know (Back-Channel Logout 1.0 §2.6).

use std::time::Duration;

use futures_util::future::BoxFuture;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreGenderClaim, CoreIdToken, CoreProviderMetadata,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySetUrl,
    Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    TokenResponse as _, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::Service;
use crate::clock::SharedClock;
use crate::crypto::egress::chain;
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::ids::Secret;

/// What went wrong between the service and the provider.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No answer, or no discovery document.
    #[error("the provider does not answer as expected: {0}")]
    Discovery(String),
    /// The token endpoint refused the code.
    #[error("the code was not accepted: {0}")]
    Code(String),
    /// The ID token is not acceptable.
    #[error("the ID token is not acceptable: {0}")]
    IdToken(String),
    /// UserInfo was refused, or is about somebody else.
    #[error("UserInfo: {0}")]
    UserInfo(String),
    /// The logout token is not acceptable.
    #[error("the logout token is not acceptable: {0}")]
    LogoutToken(String),
}

/// The members of UserInfo that only Pro Santé Connect has, as they came.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ProSante(Map<String, Value>);
impl AdditionalClaims for ProSante {}

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The provider, as one service sees it.
#[derive(Debug)]
pub struct Provider {
    client: Client,
    issuer: IssuerUrl,
    jwks: JsonWebKeySetUrl,
    end_session: Url,
    service: Service,
    http: Http,
    clock: SharedClock,
}

/// A sign-in that waits for its code.
#[derive(Debug)]
pub struct Started {
    /// Where the browser goes.
    pub address: Url,
    /// Comes back with the code.
    pub state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// What a sign-in yielded.
#[derive(Debug, Clone)]
pub struct Received {
    /// The ID token as it came: the hint at sign-out.
    pub id_token: String,
    /// The session at the provider.
    pub sid: String,
    /// The claims of the ID token, of the access token and of UserInfo.
    pub id_claims: Map<String, Value>,
    /// See `id_claims`.
    pub access_claims: Map<String, Value>,
    /// See `id_claims`.
    pub userinfo: Map<String, Value>,
    /// The token response without its tokens.
    pub response: Map<String, Value>,
}

impl Provider {
    /// Reads the discovery document of `issuer` and its keys.
    ///
    /// # Errors
    /// [`ProviderError::Discovery`].
    pub async fn discover(
        issuer: &Url,
        service: Service,
        secret: &Secret,
        clock: SharedClock,
    ) -> Result<Self, ProviderError> {
        let failed = |error: &dyn std::error::Error| ProviderError::Discovery(chain(error));
        let http = Http::new().map_err(|error| failed(&error))?;
        // Without the slash that `Url` would add to an issuer that has no path.
        let issuer = IssuerUrl::new(issuer.as_str().trim_end_matches('/').to_owned());
        let issuer = issuer.map_err(|error| failed(&error))?;
        let metadata = CoreProviderMetadata::discover_async(issuer.clone(), &http)
            .await
            .map_err(|error| failed(&error))?;
        let jwks = metadata.jwks_uri().clone();
        // `openidconnect` does not read this member; the standard derives it from no other.
        let document = issuer.join(".well-known/openid-configuration").map_err(|error| failed(&error))?;
        let document: Value = http.json(&document).await.map_err(|error| failed(&error))?;
        let end_session = document
            .get("end_session_endpoint")
            .and_then(Value::as_str)
            .and_then(|text| Url::parse(text).ok())
            .ok_or_else(|| ProviderError::Discovery("end_session_endpoint is missing".into()))?;
        let redirect = RedirectUrl::new(service.redirect_uri()).map_err(|error| failed(&error))?;
        let client = CoreClient::from_provider_metadata(
            metadata,
            ClientId::new(service.client_id.to_owned()),
            Some(ClientSecret::new(secret.expose().to_owned())),
        )
        .set_redirect_uri(redirect);
        Ok(Self { client, issuer, jwks, end_session, service, http, clock })
    }

    /// Begins a sign-in as a service built for Pro Santé Connect does: `scope_all`, `acr_values=eidas1`, PKCE.
    pub fn start(&self, ui_locales: &'static str) -> Started {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (address, state, nonce) = self
            .client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scope(Scope::new("scope_all".into()))
            .add_extra_param("acr_values", "eidas1")
            .add_extra_param("ui_locales", ui_locales)
            .set_pkce_challenge(challenge)
            .url();
        Started { address, state, nonce, verifier }
    }

    /// Redeems the code and asks for UserInfo.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn finish(&self, started: Started, code: String) -> Result<Received, ProviderError> {
        let response = self
            .client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| ProviderError::Discovery(chain(&error)))?
            .set_pkce_verifier(started.verifier)
            .request_async(&self.http)
            .await
            .map_err(|error| ProviderError::Code(chain(&error)))?;
        let id_token = response.id_token().ok_or_else(|| ProviderError::IdToken("there is none".into()))?;
        let verifier = self.client.id_token_verifier();
        let claims = id_token
            .claims(&verifier, &started.nonce)
            .map_err(|error| ProviderError::IdToken(chain(&error)))?;
        self.check_access_token(id_token, response.access_token(), claims.access_token_hash())?;
        let userinfo: UserInfoClaims<ProSante, CoreGenderClaim> = self
            .client
            .user_info(response.access_token().clone(), Some(claims.subject().clone()))
            .map_err(|error| ProviderError::Discovery(chain(&error)))?
            .request_async(&self.http)
            .await
            .map_err(|error| ProviderError::UserInfo(chain(&error)))?;

        let id_token = id_token.to_string();
        let id_claims = jose::unverified_claims(&id_token).unwrap_or_default();
        let sid = id_claims.get("sid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut members = as_map(&response);
        for token in ["access_token", "refresh_token", "id_token"] {
            if members.contains_key(token) {
                members.insert(token.into(), "…".into());
            }
        }
        Ok(Received {
            sid,
            id_claims,
            access_claims: jose::unverified_claims(response.access_token().secret()).unwrap_or_default(),
            userinfo: as_map(&userinfo),
            response: members,
            id_token,
        })
    }

    /// The ID token binds the access token that came with it (OpenID Connect Core §3.1.3.8).
    fn check_access_token(
        &self,
        id_token: &CoreIdToken,
        access_token: &openidconnect::AccessToken,
        expected: Option<&AccessTokenHash>,
    ) -> Result<(), ProviderError> {
        let Some(expected) = expected else { return Ok(()) };
        let refused = |why: String| ProviderError::IdToken(why);
        let verifier = self.client.id_token_verifier();
        let algorithm = id_token.signing_alg().map_err(|error| refused(chain(&error)))?;
        let key = id_token.signing_key(&verifier).map_err(|error| refused(chain(&error)))?;
        let found = AccessTokenHash::from_token(access_token, algorithm, key)
            .map_err(|error| refused(chain(&error)))?;
        if found == *expected { Ok(()) } else { Err(refused("at_hash does not match".into())) }
    }

    /// Where the browser goes to sign out (RP-Initiated Logout 1.0 §2).
    pub fn sign_out_address(&self, id_token_hint: &str, state: &str) -> Url {
        let mut address = self.end_session.clone();
        address
            .query_pairs_mut()
            .append_pair("id_token_hint", id_token_hint)
            .append_pair("post_logout_redirect_uri", &self.service.post_logout_redirect_uri())
            .append_pair("state", state);
        address
    }

    /// Checks a logout token (Back-Channel Logout 1.0 §2.6) and yields the session that ended.
    ///
    /// # Errors
    /// [`ProviderError::LogoutToken`].
    pub async fn ended_session(&self, logout_token: &str) -> Result<String, ProviderError> {
        let refused = |why: &str| ProviderError::LogoutToken(why.to_owned());
        // Keys may have been rotated since discovery.
        let set: Value =
            self.http.json(self.jwks.url()).await.map_err(|error| ProviderError::Discovery(chain(&error)))?;
        let keys: Vec<VerifyingKey> = set
            .get("keys")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|jwk| VerifyingKey::from_jwk(jwk).ok())
            .collect();
        let expected = Expected { typ: Some("logout+jwt"), algorithms: &[Algorithm::Rs256], max_len: 8_192 };
        let claims: LogoutClaims =
            jose::verify(logout_token, expected, |kid| keys.iter().find(|key| Some(key.kid()) == kid))
                .map_err(|error| refused(&error.to_string()))?;
        if claims.iss != self.issuer.as_str() {
            return Err(refused("it is of another issuer"));
        }
        let audience = match &claims.aud {
            Value::String(one) => one == self.service.client_id,
            Value::Array(all) => all.iter().any(|one| one == self.service.client_id),
            _ => false,
        };
        if !audience {
            return Err(refused("it is for another service"));
        }
        if (self.clock.now().timestamp() - claims.iat).abs() > 180 {
            return Err(refused("it is too old"));
        }
        if claims.nonce.is_some() || !claims.events.contains_key(LOGOUT_EVENT) {
            return Err(refused("it is no logout token"));
        }
        Ok(claims.sid)
    }
}

const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

#[derive(Deserialize)]
struct LogoutClaims {
    iss: String,
    aud: Value,
    iat: i64,
    sid: String,
    events: Map<String, Value>,
    nonce: Option<Value>,
}

fn as_map(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// The HTTP client of the service: no redirects (a token endpoint has none to offer but to attackers), short times.
#[derive(Debug, Clone)]
struct Http(reqwest::Client);

/// Longest answer read.
const MAX_ANSWER: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    #[error(transparent)]
    Response(#[from] http::Error),
    #[error("the answer is too long")]
    TooLong,
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<HttpResponse, HttpError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let http = self.clone();
        Box::pin(async move { http.send(request).await })
    }
}

impl Http {
    fn new() -> Result<Self, HttpError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a demonstration service is a stranger to the provider: its calls are not the provider's"
        )]
        let builder = reqwest::Client::builder();
        let client = builder
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .no_proxy()
            .build()?;
        Ok(Self(client))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.execute(request.try_into()?).await?;
        let mut response = http::Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let body = answer.bytes().await?;
        if body.len() > MAX_ANSWER {
            return Err(HttpError::TooLong);
        }
        Ok(response.body(body.to_vec())?)
    }

    async fn json(&self, address: &Url) -> Result<Value, HttpError> {
        let request = http::Request::get(address.as_str()).body(Vec::new())?;
        Ok(serde_json::from_slice(self.send(request).await?.body())?)
    }
}
