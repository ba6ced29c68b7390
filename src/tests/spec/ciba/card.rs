//! `channel=CARD` as a client sees it: off by default, and worth no more than an answer on a phone. The way to the card and
//! back is in `tests::card_login::question`.

use std::sync::Arc;

use serde_json::json;

use super::stand::{answer, ask, asked, poll, proof, refusal, register, row, told};
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::ids::{ApprovalId, PersonId, WorkstationId};
use crate::oidc::Asking;
use crate::session::asking::{Asks, Channel, Later, Workstations};
use crate::session::{Acr, Amr, AuthMode, Authentication, Evidence};
use crate::store;
use crate::store::approval::Answer as Said;
use crate::store::audit::Filter;
use crate::store::card_question::{self, CardQuestion};
use crate::store::client::ProfileName;
use crate::tests::spec::stand::{DOCTOR, Stand, claims};

/// Cards somewhere.
#[derive(Debug)]
struct Cards;

impl Asks for Cards {
    fn wake(&self, _: ApprovalId, _: PersonId) -> Later<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn answered(&self, _: ApprovalId) -> Later<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn level(&self) -> Option<Acr> {
        Some(Acr::Eidas1)
    }

    fn asks_for(&self, workstations: &Workstations) -> bool {
        !workstations.is_empty()
    }
}

async fn with_cards(test: impl AsyncFn(Stand)) {
    let asking = || Asking { phone: None, card: Some(Arc::new(Cards) as _) };
    let at_once = |settings: &mut crate::oidc::Settings| {
        settings.lifetimes.backchannel_hold = chrono::TimeDelta::zero();
    };
    Stand::on_both_with_people(asking, at_once, async |stand| {
        register(&stand, "ask", ProfileName::Psc, |_| {}).await;
        test(stand).await;
    })
    .await;
}

async fn link(stand: &Stand, places: &[&str]) {
    let workstations =
        Workstations::named(&places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>());
    let (event, now) = (stand.event(Kind::ClientChanged), stand.clock.now());
    assert!(card_question::set_workstations(&stand.db, "ask", &workstations, now, &event).await.unwrap());
}

const CARD: &[(&str, &str)] = &[("channel", "CARD")];

#[tokio::test]
async fn a_client_that_is_linked_to_no_workstation_asks_for_no_card() {
    with_cards(async |stand| {
        assert_eq!(told(&ask(&stand, "ask", CARD).await), refusal(400, "unauthorized_client"));
        link(&stand, &["bloc"]).await;
        let id = asked(&stand, "ask", CARD).await;
        assert_eq!(row(&stand, "ask", &id).await.channel, Channel::Card);
        link(&stand, &[]).await;
        assert_eq!(told(&ask(&stand, "ask", CARD).await), refusal(400, "unauthorized_client"));
        // There are no phones here, and a question without a channel is one for a phone.
        assert_eq!(told(&ask(&stand, "ask", &[("channel", "")]).await), refusal(400, "invalid_request"));
    })
    .await;
}

#[tokio::test]
async fn the_answer_of_a_card_is_told_as_one_and_never_resists_phishing() {
    with_cards(async |stand| {
        link(&stand, &["bloc"]).await;
        let id = asked(&stand, "ask", CARD).await;
        let card = Evidence::Card {
            card_number: "1".into(),
            certificate_sha256: "00".into(),
            serial: "01".into(),
            issuer: None,
            workstation: WorkstationId(uuid::Uuid::nil()),
            pin: "window".into(),
            interface: "contact".into(),
        };
        let proved = Authentication {
            acr: Acr::Eidas1,
            amr: vec![Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa],
            auth_mode: AuthMode::Card,
            evidence: Evidence::CardAsked { card: Box::new(card) },
            ..proof(&stand).await
        };
        assert!(!proved.evidence.is_phishing_resistant());
        assert_eq!(proved.evidence.card_and_pin(), None, "no badge renews it");
        assert!(answer(&stand, "ask", &id, Said::Approve(proved)).await);
        let tokens = poll(&stand, "ask", &id).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let told = claims(&tokens.json()["id_token"]);
        assert_eq!((&told["authMode"], &told["acr"]), (&json!("CARD"), &json!("eidas1")));
        assert_eq!(told["SubjectNameID"], json!(DOCTOR));
        // The registry knows the card from now on, and whose it is.
        let holder = card_question::holder(&stand.db, "00").await.unwrap();
        assert_eq!(holder, Some(stand.person(DOCTOR).await));
        assert_eq!(poll(&stand, "ask", &id).await.error(), "invalid_grant", "once");
    })
    .await;
}

/// The client sees the same; whoever has to find out why reads it in the audit.
#[tokio::test]
async fn a_question_that_reached_no_card_expires_like_any_other() {
    with_cards(async |stand| {
        link(&stand, &["bloc"]).await;
        let codes = async || {
            let rows =
                store::audit::list(&stand.db, &Filter { limit: 100, ..Filter::default() }).await.unwrap();
            rows.into_iter()
                .filter_map(|row| row.code)
                .filter(|code| code.starts_with("CIBA"))
                .collect::<Vec<_>>()
        };
        let id = asked(&stand, "ask", CARD).await;
        assert_eq!(poll(&stand, "ask", &id).await.error(), "authorization_pending");
        stand.advance(121);
        assert_eq!(poll(&stand, "ask", &id).await.error(), "expired_token");
        assert_eq!(codes().await, ["CIBA-033"]);

        let id = asked(&stand, "ask", CARD).await;
        let sent = CardQuestion {
            txn: "txn".into(),
            approval_id: row(&stand, "ask", &id).await.approval_id,
            workstation_id: WorkstationId(uuid::Uuid::nil()),
            certificate: "00".into(),
            request: "request".into(),
            typed_at: None,
        };
        let (event, now) = (stand.event(Kind::CardRequest), stand.clock.now());
        assert!(card_question::offer(&stand.db, &sent, &event, now).await.unwrap().is_some());
        stand.advance(121);
        assert_eq!(poll(&stand, "ask", &id).await.error(), "expired_token");
        assert!(codes().await.contains(&"CIBA-024".to_owned()));
    })
    .await;
}
