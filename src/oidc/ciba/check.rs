//! The checks of a question to somebody who is at no browser (CIBA Core §7.1, §7.2): rows of the table of
//! `oidc::authorize::checks`, beside those that it shares with every request.
//!
//! Digits that the person types are always asked for: whoever is asked something they did not begin cannot say yes without
//! the screen of who did (RIE v2; NIST SP 800-63B §3.1.3.1). A code that people know (`user_code`) is not: where one comes, it
//! is refused and never ignored, for its client believes that it is checked.

use std::fmt;

use crate::oidc::authorize::checks::Draft;
use crate::oidc::authorize::error::AuthorizationError;
use crate::session::asking::Channel;
use crate::store::client::DeliveryMode;

/// The parameters that are read here.
pub const KNOWN: [&str; 15] = [
    "client_id",
    "scope",
    "acr_values",
    "acr",
    "login_hint",
    "id_token_hint",
    "login_hint_token",
    "binding_message",
    "user_code",
    "requested_expiry",
    "client_notification_token",
    "channel",
    "request",
    "request_uri",
    "registration",
];

/// The longest `client_notification_token` (CIBA Core §7.1).
const LONGEST_TOKEN: usize = 1024;

/// A question that passed its checks, beyond what every request holds.
#[derive(Clone, Default)]
pub struct Question {
    /// Who is asked.
    pub hint: Hint,
    /// What they type.
    pub digits: String,
    /// For how many seconds the client wants to wait, where it says so.
    pub requested_expiry: Option<u32>,
    /// Where they are asked, where the client says so.
    pub channel: Option<Channel>,
    /// What the client recognises us by when it is told that there is an answer.
    pub notification_token: Option<String>,
}

/// How a client says who is asked: in one way.
#[derive(Clone, PartialEq, Eq)]
pub enum Hint {
    /// A national identifier, or a `sub` of ours.
    Login(String),
    /// An ID token of ours.
    IdToken(String),
    /// A token of the client's own about somebody.
    LoginToken(String),
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Login(_) => "Login(…)",
            Self::IdToken(_) => "IdToken(…)",
            Self::LoginToken(_) => "LoginToken(…)",
        })
    }
}

impl Default for Hint {
    fn default() -> Self {
        Self::Login(String::new())
    }
}

/// Why nobody is asked. The texts are for the client's developers; some are those of Pro Santé Connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BackchannelFault {
    /// There is no phone and no card that could be asked.
    #[error("nobody can be asked here: no phone and no card is configured for it")]
    NotOffered,
    /// The client is not registered for it.
    #[error("Client not allowed OIDC CIBA Grant")]
    Client,
    /// The client demands what no answer can bring: a consent on a page, a card that is watched.
    #[error("the client is registered with what no phone can bring: a consent, or a card that is watched")]
    Demands,
    /// None of the three hints.
    #[error("missing parameter : login_hint")]
    HintMissing,
    /// More than one of the three hints.
    #[error("exactly one of login_hint, id_token_hint and login_hint_token is expected")]
    SeveralHints,
    /// `id_token_hint` is no ID token that this client got from us.
    #[error("id_token_hint is no ID token that this provider issued to the client")]
    IdTokenHint,
    /// `login_hint_token` is no token of the client.
    #[error("login_hint_token is not signed by the client, for this issuer, about somebody")]
    LoginHintToken,
    /// `login_hint_token` is over.
    #[error("login_hint_token is expired")]
    ExpiredLoginHintToken,
    /// No digits that the person could type, or too few or many.
    #[error("binding_message must be {}, which the person types", digits(*.0, *.1))]
    BindingMessage(usize, usize),
    /// There are no user codes.
    #[error("user codes are not supported: the person types the digits of binding_message")]
    UserCode,
    /// No number of seconds.
    #[error("requested_expiry must be a positive number of seconds")]
    RequestedExpiry,
    /// No such channel, or nobody can be asked there.
    #[error("channel is not MOBILE or CARD, or nobody can be asked there")]
    Channel,
    /// The client may ask people on their phone alone.
    #[error("Client not allowed to ask people at their card")]
    CardChannel,
    /// Missing in the mode ping, or no bearer token.
    #[error("client_notification_token must be a bearer token of at most 1024 characters")]
    NotificationToken,
    /// A parameter beside a signed request (CIBA Core §7.1.1).
    #[error("a signed request holds every parameter: nothing may stand beside it")]
    BesideRequest,
}

/// `2 digits`, or `2 to 6 digits`.
fn digits(fewest: usize, most: usize) -> String {
    if fewest == most { format!("{most} digits") } else { format!("{fewest} to {most} digits") }
}

impl BackchannelFault {
    /// The stable code of `docs/errors.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotOffered => "CIBA-001",
            Self::Client => "CIBA-002",
            Self::Demands => "CIBA-003",
            Self::HintMissing | Self::SeveralHints => "CIBA-004",
            Self::IdTokenHint => "CIBA-005",
            Self::LoginHintToken => "CIBA-006",
            Self::ExpiredLoginHintToken => "CIBA-007",
            Self::BindingMessage(..) => "CIBA-008",
            Self::UserCode => "CIBA-009",
            Self::RequestedExpiry => "CIBA-010",
            Self::Channel => "CIBA-011",
            Self::NotificationToken => "CIBA-012",
            Self::BesideRequest => "CIBA-013",
            Self::CardChannel => "CIBA-032",
        }
    }

    /// The protocol's name of the error (CIBA Core §13).
    pub fn name(self) -> &'static str {
        match self {
            Self::Client | Self::Demands | Self::CardChannel => "unauthorized_client",
            Self::ExpiredLoginHintToken => "expired_login_hint_token",
            Self::BindingMessage(..) => "invalid_binding_message",
            Self::UserCode => "invalid_user_code",
            _ => "invalid_request",
        }
    }
}

type Checked = Result<(), AuthorizationError>;

/// The client may ask people at all: nobody's default.
pub fn client(draft: &mut Draft<'_>) -> Checked {
    let Some(client) = draft.client else { return Ok(()) };
    if !client.metadata.may_ask() {
        return Err(BackchannelFault::Client.into());
    }
    // There is no page to ask for consent on, and nobody who watches a card.
    if client.metadata.consent_required || client.self_registered || client.demands().need_watch() {
        return Err(BackchannelFault::Demands.into());
    }
    Ok(())
}

/// One of `login_hint`, `id_token_hint` and `login_hint_token`, and one only.
pub fn hint(draft: &mut Draft<'_>) -> Checked {
    let value = |name| draft.parameters.first(name).map(str::to_owned);
    let given = [
        value("login_hint").map(Hint::Login),
        value("id_token_hint").map(Hint::IdToken),
        value("login_hint_token").map(Hint::LoginToken),
    ];
    let mut given = given.into_iter().flatten();
    draft.question.hint = given.next().ok_or(BackchannelFault::HintMissing)?;
    if given.next().is_some() { Err(BackchannelFault::SeveralHints.into()) } else { Ok(()) }
}

/// `binding_message`: digits, as many as the profile has.
pub fn binding_message(draft: &mut Draft<'_>) -> Checked {
    let Some(rules) = draft.rules() else { return Ok(()) };
    let (fewest, most) = rules.backchannel.digits;
    let message = draft.parameters.first("binding_message").unwrap_or_default();
    let is_typed = message.bytes().all(|byte| byte.is_ascii_digit());
    if !is_typed || !(fewest..=most).contains(&message.len()) {
        return Err(BackchannelFault::BindingMessage(fewest, most).into());
    }
    draft.question.digits = message.to_owned();
    Ok(())
}

/// `user_code`: none is right, since there are none.
pub fn user_code(draft: &mut Draft<'_>) -> Checked {
    match draft.parameters.first("user_code") {
        Some(_) => Err(BackchannelFault::UserCode.into()),
        None => Ok(()),
    }
}

/// `requested_expiry`: a positive whole number of seconds. What is longer than we wait is shortened later.
pub fn requested_expiry(draft: &mut Draft<'_>) -> Checked {
    let Some(text) = draft.parameters.first("requested_expiry") else { return Ok(()) };
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a number here has are a number all the same.
    let seconds = text.parse().unwrap_or(u32::MAX);
    if !is_number || seconds == 0 {
        return Err(BackchannelFault::RequestedExpiry.into());
    }
    draft.question.requested_expiry = Some(seconds);
    Ok(())
}

/// `channel`, in the profile that has it.
pub fn channel(draft: &mut Draft<'_>) -> Checked {
    if !draft.rules().is_some_and(|rules| rules.backchannel.channel) {
        return Ok(());
    }
    draft.question.channel = match draft.parameters.first("channel") {
        None => None,
        Some("MOBILE") => Some(Channel::Phone),
        Some("CARD") => Some(Channel::Card),
        Some(_) => return Err(BackchannelFault::Channel.into()),
    };
    Ok(())
}

/// `client_notification_token`, of a client that is told: the characters of a bearer token (RFC 6750 §2.1).
pub fn notification_token(draft: &mut Draft<'_>) -> Checked {
    let mode = draft.client.and_then(|client| client.metadata.backchannel_token_delivery_mode);
    if mode != Some(DeliveryMode::Ping) {
        return Ok(());
    }
    let token = draft.parameters.first("client_notification_token").unwrap_or_default();
    let is_of_token =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let body = token.trim_end_matches('=');
    if body.is_empty() || token.len() > LONGEST_TOKEN || !body.bytes().all(is_of_token) {
        return Err(BackchannelFault::NotificationToken.into());
    }
    draft.question.notification_token = Some(token.to_owned());
    Ok(())
}
