//! `sceau client ciba`: whether a service that is registered may ask people on their phone, without a browser (CIBA).

use clap::Args;

use super::{egress, show, unknown};
use crate::audit::Kind;
use crate::cli::server::{Context, Failure};
use crate::oidc::client::registration::{Allowed, Registration, change};
use crate::store;
use crate::store::client::{CIBA, DeliveryMode, Metadata};

#[derive(Debug, Args)]
pub(in crate::cli::server) struct Ciba {
    /// Its client id.
    id: String,
    /// It may, and learns of the answer by asking (poll) or by being told (ping).
    #[arg(required_unless_present = "off")]
    mode: Option<DeliveryMode>,
    /// Where it is told that somebody has answered.
    #[arg(long, value_name = "ADDRESS", requires = "mode")]
    endpoint: Option<String>,
    /// It may no more. What waits for an answer comes to nothing.
    #[arg(long, conflicts_with_all = ["mode", "endpoint"])]
    off: bool,
}

impl Ciba {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = store::client::by_id(&context.db, &self.id).await?.ok_or_else(|| unknown(&self.id))?;
        let note = match self.mode {
            Some(DeliveryMode::Poll) => "ciba poll",
            Some(DeliveryMode::Ping) => "ciba ping",
            None => "ciba off",
        };
        let registration = Registration {
            id: client.id,
            name: client.name,
            redirect_uris: client.redirect_uris,
            post_logout_redirect_uris: client.post_logout_redirect_uris,
            backchannel_logout_uri: client.backchannel_logout_uri,
            audience: client.audience,
            may_introspect: client.may_introspect,
            profile: client.profile,
            metadata: changed(client.metadata, self.mode, self.endpoint),
        };
        let (event, now) = (context.event(Kind::ClientChanged).note(note), context.clock.now());
        let allowed = Allowed::by(&context.config.oidc);
        if !change(&context.db, &registration, &allowed, &egress(context)?, &event, now).await? {
            return Err(unknown(&registration.id));
        }
        show(context, &registration.id, false).await
    }
}

/// What is registered afterwards: with the grant in the mode, or without it.
fn changed(metadata: Metadata, mode: Option<DeliveryMode>, endpoint: Option<String>) -> Metadata {
    let mut grant_types = metadata.grant_types;
    grant_types.retain(|grant| grant != CIBA);
    if mode.is_some() {
        // What is left out stands for the grants of a browser (RFC 7591 §2).
        if grant_types.is_empty() {
            grant_types.extend(["authorization_code", "refresh_token"].map(str::to_owned));
        }
        grant_types.push(CIBA.to_owned());
    }
    Metadata {
        grant_types,
        backchannel_token_delivery_mode: mode,
        backchannel_client_notification_endpoint: endpoint,
        ..metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_turned_on_beside_what_a_client_has_and_off_without_a_trace() {
        let plain = Metadata::default();
        let address = Some("https://logiciel.example/cb".to_owned());
        let on = changed(plain, Some(DeliveryMode::Ping), address.clone());
        assert_eq!(on.grant_types, ["authorization_code", "refresh_token", CIBA]);
        assert_eq!(on.backchannel_client_notification_endpoint, address);
        let on = changed(on, Some(DeliveryMode::Poll), None);
        assert_eq!(on.grant_types, ["authorization_code", "refresh_token", CIBA], "once");
        assert_eq!(on.backchannel_client_notification_endpoint, None);
        let off = changed(on, None, None);
        assert_eq!(off.grant_types, ["authorization_code", "refresh_token"]);
        assert_eq!(off.backchannel_token_delivery_mode, None);
    }
}
