//! A client that proves a key with each request.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::clock::Clock as _;
use crate::crypto::digest::sha256;
use crate::crypto::jose::{self, base64url};
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::{AuthMethod, Metadata, ProfileName};
use crate::tests::spec::stand::{Answer, ISSUER, NewRp, SignedIn, Stand, TOKEN, USERINFO, basic};

pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(super) fn token_address() -> String {
    format!("{ISSUER}/protocol/openid-connect/token")
}

pub(super) fn userinfo_address() -> String {
    format!("{ISSUER}/protocol/openid-connect/userinfo")
}

/// A key with the nonce that its holder was told last.
pub(super) struct Prover {
    pub key: SigningKey,
    pub nonce: RefCell<Option<String>>,
}

impl Prover {
    pub(super) fn new() -> Self {
        Self::with(Algorithm::Es256)
    }

    pub(super) fn with(algorithm: Algorithm) -> Self {
        Self { key: SigningKey::generate(algorithm).unwrap(), nonce: RefCell::default() }
    }

    /// One that has been told the nonce of the moment.
    pub(super) fn told(stand: &Stand) -> Self {
        let prover = Self::new();
        prover.learn(stand);
        prover
    }

    pub(super) fn learn(&self, stand: &Stand) {
        *self.nonce.borrow_mut() = Some(stand.provider.nonces().current(stand.clock.now()));
    }

    pub(super) fn thumbprint(&self) -> String {
        self.key.public().kid().to_owned()
    }

    pub(super) fn header(&self) -> Value {
        let jwk = self.key.public().to_jwk();
        json!({ "typ": "dpop+jwt", "alg": self.key.algorithm().name(), "jwk": jwk })
    }

    /// What a good proof says.
    pub(super) fn claims(&self, stand: &Stand, method: &str, address: &str) -> Value {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut claims = json!({
            "jti": format!("proof {}", NUMBER.fetch_add(1, Ordering::Relaxed)),
            "htm": method,
            "htu": address,
            "iat": stand.clock.now().timestamp(),
        });
        if let Some(nonce) = &*self.nonce.borrow() {
            claims["nonce"] = json!(nonce);
        }
        claims
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        jose::forge(&self.key, &self.header(), claims)
    }

    /// A good proof for the token endpoint.
    pub(super) fn for_tokens(&self, stand: &Stand) -> String {
        self.sign(&self.claims(stand, "POST", &token_address()))
    }

    /// A good proof for userinfo.
    pub(super) fn for_userinfo(&self, stand: &Stand, token: &str) -> String {
        let mut claims = self.claims(stand, "GET", &userinfo_address());
        claims["ath"] = json!(base64url::encode(sha256(token.as_bytes())));
        self.sign(&claims)
    }

    pub(super) async fn userinfo(&self, stand: &Stand, token: &str) -> Answer {
        userinfo(stand, &format!("DPoP {token}"), Some(&self.for_userinfo(stand, token))).await
    }
}

pub(super) async fn userinfo(stand: &Stand, authorization: &str, proof: Option<&str>) -> Answer {
    let mut headers = vec![("authorization", authorization)];
    headers.extend(proof.map(|proof| ("dpop", proof)));
    stand.get(USERINFO, &headers).await
}

/// Registers a confidential client, `rp9`, and a public one, `app9`.
pub(super) async fn register(stand: &Stand, metadata: Metadata) {
    let profile = ProfileName::Standard;
    stand.add_rp(NewRp { profile, metadata, ..NewRp::named("rp9") }).await;
    let metadata = Metadata { token_endpoint_auth_method: Some(AuthMethod::None), ..Metadata::default() };
    stand.add_rp(NewRp { profile, metadata, ..NewRp::named("app9") }).await;
}

/// A code for `client`, with PKCE and `more`.
pub(super) async fn code(stand: &Stand, client: &str, browser: &SignedIn, more: &[(&str, &str)]) -> String {
    let redirect = format!("https://{client}.example/cb");
    let mut request = vec![
        ("client_id", client),
        ("redirect_uri", &redirect),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    request.extend(more);
    let answer = stand.authorize(&request, &browser.cookie).await;
    answer.parameter("code").unwrap_or_else(|| panic!("no code: {}", answer.location()))
}

/// The token endpoint, as `client` would ask, with a proof.
pub(super) async fn ask(stand: &Stand, client: &str, form: &[(&str, &str)], proof: Option<&str>) -> Answer {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(form);
    let authorization = basic(client);
    let mut headers = Vec::new();
    if client.starts_with("app") {
        encoded.append_pair("client_id", client);
    } else {
        headers.push(("authorization", authorization.as_str()));
    }
    headers.extend(proof.map(|proof| ("dpop", proof)));
    stand.post(TOKEN, &encoded.finish(), &headers).await
}

/// Redeems a code.
pub(super) async fn redeem(stand: &Stand, client: &str, code: &str, proof: Option<&str>) -> Answer {
    let redirect = format!("https://{client}.example/cb");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &redirect),
        ("code_verifier", VERIFIER),
    ];
    ask(stand, client, &form, proof).await
}

pub(super) async fn refresh(stand: &Stand, client: &str, token: &str, proof: Option<&str>) -> Answer {
    ask(stand, client, &[("grant_type", "refresh_token"), ("refresh_token", token)], proof).await
}

/// Tokens bound to the prover's key.
pub(super) async fn bound_tokens(stand: &Stand, client: &str, prover: &Prover) -> Value {
    let browser = stand.sign_in().await;
    let code = code(stand, client, &browser, &[]).await;
    let answer = redeem(stand, client, &code, Some(&prover.for_tokens(stand))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// What became of a proof at the token endpoint: taken, or the error told and the code recorded.
pub(super) async fn outcome(stand: &Stand, proof: &str) -> String {
    let before = stand.events().await.len();
    let answer = ask(stand, "rp9", &[("grant_type", "unheard-of")], Some(proof)).await;
    let told = answer.error();
    if told == "unsupported_grant_type" {
        return "taken".to_owned();
    }
    assert_eq!(answer.status, 400, "{}", answer.body);
    match &stand.events().await[before..] {
        [] => told,
        [event] => event.strip_prefix("token.refused ").unwrap_or(event).to_owned(),
        several => panic!("{several:?}"),
    }
}
