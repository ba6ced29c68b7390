//! RFC 9700 §2.1, §4.4, §4.5, §4.7: what becomes of a code that somebody else has read, in the hands of the service
//! itself.

use crate::crypto::digest::sha256;
use crate::crypto::jose::base64url;
use crate::store::client::{AuthMethod, Metadata, NewClient, ProfileName};
use crate::tests::spec::browser::of;
use crate::tests::spec::stand::{DOCTOR, ISSUER, NewRp, REALM, REDIRECT, Stand, TOKEN, claims, new_client};

fn s256(verifier: &str) -> String {
    base64url::encode(sha256(verifier.as_bytes()))
}

/// §4.5: the attacker begins at the service, and puts a code of the victim's into its answer. The service sends what it
/// keeps for the attacker's browser: its verifier, and it compares its `nonce`.
#[tokio::test]
async fn a_stolen_code_injected_into_the_attackers_own_sign_in_is_found_out() {
    Stand::on_both(async |stand| {
        let victim = stand.sign_in_as(DOCTOR).await;
        let (of_victim, of_attacker) = ("v".repeat(43), "a".repeat(43));
        let challenge = s256(&of_victim);
        let asked = [
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("nonce", "of-the-victims-browser"),
        ];
        let code = stand.code(&asked, &victim).await;
        let redeem = async |code: &str, verifier: &str| {
            let form = [
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", REDIRECT),
                ("code_verifier", verifier),
            ];
            stand.token("rp", &form).await
        };
        assert_eq!(redeem(&code, &of_attacker).await.error(), "invalid_grant");
        // Where the service goes by the nonce alone, the ID token has the victim's, never one of the token request.
        let code = stand.code(&[("nonce", "of-the-victims-browser")], &victim).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("nonce", "of-the-attackers-browser"),
        ];
        let tokens = stand.token("rp", &form).await.json();
        assert_eq!(claims(&tokens["id_token"])["nonce"], "of-the-victims-browser");
    })
    .await;
}

/// §4.5.2: the address that a code was sent to is compared with the one of the token request, not with those
/// registered.
#[tokio::test]
async fn a_code_that_was_sent_to_another_address_of_the_service_is_refused() {
    Stand::on_both(async |stand| {
        let victim = stand.sign_in().await;
        let diverted = stand.code(&[("redirect_uri", "https://rp.example/cb?tenant=1")], &victim).await;
        assert_eq!(stand.redeem(&diverted).await.error(), "invalid_grant");
        let form = [("grant_type", "authorization_code"), ("code", &diverted)];
        assert_eq!(stand.token("rp", &form).await.error(), "invalid_grant", "and it must be said");
    })
    .await;
}

/// §4.5, for public clients: whoever has read a code has not its verifier, and one that was sent in the clear is no
/// challenge.
#[tokio::test]
async fn a_stolen_code_of_a_public_client_is_worth_nothing() {
    Stand::on_both(async |stand| {
        let public = NewClient {
            secret_hash: None,
            profile: ProfileName::Standard,
            metadata: Metadata { token_endpoint_auth_method: Some(AuthMethod::None), ..Metadata::default() },
            ..new_client("app")
        };
        stand.add_client(&public).await;
        let browser = stand.sign_in().await;
        let cb = "https://app.example/cb";
        let verifier = "w".repeat(43);
        let challenge = s256(&verifier);
        let asked = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
        let code = stand.code(&of("app", cb, &asked), &browser).await;
        let redeem = async |more: &str| {
            let form =
                format!("grant_type=authorization_code&client_id=app&redirect_uri={cb}&code={code}{more}");
            stand.post(TOKEN, &form, &[]).await
        };
        for stolen in [
            "",
            "&code_verifier=",
            &format!("&code_verifier={challenge}"),
            &format!("&code_verifier={}", "x".repeat(43)),
        ] {
            let answer = redeem(stolen).await;
            assert_eq!(answer.status, 400, "{stolen}: {}", answer.body);
        }
        assert_eq!(redeem(&format!("&code_verifier={verifier}")).await.status, 200);
        let plain = [("code_challenge", verifier.as_str()), ("code_challenge_method", "plain")];
        let refused = stand.authorize(&of("app", cb, &plain), &browser.cookie).await;
        assert_eq!(refused.parameter("error").as_deref(), Some("invalid_request"));
        let without = stand.authorize(&of("app", cb, &[]), &browser.cookie).await;
        assert_eq!(
            without.parameter("error").as_deref(),
            Some("invalid_request"),
            "taken out of the request"
        );
    })
    .await;
}

/// §2.1.2: nothing but a code ever travels through the browser, whatever is asked for.
#[tokio::test]
async fn no_token_travels_through_the_browser() {
    Stand::on_both(async |stand| {
        stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("std") }).await;
        let browser = stand.sign_in().await;
        for kind in [
            "token",
            "id_token",
            "id_token token",
            "code token",
            "code id_token",
            "code id_token token",
            "none",
        ] {
            for (client, cb) in [("rp", REDIRECT), ("std", "https://std.example/cb")] {
                for mode in ["query", "fragment"] {
                    let more = [("response_type", kind), ("response_mode", mode)];
                    let answer = stand.authorize(&of(client, cb, &more), &browser.cookie).await;
                    let location = answer.location();
                    assert!(
                        location.contains("error=unsupported_response_type"),
                        "{kind} {mode}: {location}"
                    );
                    assert!(!location.contains("token=") && !location.contains("code="), "{location}");
                }
            }
        }
    })
    .await;
}

/// §2.1.1, §4.7.1: whoever builds on PKCE or `iss` learns from the metadata that it is there.
#[tokio::test]
async fn a_client_can_find_out_what_protects_it() {
    let stand = Stand::new().await;
    let document = stand.get(&format!("{REALM}/.well-known/openid-configuration"), &[]).await.json();
    assert_eq!(document["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(document["response_types_supported"], serde_json::json!(["code"]));
    assert_eq!(document["issuer"], ISSUER);
}

/// §4.7: what a service sends to tie the answer to its browser comes back as it was, with a code and with a refusal.
#[tokio::test]
async fn state_and_nonce_come_back_untouched() {
    Stand::on_both(async |stand| {
        stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("open") }).await;
        let browser = stand.sign_in().await;
        let odd = "eyJ4IjoxfQ==|é &=#?%00+";
        let asked = of("open", "https://open.example/cb", &[("state", odd), ("nonce", odd)]);
        let answer = stand.authorize(&asked, &browser.cookie).await;
        assert_eq!(answer.parameter("state").as_deref(), Some(odd));
        let tokens = stand.redeem_as("open", &answer.parameter("code").unwrap()).await.json();
        assert_eq!(claims(&tokens["id_token"])["nonce"], odd);
        let refused = of("open", "https://open.example/cb", &[("state", odd), ("prompt", "none")]);
        assert_eq!(stand.authorize(&refused, "").await.parameter("state").as_deref(), Some(odd));
    })
    .await;
}
