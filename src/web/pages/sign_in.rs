//! The sign-in page: who asks, and by which means one can sign in.
//!
//! The card panel implements the browser's side of the card protocol (sections 1 and 8): its form posts the card
//! request to the agent by a navigation, in a popup opened by the click, or in the same tab without script or where
//! popups are blocked. The script renews the request before use, notices within 3 s that no agent answered, and waits
//! for the end by BroadcastChannel, server-sent events, or a poll. It never sees a PIN, an answer or a session.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::web::{assets, headers::Policy, i18n::Texts, page::Frame};

/// `GET REQUEST_PATH?txn=…` answers [`Renewed`]: a card request as good as new.
pub const REQUEST_PATH: &str = "/card/request";
/// `GET STATUS_PATH?txn=…` answers a [`Status`].
pub const STATUS_PATH: &str = "/card/status";
/// `GET EVENTS_PATH?txn=…` is a `text/event-stream` whose messages are [`Status`]es.
pub const EVENTS_PATH: &str = "/card/events";

/// `POST NOTICED_PATH` takes a [`Noticed`]: what the page saw by itself, for the audit trail.
pub const NOTICED_PATH: &str = "/card/noticed";

/// `POST BADGE_ASK_PATH` asks for a tap of the badge; `POST BADGE_WAIT_PATH` answers a [`Status`] once there is one to tell.
pub const BADGE_ASK_PATH: &str = "/card/badge";
/// See [`BADGE_ASK_PATH`].
pub const BADGE_WAIT_PATH: &str = "/card/badge/wait";

/// The notice of a session that is locked: its card, or a tap of it where that is offered, opens it again.
pub const LOCKED: &str = "SESSION-001";
/// `POST KEY_SIGN_IN_OPTIONS_PATH` asks for a challenge; the answer is a [`super::means::KeyChallenge`]. `POST
/// KEY_SIGN_IN_PATH` brings what the key signed; the answer is a [`Status`].
pub const KEY_SIGN_IN_OPTIONS_PATH: &str = "/login/key/options";
/// See [`KEY_SIGN_IN_OPTIONS_PATH`].
pub const KEY_SIGN_IN_PATH: &str = "/login/key";
/// As [`KEY_SIGN_IN_OPTIONS_PATH`] and [`KEY_SIGN_IN_PATH`], for the touch of a key after a badge.
pub const TOUCH_OPTIONS_PATH: &str = "/login/second-factor/options";
/// See [`TOUCH_OPTIONS_PATH`].
pub const TOUCH_PATH: &str = "/login/second-factor";

/// The page.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Who asked for a sign-in; `None` when the person came by themselves.
    pub relying_party: Option<RelyingParty>,
    /// The means that are configured, in the order shown. The first selected one has its panel below.
    pub means: Vec<Means>,
    pub card: Option<CardPanel>,
    /// The panel of security keys.
    pub key: Option<KeyPanel>,
    /// The panel of a key that is touched after a badge.
    pub touch: Option<KeyPanel>,
    /// The panel of the phone.
    pub phone: Option<PhonePanel>,
    /// The panel of a provider of others.
    pub provider: Option<ProviderPanel>,
    /// The panel of its application.
    pub application: Option<ApplicationPanel>,
    /// The test persons of a sandbox.
    pub persons: Option<PersonsPanel>,
    /// The identity of a provider of others that whoever signs in now is to confirm as theirs.
    pub pairing: Option<PairingNotice>,
    /// Why somebody who is signed in is asked again.
    pub again: Option<Again>,
    /// What ended the last attempt, where the transaction is still good: a code with a text (`error-<CODE>`).
    pub notice: Option<String>,
    /// Address that gives up and goes back to the relying party, where it has one.
    pub give_up: Option<String>,
    /// Whom the relying party expects, in its own words: an identifier or a mail address.
    pub expected: Option<String>,
    /// Where a form of this page may end besides this host: the relying party's redirect origin, from
    /// [`crate::web::headers::form_target`].
    pub form_targets: Vec<String>,
}

/// An identity that nobody here is linked to.
#[derive(Clone, Debug, Default)]
pub struct PairingNotice {
    /// What people call the provider.
    pub provider: Option<String>,
    /// What they are called there; empty where it does not say.
    pub name: String,
    /// Path that "this is not my account" posts to.
    pub leave: Option<String>,
    /// Handle of the sign-in.
    pub transaction: String,
}

impl PairingNotice {
    fn text(&self, t: &Texts) -> String {
        let provider = self.provider.as_deref().unwrap_or_default();
        match self.name.as_str() {
            "" => t.text_with("pairing-first", &[("provider", provider)]),
            name => t.text_with("pairing-first-name", &[("provider", provider), ("name", name)]),
        }
    }
}

/// Why somebody who is signed in is asked to sign in once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The service asks for a higher level.
    Level,
    /// The same, and none of the means that the person has used here reaches it.
    NoneReaches,
    /// It asks for a sign-in that is younger, or for one in any case.
    Moment,
    /// It takes no word for what the person signed in with.
    Means,
}

impl Again {
    fn text(self, t: &Texts) -> String {
        match self {
            Self::Level => t.text("again-level"),
            Self::NoneReaches => t.text("again-none"),
            Self::Moment => t.text("again-moment"),
            Self::Means => t.text("again-means"),
        }
    }
}

/// A service that asks who someone is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// Its name as registered.
    pub name: String,
    /// Host of its redirect address.
    pub host: String,
}

/// One tab.
#[derive(Clone, Debug)]
pub struct Means {
    pub kind: MeansKind,
    /// What a provider of others, or its application, is called; the other kinds have names of ours.
    pub label: Option<String>,
    /// This page with the tab selected.
    pub href: String,
    pub selected: bool,
}

/// A means of identification, named as Pro Santé Connect names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeansKind {
    Card,
    SecurityKey,
    /// The touch of a key after a badge.
    Touch,
    Phone,
    /// The provider of others that has this place among those that are configured.
    Provider(usize),
    /// The application of that one.
    Application(usize),
}

impl Means {
    fn label(&self, texts: &Texts) -> String {
        if let (MeansKind::Application(_), Some(name)) = (self.kind, &self.label) {
            return texts.text_with("means-application", &[("name", name.as_str())]);
        }
        self.label.clone().or_else(|| self.kind.label(texts)).unwrap_or_default()
    }
}

impl MeansKind {
    /// Those of ours, in the order of the tabs.
    pub const OURS: [Self; 4] = [Self::Touch, Self::Card, Self::SecurityKey, Self::Phone];

    /// The name in addresses, before that of a provider.
    pub fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::SecurityKey => "key",
            Self::Touch => "touch",
            Self::Phone => "phone",
            Self::Provider(_) => "provider-",
            Self::Application(_) => "application-",
        }
    }

    /// What it is called; a provider of others has a name of its own.
    fn label(self, texts: &Texts) -> Option<String> {
        Some(match self {
            Self::Card => texts.text("means-card"),
            Self::SecurityKey => texts.text("means-key"),
            Self::Touch => texts.text("means-touch"),
            Self::Phone => texts.text("means-phone"),
            Self::Provider(_) | Self::Application(_) => return None,
        })
    }
}

/// What the panel of security keys needs.
#[derive(Clone, Debug)]
pub struct KeyPanel {
    /// Handle of the transaction in messages of this browser.
    pub transaction: String,
    /// Where to go once signed in: a GET that needs the new session cookie.
    pub next: String,
}

/// What the panel of the phone needs.
#[derive(Clone, Debug)]
pub struct PhonePanel {
    /// Handle of the transaction in messages of this browser.
    pub transaction: String,
    /// Where to go once signed in: a GET that needs the new session cookie.
    pub next: String,
}

/// What the panel of a provider of others needs.
#[derive(Clone, Debug)]
pub struct ProviderPanel {
    /// What people call it.
    pub label: String,
    /// The address of ours that sends the browser there.
    pub start: String,
    /// Whether it answered the last times.
    pub answers: bool,
}

/// What the panel of the application of a provider of others needs.
#[derive(Clone, Debug)]
pub struct ApplicationPanel {
    /// Handle of the transaction in messages of this browser.
    pub transaction: String,
    /// Where to go once signed in: a GET that needs the new session cookie.
    pub next: String,
    /// The name of the provider in the configuration.
    pub provider: String,
    /// What people call it.
    pub label: String,
    /// What they call its application.
    pub name: String,
    /// Whether they are asked on their phone.
    pub mobile: bool,
    /// Whether they are asked at the card reader of their workstation.
    pub card: bool,
    /// Whether the provider answered the last times.
    pub answers: bool,
}

/// What the card tab needs.
#[derive(Clone)]
pub struct CardPanel {
    /// Address of the agent, `http://127.0.0.1:<port>/`.
    pub agent: String,
    /// The signed card request. No secret: anyone can have one made.
    pub request: String,
    /// Handle of the transaction in addresses and messages of this browser.
    pub transaction: String,
    /// Where to go once signed in: a GET that needs the new session cookie.
    pub next: String,
    /// The host that asks the browser for the card's certificate, for workstations that have the national middleware.
    pub certificate: Option<String>,
    /// Whether a tap of the badge renews what this browser had.
    pub badge: bool,
}

impl std::fmt::Debug for CardPanel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CardPanel").field("transaction", &self.transaction).finish_non_exhaustive()
    }
}

/// The test persons of a sandbox, to choose from.
#[derive(Clone, Debug)]
pub struct PersonsPanel {
    /// Where the choice goes: a path of this host.
    pub action: String,
    /// Handle of the sign-in, good once.
    pub txn: String,
    /// In the order shown; the first is chosen.
    pub persons: Vec<PersonRow>,
}

/// One test person.
#[derive(Clone, Debug)]
pub struct PersonRow {
    /// The value of the form.
    pub key: &'static str,
    /// What they are.
    pub kind: PersonKind,
    /// Given and family name.
    pub name: String,
    /// National identifier.
    pub id_nat: String,
}

/// What a test person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonKind {
    Doctor,
    Pharmacist,
    Nurse,
    Student,
    Employee,
    Psi,
}

impl PersonKind {
    fn label(self, texts: &Texts) -> String {
        match self {
            Self::Doctor => texts.text("person-doctor"),
            Self::Pharmacist => texts.text("person-pharmacist"),
            Self::Nurse => texts.text("person-nurse"),
            Self::Student => texts.text("person-student"),
            Self::Employee => texts.text("person-employee"),
            Self::Psi => texts.text("person-psi"),
        }
    }
}

/// A fresh card request.
#[derive(Clone, Debug, Serialize)]
pub struct Renewed {
    pub request: String,
}

/// What the sign-in page noticed, and of which transaction.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noticed {
    pub txn: String,
    pub code: NoticedCode,
}

/// What a sign-in page can notice by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum NoticedCode {
    /// No agent answered in the popup.
    #[serde(rename = "WEB-010")]
    NoAgent,
    /// The person came back to the tab without a result.
    #[serde(rename = "WEB-011")]
    CameBack,
}

impl NoticedCode {
    /// The stable code of `docs/errors.md`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAgent => "WEB-010",
            Self::CameBack => "WEB-011",
        }
    }
}

/// How a transaction stands, for the waiting page. Never holds a code, an address or a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Status {
    Open,
    /// Signed in: go on.
    Done,
    /// Given up on the agent's page; the transaction is still good.
    Cancelled,
    /// Ten minutes are over, or the transaction is not this browser's.
    Expired,
    /// Refused, with what happened and what to do in the user's language.
    Failed {
        code: String,
        message: String,
        action: String,
    },
}

impl Status {
    /// A refusal with the texts of its code.
    pub fn failed(code: &str, texts: &Texts) -> Self {
        let (message, action) = texts
            .error(code, &[])
            .unwrap_or_else(|| (texts.text("error-unknown"), texts.text("error-unknown.action")));
        Self::Failed { code: code.to_owned(), message, action }
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct View<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a SignIn,
    notice: Option<(String, String)>,
    /// A tap of the badge ends what the notice speaks of.
    badge_opens: bool,
    script: &'a str,
    key_script: &'a str,
    phone_script: &'static str,
    application_script: &'static str,
}

impl SignIn {
    pub fn render(&self, frame: &Frame) -> Response {
        let notice = self.notice.as_deref().and_then(|code| frame.texts.error(code, &[]));
        let badge_opens =
            self.notice.as_deref() == Some(LOCKED) && self.card.as_ref().is_some_and(|card| card.badge);
        let view = View {
            frame,
            t: frame.texts,
            page: self,
            notice,
            badge_opens,
            script: &assets::SIGN_IN.path,
            key_script: &assets::KEY.path,
            phone_script: &assets::PHONE_DESK.path,
            application_script: &assets::APPLICATION.path,
        };
        let mut form_targets = self.form_targets.clone();
        if let Some(agent) = self.card.as_ref().map(|card| card.agent.trim_end_matches('/')) {
            form_targets.insert(0, agent.to_owned());
        }
        let policy = Policy {
            scripts: true,
            calls: true,
            images: true,
            opens_agent: true,
            keys: self.key.is_some() || self.touch.is_some(),
            form_targets,
            ..Policy::default()
        };
        frame.page(StatusCode::OK, policy, &view)
    }
}
