//! Security keys through the real router, on both databases: registered, used, refused.

mod attacks;
mod attestation;
pub(super) mod authenticator;
mod means;
mod metadata;
pub(super) mod notices;
mod related;
mod renewal;
mod second_factor;
mod second_factor_attacks;
mod sign_in;
mod step_up;
mod trial;

use std::sync::Arc;

use axum::body::Body;
use chrono::TimeDelta;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use url::Url;

use super::spec::stand::{Answer, SignedIn, Stand, trail};
use crate::admin::{self, Desk, Elsewhere};
use crate::app::security_keys::KeyTab;
use crate::crypto::random::SystemRandom;
use crate::mobile::{self, Phones, Push, Rules};
use crate::notify::code::Codes;
use crate::oidc::Settings;
use crate::oidc::psc::Choices;
use crate::oidc::{Asking, Means};
use crate::session::{Acr, Policies, ZonePolicy};
use crate::store;
use crate::store::audit::Filter;
use crate::web::answers::Answers;
use crate::web::asker::Reach;
use crate::web::csrf::OwnOrigin;
use crate::web::delays::Waits;
use crate::web::page::Site;
use crate::webauthn::ceremony::Ceremonies;
use crate::webauthn::models::Models;
use crate::webauthn::policy::KeyPolicy;
use crate::webauthn::populations::KeyPolicies;
use crate::webauthn::{self, SecurityKeys};
use authenticator::SoftKey;

pub(super) const FRONT: &str = "http://localhost:8080";
/// Who hears of it when somebody says "it was not me".
pub(super) const SECURITY: &str = "securite@chu.example";

/// A zone of it has a badge window of two hours.
pub(super) const BADGE_ZONE: &str = "soins";

fn policies() -> Policies {
    let zone = ZonePolicy { badge_window: Some(TimeDelta::hours(2)), ..ZonePolicy::default() };
    Policies { zones: [(BADGE_ZONE.to_owned(), zone)].into(), ..Policies::default() }
}

fn site() -> Site {
    Site { establishment: "Hôpital de test".into(), https: false, sandbox: false }
}

/// The server's side of security keys, of a node with its pages at `front`.
pub(super) fn security_keys(
    stand: &Stand,
    front: &Url,
    ceremonies: &Ceremonies,
    policy: &KeyPolicies,
    models: &Arc<Models>,
) -> Arc<SecurityKeys> {
    SecurityKeys::new(webauthn::Parts {
        db: stand.db.clone(),
        clock: Arc::new(stand.clock.clone()),
        random: Arc::new(SystemRandom),
        trail: trail(&stand.clock),
        policies: policies(),
        own: OwnOrigin::of(front),
        site: site(),
        ceremonies: ceremonies.clone(),
        policy: policy.clone(),
        models: Arc::clone(models),
        is_answered_by: crate::oidc::authorize::resume::is_answered_by,
        is_enough: crate::oidc::authorize::resume::is_enough,
        decoy_key: zeroize::Zeroizing::new([7; 32]).into(),
    })
}

/// A hospital that takes security keys and has a desk.
pub(super) struct Hospital {
    pub(super) stand: Stand,
    pub(super) phones: Arc<Phones>,
    /// Who waits on this node for an answer.
    pub(super) answers: Arc<Answers>,
}

impl Hospital {
    pub(super) async fn on_both(test: impl AsyncFn(Self)) {
        Self::on_both_with(KeyPolicy::default(), test).await;
    }

    pub(super) async fn on_both_with(policy: impl Into<KeyPolicies>, test: impl AsyncFn(Self)) {
        Self::on_both_knowing(policy, Arc::default(), test).await;
    }

    pub(super) async fn on_both_knowing(
        policy: impl Into<KeyPolicies>,
        models: Arc<Models>,
        test: impl AsyncFn(Self),
    ) {
        // Phones answer for any browser anywhere: tests say where that is not so.
        let rules = Rules {
            level: Acr::Eidas1,
            life: TimeDelta::days(365),
            reach: Reach { anywhere: true, ..Reach::default() },
        };
        Self::on_both_where(policy.into(), models, rules, test).await;
    }

    /// A hospital with these rules for phones.
    pub(super) async fn on_both_where(
        policy: KeyPolicies,
        models: Arc<Models>,
        rules: Rules,
        test: impl AsyncFn(Self),
    ) {
        Self::on_both_woken(policy, models, rules, async |_| None, test).await;
    }

    /// A hospital whose phones are woken by what `push` makes.
    pub(super) async fn on_both_woken(
        policy: KeyPolicies,
        models: Arc<Models>,
        rules: Rules,
        push: impl AsyncFn(&Stand) -> Option<Push>,
        test: impl AsyncFn(Self),
    ) {
        let front = Url::parse(FRONT).unwrap();
        let ceremonies = Ceremonies::new(&front, "Hôpital de test").unwrap();
        let change = |settings: &mut Settings| {
            settings.policies = policies();
            settings.choices = Choices { card_acr: Acr::Eidas3, ..Choices::default() };
        };
        Stand::on_both_with(change, async |mut stand: Stand| {
            let keys = security_keys(&stand, &front, &ceremonies, &policy, &models);
            let site = site();
            let clock: crate::clock::SharedClock = Arc::new(stand.clock.clone());
            let trail = trail(&stand.clock);
            let answers = Arc::<Answers>::default();
            let phones = Phones::new(
                mobile::Parts {
                    db: stand.db.clone(),
                    clock: clock.clone(),
                    random: Arc::new(SystemRandom),
                    trail: trail.clone(),
                    policies: Policies::default(),
                    own: OwnOrigin::of(&front),
                    site: site.clone(),
                    ceremonies: Ceremonies::new(&front, "Hôpital de test").unwrap(),
                    rules: rules.clone(),
                    security: Some(SECURITY.to_owned()),
                    code_key: [8; 32],
                    answers: Arc::clone(&answers),
                    is_enough: crate::oidc::authorize::resume::is_enough,
                    push: push(&stand).await,
                },
                Waits { free: 10, longest: chrono::TimeDelta::minutes(5) },
            );
            let key_tab = Some(Arc::new(KeyTab(keys.clone())) as _);
            let asking = Asking { phone: Some(Arc::clone(&phones) as _), card: None };
            stand.offer(Means { security_keys: key_tab, ..Means::default() }, asking).await;
            let means = crate::means::OwnMeans::new(crate::means::Parts {
                db: stand.db.clone(),
                clock: clock.clone(),
                random: Arc::new(SystemRandom),
                trail: trail.clone(),
                policies: policies(),
                own: OwnOrigin::of(&front),
                site: site.clone(),
                takes_keys: true,
                takes_second_factors: keys.policy().take_second_factors(),
                takes_phones: true,
                codes: Some(Codes::new(&stand.seal)),
            });
            let desk = Desk::new(admin::Parts {
                db: stand.db.clone(),
                clock,
                random: Arc::new(SystemRandom),
                trail,
                policies: policies(),
                own: OwnOrigin::of(&front),
                site,
                level: Acr::Eidas2,
                keys: Some(keys.clone()),
                phones: Some(Arc::clone(&phones)),
                providers: vec![
                    Elsewhere {
                        name: "psc".into(),
                        issuer: "https://psc.example/realm".into(),
                        label: "Pro Santé Connect".into(),
                        level: Acr::Eidas3,
                        tells_identifier: true,
                    },
                    Elsewhere {
                        name: "agence".into(),
                        issuer: "https://login.agence.example".into(),
                        label: "Compte de l’agence".into(),
                        level: Acr::Eidas3,
                        tells_identifier: false,
                    },
                    Elsewhere {
                        name: "groupe".into(),
                        issuer: "https://login.groupement.example".into(),
                        label: "Compte du groupement".into(),
                        level: Acr::Eidas1,
                        tells_identifier: false,
                    },
                ],
            });
            let routes = webauthn::routes(&keys).merge(crate::means::routes(&means));
            let routes = routes.merge(mobile::routes(&phones));
            stand.router = stand.router.merge(routes).merge(admin::routes(&desk));
            test(Self { stand, phones, answers }).await;
        })
        .await;
    }

    /// A script of our own page posts JSON.
    pub(super) async fn say(&self, path: &str, words: &Value, cookies: &str) -> Answer {
        self.say_from(FRONT, path, words, cookies).await
    }

    pub(super) async fn say_from(&self, origin: &str, path: &str, words: &Value, cookies: &str) -> Answer {
        let request = Request::builder().method(Method::POST).uri(path);
        let request = request.header(header::CONTENT_TYPE, "application/json").header(header::ORIGIN, origin);
        let request = request.header(header::COOKIE, cookies).header(header::ACCEPT_LANGUAGE, "fr");
        let request = request.header(header::USER_AGENT, "Firefox");
        self.stand.send(request.body(Body::from(words.to_string())).unwrap()).await
    }

    /// The challenge of a registration in this session.
    pub(super) async fn registration(&self, browser: &SignedIn) -> Value {
        let asked = self.say("/means/key/options", &json!({}), &browser.cookie).await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        asked.json()
    }

    /// Registers `key` in this session, as the page does.
    pub(super) async fn try_register(&self, browser: &SignedIn, key: &mut SoftKey) -> Answer {
        let asked = self.registration(browser).await;
        let credential = key.create(&asked["options"]);
        let words = json!({"handle": asked["handle"], "label": "Clé du bureau", "credential": credential});
        self.say("/means/key", &words, &browser.cookie).await
    }

    pub(super) async fn register(&self, browser: &SignedIn, key: &mut SoftKey) {
        let answer = self.try_register(browser, key).await;
        assert_eq!((answer.status, answer.json()["state"].clone()), (StatusCode::OK, json!("done")));
    }

    /// A sign-in that begins at a service, in a browser without a session: its handle and its cookie.
    pub(super) async fn begin(&self) -> Begun {
        let begun = self.stand.authorize(&[], "").await;
        let txn = begun.location().strip_prefix("/login/").expect("a sign-in page").to_owned();
        Begun { txn, cookie: begun.cookie() }
    }

    pub(super) async fn challenge(&self, begun: &Begun, identifier: Option<&str>) -> Value {
        let words = match identifier {
            Some(identifier) => json!({"txn": begun.txn, "identifier": identifier}),
            None => json!({"txn": begun.txn}),
        };
        let asked = self.say("/login/key/options", &words, &begun.cookie).await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        asked.json()
    }

    /// Answers a challenge with `key`.
    pub(super) async fn answer(&self, begun: &Begun, asked: &Value, key: &mut SoftKey) -> Answer {
        let credential = key.get(&asked["options"]);
        let words = json!({"txn": begun.txn, "handle": asked["handle"], "credential": credential});
        self.say("/login/key", &words, &begun.cookie).await
    }

    /// The whole of it: a service, a challenge, a touch.
    pub(super) async fn sign_in(&self, key: &mut SoftKey) -> (Begun, Answer) {
        let begun = self.begin().await;
        let asked = self.challenge(&begun, None).await;
        let answer = self.answer(&begun, &asked, key).await;
        (begun, answer)
    }

    /// Takes a key out of use for ever, as an administrator does.
    async fn revoke(&self, key: &SoftKey) {
        use crate::store::means::{Halt, Halting, Kind};

        let db = &self.stand.db;
        let id = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &key.id);
        let found = store::means::by_reference(db, Kind::SecurityKey, &id).await.unwrap().unwrap();
        let event = self.stand.event(crate::audit::Kind::MeansRevoked);
        let ended = |_| self.stand.event(crate::audit::Kind::SessionEnded);
        let halting =
            Halting { id: found.id, halt: Halt::Revoke, reason: "lost", event: &event, ended: &ended };
        let now = crate::clock::Clock::now(&self.stand.clock);
        assert!(store::means::halt(db, &halting, now, &SystemRandom).await.unwrap());
    }

    /// What the newest event of that kind tells besides.
    pub(super) async fn last_event_of(&self, kind: crate::audit::Kind) -> Value {
        let filter = Filter { kind: Some(kind.name().into()), limit: 1, ..Filter::default() };
        let event = store::audit::list(&self.stand.db, &filter).await.unwrap().remove(0);
        serde_json::from_str(&event.detail).unwrap()
    }

    /// Kind, outcome and code of the newest event.
    pub(super) async fn last_event(&self) -> (String, String, Option<String>) {
        let filter = Filter { limit: 1, ..Filter::default() };
        let event = store::audit::list(&self.stand.db, &filter).await.unwrap().remove(0);
        (event.kind, event.outcome, event.code)
    }
}

/// A sign-in on its way in a browser.
pub(super) struct Begun {
    pub(super) txn: String,
    pub(super) cookie: String,
}

/// The code of a refusal.
pub(super) fn code(answer: &Answer) -> String {
    let said = answer.json();
    assert_eq!(said["state"], "failed", "{said}");
    assert!(!said["message"].as_str().unwrap().is_empty() && !said["action"].as_str().unwrap().is_empty());
    said["code"].as_str().unwrap().to_owned()
}
