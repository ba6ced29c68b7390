//! Whoever signs out at one has signed out at the other; and whoever does not, has not.

use std::sync::Mutex;

use chrono::TimeDelta;
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::config::Destination;
use crate::crypto::digest::sha256;
use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::ids::{SessionId, uuid_v4};
use crate::oidc::logout::backchannel::deliver_due;
use crate::oidc::outbound::Outbound;
use crate::session::EndReason;
use crate::store::logout_delivery::undelivered;
use crate::store::upstream_session::{LogoutToken, Recording, UpstreamSession, log_out};
use crate::tests::spec::stand::{DOCTOR, LOGOUT, claims};

const BACKCHANNEL: &str = "/login/provider/psc/backchannel-logout";
const BYE: &str = "https://rp.example/bye";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// What Chromium says of a click that leads here.
const CLICK: [(&str, &str); 4] = [
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-user", "?1"),
    ("accept-language", "fr"),
];

fn with(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// The cookie of that name that an answer sets, for the next request.
fn cookie_of(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.headers.get_all(http::header::SET_COOKIE).iter();
    let mut pairs = lines.filter_map(|line| line.to_str().unwrap().split(';').next());
    pairs.find(|pair| pair.starts_with(&format!("__Host-{name}=")) && !pair.ends_with('=')).map(str::to_owned)
}

/// The session here that tokens are of.
fn session_of(tokens: &Value) -> SessionId {
    claims(&tokens["access_token"])["sid"].as_str().unwrap().parse().map(SessionId).unwrap()
}

/// Where a page goes on by itself.
fn next_of(page: &str) -> Option<String> {
    let link = page.split("<a ").find(|link| link.split('>').next().unwrap().contains(" data-next"))?;
    let address = link.split("href=\"").nth(1)?.split('"').next()?;
    Some(address.replace("&amp;", "&").replace("&#38;", "&"))
}

impl Hospital {
    /// A click in a service that leads to its logout, with its ID token.
    async fn leave(&self, tokens: &Value, session: &str, says: &[(&str, &str)]) -> Answer {
        let hint = tokens["id_token"].as_str().unwrap();
        let asked = with(&[("id_token_hint", hint), ("post_logout_redirect_uri", BYE), ("state", "s1")]);
        let headers = [&[("cookie", session)], says].concat();
        self.stand.get(&format!("{LOGOUT}?{asked}"), &headers).await
    }

    async fn has(&self, session: &str) -> bool {
        self.stand.authorize(&[("prompt", "none")], session).await.parameter("code").is_some()
    }

    /// The last event of a sign-out at the provider.
    async fn last_logout(&self) -> store::audit::Row {
        let kind = Some("upstream.logout".into());
        let filter = store::audit::Filter { kind, limit: 1, ..store::audit::Filter::default() };
        store::audit::list(&self.stand.db, &filter).await.unwrap().remove(0)
    }

    async fn post_token(&self, token: &str) -> Answer {
        self.stand.post(BACKCHANNEL, &with(&[("logout_token", token)]), &[]).await
    }
}

impl Psc {
    async fn has(&self, browser: &SignedIn) -> bool {
        let back = callback_address(&Url::parse(FRONT).unwrap(), "psc");
        let asked = [("client_id", "hopital"), ("redirect_uri", back.as_str()), ("prompt", "none")];
        self.stand.authorize(&asked, &browser.cookie).await.parameter("code").is_some()
    }

    /// The browser goes to the address there that ends its session; yields the way back.
    async fn leaves(&self, address: &str, browser: &SignedIn) -> String {
        self.answers(address, browser).await
    }

    /// The claims of a logout token for the hospital, about that session.
    fn claims(&self, sid: &str) -> Value {
        let now = self.stand.clock.now().timestamp();
        json!({
            "iss": self.settings().issuer, "aud": "hopital", "iat": now, "exp": now + 120,
            "jti": uuid_v4(&SystemRandom).to_string(), "sid": sid, "events": { EVENT: {} },
        })
    }

    async fn signed(&self, claims: &Value) -> String {
        self.stand.provider.token_keys().sign(Algorithm::Rs256, "logout+jwt", claims).await.unwrap()
    }
}

#[tokio::test]
async fn whoever_signs_out_here_has_signed_out_at_psc_and_goes_on_to_the_service() {
    let psc = Psc::start().await;
    // Pro Santé Connect may leave `state` out.
    for with_state in [true, false] {
        Hospital::on_both(&psc.settings(), async |hospital| {
            let there = psc.stand.sign_in().await;
            let (session, tokens) = hospital.signed_in(&psc, &there).await;
            let page = hospital.leave(&tokens, &session, &CLICK).await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.body);
            assert!(!hospital.has(&session).await, "first here");
            let went = hospital.last_logout().await;
            assert_eq!((went.code.as_deref(), went.outcome.as_str()), (None, "success"));
            assert_eq!(went.person_id, Some(hospital.stand.person(DOCTOR).await));
            let here = session_of(&tokens).to_string();
            assert!(
                went.detail.contains(&here) && went.detail.contains("browser sent there"),
                "{}",
                went.detail
            );
            assert!(
                page.body.contains("Nous fermons aussi votre session Pro Santé Connect"),
                "{}",
                page.body
            );
            assert!(psc.has(&there).await, "then there");

            let address = next_of(&page.body).expect("goes on by itself");
            assert!(address.contains("id_token_hint=ey") && address.contains("&state="), "{address}");
            let back = psc.leaves(&address, &there).await;
            assert!(!psc.has(&there).await);
            assert!(back.starts_with("/login/provider/psc/logged-out?state="), "{back}");
            let back = if with_state { back.as_str() } else { back.split('?').next().unwrap() };
            let cookie = cookie_of(&page, "sign-out").unwrap();
            let closed = hospital.get(back, &cookie).await;
            assert_eq!(closed.status, StatusCode::OK);
            assert_eq!(next_of(&closed.body).as_deref(), Some("https://rp.example/bye?state=s1"));

            // Once: whoever loads it again is signed out, and goes nowhere.
            let again = hospital.get(back, &cookie).await;
            assert_eq!((again.status, next_of(&again.body)), (StatusCode::OK, None));
            assert!(!again.body.contains(BYE));
        })
        .await;
    }
}

#[tokio::test]
async fn what_nobody_asked_for_leaves_psc_as_it_is() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let there = psc.stand.sign_in().await;
        // A timer of a service: the browser does not say that a person did it.
        let (session, tokens) = hospital.signed_in(&psc, &there).await;
        let gone = hospital.leave(&tokens, &session, &CLICK[..2]).await;
        assert_eq!(gone.location(), "https://rp.example/bye?state=s1");
        assert!(!hospital.has(&session).await && psc.has(&there).await);

        // The server of a service, without a browser.
        let (session, tokens) = hospital.signed_in(&psc, &there).await;
        let form = with(&[("id_token_hint", tokens["id_token"].as_str().unwrap())]);
        let told = hospital.stand.post(LOGOUT, &form, &[]).await;
        assert_eq!((told.status, next_of(&told.body)), (StatusCode::OK, None));
        assert!(!hospital.has(&session).await && psc.has(&there).await);

        // A hint in the browser of somebody else: nobody gets an ID token of Pro Santé Connect by it.
        let (session, tokens) = hospital.signed_in(&psc, &there).await;
        let other = hospital.leave(&tokens, "", &CLICK).await;
        assert!(!other.body.contains("id_token_hint"), "{}", other.body);
        assert!(!hospital.has(&session).await && psc.has(&there).await);
        // The ID token is kept as long as the session here runs, and nobody reads it in the database.
        let kept = async || {
            let rows = store::testing::everything(&hospital.stand.db).await;
            rows.into_iter().filter(|(t, c, _)| t == "upstream_session" && c == "id_token").map(|(_, _, v)| v)
        };
        assert_eq!(kept().await.count(), 0);
        hospital.signed_in(&psc, &there).await;
        let sealed: Vec<String> = kept().await.collect();
        assert_eq!(sealed.len(), 1);
        assert!(!sealed[0].contains(&hex::encode("eyJ")), "{sealed:?}");
    })
    .await;
}

#[tokio::test]
async fn a_form_of_our_own_pages_ends_both() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        // "Do you want to sign out?", and all sessions at once.
        for (page, action) in [("/logout", "/logout/confirmed"), ("/", "/sessions/end")] {
            let there = psc.stand.sign_in().await;
            let (session, _) = hospital.signed_in(&psc, &there).await;
            let asked = hospital.get(page, &session).await;
            let token = asked.body.split("name=\"csrf\" value=\"").nth(1).expect("a form");
            let form = format!("csrf={}", token.split('"').next().unwrap());
            let headers = [("cookie", session.as_str()), ("origin", FRONT), ("accept-language", "en")];
            let done = hospital.stand.post(action, &form, &headers).await;
            assert!(done.body.contains("We also close your Pro Santé Connect session"), "{}", done.body);
            assert!(!hospital.has(&session).await);
            let back = psc.leaves(&next_of(&done.body).unwrap(), &there).await;
            assert!(!psc.has(&there).await);
            let closed = hospital.get(&back, &cookie_of(&done, "sign-out").unwrap()).await;
            assert!(closed.body.contains("Vous êtes déconnecté") && next_of(&closed.body).is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn a_click_that_comes_without_the_cookie_goes_by_the_host_that_has_it() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let there = psc.stand.sign_in().await;
        let (session, tokens) = hospital.signed_in(&psc, &there).await;
        // A form of the service: browsers keep the cookie from what another site posts.
        let form = with(&[("id_token_hint", tokens["id_token"].as_str().unwrap())]);
        let sent = hospital.stand.post(LOGOUT, &form, &CLICK).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER);
        let front = sent.location();
        assert!(front.starts_with("http://localhost:8080/logout?id_token_hint="), "{front}");
        let headers = [&[("cookie", session.as_str())], &CLICK[..]].concat();
        let page = hospital.stand.get(front.strip_prefix(FRONT).unwrap(), &headers).await;
        assert!(!hospital.has(&session).await);
        psc.leaves(&next_of(&page.body).unwrap(), &there).await;
        assert!(!psc.has(&there).await);
    })
    .await;
}

#[tokio::test]
async fn where_psc_does_not_answer_the_session_here_ends_and_the_page_says_what_is_left_open() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        psc.gone.store(false, Ordering::Relaxed);
        let there = psc.stand.sign_in().await;
        let (session, tokens) = hospital.signed_in(&psc, &there).await;
        psc.gone.store(true, Ordering::Relaxed);
        hospital.stand.advance(5);
        let page = hospital.leave(&tokens, &session, &CLICK).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        assert!(!hospital.has(&session).await);
        assert!(page.body.contains("est peut-être encore ouverte"), "{}", page.body);
        assert!(page.body.contains("https://rp.example/bye?state=s1") && next_of(&page.body).is_none());
        let left = hospital.last_logout().await;
        assert_eq!((left.code.as_deref(), left.outcome.as_str()), (Some("UPSTREAM-031"), "failure"));
        assert_eq!(left.person_id, Some(hospital.stand.person(DOCTOR).await));
        let here = session_of(&tokens).to_string();
        assert!(left.detail.contains(&here) && left.detail.contains("psc"), "{}", left.detail);
    })
    .await;
}

#[tokio::test]
async fn whoever_leaves_after_the_session_here_ended_by_itself_is_sent_to_psc_without_an_id_token() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let there = psc.stand.sign_in().await;
        let (session, tokens) = hospital.signed_in(&psc, &there).await;
        let (event, now) = (hospital.stand.event(Kind::SessionEnded), hospital.stand.clock.now());
        let (db, here) = (&hospital.stand.db, session_of(&tokens));
        let ended = store::session::end(db, here, EndReason::Expired, &event, now, &SystemRandom).await;
        assert!(ended.unwrap());
        // A timer of the service, or another browser, is sent nowhere by it.
        for (cookie, says) in [(session.as_str(), &CLICK[..2]), ("", &CLICK[..])] {
            let gone = hospital.leave(&tokens, cookie, says).await;
            assert_eq!(gone.location(), "https://rp.example/bye?state=s1");
        }
        let page = hospital.leave(&tokens, &session, &CLICK).await;
        let address = next_of(&page.body).expect("goes on by itself");
        assert!(address.contains("client_id=hopital") && !address.contains("id_token_hint"), "{address}");
        let asked = address.strip_prefix(&psc.origin).expect("its own address");
        let asked = psc.stand.get(asked, &[("cookie", &there.cookie)]).await;
        assert!(asked.body.contains("name=\"csrf\"") && psc.has(&there).await, "it asks: {}", asked.body);
        let cleared = page.headers.get_all(http::header::SET_COOKIE).iter();
        let cleared: Vec<_> = cleared.map(|line| line.to_str().unwrap()).collect();
        assert!(cleared.iter().any(|line| line.starts_with("__Host-session=; Max-Age=0")), "{cleared:?}");
        // What comes back goes on to the service.
        let back = "/login/provider/psc/logged-out";
        let closed = hospital.get(back, &cookie_of(&page, "sign-out").unwrap()).await;
        assert_eq!(next_of(&closed.body).as_deref(), Some("https://rp.example/bye?state=s1"));

        // Nothing is open there where it ended because it ended there.
        let (session, tokens) = hospital.signed_in(&psc, &there).await;
        let token = psc.signed(&psc.claims(&there.session.to_string())).await;
        assert_eq!(hospital.post_token(&token).await.status, StatusCode::OK);
        let gone = hospital.leave(&tokens, &session, &CLICK).await;
        assert_eq!(gone.location(), "https://rp.example/bye?state=s1");
    })
    .await;
}

#[tokio::test]
async fn nobody_reads_that_they_are_signed_out_while_the_session_of_their_browser_runs() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let own = hospital.stand.sign_in().await;
        for stray in ["/login/provider/psc/logged-out", "/login/provider/psc/logged-out?state=old"] {
            let asked = hospital.get(stray, &own.cookie).await;
            assert_eq!(asked.location(), format!("{FRONT}/logout"), "{}", asked.body);
            assert!(hospital.has(&own.cookie).await);
            let nobody = hospital.get(stray, "").await;
            assert!(nobody.body.contains("Vous êtes déconnecté"), "{}", nobody.body);
        }
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_does_not_answer_keeps_nobody_who_leaves_and_another_issuer_gets_no_id_token() {
    let psc = Psc::start().await;
    // Takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let discovery = Url::parse(&format!("http://{}/discovery", silent.local_addr().unwrap())).unwrap();
    let there = UpstreamSession {
        provider: "psc".into(),
        issuer: psc.settings().issuer,
        subject: "f:1:2".into(),
        sid: None,
        id_token: None,
    };
    let back = ("http://localhost:8080/login/provider/psc/logged-out", "s1");
    let slow = Hospital::of(Stand::new().await, &Upstream { discovery, ..psc.settings() }).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let refused = slow.upstreams.sign_out(&there, back, "fr").await;
    let waited = began.elapsed();
    tokio::time::resume();
    assert!(refused.is_err());
    assert!(waited < Duration::from_millis(2500), "{waited:?}");

    let hospital = Hospital::of(Stand::new().await, &psc.settings()).await;
    assert!(hospital.upstreams.sign_out(&there, back, "fr").await.unwrap().is_some());
    // The section of the configuration names another issuer by now.
    let before = UpstreamSession { issuer: "https://before.example".into(), ..there };
    assert!(hospital.upstreams.sign_out(&before, back, "fr").await.unwrap().is_none());
}

#[tokio::test]
async fn a_return_of_another_browser_or_provider_goes_nowhere() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let there = psc.stand.sign_in().await;
        let (session, tokens) = hospital.signed_in(&psc, &there).await;
        let page = hospital.leave(&tokens, &session, &CLICK).await;
        let back = psc.leaves(&next_of(&page.body).unwrap(), &there).await;
        let cookie = cookie_of(&page, "sign-out").unwrap();
        let stolen = hospital.get(&back, "__Host-sign-out=another").await;
        let nobodys = hospital.get(&back, "").await;
        let confused = hospital.get(&back.replace("/psc/", "/groupe/"), &cookie).await;
        let other_state = hospital.get("/login/provider/psc/logged-out?state=other", &cookie).await;
        for refused in [stolen, nobodys, confused, other_state] {
            assert_eq!(refused.status, StatusCode::FORBIDDEN);
            assert!(refused.body.contains("UPSTREAM-032") && !refused.body.contains(BYE), "{}", refused.body);
        }
        assert!(hospital.stand.events().await.contains(&"upstream.logout UPSTREAM-032".to_owned()));
        // No address that comes with it counts.
        let open = "/login/provider/psc/logged-out?next=https://evil.example&back=https://evil.example";
        assert!(!hospital.get(open, "").await.body.contains("evil"));
        assert_eq!(
            next_of(&hospital.get(&back, &cookie).await.body).as_deref(),
            Some("https://rp.example/bye?state=s1")
        );
    })
    .await;
}

/// Lets a provider post to whichever hospital is under test.
async fn door() -> (String, Arc<Mutex<Option<Router>>>) {
    let open = Arc::<Mutex<Option<Router>>>::default();
    let inside = Arc::clone(&open);
    let router = Router::new().fallback(move |request: Request<axum::body::Body>| {
        let router = inside.lock().unwrap().clone();
        async move { router.expect("a hospital").oneshot(request).await.unwrap() }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}{BACKCHANNEL}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, open)
}

#[tokio::test]
async fn whoever_signs_out_at_psc_has_signed_out_here_and_the_services_are_told() {
    let (address, open) = door().await;
    let psc = Psc::start_telling(Some(address)).await;
    let allow = vec![Destination::Network("127.0.0.0/8".parse().unwrap())];
    let outbound = Outbound::new(&config::Egress { allow }).unwrap();
    Hospital::on_both(&psc.settings(), async |hospital| {
        *open.lock().unwrap() = Some(hospital.stand.router.clone());
        let told = NewClient {
            backchannel_logout_uri: Some("https://told.example/out".into()),
            ..new_client("told")
        };
        hospital.stand.add_client(&told).await;
        let (first, second) = (psc.stand.sign_in().await, psc.stand.sign_in().await);
        let (session, _) = hospital.signed_in(&psc, &first).await;
        let (other, _) = hospital.signed_in(&psc, &second).await;
        let of_told = [("client_id", "told"), ("redirect_uri", "https://told.example/cb")];
        let served = hospital.stand.authorize(&of_told, &session).await;
        assert!(served.parameter("code").is_some(), "{}", served.body);

        // Nothing more than that: there, the person clicks on "sign out".
        let page = psc.stand.get("/logout", &[("cookie", &first.cookie)]).await;
        let token =
            page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let headers = [("cookie", first.cookie.as_str()), ("origin", psc.origin.as_str())];
        psc.stand.post("/logout/confirmed", &format!("csrf={token}"), &headers).await;
        deliver_due(&psc.stand.provider, &outbound).await.unwrap();
        assert_eq!(undelivered(&psc.stand.db).await.unwrap(), (0, 0), "PSC has its answer");

        assert!(!hospital.has(&session).await);
        assert!(hospital.has(&other).await, "another session of the same person stays");
        assert_eq!(undelivered(&hospital.stand.db).await.unwrap(), (1, 0), "the service is to be told");
        let events = hospital.stand.events().await;
        let both = ["session.ended".to_owned(), "upstream.logout".to_owned()];
        assert!(events.windows(2).any(|pair| pair == both), "{events:?}");
    })
    .await;
}

#[tokio::test]
async fn a_logout_token_that_is_not_what_it_should_be_ends_nothing() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let sid = there.session.to_string();
    Hospital::on_both(&psc.settings(), async |hospital| {
        let (session, tokens) = hospital.signed_in(&psc, &there).await;
        let now = hospital.stand.clock.now().timestamp();
        let changes: [(&str, &str, Value); 17] = [
            ("UPSTREAM-027", "iss", json!("https://other.example")),
            ("UPSTREAM-027", "aud", json!("other")),
            ("UPSTREAM-027", "aud", json!(["hopital", "other"])),
            ("UPSTREAM-027", "aud", json!([])),
            ("UPSTREAM-028", "exp", json!(now - 61)),
            ("UPSTREAM-028", "iat", json!(now - 600)),
            ("UPSTREAM-028", "iat", json!(now + 120)),
            ("UPSTREAM-029", "iat", json!("now")),
            ("UPSTREAM-029", "events", json!({})),
            ("UPSTREAM-029", "events", json!({ EVENT: true })),
            ("UPSTREAM-029", "events", Value::Null),
            ("UPSTREAM-029", "nonce", json!("n")),
            ("UPSTREAM-029", "jti", Value::Null),
            ("UPSTREAM-029", "jti", json!("x".repeat(256))),
            ("UPSTREAM-029", "sid", Value::Null),
            ("UPSTREAM-029", "sid", json!("")),
            ("UPSTREAM-029", "sub", json!(7)),
        ];
        for (code, name, value) in changes {
            let mut claims = psc.claims(&sid);
            claims[name] = value;
            let answer = hospital.post_token(&psc.signed(&claims).await).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{claims}");
            assert_eq!(answer.json()["error_description"], code, "{claims}");
            assert_eq!(answer.error(), "invalid_request");
            assert_eq!(answer.headers[http::header::CACHE_CONTROL], "no-store");
        }
        // Keys of others, no key, an ID token of the same provider, of the same session.
        let own = SigningKey::generate(Algorithm::Rs256).unwrap();
        let stranger = jose::sign(&own, "logout+jwt", &psc.claims(&sid)).unwrap();
        let (head, rest) =
            (jose::base64url::encode(r#"{"alg":"none"}"#), psc.signed(&psc.claims(&sid)).await);
        let unsigned = format!("{head}.{}.", rest.split('.').nth(1).unwrap());
        let changed = format!("{}AAAA", &rest[..rest.len() - 4]);
        for token in [stranger.as_str(), &unsigned, &changed, "nonsense"] {
            assert_eq!(
                hospital.post_token(token).await.json()["error_description"],
                "UPSTREAM-026",
                "{token}"
            );
        }
        let here = tokens["id_token"].as_str().unwrap();
        // The hospital of one of the databases has the same keys: its tokens are none of the provider's all the same.
        assert_eq!(hospital.post_token(here).await.status, StatusCode::BAD_REQUEST);
        let id_token = psc.stand.tokens(&there).await["id_token"].as_str().unwrap().to_owned();
        assert_eq!(hospital.post_token(&id_token).await.json()["error_description"], "UPSTREAM-027");
        // No form, no token, two of them, another provider.
        let good = psc.signed(&psc.claims(&sid)).await;
        let twice = format!("logout_token={good}&logout_token={good}");
        for form in ["", "logout_token=", &twice] {
            let answer = hospital.stand.post(BACKCHANNEL, form, &[]).await;
            assert_eq!(answer.json()["error_description"], "UPSTREAM-025", "{form}");
        }
        let elsewhere = BACKCHANNEL.replace("psc", "groupe");
        let answer = hospital.stand.post(&elsewhere, &format!("logout_token={good}"), &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(hospital.has(&session).await, "nothing of it ended anything");
        let events = hospital.stand.events().await;
        for code in ["025", "026", "027", "028", "029"] {
            assert!(events.contains(&format!("upstream.logout UPSTREAM-{code}")), "{code}: {events:?}");
        }
        let refused = events.iter().filter(|event| event.starts_with("upstream.logout")).count();
        assert!(refused <= 5 * 3, "nobody fills the trail: {refused}");
    })
    .await;
}

#[tokio::test]
async fn a_logout_token_without_exp_is_one_too() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let (session, _) = hospital.signed_in(&psc, &there).await;
        // Keycloak before 2024 wrote such.
        let mut claims = psc.claims(&there.session.to_string());
        claims.as_object_mut().unwrap().remove("exp");
        assert_eq!(hospital.post_token(&psc.signed(&claims).await).await.status, StatusCode::OK);
        assert!(!hospital.has(&session).await);
        // Its age counts all the same.
        claims["iat"] = json!(hospital.stand.clock.now().timestamp() - 600);
        let old = hospital.post_token(&psc.signed(&claims).await).await;
        assert_eq!(old.json()["error_description"], "UPSTREAM-028");
    })
    .await;
}

#[tokio::test]
async fn a_logout_token_is_good_once_for_its_session_or_for_all_of_its_person() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let there = psc.stand.sign_in().await;
        let (session, _) = hospital.signed_in(&psc, &there).await;
        // Another issuer that calls its sessions and people alike.
        let person = hospital.stand.person(DOCTOR).await;
        let issuer = psc.settings().issuer;
        let sub = store::upstream::subject_of(&hospital.stand.db, &issuer, person).await.unwrap().unwrap();
        let now = hospital.stand.clock.now();
        let other = LogoutToken {
            issuer: "https://other.example".into(),
            jti_hash: sha256(b"jti"),
            sid: Some(there.session.to_string()),
            subject: Some(sub.clone()),
            issued_at: now,
            expires_at: now + TimeDelta::minutes(10),
        };
        let event = |_| hospital.stand.event(crate::audit::Kind::UpstreamLogout);
        let ended = |_, _| hospital.stand.event(crate::audit::Kind::SessionEnded);
        let recording = Recording { token: &event, session: &ended };
        assert_eq!(
            log_out(&hospital.stand.db, &other, recording, now, &SystemRandom).await.unwrap(),
            Some(0)
        );
        // The session of somebody else, as the token says.
        let mut claims = psc.claims(&there.session.to_string());
        claims["sub"] = json!("somebody-else");
        assert_eq!(hospital.post_token(&psc.signed(&claims).await).await.status, StatusCode::OK);
        assert!(hospital.has(&session).await);

        // All of a person's, once.
        let mut claims = psc.claims("");
        claims.as_object_mut().unwrap().remove("sid");
        claims["sub"] = json!(sub);
        let token = psc.signed(&claims).await;
        let answer = hospital.post_token(&token).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
        assert_eq!(answer.headers[http::header::CACHE_CONTROL], "no-store");
        assert!(!hospital.has(&session).await);
        hospital.stand.advance(1);
        psc.stand.advance(1);
        let anew = psc.stand.sign_in().await;
        let (session, _) = hospital.signed_in(&psc, &anew).await;
        let again = hospital.post_token(&token).await;
        assert_eq!(
            (again.status, again.json()["error_description"].as_str()),
            (StatusCode::BAD_REQUEST, Some("UPSTREAM-030"))
        );
        assert!(hospital.has(&session).await, "whoever keeps a token signs nobody out by it");
        assert!(hospital.stand.events().await.contains(&"upstream.logout UPSTREAM-030".to_owned()));
        psc.stand.advance(-1);
    })
    .await;
}

#[tokio::test]
async fn whoever_signs_out_there_while_they_come_here_is_not_signed_in() {
    let psc = Psc::start().await;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let there = psc.stand.sign_in().await;
        let begun = hospital.begin(&[]).await;
        let back = psc.answers(&hospital.sent(&begun).await.location(), &there).await;
        let token = psc.signed(&psc.claims(&there.session.to_string())).await;
        assert_eq!(hospital.post_token(&token).await.status, StatusCode::OK);
        let answer = hospital.get(&back, &begun.cookie).await;
        assert!(answer.headers.get(http::header::SET_COOKIE).is_none());
        assert!(hospital.notice(&begun).await.contains("UPSTREAM-033"));
        assert!(hospital.links().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_frame_of_the_provider_ends_the_session_of_its_browser_and_no_other() {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    let issuer = psc.settings().issuer;
    Hospital::on_both(&psc.settings(), async |hospital| {
        let (session, _) = hospital.signed_in(&psc, &there).await;
        let frame = async |parameters: &[(&str, &str)], cookie: &str| {
            let path = format!("/login/provider/psc/frontchannel-logout?{}", with(parameters));
            hospital.stand.get(&path, &[("cookie", cookie)]).await
        };
        let sid = there.session.to_string();
        let another = SessionId(uuid_v4(&SystemRandom)).to_string();
        for parameters in [
            &[][..],
            &[("iss", issuer.as_str())],
            &[("sid", sid.as_str())],
            &[("iss", "https://other.example"), ("sid", sid.as_str())],
            &[("iss", issuer.as_str()), ("sid", another.as_str())],
            &[("iss", issuer.as_str()), ("sid", sid.as_str()), ("sid", another.as_str())],
        ] {
            let refused = frame(parameters, &session).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{parameters:?}");
            assert_eq!(refused.json()["error_description"], "UPSTREAM-034");
        }
        assert!(hospital.has(&session).await);
        let good = [("iss", issuer.as_str()), ("sid", sid.as_str())];
        assert_eq!(frame(&good, "").await.status, StatusCode::OK, "a browser that keeps cookies from frames");
        assert!(hospital.has(&session).await);
        let done = frame(&good, &session).await;
        assert_eq!(done.status, StatusCode::OK);
        assert!(!hospital.has(&session).await);
        let cleared = done.headers[http::header::SET_COOKIE].to_str().unwrap();
        assert!(cleared.starts_with("__Host-session=; Max-Age=0"), "{cleared}");
        assert!(frame_ancestors(&done.headers).ends_with(&format!("frame-ancestors {}", psc.origin)));
        // A session that came from nowhere else.
        let own = hospital.stand.sign_in().await;
        assert_eq!(frame(&good, &own.cookie).await.status, StatusCode::BAD_REQUEST);
        assert!(hospital.has(&own.cookie).await);
    })
    .await;
}

fn frame_ancestors(headers: &HeaderMap) -> String {
    headers[http::header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_keys_that_were_read_last_serve_while_the_provider_does_not_answer_and_without_any_it_calls_again()
 {
    let psc = Psc::start().await;
    let there = psc.stand.sign_in().await;
    // Nothing was ever read of it, and it does not answer.
    psc.gone.store(true, Ordering::Relaxed);
    Hospital::on_both(&psc.settings(), async |hospital| {
        let token = psc.signed(&psc.claims(&there.session.to_string())).await;
        let answer = hospital.post_token(&token).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.error(), "temporarily_unavailable");
        assert!(hospital.stand.events().await.contains(&"upstream.logout UPSTREAM-031".to_owned()));
    })
    .await;
    // What was read before serves while it does not answer.
    psc.gone.store(false, Ordering::Relaxed);
    Hospital::on_both(&psc.settings(), async |hospital| {
        psc.gone.store(false, Ordering::Relaxed);
        let (session, _) = hospital.signed_in(&psc, &there).await;
        psc.gone.store(true, Ordering::Relaxed);
        hospital.stand.advance(5);
        for _ in 0..4 {
            let begun = hospital.begin(&[]).await;
            hospital.sent(&begun).await;
        }
        assert!(!hospital.upstreams.providers()[0].answers());
        let token = psc.signed(&psc.claims(&there.session.to_string())).await;
        assert_eq!(hospital.post_token(&token).await.status, StatusCode::OK);
        assert!(!hospital.has(&session).await);
    })
    .await;
}

#[tokio::test]
async fn a_session_by_the_e_cps_ends_at_both_too() {
    ciba::with_application(async |psc, hospital| {
        let by_application = async || {
            let begun = hospital.begin(&[]).await;
            let asked = hospital.ask(&begun, DOCTOR).await;
            hospital.wait(&begun, &asked).await;
            psc.approves().await;
            psc.pass(&hospital, 2);
            hospital.wait(&begun, &asked).await;
            let session = hospital.finish(&begun, &asked).await.cookie();
            let tokens = hospital.tokens(&begun, &session).await;
            (session, tokens)
        };
        // Here: the browser goes there with the ID token of the answer, and comes back.
        let (session, tokens) = by_application().await;
        let page = hospital.leave(&tokens, &session, &CLICK).await;
        assert!(!hospital.has(&session).await);
        let address = next_of(&page.body).expect("goes on by itself");
        let hint = address.split("id_token_hint=").nth(1).unwrap().split('&').next().unwrap();
        let sid = |token: &str| claims(&token.into())["sid"].as_str().unwrap().to_owned();
        let there = sid(hint).parse().map(SessionId).unwrap();
        let runs = async || {
            let session = store::session::by_id(&psc.stand.db, there).await.unwrap().unwrap();
            session.ended_at.is_none()
        };
        assert!(runs().await);
        let nobody = SignedIn { cookie: String::new(), session: there };
        psc.leaves(&address, &nobody).await;
        assert!(!runs().await);

        // There: the session that the answer opened here ends.
        let (session, tokens) = by_application().await;
        let from =
            store::upstream_session::of(&hospital.stand.db, session_of(&tokens)).await.unwrap().unwrap();
        let token = psc.signed(&psc.claims(from.sid.as_deref().unwrap())).await;
        assert_eq!(hospital.post_token(&token).await.status, StatusCode::OK);
        assert!(!hospital.has(&session).await);
    })
    .await;
}
