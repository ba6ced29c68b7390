//! RFC 9700 §2.3, §2.4, §4.6, §4.15: tokens of one client, issuer or kind in the place of another.

use serde_json::json;

use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::store::client::{Metadata, NewClient, ProfileName};
use crate::tests::spec::browser::of;
use crate::tests::spec::stand::{ISSUER, LOGOUT, REVOKE, Stand, basic, claims, header, new_client};

/// A code, a refresh token and an ID token of one client in the hands of another, with good credentials of its own.
#[tokio::test]
async fn what_was_given_to_one_client_is_worth_nothing_to_another() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let code = stand.code(&[], &browser).await;
        for redirect in ["https://rp.example/cb", "https://other.example/cb"] {
            let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", redirect)];
            assert_eq!(stand.token("other", &form).await.error(), "invalid_grant");
        }
        let tokens = stand.tokens(&browser).await;
        let [access, refresh, id] =
            ["access_token", "refresh_token", "id_token"].map(|name| tokens[name].as_str().unwrap());
        assert_eq!(stand.refresh("other", refresh).await.error(), "invalid_grant");
        for token in [access, refresh] {
            assert_eq!(stand.introspect("other", token).await, json!({ "active": false }));
        }
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("token", refresh).finish();
        stand.post(REVOKE, &form, &[("authorization", &basic("other"))]).await;
        assert_eq!(stand.refresh("rp", refresh).await.status, 200, "another cannot take it back");
        let logout = format!("{LOGOUT}?id_token_hint={id}&client_id=other");
        assert_eq!(stand.get(&logout, &[("cookie", &browser.cookie)]).await.status, 400);
        // Each kind says what it is, and for whom.
        assert_eq!(claims(&tokens["id_token"])["aud"], "rp");
        let kinds: Vec<_> = ["access_token", "refresh_token", "id_token"]
            .map(|name| (header(&tokens[name])["typ"].clone(), claims(&tokens[name])["typ"].clone()))
            .into();
        assert!(kinds[0] != kinds[1] && kinds[1] != kinds[2] && kinds[0] != kinds[2], "{kinds:?}");
    })
    .await;
}

/// Another issuer signs with a key of its own, or names ours; ours was given to be used at another issuer.
#[tokio::test]
async fn a_token_of_another_issuer_is_none() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let tokens = stand.tokens(&browser).await;
        let foreign = SigningKey::generate(Algorithm::Rs256).unwrap();
        let good = claims(&tokens["access_token"]);
        let mut theirs = good.clone();
        theirs["iss"] = json!("https://other-issuer.example");
        for (what, claims) in [("our name", &good), ("their name", &theirs)] {
            let ours = header(&tokens["access_token"]);
            // Under the name of our key, too.
            for kid in [ours["kid"].clone(), json!(foreign.public().kid())] {
                let head = json!({ "alg": "RS256", "typ": ours["typ"], "kid": kid });
                let token = jose::forge(&foreign, &head, claims);
                assert_eq!(stand.userinfo(&token).await.status, 401, "{what}");
                assert_eq!(stand.introspect("rp", &token).await, json!({ "active": false }), "{what}");
                assert_eq!(stand.refresh("rp", &token).await.error(), "invalid_grant", "{what}");
            }
        }
        assert_eq!(good["iss"], ISSUER);
    })
    .await;
}

/// §2.4, §4.15: no grant in which a client asks for a person, or for itself; so no token's `sub` is ever a client.
#[tokio::test]
async fn a_client_is_never_taken_for_a_person() {
    Stand::on_both(async |stand| {
        for form in [
            &[("grant_type", "password"), ("username", "899700427885"), ("password", "1234")][..],
            &[("grant_type", "client_credentials"), ("scope", "openid")],
            &[("grant_type", "implicit")],
            &[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", "a.b.c")],
        ] {
            let answer = stand.token("rp", form).await;
            assert_eq!(
                (answer.status.as_u16(), answer.error().as_str()),
                (400, "unsupported_grant_type"),
                "{form:?}"
            );
        }
        // A client whose name is a person's number: the tokens of people say `sub` by their own, and the client
        // elsewhere.
        let id = "899700427885";
        stand
            .add_client(&NewClient {
                profile: ProfileName::Standard,
                redirect_uris: vec!["https://named.example/cb".into()],
                metadata: Metadata::default(),
                ..new_client(id)
            })
            .await;
        let browser = stand.sign_in().await;
        let code = stand.code(&of(id, "https://named.example/cb", &[]), &browser).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", "https://named.example/cb"),
        ];
        let tokens = stand.token(id, &form).await.json();
        let access = claims(&tokens["access_token"]);
        assert_ne!(access["sub"], id);
        assert_eq!((&access["client_id"], &access["sub"]), (&json!(id), &claims(&tokens["id_token"])["sub"]));
    })
    .await;
}
