//! FAPI 2.0 Security Profile §5.3.2: what a client of the profile `fapi2` is held to on its way to a code.

use serde_json::{Value, json};

use super::par::{PUSH, bring};
use super::stand::{Answer, ISSUER, NewRp, Stand, TOKEN, USERINFO, basic, claims, query};
use crate::clock::Clock as _;
use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::{AuthMethod, Metadata, ProfileName};

const CB: &str = "https://fapi.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const GOOD: [(&str, &str); 4] = [
    ("acr_values", ""),
    ("scope", "openid profile"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

/// A client of the profile, with its key.
struct Client {
    key: SigningKey,
}

impl Client {
    async fn registered(stand: &Stand) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let metadata = Metadata {
            token_endpoint_auth_method: Some(AuthMethod::PrivateKeyJwt),
            jwks: Some(json!({ "keys": [key.public().to_jwk()] })),
            ..Metadata::default()
        };
        stand.add_rp(NewRp { profile: ProfileName::Fapi2, metadata, ..NewRp::named("fapi") }).await;
        Self { key }
    }

    /// The form of a request, with an assertion.
    fn form(&self, stand: &Stand, form: &str) -> String {
        let now = stand.clock.now().timestamp();
        let jti = crate::ids::uuid_v4(&crate::crypto::random::SystemRandom).to_string();
        let claims =
            json!({ "iss": "fapi", "sub": "fapi", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti });
        let assertion = jose::sign(&self.key, "JWT", &claims).unwrap();
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        format!("{form}&client_assertion_type={kind}&client_assertion={assertion}")
    }

    /// Pushes a good request, but for `changes`.
    async fn push(&self, stand: &Stand, changes: &[(&str, &str)]) -> Answer {
        let mut all = vec![("client_id", "fapi"), ("redirect_uri", CB)];
        all.extend(GOOD);
        all.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        all.extend(changes);
        stand.post(PUSH, &self.form(stand, &query(&all)), &[]).await
    }

    /// A proof of its key for the token endpoint.
    fn proof(&self, stand: &Stand) -> String {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.public().to_jwk() });
        let claims = json!({
            "jti": crate::ids::uuid_v4(&crate::crypto::random::SystemRandom).to_string(),
            "htm": "POST",
            "htu": format!("{ISSUER}/protocol/openid-connect/token"),
            "iat": stand.clock.now().timestamp(),
            "nonce": stand.provider.nonces().current(stand.clock.now()),
        });
        jose::forge(&self.key, &header, &claims)
    }
}

#[tokio::test]
async fn pushed_by_a_key_with_pkce_a_request_leads_to_a_token_that_is_bound() {
    Stand::on_both(async |stand| {
        let client = Client::registered(&stand).await;
        let browser = stand.sign_in().await;
        let pushed = client.push(&stand, &[]).await;
        assert_eq!(pushed.status, 201, "{}", pushed.body);
        assert!(pushed.json()["expires_in"].as_i64().unwrap() < 600, "less than ten minutes");
        let handle = pushed.json()["request_uri"].as_str().unwrap().to_owned();
        let answer = bring(&stand, "fapi", &handle, &[], &browser.cookie).await;
        assert!([302, 303].contains(&answer.status.as_u16()), "never 307: a form would be sent on");
        assert_eq!(answer.parameter("iss").as_deref(), Some(ISSUER));
        let code = answer.parameter("code").unwrap();
        let form =
            format!("grant_type=authorization_code&code={code}&redirect_uri={CB}&code_verifier={VERIFIER}");
        let bare = stand.post(TOKEN, &client.form(&stand, &form), &[]).await;
        assert_eq!(bare.status, 400, "a token that everybody could use: {}", bare.body);
        let proof = client.proof(&stand);
        let tokens = stand.post(TOKEN, &client.form(&stand, &form), &[("dpop", &proof)]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        assert_eq!(tokens.json()["token_type"], "DPoP");
        let token = format!("Bearer {}", tokens.json()["access_token"].as_str().unwrap());
        let challenge =
            stand.get(USERINFO, &[("authorization", &token)]).await.headers["www-authenticate"].clone();
        let challenge = challenge.to_str().unwrap();
        assert!(
            challenge.contains("algs=\"PS256 ES256 EdDSA\""),
            "what its proofs may be signed by: {challenge}"
        );
        let bound = claims(&tokens.json()["access_token"])["cnf"]["jkt"].clone();
        assert_eq!(bound, json!(client.key.public().kid()));
    })
    .await;
}

#[tokio::test]
async fn what_the_profile_does_not_take_is_refused() {
    Stand::on_both(async |stand| {
        let client = Client::registered(&stand).await;
        let browser = stand.sign_in().await;
        // Through the browser, also where it would be good otherwise.
        let mut plain = vec![("client_id", "fapi"), ("redirect_uri", CB)];
        plain.extend(GOOD);
        let answer = stand.authorize(&plain, &browser.cookie).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
        // Without authentication, or by a secret.
        let form = query(&plain);
        assert_eq!(stand.post(PUSH, &form, &[]).await.status, 401);
        assert_eq!(stand.post(PUSH, &form, &[("authorization", &basic("fapi"))]).await.status, 401);
        for (changes, error) in [
            (&[("code_challenge", ""), ("code_challenge_method", "")][..], "invalid_request"),
            (&[("code_challenge_method", "plain")], "invalid_request"),
            (&[("redirect_uri", "")], "invalid_request"),
            (&[("redirect_uri", "https://fapi.example/cb/")], "invalid_request"),
            (&[("response_type", "code id_token")], "unsupported_response_type"),
            (&[("response_type", "token")], "unsupported_response_type"),
            (&[("acr_values", "urn:nothing:of:ours")], "unmet_authentication_requirements"),
            (&[("request_uri", "urn:ietf:params:oauth:request_uri:x")], "invalid_request"),
        ] {
            let answer = client.push(&stand, changes).await;
            assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, error), "{changes:?}");
        }
    })
    .await;
}

/// FAPI 2.0 Message Signing §5.3.1: a signed request says what it is, in an algorithm of the profile.
#[tokio::test]
async fn a_signed_request_says_what_it_is() {
    Stand::on_both(async |stand| {
        let client = Client::registered(&stand).await;
        let now = stand.clock.now().timestamp();
        let object: Value = json!({
            "iss": "fapi", "aud": ISSUER, "exp": now + 300, "nbf": now, "client_id": "fapi",
            "response_type": "code", "redirect_uri": CB, "scope": "openid", "state": "s",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        });
        for (typ, error) in [("oauth-authz-req+jwt", ""), ("JWT", "invalid_request_object")] {
            let signed = jose::sign(&client.key, typ, &object).unwrap();
            let form = client.form(&stand, &format!("client_id=fapi&request={signed}"));
            let answer = stand.post(PUSH, &form, &[]).await;
            let got = if answer.status == 201 { String::new() } else { answer.error() };
            assert_eq!(got, error, "{typ}: {}", answer.body);
        }
    })
    .await;
}
