//! The life of keys as relying parties see it (RFC 7517 §5, RFC 7518), and keys that are in an HSM (PKCS#11 2.40).

#[cfg(feature = "hsm")]
mod hsm;

use std::sync::Arc;

use serde_json::Value;

use super::stand::{NewRp, REALM, Stand, claims, header};
use crate::audit::{Event, Kind, Trail};
use crate::crypto::jose::{Expected, KeySet, verify_with_set};
use crate::crypto::keys::Algorithm;
use crate::crypto::random::SystemRandom;
use crate::keyring;
use crate::store::client::Metadata;

fn event(stand: &Stand, kind: Kind) -> Event {
    Trail::new("main", "1", Arc::new(stand.clock.clone()), Arc::new(SystemRandom)).event(kind)
}

async fn key_set(stand: &Stand) -> KeySet {
    let answer = stand.get(&format!("{REALM}/protocol/openid-connect/certs"), &[]).await;
    KeySet::parse(answer.body.as_bytes()).unwrap()
}

/// A client whose tokens are signed by `algorithm`.
async fn client(stand: &Stand, id: &'static str, algorithm: Algorithm) {
    let alg = Some(algorithm.name().to_owned());
    let metadata = Metadata { id_token_signed_response_alg: alg, ..Metadata::default() };
    stand.add_rp(NewRp { metadata, ..NewRp::named(id) }).await;
}

async fn tokens(stand: &Stand, id: &str) -> Value {
    let browser = stand.sign_in().await;
    let redirect = format!("https://{id}.example/cb");
    let request = [("client_id", id), ("redirect_uri", redirect.as_str())];
    let code = stand.authorize(&request, &browser.cookie).await.parameter("code").unwrap();
    stand.redeem_as(id, &code).await.json()
}

fn verifies(token: &Value, keys: &KeySet) -> bool {
    let expected = Expected { typ: Some("JWT"), algorithms: &Algorithm::ALL, max_len: 8192 };
    verify_with_set::<Value>(token.as_str().unwrap(), expected, keys).is_ok()
}

#[tokio::test]
async fn what_a_stolen_key_signed_is_refused_within_seconds() {
    Stand::on_both(async |stand| {
        client(&stand, "es", Algorithm::Es256).await;
        let (of_rp, of_es) = (tokens(&stand, "rp").await, tokens(&stand, "es").await);
        let access = |tokens: &Value| tokens["access_token"].as_str().unwrap().to_owned();
        assert_eq!(stand.userinfo(&access(&of_rp)).await.status, 200);
        assert_eq!(stand.userinfo(&access(&of_es)).await.status, 200);
        let kid = header(&of_rp["id_token"])["kid"].as_str().unwrap().to_owned();
        let (now, event) = (
            {
                use crate::clock::Clock as _;
                stand.clock.now()
            },
            event(&stand, Kind::KeyWithdrawn),
        );
        keyring::withdraw(&stand.db, &stand.seal, &kid, now, &SystemRandom, event).await.unwrap();
        stand.advance(5);
        assert_eq!(stand.userinfo(&access(&of_rp)).await.error(), "invalid_token");
        assert_eq!(stand.userinfo(&access(&of_es)).await.status, 200, "the keys of others stay");
        let published = key_set(&stand).await;
        assert!(!verifies(&of_rp["id_token"], &published) && verifies(&of_es["id_token"], &published));
        let again = tokens(&stand, "rp").await;
        assert_ne!(header(&again["id_token"])["kid"], kid.as_str());
        assert!(verifies(&again["id_token"], &published), "the next key was published before");
        assert_eq!(claims(&again["id_token"])["aud"], "rp");
        assert!(stand.events().await.iter().any(|kind| kind == "key.withdrawn"));
    })
    .await;
}
