//! Security keys and passkeys of Chromium's own: virtual authenticators of its developer tools, which answer as real ones do.

use serde_json::{Value, json};

use super::Browser;
use crate::harness::until;

impl Browser {
    /// Plugs an authenticator in; its id.
    pub async fn plug_in(&self, options: Value) -> String {
        self.devtools("WebAuthn.enable", json!({ "enableUI": false })).await;
        let added = self.devtools("WebAuthn.addVirtualAuthenticator", json!({ "options": options })).await;
        added["authenticatorId"].as_str().unwrap_or_else(|| panic!("{added}")).to_owned()
    }

    pub async fn pull_out(&self, authenticator: &str) {
        self.devtools("WebAuthn.removeVirtualAuthenticator", json!({ "authenticatorId": authenticator }))
            .await;
    }

    /// Whether its person types the right code from now on.
    pub async fn verifies(&self, authenticator: &str, verified: bool) {
        let parameters = json!({ "authenticatorId": authenticator, "isUserVerified": verified });
        self.devtools("WebAuthn.setUserVerified", parameters).await;
    }

    /// Whether somebody touches it from now on when it blinks.
    pub async fn is_touched(&self, authenticator: &str, touched: bool) {
        let parameters = json!({ "authenticatorId": authenticator, "enabled": touched });
        self.devtools("WebAuthn.setAutomaticPresenceSimulation", parameters).await;
    }

    /// What an authenticator holds, each with its private key.
    pub async fn keys_on(&self, authenticator: &str) -> Vec<Value> {
        let held =
            self.devtools("WebAuthn.getCredentials", json!({ "authenticatorId": authenticator })).await;
        held["credentials"].as_array().unwrap_or_else(|| panic!("{held}")).clone()
    }

    /// Puts a key onto an authenticator.
    pub async fn put_on(&self, authenticator: &str, key: &Value) {
        let parameters = json!({ "authenticatorId": authenticator, "credential": key });
        self.devtools("WebAuthn.addCredential", parameters).await;
    }

    /// Plugs an authenticator out here and in at another browser, whose id for it is `there`.
    pub async fn hand_over(&self, authenticator: &str, other: &Self, there: &str) {
        let held =
            until("a key", async || Some(self.keys_on(authenticator).await).filter(|keys| !keys.is_empty()));
        for key in held.await {
            other.put_on(there, &key).await;
        }
        self.pull_out(authenticator).await;
    }
}
