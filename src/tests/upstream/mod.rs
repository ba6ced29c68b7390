//! Sign-in by a provider of others, through the real router and over a real connection: a second Sceau with its own people and
//! keys plays Pro Santé Connect. The hospital is tried on both databases.

mod attacks;
mod delegation;
mod outage;
mod sign_in;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::IntoResponse as _;
use http::StatusCode;
use secrecy::SecretString;
use url::Url;

use super::spec::stand::{Answer, SignedIn, Stand, new_client, secret_of, trail};
use crate::app::upstreams::ProviderTabs;
use crate::clock::SharedClock;
use crate::config::{self, CardAcr, Upstream, UpstreamLink, UpstreamProfile};
use crate::crypto::egress::Egress;
use crate::crypto::random::SystemRandom;
use crate::oidc::authorize::resume;
use crate::oidc::{Asking, Issuer, Means};
use crate::session::{Acr, Policies};
use crate::store;
use crate::store::client::NewClient;
use crate::upstream::{self, Provider, Upstreams, callback_address};
use crate::web::csrf::OwnOrigin;
use crate::web::page::Site;

const FRONT: &str = "http://localhost:8080";

/// Pro Santé Connect, at a port of this machine.
struct Psc {
    stand: Stand,
    origin: String,
    /// Whether the proxy in front of it has nobody behind it.
    gone: Arc<AtomicBool>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Psc {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Psc {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let stand = Stand::with(|settings| {
            settings.issuer =
                Issuer::new(Url::parse(&format!("{origin}/auth/realms/esante-wallet")).unwrap());
            settings.front_url = Url::parse(&origin).unwrap();
        })
        .await;
        let callback = callback_address(&Url::parse(FRONT).unwrap(), "psc");
        stand.add_client(&NewClient { redirect_uris: vec![callback], ..new_client("hopital") }).await;
        let gone = Arc::new(AtomicBool::new(false));
        let is_gone = Arc::clone(&gone);
        let router = stand.router.clone().layer(middleware::from_fn(move |request: Request, next: Next| {
            let is_gone = Arc::clone(&is_gone);
            async move {
                match is_gone.load(Ordering::Relaxed) {
                    true => StatusCode::BAD_GATEWAY.into_response(),
                    false => next.run(request).await,
                }
            }
        }));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { stand, origin, gone, server }
    }

    /// As the hospital has it in its configuration.
    fn settings(&self) -> Upstream {
        let issuer = format!("{}/auth/realms/esante-wallet", self.origin);
        Upstream {
            label: "Pro Santé Connect".into(),
            profile: UpstreamProfile::Psc,
            discovery: Url::parse(&format!("{issuer}/.well-known/wallet-openid-configuration")).unwrap(),
            issuer,
            client_id: "hopital".into(),
            client_secret: SecretString::from(secret_of("hopital")),
            scope: "scope_all".into(),
            acr_values: "eidas1".into(),
            identifier_claim: Some("SubjectNameID".into()),
            link: UpstreamLink::Automatic,
            level: CardAcr::Eidas3,
            subject_claim: "sub".into(),
            tenant: None,
            tenant_claim: "tid".into(),
            direct: false,
        }
    }

    /// Somebody who is signed in there goes where the hospital sends them; yields the way back.
    async fn answers(&self, address: &str, browser: &SignedIn) -> String {
        let path = address.strip_prefix(&self.origin).expect("its own address");
        let answer = self.stand.get(path, &[("cookie", &browser.cookie)]).await;
        assert!(answer.status.is_redirection(), "{} {}", answer.status, answer.body);
        let back = answer.location();
        back.strip_prefix(FRONT).unwrap_or_else(|| panic!("the way back: {back}")).to_owned()
    }
}

/// A hospital that has Pro Santé Connect on its sign-in page.
struct Hospital {
    stand: Stand,
    upstreams: Arc<Upstreams>,
}

/// A sign-in that has begun.
struct Begun {
    /// `/login/…`
    page: String,
    /// Of the browser that began it.
    cookie: String,
}

impl Hospital {
    async fn on_both(settings: &Upstream, test: impl AsyncFn(Self)) {
        Stand::on_both(async |mut stand: Stand| {
            let clock: SharedClock = Arc::new(stand.clock.clone());
            let egress =
                config::Egress { allow: vec![config::Destination::Network("127.0.0.0/8".parse().unwrap())] };
            let front = Url::parse(FRONT).unwrap();
            let provider = Provider::new(
                "psc",
                settings,
                Acr::Eidas3,
                callback_address(&front, "psc"),
                Egress::new(&egress).unwrap(),
                clock.clone(),
            );
            let upstreams = Upstreams::new(upstream::Parts {
                db: stand.db.clone(),
                clock,
                random: Arc::new(SystemRandom),
                trail: trail(&stand.clock),
                policies: Policies::default(),
                own: OwnOrigin::of(&front),
                site: Site { establishment: "Hôpital de test".into(), https: false, sandbox: false },
                seal: stand.seal.clone(),
                providers: vec![provider],
                next: resume::path,
                wants_fresh_proof: resume::wants_fresh_proof,
                is_passed_on: resume::is_passed_on,
                idp_hint: resume::idp_hint,
                is_enough: resume::is_enough,
            });
            let providers = Some(Arc::new(ProviderTabs(Arc::clone(&upstreams))) as _);
            stand.offer(Means { providers, ..Means::default() }, Asking::default()).await;
            stand.router = Router::new().merge(stand.router).merge(upstream::routes(&upstreams));
            test(Self { stand, upstreams }).await;
        })
        .await;
    }

    /// A service sends somebody here.
    async fn begin(&self, changes: &[(&str, &str)]) -> Begun {
        let answer = self.stand.authorize(changes, "").await;
        assert!(answer.status.is_redirection(), "{} {}", answer.status, answer.body);
        let page = answer.location();
        let page = page.strip_prefix(FRONT).unwrap_or(&page).to_owned();
        Begun { page, cookie: answer.cookie() }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        let headers = [("cookie", cookie), ("accept-language", "fr"), ("sec-fetch-site", "same-origin")];
        self.stand.get(path, &headers).await
    }

    /// Where a click on the tab's link leads.
    async fn sent(&self, begun: &Begun) -> Answer {
        let txn = begun.page.strip_prefix("/login/").unwrap();
        self.get(&format!("/login/provider/psc?txn={txn}"), &begun.cookie).await
    }

    /// The whole way, until the hospital has its own session: its cookie and the answer.
    async fn by(&self, psc: &Psc, begun: &Begun, browser: &SignedIn) -> Answer {
        let sent = self.sent(begun).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
        let back = psc.answers(&sent.location(), browser).await;
        self.get(&back, &begun.cookie).await
    }

    /// Whether the person is signed in, and their browser goes on with what they came for.
    fn is_in(&self, begun: &Begun, answer: &Answer) -> bool {
        answer.headers.contains_key(http::header::SET_COOKIE)
            && answer.body.contains(&format!("data-next=\"{}\"", begun.page))
    }

    /// What the page of a sign-in says after an attempt that did not do.
    async fn notice(&self, begun: &Begun) -> String {
        self.get(&begun.page, &begun.cookie).await.body
    }

    async fn links(&self) -> Vec<(String, String)> {
        store::testing::everything(&self.stand.db)
            .await
            .into_iter()
            .filter(|(table, _, _)| table == "upstream_identity")
            .map(|(_, column, value)| (column, value))
            .collect()
    }
}
