//! Sign-in by a provider of others, through the real router and over a real connection: a second Sceau with its own people and
//! keys plays Pro Santé Connect. The hospital is tried on both databases.

mod attacks;
mod ciba;
mod ciba_attacks;
mod ciba_outage;
mod delegation;
mod desk;
mod exchange;
mod floods;
mod identifiers;
mod links;
mod logout;
mod mtls;
mod only;
mod outage;
mod pairing;
mod sign_in;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use http::StatusCode;
use secrecy::SecretString;
use url::Url;

use super::spec::stand::{Answer, SignedIn, Stand, new_client, secret_of, trail};
use crate::app::upstreams::{ProviderTabs, ProviderTokens};
use crate::clock::SharedClock;
use crate::config::{self, CardAcr, Upstream, UpstreamCredential, UpstreamLink, UpstreamProfile};
use crate::crypto::egress::Egress;
use crate::crypto::random::SystemRandom;
use crate::oidc::authorize::resume;
use crate::oidc::mtls::Mtls;
use crate::oidc::{Asking, Issuer, Means};
use crate::session::Acr;
use crate::store;
use crate::store::client::{CIBA, DeliveryMode, Metadata, NewClient};
use crate::upstream::{self, Provider, Upstreams, callback_address};
use crate::web::asker::Reach;
use crate::web::csrf::OwnOrigin;
use crate::web::delays::Waits;
use crate::web::page::Site;
use crate::web::proxy::ClientAddress;

const FRONT: &str = "http://localhost:8080";

/// Pro Santé Connect, at a port of this machine.
struct Psc {
    stand: Stand,
    origin: String,
    /// Whether the proxy in front of it has nobody behind it.
    gone: Arc<AtomicBool>,
    /// What it was asked with `POST`: the end of the address, and the form.
    posted: Arc<Mutex<Vec<(String, String)>>>,
    /// What it answers instead, to addresses with that end.
    instead: Arc<Mutex<Option<Instead>>>,
    server: tokio::task::JoinHandle<()>,
}

/// An answer that is not the provider's own.
struct Instead {
    end: &'static str,
    status: StatusCode,
    body: String,
    /// So many times.
    left: usize,
}

impl Drop for Psc {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Psc {
    async fn start() -> Self {
        Self::made(None, None).await
    }

    /// The same, which tells the hospital at that address when somebody signs out there.
    async fn start_telling(backchannel_logout_uri: Option<String>) -> Self {
        Self::made(None, backchannel_logout_uri).await
    }

    /// With a host that asks its clients for certificates.
    async fn asking(mtls: Option<Arc<Mtls>>) -> Self {
        Self::made(mtls, None).await
    }

    async fn made(mtls: Option<Arc<Mtls>>, backchannel_logout_uri: Option<String>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let mut stand = Stand::asking(mtls, |settings| {
            settings.lifetimes.backchannel_hold = TimeDelta::zero();
            settings.issuer =
                Issuer::new(Url::parse(&format!("{origin}/auth/realms/esante-wallet")).unwrap());
            settings.front_url = Url::parse(&origin).unwrap();
        })
        .await;
        let callback = callback_address(&Url::parse(FRONT).unwrap(), "psc");
        let grants = ["authorization_code", "refresh_token", CIBA].map(str::to_owned).to_vec();
        let metadata = Metadata {
            grant_types: grants,
            backchannel_token_delivery_mode: Some(DeliveryMode::Poll),
            ..Metadata::default()
        };
        let left = format!("{FRONT}/login/provider/psc/logged-out");
        let client = NewClient {
            redirect_uris: vec![callback],
            post_logout_redirect_uris: vec![left],
            backchannel_logout_uri,
            metadata,
            // As Pro Santé Connect lets the servers of its APIs.
            may_introspect: true,
            ..new_client("hopital")
        };
        stand.add_client(&client).await;
        let quiet: Arc<dyn crate::session::asking::Asks> = Arc::new(ciba::Quiet);
        let asking = Asking { phone: Some(Arc::clone(&quiet)), card: Some(quiet) };
        stand.offer(Means::default(), asking).await;
        let gone = Arc::new(AtomicBool::new(false));
        let (posted, instead) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Option<Instead>>>::default());
        let front = (Arc::clone(&gone), Arc::clone(&posted), Arc::clone(&instead));
        let router = stand.router.clone().layer(middleware::from_fn(move |request: Request, next: Next| {
            let (gone, posted, instead) = front.clone();
            async move { in_front(request, next, &gone, &posted, &instead).await }
        }));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { stand, origin, gone, posted, instead, server }
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
            credential: UpstreamCredential::Secret(SecretString::from(secret_of("hopital"))),
            scope: "scope_all".into(),
            acr_values: "eidas1".into(),
            identifier_claim: Some("SubjectNameID".into()),
            link: UpstreamLink::Automatic,
            level: CardAcr::Eidas3,
            subject_claim: "sub".into(),
            tenant: None,
            tenant_claim: "tid".into(),
            direct: false,
            application: None,
            exchange: BTreeMap::new(),
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

/// The proxy in front of it.
async fn in_front(
    request: Request,
    next: Next,
    gone: &AtomicBool,
    posted: &Mutex<Vec<(String, String)>>,
    instead: &Mutex<Option<Instead>>,
) -> Response {
    if gone.load(Ordering::Relaxed) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let end = parts.uri.path().rsplit('/').next().unwrap().to_owned();
    if parts.method == http::Method::POST {
        posted.lock().unwrap().push((end.clone(), String::from_utf8(body.to_vec()).unwrap()));
    }
    let answer = instead.lock().unwrap().as_mut().filter(|one| one.end == end && one.left > 0).map(|one| {
        one.left -= 1;
        (one.status, one.body.clone())
    });
    if let Some((status, body)) = answer {
        return (status, [("content-type", "application/json")], body).into_response();
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// A hospital that has Pro Santé Connect on its sign-in page.
struct Hospital {
    stand: Stand,
    upstreams: Arc<Upstreams>,
}

/// A request comes from where its header says, else from inside.
async fn from_somewhere(mut request: Request, next: Next) -> Response {
    let address: IpAddr =
        request.headers().get("x-from").map_or("10.1.2.3", |from| from.to_str().unwrap()).parse().unwrap();
    request.extensions_mut().insert(ClientAddress(address));
    next.run(request).await
}

/// A sign-in that has begun.
struct Begun {
    /// `/login/…`
    page: String,
    /// Of the browser that began it.
    cookie: String,
}

/// Calls to this machine are allowed.
fn this_machine() -> config::Egress {
    config::Egress { allow: vec![config::Destination::Network("127.0.0.0/8".parse().unwrap())] }
}

impl Hospital {
    async fn on_both(settings: &Upstream, test: impl AsyncFn(Self)) {
        Self::calling(settings, &Egress::new(&this_machine()).unwrap(), test).await;
    }

    /// Whose calls go out by that client.
    async fn calling(settings: &Upstream, egress: &Egress, test: impl AsyncFn(Self)) {
        Stand::on_both(async |stand: Stand| test(Self::of_calling(stand, settings, egress).await).await)
            .await;
    }

    async fn of(stand: Stand, settings: &Upstream) -> Self {
        Self::of_calling(stand, settings, &Egress::new(&this_machine()).unwrap()).await
    }

    async fn of_calling(stand: Stand, settings: &Upstream, egress: &Egress) -> Self {
        Self::beside(stand, settings, egress, Means::default()).await
    }

    /// With other means on its page.
    async fn beside(mut stand: Stand, settings: &Upstream, egress: &Egress, means: Means) -> Self {
        let clock: SharedClock = Arc::new(stand.clock.clone());
        let front = Url::parse(FRONT).unwrap();
        let provider = Provider::new(
            "psc",
            settings,
            match settings.level {
                CardAcr::Eidas1 => Acr::Eidas1,
                CardAcr::Eidas2 => Acr::Eidas2,
                CardAcr::Eidas3 => Acr::Eidas3,
            },
            callback_address(&front, "psc"),
            egress.clone(),
            clock.clone(),
        );
        let upstreams = Upstreams::new(upstream::Parts {
            db: stand.db.clone(),
            clock,
            random: Arc::new(SystemRandom),
            trail: trail(&stand.clock),
            policies: stand.provider.settings().policies.clone(),
            own: OwnOrigin::of(&front),
            site: Site { establishment: "Hôpital de test".into(), https: false, sandbox: false },
            seal: stand.seal.clone(),
            providers: vec![provider],
            reach: Reach { networks: vec!["10.0.0.0/8".parse().unwrap()], anywhere: false },
            waits: Waits { free: 10, longest: TimeDelta::minutes(5) },
            // A page is told at once how it stands: no test waits.
            hold: Duration::ZERO,
            next: resume::path,
            wants_fresh_proof: resume::wants_fresh_proof,
            is_passed_on: resume::is_passed_on,
            idp_hint: resume::idp_hint,
            is_enough: resume::is_enough,
        });
        let providers = Some(Arc::new(ProviderTabs(Arc::clone(&upstreams))) as _);
        stand.foreign = Some(Arc::new(ProviderTokens(Arc::clone(&upstreams))));
        stand.offer(Means { providers, ..means }, Asking::default()).await;
        stand.router = Router::new()
            .merge(stand.router)
            .merge(upstream::routes(&upstreams))
            .layer(middleware::from_fn(from_somewhere));
        Self { stand, upstreams }
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

    /// What the service gets once the browser has this cookie.
    async fn tokens(&self, begun: &Begun, session: &str) -> serde_json::Value {
        let cookies = format!("{}; {session}", begun.cookie);
        let answer = self.get(&begun.page, &cookies).await;
        let code = answer.parameter("code").unwrap_or_else(|| panic!("no code: {}", answer.body));
        self.stand.redeem(&code).await.json()
    }

    /// Whoever is signed in at the provider signs in here: the cookie of their session here, and what a service gets.
    async fn signed_in(&self, psc: &Psc, there: &SignedIn) -> (String, serde_json::Value) {
        let begun = self.begin(&[]).await;
        let answer = self.by(psc, &begun, there).await;
        assert!(self.is_in(&begun, &answer), "{}", answer.body);
        let tokens = self.tokens(&begun, &answer.cookie()).await;
        (answer.cookie(), tokens)
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
