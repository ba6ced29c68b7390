//! A copy of the database, in the hands of whoever reads it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;

use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::crypto::digest::sha256;
use crate::store::initial_access_token::{self, InitialAccessToken};
use crate::store::testing::everything;
use crate::tests::spec::par::PUSH;
use crate::tests::spec::registration;
use crate::tests::spec::stand::{REDIRECT, Stand, basic, query, secret_of};

/// What a person, a relying party and a client that registers itself are given and give, from the first request to the
/// last refresh: none of it stands in any column of any table, as its text or as the bytes that it spells.
#[tokio::test]
async fn no_secret_stands_in_the_clear_in_any_column() {
    Stand::on_both_with(
        |settings| settings.registration = true,
        async |stand| {
            let mut secrets = vec![
                ("client secret", secret_of("rp")),
                ("initial access token", registration::INITIAL.into()),
            ];
            let mut keep = |name, secret: &str| secrets.push((name, secret.to_owned()));

            let token = InitialAccessToken {
                name: "essai".into(),
                token_hash: sha256(registration::INITIAL.as_bytes()).to_vec(),
                created_at: stand.clock.now(),
                expires_at: stand.clock.now() + chrono::TimeDelta::days(7),
                uses_left: 5,
            };
            assert!(
                initial_access_token::add(&stand.db, &token, &stand.event(Kind::RegistrationToken))
                    .await
                    .unwrap()
            );
            let client = registration::registered(&stand).await;
            keep("secret of its own making", client["client_secret"].as_str().unwrap());
            let own = client["registration_access_token"].as_str().unwrap();
            keep("registration access token", own);
            registration::send(&stand, Method::GET, &registration::own_path(&client), own, None).await;

            // A sign-in under way, one that is done, and a session.
            let begun = stand.authorize(&[("prompt", "login")], "").await;
            keep("cookie of a sign-in", begun.cookie().split_once('=').unwrap().1);
            stand.get(&begun.location(), &[("cookie", &begun.cookie())]).await;
            let browser = stand.sign_in().await;
            keep("cookie of a session", browser.cookie.split_once('=').unwrap().1);

            let pushed = stand.post(PUSH, &query(&[]), &[("authorization", &basic("rp"))]).await.json();
            keep(
                "handle of a pushed request",
                pushed["request_uri"].as_str().unwrap().rsplit(':').next().unwrap(),
            );
            let verifier = "v".repeat(50) + "-of-the-client";
            let challenge = crate::crypto::jose::base64url::encode(sha256(verifier.as_bytes()));
            let asked = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
            let unused = stand.code(&asked, &browser).await;
            let code = stand.code(&asked, &browser).await;
            keep("code", &code);
            keep("code that nobody redeemed", &unused);
            keep("verifier", &verifier);
            let form = [
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", REDIRECT),
                ("code_verifier", &verifier),
            ];
            let first = stand.token("rp", &form).await.json();
            let second = stand.refresh("rp", first["refresh_token"].as_str().unwrap()).await.json();
            for tokens in [&first, &second] {
                for name in ["access_token", "refresh_token", "id_token"] {
                    keep(name, tokens[name].as_str().unwrap());
                    keep("signature of a token", tokens[name].as_str().unwrap().rsplit('.').next().unwrap());
                }
            }
            stand.userinfo(second["access_token"].as_str().unwrap()).await;
            stand.introspect("rp", second["refresh_token"].as_str().unwrap()).await;
            keep("nonce of DPoP proofs", &stand.provider.nonces().current(stand.clock.now()));
            // Wrong ones are somebody's right ones elsewhere: they stand in no event.
            keep("mistyped secret", "a-secret-of-another-place");
            let mistyped = base64::engine::general_purpose::STANDARD.encode("rp:a-secret-of-another-place");
            stand.post(PUSH, "", &[("authorization", &format!("Basic {mistyped}"))]).await;
            stand.refresh("other", second["refresh_token"].as_str().unwrap()).await;

            let stored = everything(&stand.db).await;
            let tables: BTreeSet<_> = stored.iter().map(|(table, ..)| table.as_str()).collect();
            for table in [
                "client",
                "grant",
                "session",
                "login_transaction",
                "pushed_request",
                "audit_event",
                "signing_key",
            ] {
                let is_filled = tables.iter().any(|found| found.contains(table));
                assert!(is_filled, "{table} has rows, or nothing was proved: {tables:?}");
            }
            // The search finds what is there: a name, a hash.
            let find = |bytes: &[u8]| {
                let bytes = hex::encode(bytes);
                stored
                    .iter()
                    .find(|(.., value)| value.contains(&bytes))
                    .map(|(table, column, _)| (table, column))
            };
            assert!(find(b"Service rp").is_some() && find(&sha256(secret_of("rp").as_bytes())).is_some());
            for (name, secret) in &secrets {
                assert_eq!(find(secret.as_bytes()), None, "{name}");
                let spelt = URL_SAFE_NO_PAD.decode(secret).ok().filter(|bytes| bytes.len() >= 16);
                assert_eq!(spelt.and_then(|bytes| find(&bytes)), None, "the bytes of {name}");
            }
        },
    )
    .await;
}

/// Private keys are sealed, and the key that opens them is not with them.
#[tokio::test]
async fn no_private_key_stands_in_the_clear_in_any_column() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        stand.tokens(&browser).await;
        let stored = everything(&stand.db).await;
        // The beginning of an RSA or EC key in PKCS#8, of a PEM block, and the private members of a JWK.
        for mark in [
            hex::decode("020100300d06092a864886f70d010101").unwrap(),
            hex::decode("020100301306072a8648ce3d0201").unwrap(),
            b"PRIVATE KEY".to_vec(),
            b"\"d\":\"".to_vec(),
            b"\"qi\":".to_vec(),
        ] {
            let mark = hex::encode(mark);
            let found: Vec<_> = stored.iter().filter(|(.., value)| value.contains(&mark)).collect();
            assert!(found.is_empty(), "{found:?}");
        }
        assert!(stored.iter().any(|(table, ..)| table == "signing_key"), "there are keys");
    })
    .await;
}
