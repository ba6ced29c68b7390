//! OpenID Connect Core §10.2, §5.3.2 and RFC 9701 §5: answers that only their client reads, and never in the clear to a
//! client that asked for that.

use serde_json::{Value, json};

use super::stand::{INTROSPECT, NewRp, Stand, TOKEN, basic, claims};
use crate::crypto::jose::{self, ContentEncryption, DecryptionKey, ExpectedJwe, KeyManagement};
use crate::store::client::{Metadata, ProfileName};

fn metadata(jwks: Option<Value>) -> Metadata {
    let (alg, enc) = (Some("ECDH-ES+A256KW".to_owned()), Some("A256GCM".to_owned()));
    Metadata {
        jwks,
        id_token_encrypted_response_alg: alg.clone(),
        id_token_encrypted_response_enc: enc.clone(),
        userinfo_encrypted_response_alg: alg.clone(),
        userinfo_encrypted_response_enc: enc.clone(),
        introspection_encrypted_response_alg: alg,
        introspection_encrypted_response_enc: enc,
        ..Metadata::default()
    }
}

async fn code(stand: &Stand, client: &str, cookie: &str) -> String {
    let redirect = format!("https://{client}.example/cb");
    let request = [("client_id", client), ("redirect_uri", &redirect), ("scope", "openid profile")];
    stand.authorize(&request, cookie).await.parameter("code").unwrap()
}

#[tokio::test]
async fn what_is_registered_as_encrypted_is_read_by_its_client_alone() {
    Stand::on_both(async |stand| {
        let key = DecryptionKey::generate(KeyManagement::EcdhEsA256Kw).unwrap();
        let metadata = metadata(Some(json!({ "keys": [key.to_jwk()] })));
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("sealed") }).await;
        let browser = stand.sign_in().await;
        let code = code(&stand, "sealed", &browser.cookie).await;
        let tokens = stand.redeem_as("sealed", &code).await.json();
        let open = |text: &str| {
            assert_eq!(text.split('.').count(), 5, "{text}");
            let expected = ExpectedJwe {
                management: &[KeyManagement::EcdhEsA256Kw],
                content: &[ContentEncryption::A256Gcm],
                max_len: 16 * 1024,
            };
            let opened = jose::decrypt(text, expected, |_| Some(&key)).unwrap();
            assert_eq!(opened.content_type.as_deref(), Some("JWT"), "signed, then encrypted");
            claims(&json!(String::from_utf8(opened.content.to_vec()).unwrap()))
        };
        let id_token = open(tokens["id_token"].as_str().unwrap());
        assert_eq!(id_token["aud"], "sealed");
        let access = tokens["access_token"].as_str().unwrap();
        let userinfo = stand.userinfo(access).await;
        assert_eq!(userinfo.headers["content-type"], "application/jwt");
        let userinfo = open(&userinfo.body);
        assert_eq!((&userinfo["sub"], &userinfo["aud"]), (&id_token["sub"], &json!("sealed")));
        let headers = [("authorization", &*basic("sealed"))];
        let introspected = stand.post(INTROSPECT, &format!("token={access}"), &headers).await;
        assert_eq!(open(&introspected.body)["token_introspection"]["active"], true);
    })
    .await;
}

/// A client whose keys are gone gets an error, not what it wanted nobody to read.
#[tokio::test]
async fn nothing_goes_in_the_clear_where_it_cannot_be_encrypted() {
    Stand::on_both(async |stand| {
        let metadata = metadata(None);
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("keyless") }).await;
        let browser = stand.sign_in().await;
        let code = code(&stand, "keyless", &browser.cookie).await;
        let form =
            format!("grant_type=authorization_code&code={code}&redirect_uri=https://keyless.example/cb");
        let answer = stand.post(TOKEN, &form, &[("authorization", &basic("keyless"))]).await;
        assert_eq!(answer.error(), "invalid_request");
        assert!(!answer.body.contains("eyJ"), "{}", answer.body);
    })
    .await;
}
