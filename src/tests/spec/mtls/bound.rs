//! RFC 8705 §3: tokens that are bound to a certificate.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use serde_json::{Value, json};

use super::stand::{Authorities, SUBJECT, ask, establishment, issue, on_both, post, register, template};
use crate::crypto::digest::sha256;
use crate::crypto::jose::base64url;
use crate::store::client::{AuthMethod, Metadata, ProfileName};
use crate::tests::spec::stand::{NewRp, Stand, TOKEN, USERINFO, claims, secret_of};

fn bound() -> Metadata {
    Metadata {
        tls_client_auth_subject_dn: Some(SUBJECT.into()),
        tls_client_certificate_bound_access_tokens: true,
        ..Metadata::default()
    }
}

fn userinfo(token: &str) -> Request<Body> {
    Request::get(USERINFO).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap()
}

async fn tokens(stand: &Stand, client: &str, certificate: &[u8], more: &[(&str, &str)]) -> Value {
    let (browser, redirect) = (stand.sign_in().await, format!("https://{client}.example/cb"));
    let request = [("client_id", client), ("redirect_uri", &redirect)];
    let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", &code),
        ("redirect_uri", &redirect),
    ];
    form.extend(more);
    let answer = ask(stand, Some(certificate), post(TOKEN, &form)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[tokio::test]
async fn a_bound_token_is_good_with_its_certificate_alone() {
    let authorities = Authorities::installed(&[]);
    on_both(&authorities, async |stand| {
        register(&stand, "dpi", bound()).await;
        let der = establishment();
        let answer = tokens(&stand, "dpi", &der, &[]).await;
        assert_eq!(answer["token_type"], "Bearer");
        let token = answer["access_token"].as_str().unwrap();
        let thumbprint = base64url::encode(sha256(&der));
        assert_eq!(claims(&answer["access_token"])["cnf"], json!({ "x5t#S256": thumbprint }));

        assert_eq!(ask(&stand, Some(&der), userinfo(token)).await.status, 200);
        let other = issue(&template("other"));
        assert_eq!(ask(&stand, Some(&other), userinfo(token)).await.error(), "invalid_token", "another's");
        assert_eq!(ask(&stand, None, userinfo(token)).await.error(), "invalid_token", "none");
        assert_eq!(stand.userinfo(token).await.error(), "invalid_token", "at the address without one");

        // A resource server sees what it has to compare with (§3.2).
        stand
            .add_client(&crate::store::client::NewClient {
                may_introspect: true,
                ..crate::tests::spec::stand::new_client("api")
            })
            .await;
        assert_eq!(stand.introspect("api", token).await["cnf"]["x5t#S256"], thumbprint);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_is_to_have_bound_tokens_shows_its_certificate() {
    let authorities = Authorities::installed(&[]);
    on_both(&authorities, async |stand| {
        // It authenticates by its secret, and its tokens are bound all the same (§7.1).
        let metadata = Metadata {
            token_endpoint_auth_method: Some(AuthMethod::ClientSecretPost),
            tls_client_certificate_bound_access_tokens: true,
            ..Metadata::default()
        };
        register(&stand, "post", metadata).await;
        let secret = secret_of("post");
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_id", "post"),
            ("client_secret", secret.as_str()),
        ];
        let answer = ask(&stand, None, post(TOKEN, &refresh)).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "invalid_request"));
        assert!(stand.events().await.iter().any(|event| event.ends_with("OIDC-133")));
        let der = establishment();
        let answer = tokens(&stand, "post", &der, &[("client_secret", &secret)]).await;
        assert!(claims(&answer["access_token"])["cnf"]["x5t#S256"].is_string());
        // Nobody has two kinds at once.
        let mut request = post(TOKEN, &refresh);
        request.headers_mut().insert("dpop", http::HeaderValue::from_static("a.b.c"));
        assert_eq!(ask(&stand, Some(&der), request).await.error(), "invalid_request");
        assert!(stand.events().await.iter().any(|event| event.ends_with("OIDC-134")));
    })
    .await;
}

/// FAPI 2.0 §5.3.2.1: either kind does.
#[tokio::test]
async fn fapi_is_content_with_the_certificate() {
    let authorities = Authorities::installed(&[]);
    on_both(&authorities, async |stand| {
        let metadata = Metadata {
            token_endpoint_auth_method: Some(AuthMethod::TlsClientAuth),
            tls_client_auth_subject_dn: Some(SUBJECT.into()),
            ..Metadata::default()
        };
        stand.add_rp(NewRp { profile: ProfileName::Fapi2, metadata, ..NewRp::named("fapi") }).await;
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "fapi")];
        let answer = ask(&stand, Some(&establishment()), post(TOKEN, &refresh)).await;
        assert_eq!(answer.error(), "invalid_grant", "no OIDC-069: {}", answer.body);
    })
    .await;
}

/// §4: the refresh token of a public client is bound as its access tokens are.
#[tokio::test]
async fn a_refresh_token_of_a_public_client_is_bound_to_its_certificate() {
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let authorities = Authorities::installed(&[]);
    on_both(&authorities, async |stand| {
        let metadata = Metadata {
            token_endpoint_auth_method: Some(AuthMethod::None),
            tls_client_certificate_bound_access_tokens: true,
            ..Metadata::default()
        };
        register(&stand, "app", metadata).await;
        let browser = stand.sign_in().await;
        let request = [
            ("client_id", "app"),
            ("redirect_uri", "https://app.example/cb"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("code", &code),
            ("redirect_uri", "https://app.example/cb"),
            ("code_verifier", VERIFIER),
        ];
        let der = establishment();
        let answer = ask(&stand, Some(&der), post(TOKEN, &form)).await.json();
        let token = answer["refresh_token"].as_str().unwrap();
        let refresh = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", token)];
        let thief = issue(&template("thief"));
        assert_eq!(ask(&stand, Some(&thief), post(TOKEN, &refresh)).await.error(), "invalid_grant");
        assert_eq!(ask(&stand, Some(&der), post(TOKEN, &refresh)).await.status, 200);
    })
    .await;
}

/// The spelling of ANS's servers is understood in a token, and issued in none.
#[tokio::test]
async fn the_other_spelling_of_a_thumbprint_is_read_and_never_written() {
    let der = establishment();
    let of_ans = STANDARD.encode(hex::encode(sha256(&der)));
    assert!(crate::oidc::proof::certificate::is_of(&of_ans, &der));
    assert_ne!(crate::oidc::proof::certificate::thumbprint(&der), of_ans);
}
