//! A browser on its way through the pages of a sign-in.

use chrono::TimeDelta;

use super::stand::{Answer, SignedIn, Stand};
use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::crypto::random::SystemRandom;
use crate::ids::{Secret, TransactionId};
use crate::session::Acr;
use crate::store::login_transaction::{self, Proof};
use crate::store::session::NewSession;
use crate::web::csrf;

pub(crate) const ORIGIN: (&str, &str) = ("origin", "http://localhost:8080");

/// A page of a login transaction, as its browser sees it.
pub(crate) struct Page {
    pub path: String,
    pub cookies: String,
    pub shown: Answer,
    session_cookie: String,
}

impl Page {
    /// The page that a request of the signed-in `browser` leads to.
    pub(crate) async fn of(stand: &Stand, changes: &[(&str, &str)], browser: &SignedIn) -> Self {
        let begun = stand.authorize(changes, &browser.cookie).await;
        Self::after(stand, &begun, browser).await
    }

    /// The page that an answer of `/auth` leads to.
    pub(crate) async fn after(stand: &Stand, begun: &Answer, browser: &SignedIn) -> Self {
        let path = begun.location();
        assert!(path.starts_with("/login/"), "{path}");
        let cookies = format!("{}; {}", browser.cookie, begun.cookie());
        let shown = stand.get(&path, &[("cookie", &cookies)]).await;
        Self { path, cookies, shown, session_cookie: browser.cookie.clone() }
    }

    /// Presses a button: what it posts, with the token that stands in the page.
    pub(crate) async fn press(&self, stand: &Stand, button: &str) -> Answer {
        self.press_with(stand, button, &self.token(), ORIGIN).await
    }

    /// The same with a token and an origin of the caller's choice.
    pub(crate) async fn press_with(
        &self,
        stand: &Stand,
        button: &str,
        token: &str,
        origin: (&str, &str),
    ) -> Answer {
        let path = format!("{}/{button}", self.path);
        stand.post(&path, &format!("csrf={token}"), &[("cookie", &self.cookies), origin]).await
    }

    /// The token of the forms of this session.
    pub(crate) fn token(&self) -> String {
        let (_, cookie) = self.session_cookie.split_once('=').unwrap();
        csrf::token(&Secret::from(cookie.to_owned()))
    }
}

impl Stand {
    /// A session that reached this level only.
    pub(crate) async fn sign_in_at_level(&self, id_nat: &str, acr: Acr) -> SignedIn {
        let (cookie, new) = self.session_of_level(id_nat, acr).await;
        crate::store::session::begin(&self.db, &new, self.clock.now()).await.unwrap();
        SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
    }

    /// Completes the sign-in that `begun` led to, as a card would, and yields the browser with its new session.
    pub(crate) async fn complete(&self, begun: &Answer, id_nat: &str, acr: Acr) -> SignedIn {
        let id: TransactionId = begun.location().strip_prefix("/login/").unwrap().parse().unwrap();
        let (cookie, new) = self.session_of_level(id_nat, acr).await;
        let now = self.clock.now();
        let (txn, soon) = (id.to_string(), now + TimeDelta::seconds(120));
        assert!(login_transaction::issue_card_request(&self.db, id, &txn, "jws", soon, now).await.unwrap());
        let event = self.event(Kind::SignIn);
        let completion = login_transaction::Completion {
            proof: Proof::Request(&txn),
            session: &new,
            goes_on: None,
            replaced: None,
            browser: None,
            event: &event,
        };
        assert!(login_transaction::complete(&self.db, id, completion, now, &SystemRandom).await.unwrap());
        SignedIn { cookie: format!("__Host-session={}", cookie.expose()), session: new.id }
    }

    async fn session_of_level(&self, id_nat: &str, acr: Acr) -> (Secret, NewSession) {
        let (cookie, mut new) = self.new_session(id_nat).await;
        new.authentication.acr = acr;
        (cookie, new)
    }

    /// What the grant of a code holds beyond its scope.
    pub(crate) async fn details_of(&self, code: &str) -> crate::store::grant::Details {
        let hash = crate::crypto::digest::sha256(code.as_bytes());
        crate::store::grant::code(&self.db, hash).await.unwrap().unwrap().granted.grant.details
    }
}

/// The request of a client of its own, sent to the first address of its registration.
pub(crate) fn of<'a>(
    client: &'a str,
    redirect: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut request = vec![("client_id", client), ("redirect_uri", redirect), ("acr_values", "")];
    request.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    request.extend(more);
    request
}
