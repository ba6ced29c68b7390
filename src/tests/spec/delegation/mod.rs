//! The profile `psc-delegation`: Pro Santé Connect delegates its sign-in to the hospital, whose session serves after one click
//! that names the person.

mod attacks;
mod hint;
mod listener;

use serde_json::{Value, json};

use super::stand::{Answer, DOCTOR, NewRp, SignedIn, Stand, basic, claims};
use crate::ids::{MeansId, Secret};
use crate::session::{Acr, Amr, AuthMode, Delegation, Evidence};
use crate::store;
use crate::store::client::ProfileName;
use crate::store::session::NewSession;
use crate::web::csrf;

const ORIGIN: (&str, &str) = ("origin", "http://localhost:8080");
/// Pro Santé Connect, as a client of the hospital.
const PSC: &str = "psc-prod";
/// A good request of it.
const REQUEST: [(&str, &str); 4] = [
    ("client_id", PSC),
    ("redirect_uri", "https://psc-prod.example/cb"),
    ("scope", "openid"),
    ("acr_values", ""),
];

async fn register(stand: &Stand, terms: &Delegation) {
    stand.add_rp(NewRp { profile: ProfileName::PscDelegation, ..NewRp::named(PSC) }).await;
    change(stand, terms).await;
}

async fn change(stand: &Stand, terms: &Delegation) {
    let event = stand.event(crate::audit::Kind::ClientChanged);
    let now = crate::clock::Clock::now(&stand.clock);
    assert!(store::client::set_delegation(&stand.db, PSC, terms, now, &event).await.unwrap());
}

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    REQUEST
        .iter()
        .copied()
        .filter(|(name, _)| more.iter().all(|(other, _)| other != name))
        .chain(more.iter().copied())
        .collect()
}

/// A sign-in that Pro Santé Connect has begun.
struct Asked {
    path: String,
    /// Of the browser, with its session.
    cookies: String,
    page: Answer,
}

impl Asked {
    /// What the browser is shown: the question where it has a session that does, else the sign-in page.
    async fn by(stand: &Stand, browser: Option<&SignedIn>, changes: &[(&'static str, &'static str)]) -> Self {
        let session = browser.map(|browser| browser.cookie.as_str()).unwrap_or_default();
        let begun = stand.authorize(&with(changes), session).await;
        assert!(begun.status.is_redirection(), "{} {}", begun.status, begun.body);
        let path = begun.location();
        assert!(path.starts_with("/login/"), "nobody is passed on by a redirect: {path}");
        let cookies = format!("{session}; {}", begun.cookie());
        let page = stand.get(&path, &[("cookie", &cookies), ("accept-language", "fr")]).await;
        Self { path, cookies, page }
    }

    async fn press(&self, stand: &Stand, what: &str, browser: &SignedIn) -> Answer {
        let form = format!("csrf={}", token(browser));
        stand.post(&format!("{}/{what}", self.path), &form, &[("cookie", &self.cookies), ORIGIN]).await
    }

    fn asks_by_name(&self) -> bool {
        self.page.body.contains("Continuer vers Service psc-prod en tant que Dr KIT DOC0042788")
    }
}

fn token(browser: &SignedIn) -> String {
    let (_, cookie) = browser.cookie.split_once('=').unwrap();
    csrf::token(&Secret::from(cookie.to_owned()))
}

/// The whole way for somebody who is signed in: the ID token.
async fn id_token(stand: &Stand, browser: &SignedIn) -> Value {
    let asked = Asked::by(stand, Some(browser), &[]).await;
    assert!(asked.asks_by_name(), "{}", asked.page.body);
    let answer = asked.press(stand, "continue", browser).await;
    let code = answer.parameter("code").unwrap_or_else(|| panic!("no code: {}", answer.body));
    let tokens = stand.redeem_as(PSC, &code).await.json();
    assert!(tokens.get("refresh_token").is_none(), "{tokens}");
    claims(&tokens["id_token"])
}

/// A session that began in another way than by a card.
async fn signed_in_by(stand: &Stand, evidence: Evidence, mode: AuthMode, amr: Vec<Amr>) -> SignedIn {
    let (cookie, new) = stand.new_session(DOCTOR).await;
    let mut new: NewSession = new;
    new.authentication.evidence = evidence;
    new.authentication.auth_mode = mode;
    new.authentication.amr = amr;
    new.authentication.acr = Acr::Eidas2;
    store::session::begin(&stand.db, &new, crate::clock::Clock::now(&stand.clock)).await.unwrap();
    SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
}

fn key(synced: bool) -> Evidence {
    let key = MeansId(uuid::Uuid::nil());
    Evidence::SecurityKey { key, aaguid: String::new(), attested: true, synced, user_verified: true }
}

fn phone() -> Evidence {
    Evidence::Phone { phone: MeansId(uuid::Uuid::nil()), way: "scan".into(), synced: false }
}

fn psc_itself() -> Evidence {
    Evidence::Upstream {
        provider: "psc".into(),
        issuer: "https://psc.example".into(),
        subject: "s".into(),
        sid: None,
        acr: Some("eidas1".into()),
        amr: Vec::new(),
        dated: true,
    }
}

#[tokio::test]
async fn one_click_that_names_the_person_and_psc_knows_who_with_what_and_since_when() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let browser = stand.sign_in().await;
        let signed_in = crate::clock::Clock::now(&stand.clock).timestamp();
        stand.advance(600);
        let token = id_token(&stand, &browser).await;
        assert_eq!(token["tid"], "tenant");
        assert_eq!(token["amr"], json!(["sc", "pin", "mfa", "hwk"]), "as in the example of a card");
        assert_eq!(token["acr"], "eidas3");
        assert_eq!(token["auth_time"], signed_in);
        assert_eq!(token["aud"], PSC);
        assert_eq!(token["oid"], token["sub"]);
        let oid = token["oid"].as_str().unwrap();
        assert_eq!(uuid::Uuid::parse_str(oid).unwrap().get_version_num(), 8, "{oid}");
        let text = token.to_string();
        for personal in [DOCTOR, "DOC0042788", "KIT", "preferred_username"] {
            assert!(!text.contains(personal), "{text}");
        }
        let events = stand.events().await;
        assert!(events.contains(&"session.used".to_owned()), "{events:?}");
        let filter = store::audit::Filter { limit: 1000, ..Default::default() };
        let rows = store::audit::list(&stand.db, &filter).await.unwrap();
        let used = rows.into_iter().find(|row| row.kind == "session.used").unwrap();
        let detail: Value = serde_json::from_str(&used.detail).unwrap();
        assert_eq!((&detail["means"], &detail["confirmed"]), (&json!("card"), &json!("person")), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn whoever_has_just_signed_in_for_it_is_not_asked_again_and_nobody_is_before() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let asked = Asked::by(&stand, None, &[]).await;
        assert!(!asked.asks_by_name());
        assert!(asked.page.body.contains("Service psc-prod"), "{}", asked.page.body);
    })
    .await;
}

#[tokio::test]
async fn the_person_is_the_same_through_another_identifier_and_another_tenant() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let browser = stand.sign_in().await;
        let before = id_token(&stand, &browser).await;
        let other = Delegation::new(Some("0f6d3c1e"), &[], &[], None).unwrap();
        change(&stand, &other).await;
        let after = id_token(&stand, &browser).await;
        assert_eq!((&after["tid"], &after["oid"]), (&json!("0f6d3c1e"), &before["oid"]));
        // Another identifier goes before the one they had.
        let (now, event) =
            (crate::clock::Clock::now(&stand.clock), stand.some_event(crate::audit::Kind::PersonIdentified));
        let person = stand.person(DOCTOR).await;
        let psi = crate::directory::NationalId::of_source("899700366299").unwrap();
        store::person::identify(&stand.db, person, &psi, now, &event).await.unwrap();
        assert_eq!(id_token(&stand, &browser).await["oid"], before["oid"]);
        let colleague = stand.sign_in_as(super::stand::STRANGER).await;
        let refused = Asked::by(&stand, Some(&colleague), &[]).await;
        assert!(refused.page.body.contains("PERSON-002"), "{}", refused.page.body);
    })
    .await;
}

#[tokio::test]
async fn claims_have_the_names_that_the_client_says_and_the_factors_too() {
    Stand::on_both(async |stand: Stand| {
        let pair = |own: &str, name: &str| (own.to_owned(), name.to_owned());
        let names =
            [pair("oid", "user_id"), pair("tid", "org"), pair("amr", "methods"), pair("acr", "level")];
        register(&stand, &Delegation::new(None, &names, &[], None).unwrap()).await;
        let browser =
            signed_in_by(&stand, key(false), AuthMode::Fido, vec![Amr::Hwk, Amr::User, Amr::Mfa]).await;
        let token = id_token(&stand, &browser).await;
        assert_eq!(token["methods"], json!(["user", "mfa", "hwk"]));
        assert_eq!((&token["org"], &token["level"]), (&json!("tenant"), &json!("eidas2")));
        assert_eq!(token["user_id"], token["sub"]);
        for ours in ["tid", "oid", "amr", "acr"] {
            assert!(token.get(ours).is_none(), "{token}");
        }
    })
    .await;
}

#[tokio::test]
async fn another_person_signs_in_at_a_desk_and_the_first_one_is_signed_out_everywhere() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let browser = stand.sign_in().await;
        let asked = Asked::by(&stand, Some(&browser), &[]).await;
        let answer = asked.press(&stand, "not-me", &browser).await;
        assert_eq!(answer.location(), asked.path, "the same sign-in goes on, for somebody else");
        let session = store::session::by_id(&stand.db, browser.session).await.unwrap().unwrap();
        assert!(session.ended_at.is_some());
        let page = stand.get(&asked.path, &[("cookie", &asked.cookies)]).await;
        assert!(!page.body.contains("DOC0042788"), "{}", page.body);
    })
    .await;
}

#[tokio::test]
async fn userinfo_tells_the_same_person_and_their_name_where_it_is_asked_for() {
    Stand::on_both(async |stand: Stand| {
        register(&stand, &Delegation::default()).await;
        let browser = stand.sign_in().await;
        for (scope, has_name) in [("openid", false), ("openid profile scope_all offline_access", true)] {
            let asked = Asked::by(&stand, Some(&browser), &[("scope", scope)]).await;
            let code = asked.press(&stand, "continue", &browser).await.parameter("code").unwrap();
            let tokens = stand.redeem_as(PSC, &code).await.json();
            let told = stand.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
            assert_eq!(told["sub"], claims(&tokens["id_token"])["oid"]);
            assert_eq!(told.get("family_name").is_some(), has_name, "{told}");
            assert!(told.get("SubjectRefPro").is_none(), "{told}");
            let seen = stand.introspect(PSC, tokens["access_token"].as_str().unwrap()).await;
            assert_eq!((&seen["active"], &seen["username"]), (&serde_json::json!(true), &told["sub"]));
            for said in [&told, &seen, &claims(&tokens["id_token"])] {
                assert!(!said.to_string().contains(DOCTOR), "no national identifier: {said}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_it_is_told_of_people_is_known_to_who_asks_for_it_only_with_its_secret() {
    let stand = Stand::new().await;
    register(&stand, &Delegation::default()).await;
    let browser = stand.sign_in().await;
    let asked = Asked::by(&stand, Some(&browser), &[]).await;
    let code = asked.press(&stand, "continue", &browser).await.parameter("code").unwrap();
    let form =
        format!("grant_type=authorization_code&code={code}&redirect_uri=https%3A%2F%2Fpsc-prod.example%2Fcb");
    let other = stand.post(super::stand::TOKEN, &form, &[("authorization", &basic("rp"))]).await;
    assert_eq!(other.error(), "invalid_grant");
}
