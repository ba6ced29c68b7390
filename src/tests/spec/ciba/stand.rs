//! A provider whose people can be asked on a phone that only notes that it was woken, and clients that ask them. The answer is
//! written to its row, as a phone would.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::crypto::digest::sha256;
use crate::ids::{ApprovalId, PersonId};
use crate::oidc::{Asking, Settings};
use crate::session::asking::{Asks, Later};
use crate::session::{Acr, AuthMode, Authentication};
use crate::store::approval::{self, Answer as Said};
use crate::store::ciba::Asked;
use crate::store::client::{CIBA, DeliveryMode, Metadata, ProfileName};
use crate::store::{self};
use crate::tests::spec::stand::{Answer, DOCTOR, NewRp, REALM, Stand, basic};

pub(super) const BACKCHANNEL: &str = "/auth/realms/esante-wallet/protocol/openid-connect/ext/ciba/auth";

/// A phone that rings, and is listened to.
#[derive(Debug)]
pub(super) struct Phone {
    woken: Mutex<Vec<(ApprovalId, PersonId)>>,
    /// How many requests have begun to listen.
    pub listening: watch::Sender<usize>,
    /// Tells those who listen that there may be an answer.
    pub answered: watch::Sender<usize>,
}

impl Default for Phone {
    fn default() -> Self {
        Self { woken: Mutex::default(), listening: watch::Sender::new(0), answered: watch::Sender::new(0) }
    }
}

impl Phone {
    /// For what, and for whom, it has rung so far: what was set going beside an answer is given its turn.
    pub(super) async fn rung(&self) -> Vec<(ApprovalId, PersonId)> {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        self.woken.lock().unwrap().clone()
    }
}

impl Asks for Phone {
    fn wake(&self, approval: ApprovalId, person: PersonId) -> Later<'_, ()> {
        Box::pin(async move { self.woken.lock().unwrap().push((approval, person)) })
    }

    fn answered(&self, _: ApprovalId) -> Later<'_, ()> {
        Box::pin(async move {
            let mut answered = self.answered.subscribe();
            self.listening.send_modify(|count| *count += 1);
            answered.changed().await.unwrap();
        })
    }
}

/// Runs `test` on a stand of each engine with a phone and the client `ask`, of the profile of Pro Santé Connect. A look of a
/// client is answered at once.
pub(super) async fn with_phone(test: impl AsyncFn(Stand, &Phone)) {
    with_phone_and(|settings| settings.lifetimes.backchannel_hold = chrono::TimeDelta::zero(), test).await;
}

/// The same, with settings changed.
pub(super) async fn with_phone_and(change: impl Fn(&mut Settings), test: impl AsyncFn(Stand, &Phone)) {
    let phone = Arc::new(Phone::default());
    let asking = || Asking { phone: Some(Arc::clone(&phone) as _), card: None };
    Stand::on_both_with_people(asking, change, async |stand| {
        phone.woken.lock().unwrap().clear();
        register(&stand, "ask", ProfileName::Psc, |_| {}).await;
        test(stand, &phone).await;
    })
    .await;
}

/// Registers a client that polls.
pub(super) async fn register(
    stand: &Stand,
    id: &'static str,
    profile: ProfileName,
    change: impl FnOnce(&mut Metadata),
) {
    let mut metadata = polls();
    change(&mut metadata);
    stand.add_rp(NewRp { profile, metadata, ..NewRp::named(id) }).await;
}

/// What is registered of a client that polls.
pub(super) fn polls() -> Metadata {
    Metadata {
        grant_types: vec![CIBA.into(), "refresh_token".into()],
        backchannel_token_delivery_mode: Some(DeliveryMode::Poll),
        ..Metadata::default()
    }
}

/// The form of a good question, as ANS's own code sends it, but for `changes`: an empty value takes a parameter away.
pub(super) fn form(changes: &[(&str, &str)]) -> String {
    let good = [
        ("scope", "openid scope_all"),
        ("acr_values", "eidas1"),
        ("login_hint", DOCTOR),
        ("binding_message", "42"),
        ("channel", "MOBILE"),
    ];
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(good.iter().filter(|(name, _)| !changes.iter().any(|(other, _)| other == name)));
    form.extend_pairs(changes.iter().filter(|(_, value)| !value.is_empty())).finish()
}

/// Asks as `client`.
pub(super) async fn ask(stand: &Stand, client: &str, changes: &[(&str, &str)]) -> Answer {
    stand.post(BACKCHANNEL, &form(changes), &[("authorization", &basic(client))]).await
}

/// The `auth_req_id` of a question that was put.
pub(super) async fn asked(stand: &Stand, client: &str, changes: &[(&str, &str)]) -> String {
    let answer = ask(stand, client, changes).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["auth_req_id"].as_str().unwrap().to_owned()
}

/// Looks whether there is an answer, as `client`.
pub(super) async fn poll(stand: &Stand, client: &str, auth_req_id: &str) -> Answer {
    stand.token(client, &[("grant_type", CIBA), ("auth_req_id", auth_req_id)]).await
}

/// Status and error of an answer.
pub(super) fn told(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.error())
}

pub(super) fn refusal(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

/// The row of a question.
pub(super) async fn row(stand: &Stand, client: &str, auth_req_id: &str) -> Asked {
    let hash = sha256(auth_req_id.as_bytes());
    store::ciba::by_hash(&stand.db, hash, client).await.unwrap().unwrap()
}

/// What the doctor's phone proves.
pub(super) async fn proof(stand: &Stand) -> Authentication {
    let (_, session) = stand.new_session(DOCTOR).await;
    Authentication { acr: Acr::Eidas2, auth_mode: AuthMode::Mobile, ..session.authentication }
}

/// The doctor answers a question of `client`. Yields whether it was kept.
pub(super) async fn answer(stand: &Stand, client: &str, auth_req_id: &str, said: Said) -> bool {
    let (id, doctor) = (row(stand, client, auth_req_id).await.approval_id, stand.person(DOCTOR).await);
    let (event, now) = (stand.event(Kind::SignIn), stand.clock.now());
    approval::answer(&stand.db, id, doctor, &said, None, &event, now).await.unwrap()
}

/// The doctor says yes.
pub(super) async fn approve(stand: &Stand, client: &str, auth_req_id: &str) {
    let yes = Said::Approve(proof(stand).await);
    assert!(answer(stand, client, auth_req_id, yes).await);
}

/// The discovery document.
pub(super) async fn discovery(stand: &Stand) -> serde_json::Value {
    stand.get(&format!("{REALM}/.well-known/openid-configuration"), &[]).await.json()
}
