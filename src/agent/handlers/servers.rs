//! What the agent knows of its servers and tells them: keys, approval, what happened here, what is in the readers.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::Agent;
use crate::agent::checks::{self, Refusal};
use crate::agent::enrolments::Enrolment;
use crate::agent::exchange::Exchange;
use crate::agent::{AgentError, channel, enrol, platform, report_port_held};
use crate::card::protocol::{CardRequest, Purpose, WebOrigin, WorkstationState};
use crate::crypto::jose::JwsError;

/// An administrator has to approve this workstation first.
const PENDING: &str = "AGENT-050";
/// This workstation waited for approval and was revoked instead.
const REVOKED: &str = "AGENT-051";
/// The switch does not answer.
const SWITCH_MISSED: &str = "AGENT-055";

/// How often one server is asked for its keys because of a request that is signed by an unknown one.
const KEYS_ASKED_AT_MOST_EVERY: TimeDelta = TimeDelta::minutes(1);
/// How often each server is asked for its keys in any case.
const KEYS_ASKED_EVERY: Duration = Duration::from_secs(6 * 3600);

impl Agent {
    /// Tells servers that the switch of this computer does not answer.
    pub(in crate::agent) fn tell_switch_missed(&self) {
        self.report_refusal(SWITCH_MISSED, None);
    }

    /// Tells servers and the person that another program has the port, which the switch should have.
    pub(in crate::agent) async fn tell_port_held(&self, address: SocketAddr) {
        let error = AgentError::PortHeld {
            port: address.port(),
            user: platform::listener_user(address).map(|user| user.0),
        };
        tracing::error!(code = error.code(), "{error}");
        report_port_held(&self.options).await;
        self.options.window.tell("Sceau", &error.to_string()).await;
    }

    /// Asks a server that this workstation waits for whether it has been approved, so that nobody types a PIN in vain. Where
    /// the server cannot be asked, it will judge the answer.
    pub(super) async fn see_approval(&self, server: &mut Enrolment) -> Result<(), &'static str> {
        if server.state == WorkstationState::Active {
            return Ok(());
        }
        match enrol::standing(server, self.options.clock.as_ref()).await {
            Ok(WorkstationState::Active) => {
                server.state = WorkstationState::Active;
                tracing::info!(server = server.origin.as_str(), "this workstation has been approved");
                if let Err(error) = self.store.set_state(server.workstation, server.state) {
                    tracing::error!(code = error.code(), "{error}");
                }
                Ok(())
            }
            Ok(WorkstationState::Pending) => Err(PENDING),
            Ok(WorkstationState::Revoked) => Err(REVOKED),
            Err(error) => {
                tracing::warn!(code = error.code(), server = server.origin.as_str(), "{error}");
                Ok(())
            }
        }
    }

    /// The signature and the claims. A key that is not known yet may be the server's next but one: it is asked, rarely.
    pub(super) async fn check_request(
        &self,
        jws: &str,
        server: Enrolment,
    ) -> Result<(CardRequest, Enrolment), Refusal> {
        let check = |server: &Enrolment| {
            let key_of = |kid: Option<&str>| kid.and_then(|kid| server.keys.find(kid));
            checks::request(jws, &server.origin, Purpose::Browser, key_of, self.options.clock.now())
        };
        match check(&server) {
            Err(Refusal::Signature(JwsError::UnknownKey)) if self.may_ask_keys(&server.origin) => {
                let server = self.refresh_keys(server).await;
                check(&server).map(|request| (request, server))
            }
            other => other.map(|request| (request, server)),
        }
    }

    /// Writes what stands in the way of a request to the log, and tells its server.
    pub(super) fn report(&self, exchange: &Exchange, code: &'static str, detail: &str) {
        let server = &exchange.server.origin;
        tracing::warn!(code, server = server.as_str(), "a card request is not answered yet: {detail}");
        self.reports.note(server, code, Some(exchange.request.challenge), self.options.clock.now());
    }

    /// Tells a refusal to the server that it concerns; where that is not known, to each that the workstation has.
    pub(super) fn report_refusal(&self, code: &'static str, server: Option<&Enrolment>) {
        let now = self.options.clock.now();
        match server {
            Some(server) => self.reports.note(&server.origin, code, None, now),
            None => {
                for server in self.enrolments() {
                    self.reports.note(&server.origin, code, None, now);
                }
            }
        }
    }

    /// Tells the servers what was reported, until `shutdown`.
    pub(in crate::agent) async fn deliver_reports(self: Arc<Self>, shutdown: CancellationToken) {
        self.reports.deliver(|| self.enrolments(), self.options.clock.as_ref(), shutdown).await;
    }

    /// The enrolment with the server of this origin, if the administrator's list does not exclude it. Read from its file
    /// each time: `enrol` may have run in the meantime.
    pub(super) fn enrolment(&self, origin: &WebOrigin) -> Option<Enrolment> {
        self.enrolments().into_iter().find(|enrolment| enrolment.origin == *origin)
    }

    /// The servers of this workstation, but those that the administrator's list excludes.
    pub(super) fn enrolments(&self) -> Vec<Enrolment> {
        let all = self.store.read().unwrap_or_else(|error| {
            tracing::error!(code = error.code(), "{error}");
            Vec::new()
        });
        all.into_iter().filter(|enrolment| self.options.managed.allows(&enrolment.origin)).collect()
    }

    fn may_ask_keys(&self, origin: &WebOrigin) -> bool {
        let now = self.options.clock.now();
        let mut asked = self.keys_asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.get(origin).is_some_and(|at| now - *at < KEYS_ASKED_AT_MOST_EVERY) {
            return false;
        }
        asked.insert(origin.clone(), now);
        true
    }

    /// Asks a server for its request keys and keeps them. The enrolment as it was where that fails.
    async fn refresh_keys(&self, server: Enrolment) -> Enrolment {
        match enrol::newer_keys(&server).await {
            Ok(Some(keys)) => {
                if let Err(error) = self.store.set_keys(&keys) {
                    tracing::error!(code = error.code(), "{error}");
                }
                Enrolment { keys, ..server }
            }
            Ok(None) => server,
            Err(error) => {
                tracing::warn!(code = error.code(), server = server.origin.as_str(), "{error}");
                server
            }
        }
    }

    /// Learns each server's next key before it is used.
    pub(in crate::agent) async fn keep_keys_fresh(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            for server in self.store.read().unwrap_or_default() {
                if shutdown.run_until_cancelled(self.refresh_keys(server)).await.is_none() {
                    return;
                }
            }
            if shutdown.run_until_cancelled(tokio::time::sleep(KEYS_ASKED_EVERY)).await.is_none() {
                return;
            }
        }
    }

    /// Tells the servers of this workstation what is in its readers, until it ends.
    pub(in crate::agent) async fn keep_channels(self: Arc<Self>, shutdown: CancellationToken) {
        channel::keep_all(&self.options, &self.store, &self.name, &self.at_the_card, &shutdown).await;
    }
}
