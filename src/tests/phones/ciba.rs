//! A program asks (CIBA), and the phone itself answers.

use serde_json::{Value, json};

use super::Hospital;
use crate::clock::Clock as _;
use crate::crypto::random::SystemRandom;
use crate::store;
use crate::store::client::{CIBA, DeliveryMode, Metadata};
use crate::store::means::{Halt, Halting};
use crate::tests::spec::stand::{Answer, DOCTOR, NewRp, Stand, basic, claims};

const BACKCHANNEL: &str = "/auth/realms/esante-wallet/protocol/openid-connect/ext/ciba/auth";

pub(super) async fn register(stand: &Stand) {
    let metadata = Metadata {
        grant_types: vec![CIBA.into()],
        backchannel_token_delivery_mode: Some(DeliveryMode::Poll),
        ..Metadata::default()
    };
    stand.add_rp(NewRp { metadata, ..NewRp::named("ask") }).await;
}

/// Asks for the doctor: the `auth_req_id`.
pub(super) async fn asked(stand: &Stand) -> String {
    let form = format!(
        "scope=openid+scope_all&acr_values=eidas1&login_hint={DOCTOR}&binding_message=07&channel=MOBILE"
    );
    let answer = stand.post(BACKCHANNEL, &form, &[("authorization", &basic("ask"))]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["auth_req_id"].as_str().unwrap().to_owned()
}

async fn poll(stand: &Stand, id: &str) -> Answer {
    stand.token("ask", &[("grant_type", CIBA), ("auth_req_id", id)]).await
}

#[tokio::test]
async fn the_digits_of_the_program_are_typed_and_what_they_give_ends_with_the_phone() {
    Hospital::on_both(async |hospital| {
        let stand = &hospital.stand;
        register(stand).await;
        let mut phone = hospital.pair(&stand.sign_in().await).await;
        let id = asked(stand).await;
        let shown = hospital.opened(&phone).await;
        let context = shown.context();
        let said = (&context["application"], &context["digits"], &context["browser"]);
        assert_eq!(said, (&json!("Service ask"), &json!(2), &json!("")));
        // The program is answered when the person has, and not when it asks next.
        let (looked, typed) =
            tokio::join!(poll(stand, &id), hospital.approves(&mut phone, &shown, Some("07")));
        assert_eq!(typed.json(), json!({ "state": "done" }));
        assert_eq!(looked.status, 200, "{}", looked.body);
        let tokens = looked.json();
        let id_token = claims(&tokens["id_token"]);
        assert_eq!((&id_token["authMode"], &id_token["SubjectNameID"]), (&json!("MOBILE"), &json!(DOCTOR)));
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(stand.userinfo(access).await.status, 200);

        // Another answer is given, and not redeemed yet.
        let late = asked(stand).await;
        let shown = hospital.opened(&phone).await;
        assert_eq!(
            hospital.approves(&mut phone, &shown, Some("07")).await.json(),
            json!({ "state": "done" })
        );
        let event = stand.event(crate::audit::Kind::MeansRevoked);
        let ended = |_| stand.event(crate::audit::Kind::SessionEnded);
        let halting = Halting {
            id: phone.id.parse().unwrap(),
            halt: Halt::Revoke,
            reason: "lost",
            event: &event,
            ended: &ended,
        };
        assert!(store::means::halt(&stand.db, &halting, stand.clock.now(), &SystemRandom).await.unwrap());
        assert_eq!(stand.userinfo(access).await.status, 401, "it ended with the phone");
        assert_eq!(poll(stand, &late).await.error(), "invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn other_digits_and_not_me_give_nothing_and_whoever_said_so_is_left_alone() {
    Hospital::on_both(async |hospital| {
        let stand = &hospital.stand;
        register(stand).await;
        let mut phone = hospital.pair(&stand.sign_in().await).await;
        let id = asked(stand).await;
        let shown = hospital.opened(&phone).await;
        hospital.approves(&mut phone, &shown, Some("70")).await;
        assert_eq!(poll(stand, &id).await.error(), "access_denied");
        let id = asked(stand).await;
        let shown = hospital.opened(&phone).await;
        hospital.denies(&phone, &shown, "not-me").await;
        assert_eq!(poll(stand, &id).await.error(), "access_denied");
        // It looks like every question, and reaches nobody.
        asked(stand).await;
        let listed = hospital.phone_asks(&phone, "/phone/list", json!({})).await.json();
        assert_eq!(listed["waiting"], Value::Array(Vec::new()));
    })
    .await;
}
