//! The agent over real HTTP on loopback, with a card of the test's own: the way of an honest person, then each attack
//! that section 2 of the protocol refuses.

mod attacks;
mod badge;
mod question;
mod several_cards;
mod sign_in;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::card::{CardFault, Cards, Remedy, ShownCard};
use super::enrolments::{Enrolment, EnrolmentStore};
use super::pin::{PinSetting, PinWindow, TypedPin};
use super::settings::ManagedSettings;
use super::{AgentOptions, Bound};
use crate::card::proof::Proof;
use crate::card::protocol::{Interface, RequestKeys, TYP_CARD_REQUEST, WebOrigin, WorkstationState};
use crate::clock::{Clock as _, MockClock};
use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::ids::{CountingRandom, Random as _, WorkstationId};
use crate::tests::http::{Answer, Call};

/// A card that knows its PIN, counts tries, and does what the test says.
pub(super) struct TestCard {
    pub(super) state: Mutex<TestState>,
    /// How often a PIN was sent.
    pub(super) verified: AtomicU32,
}

pub(super) struct TestState {
    pub(super) tries: Option<u8>,
    pub(super) serial: u8,
    pub(super) fault: Option<&'static str>,
    /// The reader has keys, on which somebody types this.
    pub(super) on_pad: Option<&'static [u8]>,
    pub(super) interface: Interface,
    /// The holders of further cards, in further readers.
    pub(super) others: Vec<&'static str>,
}

impl Default for TestState {
    fn default() -> Self {
        Self {
            tries: Some(3),
            serial: 1,
            fault: None,
            on_pad: None,
            interface: Interface::Contact,
            others: Vec::new(),
        }
    }
}

impl TestCard {
    fn fault(code: &'static str, remedy: Remedy) -> CardFault {
        CardFault { code, remedy, detail: "as the test wants".into() }
    }
}

impl Cards for TestCard {
    fn look(&self) -> Result<ShownCard, CardFault> {
        self.look_all().map(|mut cards| cards.remove(0))
    }

    fn look_all(&self) -> Result<Vec<ShownCard>, CardFault> {
        let state = self.state.lock().unwrap();
        if let Some(code) = state.fault {
            return Err(Self::fault(code, Remedy::LookAgain));
        }
        let first = ShownCard {
            reader: "Lecteur <essai>".into(),
            handle: Arc::new(state.serial),
            pin_digits: (4, 4),
            has_pad: state.on_pad.is_some(),
            certificate: b"certificate".to_vec(),
            holder: "Claire <b>DUPONT</b>".into(),
            tries_left: state.tries,
            interface: state.interface,
        };
        let others = state.others.iter().map(|holder| ShownCard {
            reader: format!("Lecteur de {holder}"),
            certificate: holder.as_bytes().to_vec(),
            holder: (*holder).to_owned(),
            ..first.clone()
        });
        Ok([first.clone()].into_iter().chain(others).collect())
    }

    fn sign(
        &self,
        shown: &ShownCard,
        pin: &TypedPin,
        proof: &Proof,
        last_try_agreed: bool,
    ) -> Result<Vec<u8>, CardFault> {
        self.sign_with(shown, pin.expose(), proof, last_try_agreed)
    }

    fn sign_on_pad(
        &self,
        shown: &ShownCard,
        proof: &Proof,
        last_try_agreed: bool,
    ) -> Result<Vec<u8>, CardFault> {
        let typed = self.state.lock().unwrap().on_pad.expect("a reader with keys");
        self.sign_with(shown, typed, proof, last_try_agreed)
    }
}

impl TestCard {
    fn sign_with(
        &self,
        shown: &ShownCard,
        pin: &[u8],
        proof: &Proof,
        last_try_agreed: bool,
    ) -> Result<Vec<u8>, CardFault> {
        let mut state = self.state.lock().unwrap();
        assert!(proof.is_for(&shown.certificate));
        if shown.handle.downcast_ref::<u8>() != Some(&state.serial) {
            return Err(Self::fault("READER-007", Remedy::LookAgain));
        }
        assert!(
            state.tries.is_some_and(|tries| tries > 1) || last_try_agreed,
            "the last try without consent"
        );
        self.verified.fetch_add(1, Ordering::SeqCst);
        if pin != b"1234" {
            state.tries = state.tries.map(|tries| tries - 1);
            return Err(Self::fault("READER-009", Remedy::AskAgain));
        }
        state.tries = Some(3);
        Ok([b"signature of ".as_slice(), proof.as_bytes()].concat())
    }
}

/// An agent, the server it is enrolled with, and a card.
pub(super) struct Desk {
    pub(super) address: SocketAddr,
    pub(super) server: WebOrigin,
    pub(super) server_key: SigningKey,
    pub(super) next_key: SigningKey,
    pub(super) workstation: WorkstationId,
    pub(super) workstation_key: Arc<SigningKey>,
    pub(super) card: Arc<TestCard>,
    pub(super) clock: MockClock,
    random: CountingRandom,
    shutdown: CancellationToken,
    dir: tempfile::TempDir,
}

impl Desk {
    pub(super) async fn with(pin_entry: PinSetting) -> Self {
        Self::built(pin_entry, ManagedSettings::default(), "printf 'D 1234\\nOK\\n'").await
    }

    pub(super) async fn built(pin_entry: PinSetting, managed: ManagedSettings, window: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("state");
        let clock = MockClock::default();
        let random = CountingRandom::default();
        let key = || SigningKey::generate(Algorithm::Es256).unwrap();
        let (server_key, next_key, workstation_key) = (key(), key(), Arc::new(key()));
        let server = WebOrigin::parse("https://sceau.chu.example").unwrap();
        let workstation = WorkstationId::new(clock.now(), &random);
        let enrolment = Enrolment {
            origin: server.clone(),
            display_name: "CHU d’Essai".into(),
            return_path: "/card/return".into(),
            cancel_path: "/card/cancel".into(),
            keys: RequestKeys {
                issuer: server.clone(),
                current: server_key.public().clone(),
                next: next_key.public().clone(),
                issued_at: clock.now(),
            },
            workstation,
            key: Arc::clone(&workstation_key),
            state: WorkstationState::Active,
            good_until: None,
        };
        EnrolmentStore::open(&state_dir).unwrap().add(&enrolment).unwrap();
        let script = dir.path().join("pinentry");
        std::fs::write(
            &script,
            format!("echo OK\nwhile IFS= read -r line; do case \"$line\" in GETPIN) {window};; *) echo OK;; esac; done"),
        )
        .unwrap();
        let card =
            Arc::new(TestCard { state: Mutex::new(TestState::default()), verified: AtomicU32::new(0) });
        let options = AgentOptions {
            port: 0,
            state_dir,
            system_dir: dir.path().join("system"),
            switch: None,
            managed,
            pin_entry: Some(pin_entry),
            window: PinWindow {
                program: "/bin/sh".into(),
                arguments: vec![script.display().to_string()],
                tty: None,
                tty_type: None,
                reaction: std::time::Duration::ZERO,
                locale: "C.UTF-8".into(),
            },
            patience: std::time::Duration::from_millis(500),
            cards: card.clone(),
            clock: Arc::new(clock.clone()),
            random: Arc::new(CountingRandom::default()),
        };
        let bound = Bound::bind(options).await.unwrap();
        let (address, shutdown) = (bound.address(), CancellationToken::new());
        tokio::spawn(bound.serve(shutdown.clone()));
        Self {
            address,
            server,
            server_key,
            next_key,
            workstation,
            workstation_key,
            card,
            clock,
            random,
            shutdown,
            dir,
        }
    }

    pub(super) fn state_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("state")
    }

    /// The claims of a good request.
    pub(super) fn claims(&self) -> serde_json::Value {
        let mut bytes = [0; 48];
        self.random.fill(&mut bytes);
        let now = self.clock.now();
        json!({
            "v": 1, "iss": self.server, "aud": "sceau-agent", "purpose": "browser",
            "txn": jose::base64url::encode(&bytes[..16]), "nonce": jose::base64url::encode(&bytes[16..]),
            "iat": now.timestamp(), "exp": (now + TimeDelta::seconds(120)).timestamp(),
            "rp_name": "Dossier patient", "rp_host": "dpi.chu.example",
        })
    }

    pub(super) fn sign(&self, claims: &serde_json::Value) -> String {
        jose::sign(&self.server_key, TYP_CARD_REQUEST, claims).unwrap()
    }

    pub(super) fn request(&self) -> String {
        self.sign(&self.claims())
    }

    pub(super) fn own_host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn own_origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the browser sends when the sign-in page posts its form.
    pub(super) fn arrival(&self, request: &str) -> Call {
        Call::post("/", &self.own_host(), self.server.as_str(), &[("request", request)])
    }

    /// What the browser sends when the agent's own page posts its form.
    pub(super) fn own_form(&self, path: &str, fields: &[(&str, &str)]) -> Call {
        Call::post(path, &self.own_host(), &self.own_origin(), fields)
    }

    /// What the browser sends when a link of the agent's own page is followed.
    pub(super) fn own_link(&self, path: &str) -> Call {
        Call::get(path, &self.own_host())
    }

    pub(super) async fn send(&self, call: Call) -> Answer {
        call.send(self.address).await
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
