//! The crate `openidconnect` as a relying party: discovery, code with PKCE, verification of the ID token, userinfo,
//! refresh. It knows nothing of us and accepts no shortcut.

use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
};

use super::stand::{DOCTOR, ISSUER, NAMESPACE, REDIRECT, Stand, secret_of};

#[tokio::test]
async fn a_standard_client_signs_in_asks_and_refreshes() {
    let stand = Stand::new().await;
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
        ClientId::new("rp".into()),
        Some(ClientSecret::new(secret_of("rp"))),
    )
    .set_redirect_uri(RedirectUrl::new(REDIRECT.into()).unwrap());
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
    let jwt_verifier = client.id_token_verifier().set_time_fn(move || now);
    let id_token = tokens.id_token().unwrap();
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
