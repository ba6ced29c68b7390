//! What the agent checks before it touches the card, in the order of the agent protocol (section 2).
//!
//! A hospital gets from it that only its own server, in a page that the person at this workstation opened, can bring the
//! agent to ask for a PIN. Anyone can obtain a signed request by opening the sign-in page, so the signature says nothing
//! about who called: the `Origin` that the browser attests does. `Referer` is never read.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use zeroize::Zeroizing;

use crate::card::protocol::{CardRequest, ProtocolError, Purpose, TYP_CARD_REQUEST, WebOrigin};
use crate::clock::Time;
use crate::crypto::jose::{self, Expected, JwsError};
use crate::crypto::keys::{Algorithm, VerifyingKey};

/// The largest form that is read, in bytes.
pub const MAX_FORM_LEN: usize = 16 * 1024;
/// How long a request may take to arrive.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Why the agent refuses a request. Nothing of the card was touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The connection was opened by another user of this computer, or it is not known by whom.
    #[error("the connection does not come from the user of this agent")]
    OtherUser,
    /// `Host` is not the agent's address: a name was made to point at it (DNS rebinding).
    #[error("the request was meant for another host")]
    Host,
    /// Not a POST.
    #[error("only POST is answered here")]
    Method,
    /// Not `application/x-www-form-urlencoded`, or not the fields of this form.
    #[error("the form is malformed")]
    Form,
    /// More than [`MAX_FORM_LEN`].
    #[error("the form is too large")]
    TooLarge,
    /// It did not arrive within [`PATIENCE`].
    #[error("the form did not arrive in time")]
    TooSlow,
    /// `Sec-Fetch-Mode` or `Sec-Fetch-Dest` say that it is no navigation of a window.
    #[error("the request is not a navigation")]
    NotANavigation,
    /// `Origin` is absent, double or `null`.
    #[error("the request does not say which site it comes from")]
    NoOrigin,
    /// `Origin` is no server that this workstation was enrolled with.
    #[error("the site {0:?} is not one that this workstation is enrolled with")]
    UnknownOrigin(String),
    /// The request is no JWS, or not signed by a key of that enrolment.
    #[error("the card request is not signed by that server: {0}")]
    Signature(JwsError),
    /// The JWS is of another type.
    #[error("what was sent is no card request")]
    Type,
    /// The claims are not those of a card request of this version.
    #[error("the card request is not understood: {0}")]
    Message(ProtocolError),
    /// `iss` is not the `Origin`: the request of one server posted by another.
    #[error("the card request was issued by another site than the one that sent it")]
    Issuer,
    /// The purpose is one that does not come through a browser.
    #[error("the card request has another purpose")]
    Purpose,
    /// The request for a terminal is bound to the secret of another process.
    #[error("the card request is not for this command")]
    Confirmation,
    /// The badge request is for another workstation.
    #[error("the badge request is for another workstation")]
    OtherWorkstation,
    /// The clocks differ by more than ten minutes.
    #[error("the clocks of the server and of this workstation are too far apart")]
    Clock,
    /// The same request was answered or cancelled here before.
    #[error("the card request was answered or cancelled before")]
    Answered,
    /// The token of the agent's page is unknown, used or expired.
    #[error("this page of the agent is no longer valid")]
    Token,
    /// A form of the agent's page that another site posts.
    #[error("the form of the agent's page was sent by another site")]
    ForeignForm,
    /// No such address.
    #[error("there is nothing at this address")]
    NotFound,
}

impl Refusal {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherUser => "AGENT-001",
            Self::Host => "AGENT-002",
            Self::Method => "AGENT-003",
            Self::Form => "AGENT-004",
            Self::TooLarge => "AGENT-005",
            Self::TooSlow => "AGENT-006",
            Self::NotANavigation => "AGENT-007",
            Self::NoOrigin => "AGENT-008",
            Self::UnknownOrigin(_) => "AGENT-009",
            Self::Signature(_) => "AGENT-010",
            Self::Type => "AGENT-011",
            Self::Message(_) => "AGENT-012",
            Self::Issuer => "AGENT-013",
            Self::Purpose => "AGENT-014",
            Self::Clock => "AGENT-015",
            Self::Confirmation => "AGENT-056",
            Self::OtherWorkstation => "AGENT-059",
            Self::Answered => "AGENT-016",
            Self::Token => "AGENT-017",
            Self::ForeignForm => "AGENT-018",
            Self::NotFound => "AGENT-019",
        }
    }

    /// The HTTP status of the page that says so.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::OtherUser
            | Self::NotANavigation
            | Self::NoOrigin
            | Self::UnknownOrigin(_)
            | Self::ForeignForm => StatusCode::FORBIDDEN,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Answered | Self::Token => StatusCode::CONFLICT,
            Self::NotFound => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// `Host` is exactly the agent's address, and a target in absolute form names no other one.
///
/// # Errors
/// [`Refusal::Host`].
pub fn host(headers: &HeaderMap, target: &Uri, own_host: &str) -> Result<(), Refusal> {
    let named = only(headers, &header::HOST);
    let target_fits = target.authority().is_none_or(|authority| authority.as_str() == own_host);
    if named == Some(own_host) && target_fits { Ok(()) } else { Err(Refusal::Host) }
}

/// A POST of a form, within the limits of size and time. The fields are `names`, each once, and at most `optional`.
///
/// # Errors
/// [`Refusal::Method`], [`Refusal::Form`], [`Refusal::TooLarge`] or [`Refusal::TooSlow`].
pub async fn form(
    method: &Method,
    headers: &HeaderMap,
    body: Body,
    patience: Duration,
    names: &[&str],
    optional: &[&str],
) -> Result<Fields, Refusal> {
    if method != Method::POST {
        return Err(Refusal::Method);
    }
    let content_type =
        only(headers, &header::CONTENT_TYPE).and_then(|value| value.split(';').next()).map(str::trim);
    if !content_type.is_some_and(|found| found.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Err(Refusal::Form);
    }
    let read = async {
        let mut body = Limited::new(body, MAX_FORM_LEN);
        // Its full size from the beginning: a form of the agent's own page may hold a PIN.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FORM_LEN));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                if error.is::<LengthLimitError>() { Refusal::TooLarge } else { Refusal::Form }
            })?;
            if let Some(data) = frame.data_ref() {
                bytes.extend_from_slice(data);
            }
        }
        Ok(bytes)
    };
    let bytes = tokio::time::timeout(patience, read).await.map_err(|_| Refusal::TooSlow)??;
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(&bytes) {
        let value = Zeroizing::new(value.into_owned());
        let known = names.contains(&name.as_ref()) || optional.contains(&name.as_ref());
        if !known || fields.insert(name.into_owned(), value).is_some() {
            return Err(Refusal::Form);
        }
    }
    if names.iter().all(|name| fields.contains_key(*name)) { Ok(Fields(fields)) } else { Err(Refusal::Form) }
}

/// The fields of a form that was checked. Wiped when dropped.
pub struct Fields(BTreeMap<String, Zeroizing<String>>);

impl Fields {
    /// The value of a field; empty where an optional one is absent.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.as_str())
    }
}

/// What browsers add of their own says, where it is present, that a window is being navigated.
///
/// # Errors
/// [`Refusal::NotANavigation`].
pub fn navigation(headers: &HeaderMap) -> Result<(), Refusal> {
    for (name, value) in [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")] {
        let mut found = headers.get_all(name).iter();
        if found.any(|header| header.as_bytes() != value.as_bytes()) {
            return Err(Refusal::NotANavigation);
        }
    }
    Ok(())
}

/// The site that the browser attests.
///
/// # Errors
/// [`Refusal::NoOrigin`]; [`Refusal::UnknownOrigin`] where it is none that could be enrolled.
pub fn origin(headers: &HeaderMap) -> Result<WebOrigin, Refusal> {
    let text = only(headers, &header::ORIGIN).filter(|text| *text != "null").ok_or(Refusal::NoOrigin)?;
    WebOrigin::parse(text).map_err(|_| Refusal::UnknownOrigin(text.chars().take(200).collect()))
}

/// A form of the agent's own page comes from that page.
///
/// # Errors
/// [`Refusal::ForeignForm`].
pub fn own_origin(headers: &HeaderMap, own_origin: &str) -> Result<(), Refusal> {
    if only(headers, &header::ORIGIN) == Some(own_origin) { Ok(()) } else { Err(Refusal::ForeignForm) }
}

/// The token of a link of the agent's own page: the only thing in its query.
#[must_use]
pub fn token(target: &Uri) -> Option<String> {
    let token = target.query()?.strip_prefix("token=")?;
    let base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    token.bytes().all(base64url).then(|| token.to_owned())
}

/// The signature by a key of the enrolment, then what the request says; it has to be for `purpose`.
///
/// # Errors
/// From [`Refusal::Signature`] to [`Refusal::Clock`], in the order of the protocol.
pub fn request<'k>(
    jws: &str,
    origin: &WebOrigin,
    purpose: Purpose,
    key_of: impl FnOnce(Option<&str>) -> Option<&'k VerifyingKey>,
    now: Time,
) -> Result<CardRequest, Refusal> {
    let expected =
        Expected { typ: Some(TYP_CARD_REQUEST), algorithms: &[Algorithm::Es256], max_len: MAX_FORM_LEN };
    let payload = jose::verify_payload(jws, expected, key_of).map_err(|error| match error {
        JwsError::WrongType => Refusal::Type,
        error => Refusal::Signature(error),
    })?;
    let request = CardRequest::from_payload(&payload).map_err(Refusal::Message)?;
    if request.issuer != *origin {
        return Err(Refusal::Issuer);
    }
    if request.purpose != purpose {
        return Err(Refusal::Purpose);
    }
    if request.is_far_from(now) {
        return Err(Refusal::Clock);
    }
    Ok(request)
}

/// The value of a header that is there exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
