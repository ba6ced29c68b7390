//! RFC 7636 and RFC 9700 §2.1.1: proof of the code's recipient.

use super::stand::{REDIRECT, Stand};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const S256: [(&str, &str); 2] = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];

async fn redeem(stand: &Stand, code: &str, verifier: &str) -> (u16, String) {
    let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
    if !verifier.is_empty() {
        form.push(("code_verifier", verifier));
    }
    let answer = stand.token("rp", &form).await;
    let description = answer.json()["error_description"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), description)
}

#[tokio::test]
async fn a_code_with_a_challenge_needs_its_verifier() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&S256, &browser).await;
    for (verifier, description) in [
        ("", "PKCE code verifier not specified"),
        ("short", "PKCE verification failed: Invalid code verifier"),
        (CHALLENGE, "PKCE verification failed: Code mismatch"),
    ] {
        assert_eq!(redeem(&stand, &code, verifier).await, (400, description.to_owned()));
    }
    assert_eq!(redeem(&stand, &code, VERIFIER).await.0, 200, "failed attempts do not spoil it");
}

/// The attacker strips the challenge from the request and later injects the code into a session of the victim's, whose
/// client sends its verifier (RFC 9700 §4.8.2).
#[tokio::test]
async fn a_verifier_for_a_code_without_challenge_is_a_downgrade() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    let code = stand.code(&[], &browser).await;
    assert_eq!(redeem(&stand, &code, VERIFIER).await.0, 400);
    assert_eq!(redeem(&stand, &code, "").await.0, 200);
}

#[tokio::test]
async fn plain_is_refused() {
    let stand = Stand::new().await;
    for changes in [
        &[("code_challenge", VERIFIER), ("code_challenge_method", "plain")][..],
        &[("code_challenge", VERIFIER)],
        &[("code_challenge_method", "S256")],
        &[("code_challenge", "too-short"), ("code_challenge_method", "S256")],
        &[("code_challenge", CHALLENGE), ("code_challenge_method", "s256")],
    ] {
        let answer = stand.authorize(changes, "").await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{changes:?}");
    }
}
