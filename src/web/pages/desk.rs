//! The desk: finding a person, and what is done with their means of identification.

use askama::Template;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::StatusCode;

use super::means::{LONGEST_LABEL, LinkRow, MeansRow};
use crate::web::{assets, headers::Policy, i18n::Texts, page::Frame};

/// The page to find a person.
pub const DESK_PATH: &str = "/desk";
/// `POST` of a name or an identifier shows who has it: never in an address, which logs and histories keep.
pub const FIND_PATH: &str = "/desk/find";
/// A person and their means.
pub const PERSON_ROUTE: &str = "/desk/people/{person}";
/// `POST` records an identity check.
pub const CHECK_ROUTE: &str = "/desk/people/{person}/check";
/// `POST` does something with a means: `suspend`, `resume`, `revoke` or `hand-out`.
pub const ACT_ROUTE: &str = "/desk/people/{person}/means/{means}/{act}";
/// `POST` links the identity of the fields `provider` and `subject`.
pub const LINK_ROUTE: &str = "/desk/people/{person}/links/link";
/// `POST` unlinks the identity of the field `issuer`.
pub const UNLINK_ROUTE: &str = "/desk/people/{person}/links/unlink";
/// `POST` asks for the challenge of a renewal, and brings what the key made of it.
pub const RENEWAL_OPTIONS_ROUTE: &str = "/desk/people/{person}/means/{means}/renew/options";
/// See [`RENEWAL_OPTIONS_ROUTE`].
pub const RENEWAL_ROUTE: &str = "/desk/people/{person}/means/{means}/renew";
/// `POST` asks for the challenge of a registration.
pub const KEY_OPTIONS_ROUTE: &str = "/desk/people/{person}/key/options";
/// `POST` brings what the key made of it.
pub const KEY_ROUTE: &str = "/desk/people/{person}/key";
/// `POST` asks for the code of a phone; the answer is a [`super::phone::Begun`].
pub const PHONE_ROUTE: &str = "/desk/people/{person}/phone";
/// `POST` asks how far it is; the answer is a [`super::phone::PairingStep`].
pub const PHONE_STATUS_ROUTE: &str = "/desk/people/{person}/phone/status";
/// `POST` brings the digits that the phone shows; the answer is a [`super::sign_in::Status`].
pub const PHONE_CONFIRM_ROUTE: &str = "/desk/people/{person}/phone/confirm";
/// Where a person's page goes on after their identity was checked; and after something was done with their means. Whoever works
/// by keyboard goes on from there.
pub const CHECK_ANCHOR: &str = "check";
pub const MEANS_ANCHOR: &str = "means";
pub const LINKS_ANCHOR: &str = "links";
/// Where whoever works at the desk signs in.
pub const SIGN_IN_PATH: &str = "/sign-in/desk";

/// The page to find a person.
#[derive(Clone, Debug, Default)]
pub struct DeskPage {
    /// What was looked for.
    pub text: String,
    /// Who was found; none before anybody was looked for.
    pub found: Option<Vec<FoundRow>>,
    /// Whether there are more than are shown.
    pub more: bool,
    /// Token of [`crate::web`]'s `csrf`, field `csrf`.
    pub csrf: String,
}

/// A person who was found.
#[derive(Clone, Debug)]
pub struct FoundRow {
    pub name: String,
    pub id_nat: String,
    pub standing: PersonStanding,
    /// Path of their page.
    pub href: String,
}

/// Whether a person may be given anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonStanding {
    /// Yes.
    Linked,
    /// No link with the establishment.
    Unlinked,
    Disabled,
}

impl PersonStanding {
    fn in_words(self, t: &Texts) -> Option<String> {
        match self {
            Self::Linked => None,
            Self::Unlinked => Some(t.text("desk-unlinked")),
            Self::Disabled => Some(t.text("desk-disabled")),
        }
    }
}

/// A person and their means.
#[derive(Clone, Debug)]
pub struct DeskPersonPage {
    pub name: String,
    pub id_nat: String,
    pub standing: PersonStanding,
    /// The kind of document of the identity check that is good now, where there is one.
    pub checked: Option<&'static str>,
    /// The kinds of document that are taken.
    pub documents: Vec<&'static str>,
    /// Why a means is halted.
    pub reasons: Vec<&'static str>,
    pub means: Vec<DeskRow>,
    /// Their identities at other providers.
    pub links: Vec<LinkRow>,
    /// What more can be linked to them; none where nothing can.
    pub linking: Option<Linking>,
    /// Whether security keys can be registered here.
    pub takes_keys: bool,
    /// Whether they may be such that count after a badge only.
    pub takes_second_factors: bool,
    /// Whether phones can be paired here.
    pub takes_phones: bool,
    /// Path of this page.
    pub path: String,
    /// Token of [`crate::web`]'s `csrf`, field `csrf`.
    pub csrf: String,
}

/// What can be linked to a person.
#[derive(Clone, Debug)]
pub struct Linking {
    /// The providers, by their names in the configuration, and what people call them.
    pub providers: Vec<(String, String)>,
    /// The identities that were refused a moment ago, the newest first.
    pub refused: Vec<RefusedRow>,
}

/// An identity that was refused a moment ago, and is nobody's.
#[derive(Clone, Debug)]
pub struct RefusedRow {
    /// The name of its provider in the configuration.
    pub provider: String,
    /// What people call it.
    pub label: String,
    /// Who it is there.
    pub subject: String,
    /// The national identifier that the provider told, where it did.
    pub id_nat: Option<String>,
    /// How long ago.
    pub minutes: i64,
}

impl RefusedRow {
    fn when(&self, t: &Texts) -> String {
        t.text_count("desk-link-refused-ago", self.minutes)
    }

    fn told(&self, t: &Texts) -> Option<String> {
        let id = self.id_nat.as_deref()?;
        Some(t.text_with("desk-link-told", &[("id", id)]))
    }
}

/// One means, and what the desk may do with it.
#[derive(Clone, Debug)]
pub struct DeskRow {
    pub shown: MeansRow,
    /// When it was last handed to its person.
    pub handed_out: Option<DateTime<Utc>>,
    /// Paths of the forms; none where that makes no sense now.
    pub hand_out: Option<String>,
    pub resume: Option<String>,
    pub renew: Option<String>,
    pub suspend: Option<String>,
    pub revoke: String,
}

impl DeskRow {
    fn handed(&self, t: &Texts) -> Option<String> {
        let at = t.date(self.handed_out.as_ref()?);
        Some(t.text_with("desk-handed-out", &[("at", at.as_str())]))
    }
}

impl DeskPersonPage {
    fn key_options(&self) -> String {
        format!("{}/key/options", self.path)
    }

    fn key_answer(&self) -> String {
        format!("{}/key", self.path)
    }

    fn link(&self) -> String {
        format!("{}/links/link", self.path)
    }

    fn unlink(&self) -> String {
        format!("{}/links/unlink", self.path)
    }

    fn phone(&self) -> String {
        format!("{}/phone", self.path)
    }

    fn document_in_words(name: &str, t: &Texts) -> String {
        match name {
            "identity-card" => t.text("desk-document-identity-card"),
            "passport" => t.text("desk-document-passport"),
            "residence-permit" => t.text("desk-document-residence-permit"),
            "driving-licence" => t.text("desk-document-driving-licence"),
            "staff-card" => t.text("desk-document-staff-card"),
            other => other.to_owned(),
        }
    }

    fn reason_in_words(name: &str, t: &Texts) -> String {
        match name {
            "lost" => t.text("desk-reason-lost"),
            "stolen" => t.text("desk-reason-stolen"),
            "damaged" => t.text("desk-reason-damaged"),
            "given-back" => t.text("desk-reason-given-back"),
            "doubt" => t.text("desk-reason-doubt"),
            other => other.to_owned(),
        }
    }
}

#[derive(Template)]
#[template(path = "desk.html")]
struct DeskView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a DeskPage,
}

impl DeskPage {
    /// Whether there is nothing to do but to look for somebody.
    fn looks_for_somebody(&self) -> bool {
        self.found.as_ref().is_none_or(Vec::is_empty)
    }

    pub fn render(&self, frame: &Frame) -> Response {
        let view = DeskView { frame, t: frame.texts, page: self };
        frame.page(StatusCode::OK, Policy { images: true, ..Policy::default() }, &view)
    }
}

#[derive(Template)]
#[template(path = "desk_person.html")]
struct PersonView<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a DeskPersonPage,
    script: &'static str,
    phone_script: &'static str,
}

impl DeskPersonPage {
    pub fn render(&self, frame: &Frame) -> Response {
        let (script, phone_script) = (&assets::KEY.path, &assets::PHONE_DESK.path);
        let view = PersonView { frame, t: frame.texts, page: self, script, phone_script };
        let policy = Policy { images: true, scripts: true, calls: true, keys: true, ..Policy::default() };
        frame.page(StatusCode::OK, policy, &view)
    }
}
