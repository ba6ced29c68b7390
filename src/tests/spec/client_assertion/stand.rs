//! A client with a key.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::clock::Clock as _;
use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::{AuthMethod, Metadata, ProfileName};
use crate::tests::spec::stand::{Answer, INTROSPECT, ISSUER, NewRp, Stand, TOKEN};

pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub(super) const TOKEN_ADDRESS: &str =
    "http://localhost:8080/auth/realms/esante-wallet/protocol/openid-connect/token";
pub(super) const INTROSPECTION: &str = INTROSPECT;

/// A client that signs assertions.
pub(super) struct Signer {
    pub id: &'static str,
    pub key: SigningKey,
}

impl Signer {
    pub(super) async fn registered(stand: &Stand, id: &'static str, profile: ProfileName) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        Self::with(stand, id, profile, key, Metadata::default()).await
    }

    /// Registered with `metadata` besides its key.
    pub(super) async fn with(
        stand: &Stand,
        id: &'static str,
        profile: ProfileName,
        key: SigningKey,
        metadata: Metadata,
    ) -> Self {
        let signer = Self { id, key };
        let metadata = Metadata { jwks: metadata.jwks.or(signer.metadata().jwks), ..metadata };
        let metadata = Metadata { token_endpoint_auth_method: Some(AuthMethod::PrivateKeyJwt), ..metadata };
        stand.add_rp(NewRp { profile, metadata, ..NewRp::named(id) }).await;
        signer
    }

    /// What is registered of it where nothing else is said.
    pub(super) fn metadata(&self) -> Metadata {
        Metadata {
            token_endpoint_auth_method: Some(AuthMethod::PrivateKeyJwt),
            jwks: Some(json!({ "keys": [self.key.public().to_jwk()] })),
            ..Metadata::default()
        }
    }

    /// A good assertion.
    pub(super) fn claims(&self, stand: &Stand) -> Value {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let now = stand.clock.now().timestamp();
        json!({
            "iss": self.id,
            "sub": self.id,
            "aud": ISSUER,
            "iat": now,
            "exp": now + 60,
            "jti": format!("assertion {}", NUMBER.fetch_add(1, Ordering::Relaxed)),
        })
    }

    /// A good assertion but for `changes`; `null` takes a claim away.
    pub(super) fn claims_with(&self, stand: &Stand, changes: Value) -> Value {
        let mut claims = self.claims(stand);
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            members.remove(name);
            if !value.is_null() {
                members.insert(name.clone(), value.clone());
            }
        }
        claims
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        jose::sign(&self.key, "JWT", claims).unwrap()
    }

    /// The form, with an assertion.
    pub(super) fn form(assertion: &str, form: &[(&str, &str)]) -> String {
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(form);
        encoded.append_pair("client_assertion_type", TYPE).append_pair("client_assertion", assertion);
        encoded.finish()
    }

    pub(super) async fn ask(&self, stand: &Stand, path: &str, form: &[(&str, &str)]) -> Answer {
        stand.post(path, &Self::form(&self.sign(&self.claims(stand)), form), &[]).await
    }

    pub(super) async fn token(&self, stand: &Stand, form: &[(&str, &str)]) -> Answer {
        self.ask(stand, TOKEN, form).await
    }

    /// What became of an assertion with these claims.
    pub(super) async fn outcome(&self, stand: &Stand, claims: &Value) -> String {
        outcome(stand, &self.sign(claims)).await
    }
}

/// What became of an assertion: let in, or the code of the refusal in the audit.
pub(super) async fn outcome(stand: &Stand, assertion: &str) -> String {
    let before = stand.events().await.len();
    let answer = stand.post(TOKEN, &Signer::form(assertion, &[("grant_type", "unheard-of")]), &[]).await;
    if answer.error() == "unsupported_grant_type" {
        return "let in".to_owned();
    }
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_client"), "{}", answer.body);
    let events = stand.events().await;
    let [event] = &events[before..] else { panic!("{:?}", &events[before..]) };
    event.strip_prefix("client.refused ").unwrap().to_owned()
}
