//! A workstation in this process: the real agent, with a card whose key the test holds in its reader.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use sceau::agent::card::{CardFault, Cards, Remedy, ShownCard};
use sceau::agent::enrolments::EnrolmentStore;
use sceau::agent::pin::{PinSetting, TypedPin};
use sceau::agent::settings::ManagedSettings;
use sceau::agent::{AgentOptions, Bound, enrol};
use sceau::card::proof::Proof;
use sceau::card::protocol::{Interface, WebOrigin};
use sceau::clock::SystemClock;
use sceau_hw_tests::identity::PIN;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::installation::FRONT;
use crate::http::Call;

/// The card in the reader.
struct HeldCard {
    certificate: Vec<u8>,
    key: PKey<Private>,
}

impl Cards for HeldCard {
    fn look(&self) -> Result<ShownCard, CardFault> {
        Ok(ShownCard {
            handle: Arc::new(()),
            reader: "Lecteur d’essai".into(),
            certificate: self.certificate.clone(),
            holder: "Claire DUPONT".into(),
            tries_left: Some(3),
            pin_digits: (4, 4),
            has_pad: false,
            interface: Interface::Contact,
        })
    }

    fn sign(&self, _: &ShownCard, pin: &TypedPin, proof: &Proof, _: bool) -> Result<Vec<u8>, CardFault> {
        if pin.expose() != PIN.as_bytes() {
            return Err(CardFault {
                code: "READER-009",
                remedy: Remedy::AskAgain,
                detail: "wrong PIN".into(),
            });
        }
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        Ok(signer.sign_oneshot_to_vec(proof.as_bytes()).unwrap())
    }
}

/// A workstation. Dropping it ends its agent.
pub struct Workstation {
    address: SocketAddr,
    _running: DropGuard,
    _state: tempfile::TempDir,
}

impl Workstation {
    pub async fn enrol(code: &str, card: &sceau_certs::Card) -> Self {
        let state = tempfile::tempdir().unwrap();
        let store = EnrolmentStore::open(&state.path().join("agent")).unwrap();
        let front = WebOrigin::parse(FRONT).unwrap();
        let enrolled = enrol::enrol(&front, code, &SystemClock).await.unwrap();
        store.add(&enrolled.enrolment).unwrap();
        let card = Arc::new(HeldCard {
            certificate: card.authentication.certificate.to_der().unwrap(),
            key: card.authentication.key.clone(),
        });
        let options = AgentOptions {
            port: 0,
            state_dir: store.dir().to_owned(),
            system_dir: state.path().join("system"),
            pin_entry: Some(PinSetting::Page),
            patience: Duration::from_secs(30),
            ..AgentOptions::of_environment(card, ManagedSettings::default())
        };
        let bound = Bound::bind(options).await.unwrap();
        let (address, running) = (bound.address(), CancellationToken::new());
        tokio::spawn(bound.serve(running.clone()));
        Self { address, _running: running.drop_guard(), _state: state }
    }

    /// What the agent answers to the request of a sign-in page, once the person has typed the PIN.
    pub async fn answer(&self, request: &str) -> String {
        let (host, own) = (self.address.to_string(), format!("http://{}", self.address));
        let asked = Call::post("/", &host, FRONT, &[("request", request)]).send(self.address).await;
        let token = asked.token();
        let form = [("token", token.as_str()), ("pin", PIN)];
        let sent = Call::post("/sign", &host, &own, &form).send(self.address).await;
        sent.after("name=\"answer\" value=\"")
    }
}
