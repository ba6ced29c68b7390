//! The pages of a signed-in person: where they are signed in, and signing out.

use askama::Template;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::StatusCode;

use super::RelyingParty;
use super::desk::DESK_PATH;
use crate::web::{assets, headers::Policy, i18n::Texts, page::Frame};

/// Who am I, where am I signed in, sign out.
#[derive(Clone, Debug)]
pub struct Home {
    pub name: String,
    /// Open sessions of this person, the current one first.
    pub sessions: Vec<SessionRow>,
    /// What this person allowed services to have, by their names.
    pub consents: Vec<ConsentRow>,
    /// Path of the form that takes a consent back; its field `client_id` says which.
    pub withdraw: String,
    /// Now, against which ages are told.
    pub now: DateTime<Utc>,
    /// Path of the form that closes all sessions.
    pub end_all: String,
    /// Whether they may open the desk.
    pub desk: bool,
    /// Token of [`crate::web`]'s `csrf`, field `csrf`.
    pub csrf: String,
}

/// One open session.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// The workstation's name, where one is known.
    pub place: Option<String>,
    pub since: DateTime<Utc>,
    pub current: bool,
    /// Names of the services reached in this session.
    pub services: Vec<String>,
    /// Path of the form that closes it.
    pub end: String,
}

/// What one service was allowed.
#[derive(Clone, Debug)]
pub struct ConsentRow {
    pub client_id: String,
    pub name: String,
    pub since: DateTime<Utc>,
    /// It can act now for the person who has left.
    pub offline: bool,
    pub scopes: Vec<String>,
    pub claims: Vec<String>,
    pub resources: Vec<String>,
}

/// Nobody is signed in in this browser.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

/// "Do you want to sign out?", for a request without a valid hint (RP-Initiated Logout §2).
#[derive(Clone, Debug)]
pub struct SignOut {
    /// Who sent the person here, where known.
    pub relying_party: Option<RelyingParty>,
    /// Path the form posts to.
    pub action: String,
    /// Hidden fields that carry the request on.
    pub fields: Vec<(String, String)>,
    pub csrf: String,
    /// Address for "no": the relying party, or home.
    pub stay: Option<String>,
    /// Where the answer to the form may redirect, from [`crate::web::headers::form_target`].
    pub form_targets: Vec<String>,
}

/// "Is this you?", at a workstation that several people share.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The person whose session is open.
    pub name: String,
    /// Where they are about to be signed on is a provider that delegates its sign-in to us.
    pub passed_on: bool,
    /// Where they are about to be signed on.
    pub relying_party: RelyingParty,
    /// Path that "Continue" posts to.
    pub go_on: String,
    /// Path that "This is not me" posts to.
    pub not_me: String,
    pub csrf: String,
    /// Where the answer to the form may redirect, from [`crate::web::headers::form_target`].
    pub form_targets: Vec<String>,
}

/// "May this service have …?"
#[derive(Clone, Debug)]
pub struct Consent {
    /// The person whose session is open.
    pub name: String,
    /// Who asks.
    pub relying_party: RelyingParty,
    /// It registered itself: nobody of the establishment vouches for it.
    pub unvouched: bool,
    /// The scopes asked for.
    pub scopes: Vec<String>,
    /// Claims asked for by name.
    pub claims: Vec<String>,
    /// Resources that its tokens would be for.
    pub resources: Vec<String>,
    /// What is asked for in detail.
    pub details: Vec<Detail>,
    /// Path that "Allow" posts to.
    pub allow: String,
    /// Path that "Do not allow" posts to.
    pub refuse: String,
    /// Path that "This is not me" posts to.
    pub not_me: String,
    pub csrf: String,
    /// Where the answer to the form may redirect, from [`crate::web::headers::form_target`].
    pub form_targets: Vec<String>,
}

/// One of `authorization_details`, to be read by a person.
#[derive(Clone, Debug)]
pub struct Detail {
    /// Its type.
    pub of_type: String,
    /// All of it.
    pub text: String,
}

/// The session is closed.
#[derive(Clone, Debug, Default)]
pub struct SignedOut {
    /// A way back: the relying party's name and registered address. With frames the page goes there by itself.
    pub back: Option<(String, String)>,
    /// Pages of relying parties that are loaded unseen.
    pub frames: Vec<LogoutFrame>,
    /// Services that could not be told yet, by their names. Then the page stays, to be read.
    pub untold: Vec<String>,
    /// The session of a provider of others that this one came from. The page goes there by itself, where it can.
    pub other: Option<OtherSession>,
    /// Whether the page goes on to the way back by itself.
    pub moves: bool,
}

/// A session that the person has, besides, at a provider of others.
#[derive(Clone, Debug)]
pub struct OtherSession {
    /// What people call the provider.
    pub label: String,
    /// The address there that ends it; none where it may stay open.
    pub address: Option<String>,
}

/// A page of a relying party that forgets its session (Front-Channel Logout 1.0).
#[derive(Clone, Debug)]
pub struct LogoutFrame {
    pub address: String,
    /// Its origin, from [`crate::web::headers::form_target`].
    pub source: String,
}

impl SessionRow {
    fn age(&self, t: &Texts, now: &DateTime<Utc>) -> String {
        let minutes = (*now - self.since).num_minutes().max(0);
        if minutes < 60 {
            t.text_count("since-minutes", minutes)
        } else {
            t.text_count("since-hours", minutes / 60)
        }
    }
}

impl ConsentRow {
    fn in_words(&self, t: &Texts) -> Vec<String> {
        in_words(t, &self.scopes, &self.claims, &self.resources)
    }

    fn age(&self, t: &Texts) -> String {
        let part = |format| self.since.format(format).to_string();
        let (day, month, year) = (part("%d"), part("%m"), part("%Y"));
        t.text_with("home-allowed-since", &[("day", &day), ("month", &month), ("year", &year)])
    }
}

impl Home {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = HomeView { frame, t: frame.texts, page: self };
        frame.page(StatusCode::OK, Policy { images: true, ..Policy::default() }, &view)
    }
}

impl Nobody {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = NobodyView { frame, t: frame.texts };
        frame.page(StatusCode::OK, Policy { images: true, ..Policy::default() }, &view)
    }
}

impl SignOut {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = SignOutView { frame, t: frame.texts, page: self };
        let policy = Policy { images: true, form_targets: self.form_targets.clone(), ..Policy::default() };
        frame.page(StatusCode::OK, policy, &view)
    }
}

impl Confirmation {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = ConfirmationView { frame, t: frame.texts, page: self };
        let policy = Policy { images: true, form_targets: self.form_targets.clone(), ..Policy::default() };
        frame.page(StatusCode::OK, policy, &view)
    }
}

impl Consent {
    pub fn render(&self, frame: &Frame) -> Response {
        let view = ConsentView { frame, t: frame.texts, page: self };
        let policy = Policy { images: true, form_targets: self.form_targets.clone(), ..Policy::default() };
        frame.page(StatusCode::OK, policy, &view)
    }

    fn in_words(&self, t: &Texts) -> Vec<String> {
        in_words(t, &self.scopes, &self.claims, &self.resources)
    }
}

/// What is asked for or was allowed, one sentence each. A scope without a sentence is shown by its name: it counts all the
/// same.
fn in_words(t: &Texts, scopes: &[String], claims: &[String], resources: &[String]) -> Vec<String> {
    let scopes = scopes.iter().map(|scope| match scope.as_str() {
        "openid" => t.text("consent-openid"),
        "profile" => t.text("consent-profile"),
        "scope_all" => t.text("consent-professional"),
        "offline_access" => t.text("consent-offline"),
        other => other.to_owned(),
    });
    let claims = claims.iter().map(|name| t.text_with("consent-claim", &[("name", name.as_str())]));
    let resources = resources.iter().map(|name| t.text_with("consent-resource", &[("name", name.as_str())]));
    scopes.chain(claims).chain(resources).collect()
}

impl SignedOut {
    /// Whether there is something that the person has to read first.
    fn stays(&self) -> bool {
        !self.untold.is_empty() || self.other.as_ref().is_some_and(|other| other.address.is_none())
    }

    /// Whether the page goes back by itself.
    fn goes_back(&self) -> bool {
        (self.moves || !self.frames.is_empty()) && !self.stays()
    }

    fn has_script(&self) -> bool {
        !self.frames.is_empty()
            || self.goes_back()
            || self.other.as_ref().is_some_and(|other| other.address.is_some())
    }

    pub fn render(&self, frame: &Frame) -> Response {
        let view = SignedOutView { frame, t: frame.texts, page: self, script: &assets::SIGNED_OUT.path };
        let frames = self.frames.iter().map(|frame| frame.source.clone()).collect();
        let policy = Policy { images: true, scripts: self.has_script(), frames, ..Policy::default() };
        frame.page(StatusCode::OK, policy, &view)
    }
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomeView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Home,
}

#[derive(Template)]
#[template(path = "nobody.html")]
struct NobodyView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOutView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a SignOut,
}

#[derive(Template)]
#[template(path = "confirmation.html")]
struct ConfirmationView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Confirmation,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a Consent,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a SignedOut,
    script: &'static str,
}
