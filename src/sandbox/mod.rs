//! Sceau without a hospital: the demonstration ([`demo`]), and the sandbox of those who write applications
//! ([`process`]).
//!
//! What a hospital gets: something to try Sceau with before any service of its own is connected, and a worked example
//! of a service built for Pro Santé Connect. What a software house gets: a provider in one process, with people who do
//! not exist and failures on demand, for its developers and its CI. Nothing here runs under `sceau serve`.

pub mod approval;
pub mod control;
pub mod demo;
pub mod persons;
pub mod phone;
pub mod play;
pub mod process;
pub mod programs;
pub mod provider;
pub mod relying_party;

mod disturbance;
mod place;
mod professional;

/// A demonstration service: its name, client identifier and port on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// As people see it.
    pub name: &'static str,
    /// As the provider knows it.
    pub client_id: &'static str,
    /// It listens on 127.0.0.1.
    pub port: u16,
}

/// The two services, so that single sign-on and single logout can be seen.
pub const SERVICES: [Service; 2] = [
    Service { name: "Dossier patient", client_id: "demo-dossier-patient", port: 8081 },
    Service { name: "Messagerie", client_id: "demo-messagerie", port: 8082 },
];

impl Service {
    /// Its own address, without a slash at the end.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where the provider sends the browser with the code.
    pub fn redirect_uri(&self) -> String {
        format!("{}/callback", self.origin())
    }

    /// Where the provider sends the browser after sign-out.
    pub fn post_logout_redirect_uri(&self) -> String {
        format!("{}/signed-out", self.origin())
    }

    /// Where the provider tells of the end of a session.
    pub fn backchannel_logout_uri(&self) -> String {
        format!("{}/backchannel-logout", self.origin())
    }
}
