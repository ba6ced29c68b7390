//! Somebody who is signed in is asked for more: the page says why, offers what can reach it, and ends nothing for less.

use http::StatusCode;
use serde_json::json;

use super::authenticator::SoftKey;
use super::second_factor::CB;
use super::{Begun, Hospital, code};
use crate::session::Acr;
use crate::store::client::ProfileName;
use crate::tests::spec::browser::of;
use crate::tests::spec::stand::{DOCTOR, NewRp, SignedIn};
use crate::webauthn::policy::KeyPolicy;

fn essential(level: &str) -> String {
    json!({ "id_token": { "acr": { "essential": true, "value": level } } }).to_string()
}

impl Hospital {
    /// Somebody who has signed in with a new key at a service.
    async fn by_key(&self, key: &mut SoftKey) -> SignedIn {
        self.stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("std") }).await;
        self.register(&self.stand.sign_in().await, key).await;
        let (_, answer) = self.sign_in(key).await;
        let cookie = answer.cookie();
        let hash = crate::crypto::digest::sha256(cookie.split_once('=').unwrap().1.as_bytes());
        let session = crate::store::session::by_cookie(&self.stand.db, hash).await.unwrap().unwrap();
        SignedIn { cookie, session: session.id }
    }
}

#[tokio::test]
async fn whoever_is_asked_again_reads_why_and_whether_a_means_of_theirs_will_do() {
    Hospital::on_both(async |hospital| {
        let browser = hospital.by_key(&mut SoftKey::new()).await;
        let higher = hospital.asks(&browser, &[("acr_values", "eidas2")]).await;
        assert!(
            hospital.shown(&higher).await.contains("aucun des moyens"),
            "the key reaches less, and no card yet"
        );
        let younger = hospital.asks(&browser, &[("prompt", "login")]).await;
        assert!(hospital.shown(&younger).await.contains("que vous confirmiez votre identité"));
        // The card is in the registry from its first sign-in on.
        let begun = hospital.stand.authorize(&[], "").await;
        hospital.stand.complete(&begun, DOCTOR, Acr::Eidas3).await;
        let page = hospital.shown(&higher).await;
        assert!(
            page.contains("un niveau de sécurité plus élevé") && !page.contains("aucun des moyens"),
            "{page}"
        );
        // Nobody is told anything of means in a browser where nobody is signed in.
        let stranger = hospital.stand.authorize(&of("std", CB, &[("acr_values", "eidas2")]), "").await;
        let txn = stranger.location().strip_prefix("/login/").unwrap().to_owned();
        let page = hospital.shown(&Begun { txn, cookie: stranger.cookie() }).await;
        assert!(!page.contains("data-again"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_cannot_reach_what_a_service_insists_on_is_neither_offered_nor_taken() {
    Hospital::on_both(async |hospital| {
        let mut key = SoftKey::new();
        let browser = hospital.by_key(&mut key).await;
        let begun = hospital.asks(&browser, &[("claims", &essential("eidas2"))]).await;
        let page = hospital.shown(&begun).await;
        assert!(!page.contains("data-key "), "not offered: {page}");
        // Nor does it help to ask behind the page's back.
        let asked = hospital.challenge(&begun, None).await;
        assert_eq!(code(&hospital.answer(&begun, &asked, &mut key).await), "KEY-044");
        let session = hospital.session_of(&browser).await;
        assert!(session.ended_at.is_none(), "what was there goes on");
        // What is wished for keeps nobody out.
        let begun = hospital.asks(&browser, &[("acr_values", "eidas2")]).await;
        assert!(hospital.shown(&begun).await.contains("data-key "));
        let asked = hospital.challenge(&begun, None).await;
        let answer = hospital.answer(&begun, &asked, &mut key).await;
        assert_eq!((answer.status, answer.json()["state"].clone()), (StatusCode::OK, json!("done")));
    })
    .await;
}

#[tokio::test]
async fn a_key_that_reaches_what_a_service_insists_on_is_offered_and_taken() {
    let policy = KeyPolicy { device_bound_level: Acr::Eidas2, ..KeyPolicy::default() };
    Hospital::on_both_with(policy, async |hospital| {
        let mut key = SoftKey::new();
        let browser = hospital.by_key(&mut key).await;
        // The session of the card that vouched for it reaches eidas1 only.
        let low = hospital.stand.sign_in_at_level(DOCTOR, Acr::Eidas1).await;
        assert_ne!(low.session, browser.session);
        let begun = hospital.asks(&low, &[("claims", &essential("eidas2"))]).await;
        let page = hospital.shown(&begun).await;
        assert!(
            page.contains("data-key ") && page.contains("plus élevé") && !page.contains("aucun"),
            "{page}"
        );
        let asked = hospital.challenge(&begun, None).await;
        let answer = hospital.answer(&begun, &asked, &mut key).await;
        assert_eq!(answer.json()["state"], "done", "{}", answer.body);
        let joined = SignedIn { cookie: answer.cookie(), session: low.session };
        assert_eq!(hospital.token_of(&begun, &joined).await["acr"], "eidas2");
    })
    .await;
}
