use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path as UrlPath, State as AxumState};
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use sceau_certs::certificate::Hash;
use sceau_certs::crl::{CrlTemplate, Revocation};
use sceau_certs::extension::Extension;

use super::*;
use crate::config::{self, Destination};
use crate::crypto::x509::crl::issuer_id;
use crate::crypto::x509::test_pki::{anchors, card, now, pki};

/// What a publisher serves, and how often it was asked and how.
#[derive(Debug, Default)]
struct Published {
    documents: Mutex<BTreeMap<String, (Vec<u8>, &'static str)>>,
    asked: AtomicUsize,
    sent: AtomicUsize,
}

/// A publisher on loopback; ends with the test's runtime.
struct Publisher {
    published: Arc<Published>,
    origin: String,
}

impl Publisher {
    async fn open() -> Self {
        async fn answer(
            AxumState(published): AxumState<Arc<Published>>,
            UrlPath(name): UrlPath<String>,
            headers: HeaderMap,
        ) -> Response {
            published.asked.fetch_add(1, Ordering::SeqCst);
            match name.as_str() {
                "slow" => return std::future::pending().await,
                "endless" => {
                    let chunk = || Ok::<_, std::io::Error>(vec![0; 64 * 1024]);
                    let chunks = futures_util::stream::repeat_with(chunk);
                    return axum::body::Body::from_stream(chunks).into_response();
                }
                "moved" => return axum::response::Redirect::to("/persons.crl").into_response(),
                _ => {}
            }
            let document = published.documents.lock().unwrap().get(&name).cloned();
            let Some((content, etag)) = document else { return StatusCode::NOT_FOUND.into_response() };
            if headers.get("if-none-match").is_some_and(|known| known == etag) {
                return StatusCode::NOT_MODIFIED.into_response();
            }
            published.sent.fetch_add(1, Ordering::SeqCst);
            ([("etag", etag)], content).into_response()
        }
        let published = Arc::new(Published::default());
        let router =
            Router::new().route("/{name}", axum::routing::get(answer)).with_state(Arc::clone(&published));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { published, origin }
    }

    fn publish(&self, name: &str, content: &[u8], etag: &'static str) {
        self.published.documents.lock().unwrap().insert(name.to_owned(), (content.to_vec(), etag));
    }

    fn address(&self, name: &str) -> String {
        format!("{}/{name}", self.origin)
    }

    /// How often it was asked, and how often it sent a whole document.
    fn counts(&self) -> (usize, usize) {
        (self.published.asked.load(Ordering::SeqCst), self.published.sent.load(Ordering::SeqCst))
    }
}

fn egress() -> Egress {
    let allow = vec![Destination::Network("127.0.0.0/8".parse().unwrap())];
    Egress::new(&config::Egress { allow }).unwrap()
}

/// A server's directory of lists, and what fetches into it.
struct Server {
    dir: tempfile::TempDir,
    lists: Arc<CrlSet>,
    fetcher: Fetcher,
}

impl Server {
    fn new() -> Self {
        Self::in_dir(tempfile::tempdir().unwrap())
    }

    fn in_dir(dir: tempfile::TempDir) -> Self {
        let lists = Arc::new(CrlSet::load(dir.path(), &anchors(), now()));
        Self { dir, lists, fetcher: Fetcher::new(TimeDelta::hours(1)) }
    }

    /// What the next program over the same directory knows.
    fn restarted(self) -> Self {
        Self::in_dir(self.dir)
    }

    fn learn(&self, address: String) {
        self.fetcher.learn([Source { address, issuer: None }]);
    }

    async fn run(&self, at: DateTime<Utc>) -> Vec<Outcome> {
        let ended = self.fetcher.run(&egress(), &self.lists, at).await;
        ended.into_iter().map(|(_, outcome)| outcome).collect()
    }

    fn revokes(&self, name: &str) -> bool {
        let serial = card(name).authentication.certificate.serial_number().to_bn().unwrap().to_vec();
        self.lists.revokes(&issuer_id(&pki().persons.certificate).unwrap(), &serial)
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn list(at: DateTime<Utc>, revoked: &[&str]) -> Vec<u8> {
    let mut template = CrlTemplate::new(1, at, at + TimeDelta::days(7));
    for name in revoked {
        let serial = card(name).authentication.certificate.serial_number().to_bn().unwrap().to_vec();
        template = template.revoke(Revocation { serial, at, reason: Some(1) });
    }
    pki().persons.issue_crl(&template).unwrap()
}

#[tokio::test]
async fn a_published_list_is_used_kept_for_a_restart_and_asked_for_again_cheaply() {
    let publisher = Publisher::open().await;
    publisher.publish("persons.crl", &list(now(), &["good"]), "\"1\"");
    let server = Server::new();
    server.learn(publisher.address("persons.crl"));
    assert!(matches!(server.run(now()).await.as_slice(), [Outcome::New(list)] if list.entries == 1));
    assert!(server.revokes("good"));
    assert!(server.run(now()).await.is_empty(), "it is not due");
    let hour = now() + TimeDelta::hours(1);
    assert!(matches!(server.run(hour).await.as_slice(), [Outcome::Unchanged]));
    assert_eq!(publisher.counts(), (2, 1));

    let server = server.restarted();
    assert!(server.revokes("good"), "before anything is fetched");
    server.learn(publisher.address("persons.crl"));
    assert!(matches!(server.run(hour).await.as_slice(), [Outcome::Unchanged]));
    assert_eq!(publisher.counts(), (3, 1), "a restart does not fetch it again");

    publisher.publish("persons.crl", &list(now() + TimeDelta::minutes(90), &["nurse"]), "\"2\"");
    let later = hour + TimeDelta::hours(1);
    assert!(matches!(server.run(later).await.as_slice(), [Outcome::New(_)]));
    assert!(server.revokes("nurse") && !server.revokes("good"));
    assert!(server.files().iter().all(|name| !name.ends_with(".partial")), "{:?}", server.files());
}

/// Whoever stands in the plain HTTP path can send anything; nothing of it may replace what is in use.
#[tokio::test]
async fn what_is_not_a_newer_list_of_the_authority_replaces_nothing() {
    let publisher = Publisher::open().await;
    publisher.publish("persons.crl", &list(now(), &["good"]), "\"1\"");
    let server = Server::new();
    let issuer = Some(issuer_id(&pki().persons.certificate).unwrap());
    server.fetcher.learn([Source { address: publisher.address("persons.crl"), issuer }]);
    server.run(now()).await;
    let good = server.files();

    let impostor = sceau_certs::Authority {
        certificate: pki().persons.certificate.clone(),
        key: card("nurse").authentication.key.clone(),
    };
    let template = CrlTemplate::new(2, now() + TimeDelta::hours(1), now() + TimeDelta::days(9));
    let weak = CrlTemplate { hash: Hash::Sha1, ..template.clone() };
    let with = |extension| CrlTemplate { extra_extensions: vec![extension], ..template.clone() };
    let delta = with(Extension::delta_indicator(1));
    let scoped = with(Extension::issuing_distribution_point("http://igc.example/other.crl"));
    let mut at = now();
    for (what, content) in [
        ("forged", impostor.issue_crl(&template).unwrap()),
        ("older", list(now() - TimeDelta::days(1), &[])),
        ("of another authority", pki().crls.root.clone()),
        ("SHA-1", pki().persons.issue_crl(&weak).unwrap()),
        ("a genuine newer delta list", pki().persons.issue_crl(&delta).unwrap()),
        ("a genuine newer list of another scope", pki().persons.issue_crl(&scoped).unwrap()),
        ("cut off", list(now() + TimeDelta::hours(1), &[])[..500].to_vec()),
        ("a page of a portal", b"<html>Please log in</html>".to_vec()),
        ("nothing", Vec::new()),
        ("of the future", list(now() + TimeDelta::days(30), &[])),
    ] {
        publisher.publish("persons.crl", &content, "\"evil\"");
        at += TimeDelta::hours(1);
        let outcomes = server.run(at).await;
        assert!(
            matches!(outcomes.as_slice(), [Outcome::Failed(FetchError::List(_))]),
            "{what}: {outcomes:?}"
        );
        assert!(server.revokes("good"), "{what}");
        assert_eq!(server.files(), good, "{what}: nothing is left behind");
    }
    assert!(server.restarted().revokes("good"));
}

#[tokio::test]
async fn a_publisher_that_fails_is_asked_less_and_less_often() {
    let publisher = Publisher::open().await;
    let server = Server::new();
    server.learn(publisher.address("missing.crl"));
    let mut at = now();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        assert!(matches!(server.run(at).await.as_slice(), [Outcome::Failed(FetchError::Status(404))]));
        let [status] = server.fetcher.status().try_into().unwrap();
        pauses.push((status.next_attempt - at).num_minutes());
        assert!(server.run(status.next_attempt - TimeDelta::seconds(1)).await.is_empty());
        at = status.next_attempt;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    let [status] = server.fetcher.status().try_into().unwrap();
    assert_eq!((status.failures, status.last_success), (8, None));
    assert!(status.last_error.unwrap().contains("404"));

    publisher.publish("missing.crl", &list(now(), &[]), "\"1\"");
    assert!(matches!(server.run(at).await.as_slice(), [Outcome::New(_)]));
    assert_eq!(server.fetcher.status()[0].failures, 0);
}

#[tokio::test]
async fn endless_answers_redirects_and_private_addresses_end() {
    let publisher = Publisher::open().await;
    let server = Server::new();
    server.learn(publisher.address("moved"));
    assert!(matches!(server.run(now()).await.as_slice(), [Outcome::Failed(FetchError::Status(303))]));

    let mut kept = Vec::new();
    let wanted = |address, within| Wanted { address, etag: None, modified: None, limit: 1_000_000, within };
    let endless = publisher.address("endless");
    let patient = Duration::from_secs(60);
    let error = egress().download_signed(&wanted(&endless, patient), &mut kept).await.unwrap_err();
    assert_eq!(error.code(), "OIDC-037");
    assert!(kept.len() <= 1_000_000);
    let slow = publisher.address("slow");
    let short = Duration::from_millis(50);
    let error = egress().download_signed(&wanted(&slow, short), &mut Vec::new()).await.unwrap_err();
    assert_eq!(error.code(), "OIDC-036");

    // An authority, or a card, that names a machine behind the server.
    let server = Server::new();
    server.learn(publisher.address("persons.crl"));
    let closed = Egress::new(&config::Egress::default()).unwrap();
    let ended = server.fetcher.run(&closed, &server.lists, now()).await;
    let [(_, Outcome::Failed(error))] = ended.as_slice() else { panic!("{ended:?}") };
    assert_eq!(error.code(), "OIDC-035");
}

#[tokio::test]
async fn a_list_is_asked_for_well_before_its_end() {
    let life = |hours| ListStatus {
        issuer: String::new(),
        this_update: now(),
        until: now() + TimeDelta::hours(hours),
        entries: 0,
        is_delta: false,
    };
    let every = TimeDelta::hours(6);
    let after = |list: Option<&ListStatus>| next_attempt(list, every, now()) - now();
    assert_eq!(after(Some(&life(168))), every);
    assert_eq!(after(Some(&life(5))), TimeDelta::minutes(270), "a tenth of its life before its end");
    assert_eq!(after(Some(&life(-5))), SHORTEST_PAUSE, "late: often, but not without pause");
    assert_eq!(after(None), every);
}

#[test]
fn addresses_have_files_of_their_own_and_cannot_name_others() {
    let names = [
        "http://igc-sante.esante.gouv.fr/CRL/ACI-FO-PP.crl",
        "http://other.example/CRL/ACI-FO-PP.crl",
        "http://x/TEST CLASSE-1.crl",
        "http://x/../../etc/passwd",
        "http://x/?id=../../..",
        "http://x/.crl",
        "http://x",
    ]
    .map(file_name);
    assert!(names[0].starts_with("fetched-ACI-FO-PP-") && names[0] != names[1]);
    for name in &names {
        assert!(
            name.starts_with("fetched-") && name.ends_with(".crl") && !name.contains(['/', ' ']),
            "{name}"
        );
    }
}

/// An address that the configuration names, and a card as well: one file, one fetch, and the card's authority has to
/// have signed it.
#[tokio::test]
async fn an_address_is_one_source_whoever_names_it() {
    let publisher = Publisher::open().await;
    publisher.publish("persons.crl", &pki().crls.root, "\"1\"");
    let server = Server::new();
    server.learn(publisher.address("persons.crl"));
    let issuer = Some(issuer_id(&pki().persons.certificate).unwrap());
    server.fetcher.learn([Source { address: publisher.address("persons.crl"), issuer }]);
    server.learn(publisher.address("persons.crl"));
    assert_eq!(server.fetcher.status().len(), 1);
    let outcomes = server.run(now()).await;
    assert!(
        matches!(outcomes.as_slice(), [Outcome::Failed(FetchError::List(ListFault::OtherIssuer { .. }))]),
        "{outcomes:?}"
    );
}

#[test]
fn only_so_many_addresses_are_remembered() {
    let server = Server::new();
    for number in 0..1_000 {
        server.learn(format!("http://x/{number}.crl"));
    }
    assert_eq!(server.fetcher.status().len(), MOST_SOURCES);
}
