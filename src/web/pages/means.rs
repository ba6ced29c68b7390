//! "Mes moyens d'identification": the cards and security keys of a person.

use askama::Template;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Serialize;

use super::desk::DESK_PATH;
use super::phone::PAIR_PATH;
use crate::web::{assets, headers::Policy, i18n::Texts, page::Frame};

/// The page.
pub const MEANS_PATH: &str = "/means";
/// `POST` gives a means another label.
pub const RENAME_ROUTE: &str = "/means/{means}/rename";
/// `POST` revokes a means.
pub const REVOKE_ROUTE: &str = "/means/{means}/revoke";
/// `POST` asks for the challenge of a renewal.
pub const RENEW_OPTIONS_ROUTE: &str = "/means/{means}/renew/options";
/// `POST` brings what the key made of it.
pub const RENEW_ROUTE: &str = "/means/{means}/renew";
/// `POST` asks for a code that verifies a mail address.
pub const ADDRESS_PATH: &str = "/means/address";
/// `POST` brings the code.
pub const CODE_PATH: &str = "/means/address/code";
/// The parts of the page that its forms lead back to.
pub const CONTACT_ANCHOR: &str = "contact";
pub const ADDRESS_ANCHOR: &str = "address";
pub const CODE_ANCHOR: &str = "code";
/// What is said of the address, and of the code: codes of `docs/errors.md`.
pub const WRONG_ADDRESS: &str = "MAIL-010";
pub const WRONG_CODE: &str = "MAIL-011";
/// Why nothing is changed at a workstation that several people use: a code of `docs/errors.md`.
pub const SHARED: &str = "MEANS-007";
/// Where the person signs in to see the page, or, with [`FRESH`], to change something.
pub const SIGN_IN_PATH: &str = "/sign-in/means";
/// The query that asks for a sign-in of the moment.
pub const FRESH: &str = "fresh=1";
/// `POST` asks for the challenge of a registration; the answer is a [`KeyChallenge`].
pub const KEY_OPTIONS_PATH: &str = "/means/key/options";
/// `POST` brings what the key made of it; the answer is a [`super::sign_in::Status`].
pub const KEY_PATH: &str = "/means/key";

/// The longest label that a person can give a means.
pub const LONGEST_LABEL: usize = 60;

/// A challenge for a security key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyChallenge {
    /// To be brought back with the answer.
    pub handle: String,
    /// For `navigator.credentials`, its byte strings in base64url.
    pub options: serde_json::Value,
}

/// The page.
#[derive(Clone, Debug)]
pub struct MeansPage {
    /// Whose means these are.
    pub name: String,
    /// Those that can sign in, or could again.
    pub means: Vec<MeansRow>,
    /// Whether security keys can be registered here.
    pub takes_keys: bool,
    /// Whether they may be such that count after a badge only.
    pub takes_second_factors: bool,
    /// Whether phones can be paired here.
    pub takes_phones: bool,
    /// Their identities at other providers, by which they sign in here too.
    pub links: Vec<LinkRow>,
    /// The address that notices go to; none where none are sent.
    pub contact: Option<ContactPanel>,
    /// Why nothing can be changed now, where that is so: a code with a text (`error-<CODE>`).
    pub fixed: Option<String>,
    /// Whether they may open the desk.
    pub desk: bool,
    /// Token of [`crate::web`]'s `csrf`, field `csrf`.
    pub csrf: String,
}

/// An identity at another provider.
#[derive(Clone, Debug)]
pub struct LinkRow {
    /// What people call the provider.
    pub name: String,
    pub issuer: String,
    pub linked_at: DateTime<Utc>,
    pub last_used: Option<DateTime<Utc>>,
}

impl LinkRow {
    pub(super) fn since(&self, t: &Texts) -> String {
        t.text_with("link-since", &[("at", t.date(&self.linked_at).as_str())])
    }

    pub(super) fn used(&self, t: &Texts) -> String {
        match &self.last_used {
            None => t.text("means-unused"),
            Some(at) => t.text_with("means-used", &[("at", t.date(at).as_str())]),
        }
    }
}

/// The address that notices go to.
#[derive(Clone, Debug)]
pub struct ContactPanel {
    /// The one that was verified.
    pub address: Option<String>,
    /// Where a code was sent that can be typed now.
    pub sent_to: Option<String>,
    /// What is to be said of the last form: a code with a text (`error-<CODE>`).
    pub notice: Option<&'static str>,
}

/// One means.
#[derive(Clone, Debug)]
pub struct MeansRow {
    pub kind: RowKind,
    /// What its person calls it; empty where they did not say.
    pub label: String,
    pub standing: RowStanding,
    pub issued_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// When it was last used, and where.
    pub last_used: Option<(DateTime<Utc>, String)>,
    /// The session of this browser was opened with it.
    pub current: bool,
    /// Path of the form that gives it another label; none where its person may not now.
    pub rename: Option<String>,
    /// Path of its renewal; none where it is not due, or may not be renewed now.
    pub renew: Option<String>,
    /// Path of the form that revokes it; none where its person may not.
    pub revoke: Option<String>,
}

/// What a means is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    Card,
    SecurityKey,
    /// A passkey that its person's devices share.
    Passkey,
    /// A security key that counts after a badge only.
    SecondFactor,
    /// A phone that answers for its person.
    Phone,
}

/// Where a means stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowStanding {
    Active,
    Suspended,
    Expired,
}

impl MeansRow {
    pub(super) fn kind_in_words(&self, t: &Texts) -> String {
        match self.kind {
            RowKind::Card => t.text("means-card"),
            RowKind::SecurityKey => t.text("means-key"),
            RowKind::Passkey => t.text("means-passkey"),
            RowKind::SecondFactor => t.text("means-second-factor"),
            RowKind::Phone => t.text("means-phone"),
        }
    }

    pub(super) fn title(&self, t: &Texts) -> String {
        if self.label.is_empty() { self.kind_in_words(t) } else { self.label.clone() }
    }

    pub(super) fn standing_in_words(&self, t: &Texts) -> Option<String> {
        match self.standing {
            RowStanding::Active => None,
            RowStanding::Suspended => Some(t.text("means-suspended")),
            RowStanding::Expired => Some(t.text("means-expired")),
        }
    }

    pub(super) fn issued(&self, t: &Texts) -> String {
        let (from, until) = (t.date(&self.issued_at), t.date(&self.expires_at));
        match self.kind {
            // How long a card is good says the national authority, at each sign-in.
            RowKind::Card => t.text_with("means-seen", &[("from", from.as_str())]),
            RowKind::SecurityKey | RowKind::Passkey | RowKind::SecondFactor | RowKind::Phone => {
                t.text_with("means-issued", &[("from", from.as_str()), ("until", until.as_str())])
            }
        }
    }

    /// What comes of taking it away.
    fn revoking_hint(&self, t: &Texts) -> String {
        match self.kind {
            RowKind::Card => t.text("means-lost-hint"),
            RowKind::SecurityKey | RowKind::Passkey | RowKind::SecondFactor | RowKind::Phone => {
                t.text("means-revoke-hint")
            }
        }
    }

    /// What taking it away is called.
    fn revoking(&self, t: &Texts) -> String {
        match self.kind {
            RowKind::Card => t.text("means-lost"),
            RowKind::SecurityKey | RowKind::Passkey | RowKind::SecondFactor | RowKind::Phone => {
                t.text("means-revoke")
            }
        }
    }

    pub(super) fn used(&self, t: &Texts) -> String {
        match &self.last_used {
            None => t.text("means-unused"),
            Some((at, place)) if place.is_empty() => {
                t.text_with("means-used", &[("at", t.date(at).as_str())])
            }
            Some((at, place)) => {
                let at = t.date(at);
                t.text_with("means-used-where", &[("at", at.as_str()), ("place", place.as_str())])
            }
        }
    }
}

#[derive(Template)]
#[template(path = "means.html")]
struct MeansView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a MeansPage,
    fixed: Option<(String, String)>,
    said: Option<(String, String)>,
    script: &'static str,
    phone_script: &'static str,
}

impl ContactPanel {
    fn is_wrong(&self, code: &str) -> bool {
        self.notice == Some(code)
    }

    /// Whether the form for an address is unfolded.
    fn asks_for_address(&self) -> bool {
        self.is_wrong(WRONG_ADDRESS) || (self.address.is_none() && self.sent_to.is_none())
    }
}

impl MeansPage {
    /// Whether another sign-in would help where nothing can be changed now: at a shared workstation none does.
    fn can_sign_in_better(&self) -> bool {
        self.fixed.as_deref() != Some(SHARED)
    }

    pub fn render(&self, frame: &Frame) -> Response {
        let fixed = self.fixed.as_deref().and_then(|code| frame.texts.error(code, &[]));
        let said = self.contact.as_ref().and_then(|contact| contact.notice);
        let said = said.and_then(|code| frame.texts.error(code, &[]));
        let (script, phone_script) = (&assets::KEY.path, &assets::PHONE_DESK.path);
        let view = MeansView { frame, t: frame.texts, page: self, fixed, said, script, phone_script };
        let policy = Policy { images: true, scripts: true, calls: true, keys: true, ..Policy::default() };
        frame.page(StatusCode::OK, policy, &view)
    }
}
