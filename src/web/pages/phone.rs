//! The phone: the application itself, what it is told, and what the pages of the desk are told while they wait for one.
//!
//! The application is one page with a script. It keeps the key of its installation in the browser, which does not give it
//! away, looks through the camera for the code of a waiting page, and signs what its person decides. It works without being
//! woken: opening it shows what waits.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::sign_in::Status;
use crate::web::page::Frame;
pub use crate::web::qr::QrCode;
use crate::web::{assets, headers::Policy, i18n::Texts};

/// The application.
pub const PHONE_PATH: &str = "/phone";
/// Its manifest.
pub const MANIFEST_PATH: &str = "/phone/manifest.webmanifest";

/// The worker of the application.
pub const WORKER_PATH: &str = "/phone/worker.js";
/// `POST` from a phone: by which subscription of its browser it is woken; answers a [`Status`].
pub const PUSH_PATH: &str = "/phone/push";

/// `POST` from the page of means: a code to pair a phone; answers [`Begun`].
pub const PAIR_PATH: &str = "/means/phone";
/// `POST`: how far it is; answers a [`PairingStep`].
pub const PAIR_STATUS_PATH: &str = "/means/phone/status";
/// `POST`: the digits; answers a [`Status`].
pub const PAIR_CONFIRM_PATH: &str = "/means/phone/confirm";
/// `POST` from a phone: it takes the code; answers [`Taken`].
pub const TAKE_PATH: &str = "/phone/pair/take";
/// `POST`: it brings its keys.
pub const BRING_PATH: &str = "/phone/pair/bring";
/// `POST`: whether the digits were typed.
pub const BROUGHT_PATH: &str = "/phone/pair/brought";
/// `POST`: what waits; answers [`Listed`].
pub const LIST_PATH: &str = "/phone/list";
/// `POST`: one question; answers [`Opened`].
pub const QUESTION_PATH: &str = "/phone/question";
/// `POST`: what the person says; answers a [`Status`].
pub const ANSWER_PATH: &str = "/phone/answer";

/// `POST` from the sign-in page: a number to show; answers [`Number`].
pub const ASK_PATH: &str = "/login/phone/ask";
/// `GET EVENTS_PATH?txn=…` is a `text/event-stream` whose messages are [`Stand`]s.
pub const EVENTS_PATH: &str = "/login/phone/events";
/// `POST`, where such a stream does not get through: the next [`Stand`], once it is another than the page was told.
pub const WAIT_PATH: &str = "/login/phone/wait";
/// `POST`: the session; answers a [`Status`].
pub const FINISH_PATH: &str = "/login/phone/finish";

/// A pairing that has begun.
#[derive(Clone, Debug, Serialize)]
pub struct Begun {
    /// Its handle for the page.
    pub pairing: String,
    /// What the phone scans: an address with a secret.
    pub code: QrCode,
    /// How long the code is good.
    pub seconds: i64,
}

/// How far a pairing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum PairingStep {
    /// The code waits for a phone.
    Code,
    /// A phone has taken it.
    Taken,
    /// It shows digits, which are typed on the page.
    Digits,
}

/// What a phone is told that took the code.
#[derive(Clone, Debug, Serialize)]
pub struct Taken {
    /// What it goes on with.
    pub handle: String,
    /// Whose account it is.
    pub person: String,
    /// For `navigator.credentials.create`, its byte strings in base64url.
    pub options: serde_json::Value,
}

/// What the application shows first.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Whose phone it is.
    pub person: String,
    /// What they call it.
    pub label: String,
    /// When it has to be paired anew.
    pub expires_at: DateTime<Utc>,
    /// What waits for an answer, oldest first.
    pub waiting: Vec<Waiting>,
}

/// Something that waits.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// Its key.
    pub question: String,
    /// The service.
    pub application: String,
    /// How long it still does.
    pub seconds: i64,
}

/// A question that is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Opened {
    /// Its key.
    pub question: String,
    /// What is shown (`session::asking::Context` as JSON): the answer covers this text byte for byte.
    pub context: String,
    /// How long it still waits.
    pub seconds: i64,
    /// To be brought back with the answer of the passkey.
    pub handle: String,
    /// For `navigator.credentials.get`, its byte strings in base64url.
    pub options: serde_json::Value,
}

/// The number that the sign-in page shows.
#[derive(Clone, Debug, Serialize)]
pub struct Number {
    /// Six digits.
    pub number: String,
    /// How long it is good.
    pub seconds: i64,
}

/// How the question of a sign-in stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Stand {
    /// Nobody has answered.
    Waiting,
    /// Nobody has scanned the code, of which this is the one of this second.
    Code {
        /// To be drawn.
        qr: QrCode,
    },
    /// The page fetches its session.
    Approved,
    /// It is over, with what happened and what to do in the user's language.
    Failed {
        /// The stable code.
        code: String,
        /// What happened.
        message: String,
        /// What to do.
        action: String,
    },
}

impl Stand {
    /// A refusal with the texts of its code.
    #[must_use]
    pub fn failed(code: &str, texts: &Texts) -> Self {
        match Status::failed(code, texts) {
            Status::Failed { code, message, action } => Self::Failed { code, message, action },
            _ => Self::Waiting,
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Approved | Self::Failed { .. })
    }
}

#[derive(Template)]
#[template(path = "phone.html")]
struct View<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    server: &'a str,
    script: &'static str,
    scanner: &'static str,
    push_key: Option<&'a str>,
}

/// The application, served by `server` (its origin). `push_key` is what browsers subscribe with
/// (`applicationServerKey`), where phones are woken.
pub fn render(frame: &Frame, server: &str, push_key: Option<&str>) -> Response {
    let (script, scanner) = (&assets::PHONE.path, &assets::JSQR.path);
    let view = View { frame, t: frame.texts, server, script, scanner, push_key };
    let policy = Policy {
        images: true,
        scripts: true,
        calls: true,
        keys: true,
        application: true,
        ..Policy::default()
    };
    frame.page(StatusCode::OK, policy, &view)
}

/// The worker of the application, which says in the language of `frame` that something waits. It may call nobody.
pub fn worker(frame: &Frame) -> Response {
    let t = frame.texts;
    let words = serde_json::json!({
        "title": t.text("phone-push-title"),
        "body": t.text("phone-push-body"),
        "lang": frame.lang(),
    });
    let script = format!("const words = {words};\n{}", assets::PHONE_WORKER);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
        // Its address lies below what it is for: the application itself.
        (HeaderName::from_static("service-worker-allowed"), HeaderValue::from_static(PHONE_PATH)),
    ];
    (headers, script).into_response()
}
