//! The crate `openidconnect` as a relying party: discovery, code with PKCE, verification of the ID token, userinfo,
//! refresh. It knows nothing of us and accepts no shortcut.

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
};

use super::stand::{DOCTOR, ISSUER, NAMESPACE, NewRp, Stand, header, secret_of};
use crate::crypto::keys::Algorithm;
use crate::store::client::Metadata;

#[tokio::test]
async fn a_standard_client_signs_in_asks_and_refreshes() {
    let stand = Stand::new().await;
    sign_in_ask_and_refresh(&stand, "rp", Algorithm::Rs256).await;
}

/// Each client gets its tokens by the algorithm that it is registered with, from keys that are made for it at first use.
#[tokio::test]
async fn tokens_are_signed_as_the_client_registered() {
    let stand = Stand::new().await;
    for (id, algorithm) in [("ps", Algorithm::Ps256), ("es", Algorithm::Es256), ("ed", Algorithm::EdDsa)] {
        let alg = Some(algorithm.name().to_owned());
        let metadata = Metadata { id_token_signed_response_alg: alg, ..Metadata::default() };
        stand.add_rp(NewRp { metadata, ..NewRp::named(id) }).await;
        // As registration does: it is published before the client reads the keys.
        stand.provider.token_keys().current_for(algorithm).await.unwrap();
        sign_in_ask_and_refresh(&stand, id, algorithm).await;
    }
}

async fn sign_in_ask_and_refresh(stand: &Stand, id: &str, algorithm: Algorithm) {
    let browser = stand.sign_in().await;
    let router = stand.router.clone();
    let http = move |request: openidconnect::HttpRequest| {
        let router = router.clone();
        async move {
            let response = tower::ServiceExt::oneshot(router, request.map(axum::body::Body::from)).await;
            let (parts, body) = response.map_err(std::io::Error::other)?.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(http::Response::from_parts(parts, body.to_vec()))
        }
    };
    let issuer = IssuerUrl::new(ISSUER.into()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &http).await.unwrap();
    let client = CoreClient::from_provider_metadata(
        metadata,
        ClientId::new(id.into()),
        Some(ClientSecret::new(secret_of(id))),
    )
    .set_redirect_uri(RedirectUrl::new(format!("https://{id}.example/cb")).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("scope_all".into()))
        .set_pkce_challenge(challenge)
        .url();
    let path = format!("{}?{}", url.path(), url.query().unwrap());
    let answer = stand.get(&path, &[("cookie", &browser.cookie)]).await;
    assert_eq!(answer.parameter("state").as_deref(), Some(state.secret().as_str()));
    let code = AuthorizationCode::new(answer.parameter("code").unwrap());
    let tokens =
        client.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&http).await.unwrap();

    // The mock clock stands in 2026: the oracle must look at it, not at the computer's.
    let now = {
        use crate::clock::Clock as _;
        stand.clock.now()
    };
    let all = [
        CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        CoreJwsSigningAlgorithm::EdDsa,
    ];
    let jwt_verifier = client.id_token_verifier().set_time_fn(move || now).set_allowed_algs(all);
    let id_token = tokens.id_token().unwrap();
    for token in [id_token.to_string(), tokens.access_token().secret().clone()] {
        assert_eq!(header(&token.into())["alg"], algorithm.name());
    }
    let claims = id_token.claims(&jwt_verifier, &nonce).unwrap();
    assert_eq!(claims.subject().as_str(), format!("f:{NAMESPACE}:{DOCTOR}"));
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&jwt_verifier).unwrap(),
    );
    assert_eq!(claims.access_token_hash(), Some(&hash.unwrap()));

    let subject = Some(claims.subject().clone());
    let userinfo: CoreUserInfoClaims =
        client.user_info(tokens.access_token().clone(), subject).unwrap().request_async(&http).await.unwrap();
    assert_eq!(userinfo.preferred_username().unwrap().as_str(), DOCTOR);

    let refresh_token = tokens.refresh_token().unwrap().clone();
    let refreshed =
        client.exchange_refresh_token(&refresh_token).unwrap().request_async(&http).await.unwrap();
    assert_ne!(refreshed.access_token().secret(), tokens.access_token().secret());
    refreshed.id_token().unwrap().claims(&jwt_verifier, &nonce).unwrap();
}
