//! The host on which services show certificates (`[oidc.mtls]`): who shakes hands, whether it is found, whose certificates
//! are believed, and their lists.

use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::Finding;
use super::cards::{self, Examined};
use crate::app;
use crate::clock::Time;
use crate::config::{Config, Fallback, Handshake, OidcMtls};
use crate::crypto::egress::Egress;
use crate::crypto::x509::anchors::{self, Anchors, Installed};
use crate::crypto::x509::crl;
use crate::crypto::x509::trust::Trust;

const HOST: &str = "services";
const AUTHORITIES: &str = "services-authorities";
const LISTS: &str = "services-lists";
const SOURCES: &str = "services-list-sources";
/// A load balancer that nobody stands behind takes a connection and says nothing; one that is not there does not take it.
const PATIENCE: Duration = Duration::from_secs(3);
/// More machines than this in a network, and it is not proxies alone that were named.
const WIDE: u8 = 8;

pub(super) async fn examine(config: &Config, offline: bool, now: Time) -> Examined {
    let mut examined = Examined::default();
    let Some(host) = &config.oidc.mtls else { return examined };
    examined.findings.push(advertised(config, host));
    examined.findings.extend(handshake(host));
    if !offline && let (Some(name), Some(port)) = (host.url.host_str(), host.url.port_or_known_default()) {
        examined.findings.push(reach(name, port).await);
    }
    match app::service_authorities(host, now) {
        Ok(None) => examined.findings.push(Finding::ok(
            AUTHORITIES,
            "none is installed: services have certificates of their own making (self_signed_tls_client_auth)",
        )),
        Ok(Some(trust)) => {
            let of_cards = config.card.anchors_dir.as_ref().and_then(|dir| Anchors::load(dir).ok());
            let of_cards = of_cards.map(|anchors| anchors.installed()).unwrap_or_default();
            examined.findings.extend(authorities(&trust, &of_cards, now));
            examined.findings.extend(lists(host, &trust, now));
            // What keeps the client for calls from being made is said with the cards.
            if !offline && let Ok(egress) = Egress::new(&config.egress) {
                cards::sources(SOURCES, trust.sources(), &egress, &mut examined).await;
            }
        }
        Err(error) => {
            let found = format!("{error} ({})", error.code());
            let advice =
                "put the authorities of services into oidc.mtls.anchors_dir; the server does not start";
            examined.findings.push(Finding::fail(AUTHORITIES, found, advice));
        }
    }
    examined
}

/// What services read in the discovery document, and where they are answered.
fn advertised(config: &Config, host: &OidcMtls) -> Finding {
    let origin = host.url.origin().ascii_serialization();
    let listen = match host.listen {
        Some(listen) => format!("answered on {listen}"),
        None => format!("answered on {}, the address of the pages, by its name", config.server.listen),
    };
    let path = config.server.issuer.path();
    Finding::ok(HOST, format!("mtls_endpoint_aliases are below {origin}{path}, {listen}"))
}

/// Our certificate is for the name that services ask for; or proxies are named, and nobody beside them.
fn handshake(host: &OidcMtls) -> Vec<Finding> {
    match &host.handshake {
        Handshake::Ours(tls) => {
            let (name, file) = (host.url.host_str().unwrap_or_default(), &tls.certificate_file);
            vec![match anchors::is_for(file, name) {
                Ok(true) => Finding::ok(HOST, format!("{} is for {name}", file.display())),
                Ok(false) => Finding::fail(
                    HOST,
                    format!("{} is not for {name}: services break off the handshake", file.display()),
                    "have a certificate made with that name in subjectAltName",
                ),
                Err(reason) => {
                    Finding::fail(HOST, format!("{}: {reason}", file.display()), "replace the file")
                }
            }]
        }
        Handshake::Proxies(networks) => proxies(host, networks),
    }
}

fn proxies(host: &OidcMtls, networks: &[IpNet]) -> Vec<Finding> {
    let named = networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut findings = vec![Finding::ok(
        HOST,
        format!("{named} shakes hands and writes Client-Cert; nobody else is answered"),
    )];
    for network in networks {
        if network.max_prefix_len() - network.prefix_len() > WIDE {
            findings.push(Finding::warn(
                HOST,
                format!("every machine of {network} may say whose certificate a service has"),
                "name the proxies alone in oidc.mtls.proxies",
            ));
        }
    }
    let is_local = host.listen.is_some_and(|listen| listen.ip().is_loopback());
    let has_local = networks.iter().any(|network| network.addr().to_canonical().is_loopback());
    if is_local && !has_local {
        findings.push(Finding::fail(
            HOST,
            "it listens on loopback, and no proxy there is named: nobody is answered",
            "name 127.0.0.1 in oidc.mtls.proxies, or listen where the proxies reach it",
        ));
    }
    findings
}

/// Whether the name leads somewhere, and somebody takes a connection there. From here: services may see it otherwise.
async fn reach(name: &str, port: u16) -> Finding {
    let addresses = match timeout(PATIENCE, lookup_host((name, port))).await {
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    if addresses.is_empty() {
        let advice = "services look it up too: add it to the DNS";
        return Finding::warn(HOST, format!("{name} leads to no address from here"), advice);
    }
    for address in &addresses {
        if matches!(timeout(PATIENCE, TcpStream::connect(address)).await, Ok(Ok(_))) {
            return Finding::ok(HOST, format!("somebody listens at {name}, {address}"));
        }
    }
    let advice = "is the server running, the port open, the proxy there?";
    Finding::warn(HOST, format!("nobody listens at {name}, port {port}"), advice)
}

fn authorities(trust: &Trust, of_cards: &[Installed], now: Time) -> Vec<Finding> {
    let installed = trust.authorities();
    let mut findings = cards::authorities(AUTHORITIES, &installed, &trust.faults(), now);
    // The root of IGC-Santé is above cards and services alike, and leads to nothing by itself.
    let is_of_cards = |one: &Installed| of_cards.iter().any(|other| other.fingerprint == one.fingerprint);
    findings.extend(installed.iter().filter(|one| !one.is_root && is_of_cards(one)).map(|one| {
        let found =
            format!("{} is an authority of cards: whoever has a card could pass for a service", one.name);
        Finding::fail(AUTHORITIES, found, "remove it from oidc.mtls.anchors_dir")
    }));
    findings
}

fn lists(host: &OidcMtls, trust: &Trust, now: Time) -> Vec<Finding> {
    let files = trust.lists();
    let mut findings = cards::file_faults(LISTS, &files);
    let deciding = crl::deciding(files);
    findings.extend(deciding.iter().map(|list| cards::list_finding(LISTS, list, now)));
    let issuers = trust.authorities().into_iter().filter(|authority| !authority.is_root);
    for issuer in issuers {
        if deciding.iter().any(|list| list.issuer == issuer.name && !list.is_delta) {
            continue;
        }
        let found = format!("there is no list of {}", issuer.name);
        let advice =
            "set oidc.mtls.crl_dir to a directory that the service can write to, or put the list there";
        findings.push(if host.fallback == Fallback::Refuse {
            Finding::fail(LISTS, format!("{found}: its certificates are refused (CERT-010)"), advice)
        } else {
            Finding::warn(LISTS, found, advice)
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::TimeDelta;
    use sceau_certs::crl::CrlTemplate;

    use super::super::State;
    use super::*;
    use crate::crypto::x509::test_pki::{now, pki};
    use crate::web::tls::{Asks, tests};

    const MTLS: &str = "[oidc.mtls]\nurl = \"https://mtls.invalid:8444\"\nlisten = \"127.0.0.1:8444\"\n";

    /// A configuration below `dir`.
    fn config(dir: &Path, more: &str) -> Config {
        let text = format!("[server]\nissuer = \"https://id.example/realm\"\n{more}");
        Config::parse(&text, &dir.join("sceau.toml")).unwrap()
    }

    async fn found(config: &Config) -> Vec<(State, String)> {
        let examined = examine(config, true, now()).await;
        examined.findings.into_iter().map(|finding| (finding.state, finding.found)).collect()
    }

    /// The state of the line that says `text`.
    fn state(found: &[(State, String)], text: &str) -> State {
        let mut lines = found.iter().filter(|(_, found)| found.contains(text));
        lines.next().unwrap_or_else(|| panic!("nothing says {text:?}: {found:#?}")).0
    }

    fn install(dir: &Path, name: &str, authority: &sceau_certs::certificate::Authority) {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join(name), authority.certificate.to_pem().unwrap()).unwrap();
    }

    #[tokio::test]
    async fn nothing_is_said_of_a_host_that_there_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(found(&config(dir.path(), "")).await.is_empty());
    }

    #[tokio::test]
    async fn the_certificate_of_the_host_has_to_be_for_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let other = tests::host(dir.path(), "other", Asks::Nothing);
        let ours = |file: &Path| {
            config(dir.path(), &format!("{MTLS}certificate_file = {file:?}\nkey_file = \"x.key\"\n"))
        };
        let found = found(&ours(&other.certificate_file)).await;
        assert_eq!(state(&found, "is not for mtls.invalid"), State::Fail);
        assert_eq!(
            state(&found, "mtls_endpoint_aliases are below https://mtls.invalid:8444/realm"),
            State::Ok
        );
        assert_eq!(state(&found, "certificates of their own making"), State::Ok);
        let found = self::found(&ours(&dir.path().join("none.pem"))).await;
        assert_eq!(state(&found, "none.pem"), State::Fail);
    }

    #[tokio::test]
    async fn proxies_are_named_and_nobody_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        let by = |proxies: &str| config(dir.path(), &format!("{MTLS}proxies = [{proxies}]\n"));
        let good = found(&by("\"127.0.0.1\"")).await;
        assert!(good.iter().all(|(state, _)| *state == State::Ok), "{good:#?}");
        let wide = found(&by("\"127.0.0.1\", \"10.0.0.0/8\"")).await;
        assert_eq!(state(&wide, "every machine of 10.0.0.0/8"), State::Warn);
        let nobody = found(&by("\"10.0.0.4\"")).await;
        assert_eq!(state(&nobody, "nobody is answered"), State::Fail);
    }

    #[tokio::test]
    async fn authorities_and_their_lists_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let (services, lists, cards) =
            (dir.path().join("services"), dir.path().join("lists"), dir.path().join("cards"));
        let more = "proxies = [\"127.0.0.1\"]\nanchors_dir = \"services\"\ncrl_dir = \"lists\"\n";
        let card = "[card]\nanchors_dir = \"cards\"\n";
        let config = config(dir.path(), &format!("{card}{MTLS}{more}"));
        assert_eq!(state(&found(&config).await, "cannot be read"), State::Fail, "no directory");

        install(&services, "root.pem", &pki().root);
        install(&services, "organisations.pem", &pki().organisations);
        std::fs::write(services.join("odd.pem"), "no certificate").unwrap();
        install(&cards, "root.pem", &pki().root);
        std::fs::create_dir(&lists).unwrap();
        let before = found(&config).await;
        assert_eq!(state(&before, "odd.pem"), State::Warn);
        assert_eq!(state(&before, "its certificates are refused (CERT-010)"), State::Fail);
        assert_eq!(state(&before, "RACINE"), State::Ok, "the root is above cards and services: {before:#?}");

        let list = CrlTemplate::new(1, now(), now() + TimeDelta::days(7));
        std::fs::write(lists.join("o.crl"), pki().organisations.issue_crl(&list).unwrap()).unwrap();
        let after = found(&config).await;
        assert_eq!(state(&after, "list of TEST AC IGC-SANTE FORT ORGANISATIONS"), State::Ok);
        assert!(after.iter().all(|(state, _)| *state != State::Fail), "{after:#?}");

        // The authority of people's cards among those of services.
        for dir in [&services, &cards] {
            install(dir, "persons.pem", &pki().persons);
        }
        assert_eq!(state(&found(&config).await, "could pass for a service"), State::Fail);
    }

    #[tokio::test]
    async fn it_is_said_whether_somebody_listens() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(reach("127.0.0.1", port).await.state, State::Ok);
        drop(listener);
        let nobody = reach("127.0.0.1", port).await;
        assert!(nobody.state == State::Warn && nobody.found.contains("nobody listens"), "{nobody:?}");
        let unknown = reach("mtls.invalid", port).await;
        assert!(unknown.state == State::Warn && unknown.found.contains("leads to no address"), "{unknown:?}");
    }
}
