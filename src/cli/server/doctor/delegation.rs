//! Providers that delegate their sign-in to this establishment: whether anybody can be passed on to them, and where they meet
//! it.

use super::Finding;
use crate::app;
use crate::config::Config;
use crate::session::DelegatedMeans;
use crate::store;
use crate::store::client::{Client, ProfileName};

const CHECK: &str = "delegation";

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    // A database that cannot be opened is told elsewhere.
    let clients = match app::open_as_it_is(config).await {
        Ok(db) => {
            let clients = store::client::all(&db).await.unwrap_or_default();
            db.close().await;
            clients
        }
        Err(_) => return Vec::new(),
    };
    findings(config, &clients)
}

fn findings(config: &Config, clients: &[Client]) -> Vec<Finding> {
    let delegates =
        |client: &&Client| client.profile == ProfileName::PscDelegation && client.disabled_at.is_none();
    let clients: Vec<_> = clients.iter().filter(delegates).collect();
    let listen = config.delegation.listen;
    if clients.is_empty() {
        return listen.map_or_else(Vec::new, |listen| {
            let found =
                format!("{listen} faces the Internet, and no provider delegates to this establishment");
            vec![Finding::warn(
                CHECK,
                found,
                "register one (docs/delegation.md), or take out delegation.listen",
            )]
        });
    }
    let (cards, keys) = (config.card.anchors_dir.is_some(), config.security_keys.enabled);
    let is_there = |means: &DelegatedMeans| match means {
        DelegatedMeans::Card => cards,
        DelegatedMeans::SecurityKey | DelegatedMeans::Passkey => keys,
    };
    let told = |client: &Client| client.delegation.means().iter().any(is_there);
    let place = listen.map_or("at the address of the pages".to_owned(), |listen| format!("at {listen}"));
    clients
        .into_iter()
        .map(|client| match told(client) {
            true => Finding::ok(CHECK, format!("{} delegates to this establishment, {place}", client.id)),
            false => Finding::fail(
                CHECK,
                format!(
                    "nobody can be passed on to {}: none of the means that it is told of is taken here",
                    client.id
                ),
                "install the authorities of cards, turn security keys on, or `sceau client delegation`",
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::State;
    use super::*;
    use crate::session::Delegation;

    fn config(more: &str) -> Config {
        let text = format!(
            "config_version = 1\n[server]\nissuer = \"https://sso.hopital.example/r\"\ntrusted_proxies = [\"10.0.0.1\"]\n{more}"
        );
        Config::parse(&text, Path::new("/etc/sceau/sceau.toml")).unwrap()
    }

    fn client(means: &[&str]) -> Client {
        let means: Vec<String> = means.iter().map(|name| (*name).to_owned()).collect();
        let delegation = Delegation::new(None, &[], &means, None).unwrap();
        Client {
            id: "psc".into(),
            profile: ProfileName::PscDelegation,
            delegation,
            ..store::client::own_pages()
        }
    }

    #[test]
    fn it_fails_where_nobody_can_be_passed_on_and_warns_where_nobody_is_there() {
        let states = |config: &Config, clients: &[Client]| {
            findings(config, clients).into_iter().map(|finding| finding.state).collect::<Vec<_>>()
        };
        let plain = config("");
        assert_eq!(states(&plain, &[]), []);
        assert_eq!(states(&config("[delegation]\nlisten = \"10.0.0.9:443\"\n"), &[]), [State::Warn]);
        assert_eq!(states(&plain, &[client(&["security-key"])]), [State::Ok]);
        assert_eq!(states(&plain, &[client(&["card"])]), [State::Fail], "no authority of cards is installed");
        let disabled = Client { disabled_at: Some(crate::clock::Time::default()), ..client(&["card"]) };
        assert_eq!(states(&plain, &[disabled]), []);
    }
}
