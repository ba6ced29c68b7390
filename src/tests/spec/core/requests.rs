//! What a request must be, and how a refusal is told.

use crate::tests::spec::stand::{REALM, Stand, query};

#[tokio::test]
async fn a_good_request_in_a_session_gets_a_code_with_iss_state_and_session_state() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    for path in ["/auth", "/auth/", "/auth/realms/esante-wallet/protocol/openid-connect/auth"] {
        let answer = stand.get(&format!("{path}?{}", query(&[])), &[("cookie", &browser.cookie)]).await;
        assert_eq!(answer.status, 302, "{path}: {}", answer.body);
        assert!(answer.location().starts_with("https://rp.example/cb?code="), "{}", answer.location());
        assert_eq!(answer.parameter("state").unwrap(), "xyz");
        assert_eq!(answer.parameter("iss").unwrap(), format!("http://localhost:8080{REALM}"));
        assert_eq!(answer.parameter("session_state").unwrap(), browser.session.to_string());
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "no CORS here (RFC 9700 §2.6)");
    }
}

#[tokio::test]
async fn what_relying_parties_of_psc_send_is_understood_or_ignored() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    for changes in [
        &[("acr_values", ""), ("acr", "eidas1")][..],
        &[("acr_values", "")],
        &[("acr_values", "eidas2")],
        &[("acr_values", "nonsense")],
        &[("nonce", "")],
        &[("state", "")],
        &[("scope", "openid")],
        &[("scope", "openid scope_all rpps unheard_of")],
        &[("kc_idp_hint", "OKTA_hopital"), ("kc_idp_hint", "twice")],
        &[("anything", "else"), ("login_hint", DOCTOR_HINT), ("ui_locales", "fr en")],
        &[("claims", "{}"), ("display", "popup"), ("prompt", "consent")],
        &[("redirect_uri", "https://rp.example/cb?tenant=1")],
    ] {
        let answer = stand.authorize(changes, &browser.cookie).await;
        assert!(answer.parameter("code").is_some(), "{changes:?}: {}", answer.location());
    }
}

const DOCTOR_HINT: &str = "899700427885";

#[tokio::test]
async fn until_the_address_is_known_to_be_the_clients_every_error_is_a_page() {
    let stand = Stand::new().await;
    for (changes, code) in [
        (&[("client_id", "")][..], "OIDC-001"),
        (&[("client_id", "nobody")], "OIDC-001"),
        (&[("client_id", "rp' OR 1=1")], "OIDC-001"),
        (&[("client_id", "rp"), ("client_id", "other")], "OIDC-001"),
        (&[("redirect_uri", "")], "OIDC-004"),
        (&[("redirect_uri", "https://rp.example/cb"), ("redirect_uri", "https://evil.example/")], "OIDC-004"),
        // An open redirect, in all its disguises.
        (&[("redirect_uri", "https://evil.example/cb")], "OIDC-005"),
        (&[("redirect_uri", "https://rp.example/cb/")], "OIDC-005"),
        (&[("redirect_uri", "https://rp.example/cb?x=1")], "OIDC-005"),
        (&[("redirect_uri", "https://rp.example/CB")], "OIDC-005"),
        (&[("redirect_uri", "http://rp.example/cb")], "OIDC-005"),
        (&[("redirect_uri", "https://rp.example/cb#x")], "OIDC-005"),
        (&[("redirect_uri", "https://rp.example@evil.example/cb")], "OIDC-005"),
        (&[("redirect_uri", "https://rp.example/cb/../evil")], "OIDC-005"),
        (&[("redirect_uri", "https://rp.example/cb\r\nLocation: https://evil.example")], "OIDC-005"),
        (&[("redirect_uri", "javascript:alert(1)")], "OIDC-005"),
        (&[("redirect_uri", "//evil.example/cb")], "OIDC-005"),
        // Of another client.
        (&[("redirect_uri", "https://other.example/cb")], "OIDC-005"),
    ] {
        let answer = stand.authorize(changes, "").await;
        assert_eq!(answer.status, 400, "{changes:?}");
        assert!(!answer.headers.contains_key("location"), "{changes:?}");
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(answer.body.contains(code), "{changes:?} {}", answer.body);
        assert!(!answer.body.contains("evil"), "nothing of the request is shown");
    }
}

#[tokio::test]
async fn other_errors_go_back_with_their_state_and_the_issuer() {
    let stand = Stand::new().await;
    let long = "x".repeat(3000);
    for (changes, error) in [
        (&[("response_type", "")][..], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "code id_token")], "unsupported_response_type"),
        (&[("response_mode", "web_message")], "invalid_request"),
        (&[("scope", "")], "invalid_scope"),
        (&[("scope", "scope_all")], "invalid_scope"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("prompt", "none")], "login_required"),
        (&[("max_age", "-1")], "invalid_request"),
        (&[("max_age", "soon")], "invalid_request"),
        (&[("request", "eyJhbGciOiJub25lIn0.e30.")], "invalid_request_object"),
        (&[("request_uri", "https://evil.example/request")], "invalid_request_uri"),
        (&[("registration", "{}")], "registration_not_supported"),
        (&[("scope", "openid"), ("scope", "openid scope_all")], "invalid_request"),
        (&[("nonce", "a"), ("nonce", "b")], "invalid_request"),
        (&[("prompt", "login"), ("prompt", "none")], "invalid_request"),
        (&[("nonce", long.as_str())], "invalid_request"),
    ] {
        let answer = stand.authorize(changes, "").await;
        assert_eq!(answer.status, 302, "{changes:?}: {}", answer.body);
        assert!(answer.location().starts_with("https://rp.example/cb?error="), "{}", answer.location());
        assert_eq!(answer.parameter("error").unwrap(), error, "{changes:?}");
        assert_eq!(answer.parameter("state").unwrap(), "xyz");
        assert_eq!(answer.parameter("iss").unwrap(), format!("http://localhost:8080{REALM}"));
        assert!(answer.parameter("error_description").is_some());
        assert!(answer.parameter("code").is_none());
    }
}

#[tokio::test]
async fn a_doubled_state_is_not_given_back() {
    let stand = Stand::new().await;
    let answer = stand.authorize(&[("state", "a"), ("state", "b")], "").await;
    assert_eq!(answer.parameter("error").unwrap(), "invalid_request");
    assert_eq!(answer.parameter("state"), None);
}

#[tokio::test]
async fn a_state_cannot_write_headers_or_parameters_of_its_own() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let hostile = "x\r\nSet-Cookie: a=b&code=stolen#fragé";
    let answer = stand.authorize(&[("state", hostile)], &browser.cookie).await;
    assert_eq!(answer.parameter("state").unwrap(), hostile);
    assert!(!answer.headers.contains_key("set-cookie"));
    assert_eq!(answer.location().matches("code=").count(), 1);
    assert!(!answer.location().contains('#'));
}

#[tokio::test]
async fn an_address_with_a_query_keeps_it() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let answer =
        stand.authorize(&[("redirect_uri", "https://rp.example/cb?tenant=1")], &browser.cookie).await;
    assert!(answer.location().starts_with("https://rp.example/cb?tenant=1&code="));
}

#[tokio::test]
async fn a_wildcard_is_honoured_in_a_sandbox_only() {
    for (sandbox, status) in [(true, 302), (false, 400)] {
        let stand = Stand::with(|settings| settings.sandbox = sandbox).await;
        let mut new = crate::tests::spec::stand::new_client("dev");
        new.redirect_uris = vec!["http://localhost:4200/*".into()];
        stand.add_client(&new).await;
        let browser = stand.sign_in().await;
        let changes = [("client_id", "dev"), ("redirect_uri", "http://localhost:4200/callback")];
        let answer = stand.authorize(&changes, &browser.cookie).await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn a_refusal_is_in_the_audit() {
    let stand = Stand::new().await;
    stand.authorize(&[("redirect_uri", "https://evil.example/cb")], "").await;
    assert_eq!(stand.events().await.last().unwrap(), "authorization.refused OIDC-005");
}
