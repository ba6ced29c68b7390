//! The application of a provider of others: what the sign-in page says and is told while its person is asked there.

use serde::{Deserialize, Serialize};

pub use super::phone::Stand;

/// `POST`: asks somebody; takes an [`Asking`], answers [`Asked`].
pub const ASK_PATH: &str = "/login/application/ask";
/// `POST`: how it stands, held while there is nothing to tell; takes a [`Waited`], answers a [`Stand`].
pub const WAIT_PATH: &str = "/login/application/wait";
/// `POST`: the session; takes a [`Waited`], answers a [`super::sign_in::Status`].
pub const FINISH_PATH: &str = "/login/application/finish";

/// Whom to ask.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asking {
    /// Handle of the sign-in.
    pub txn: String,
    /// The name of the provider.
    pub provider: String,
    /// What the person typed.
    pub identifier: String,
    /// Where they want to be asked.
    pub channel: Channel,
}

/// Where somebody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// On their phone.
    Mobile,
    /// At the card reader of this workstation.
    Card,
}

/// A question that was put.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// Its handle.
    pub question: String,
    /// What the page shows, and is typed where the person is asked.
    pub number: String,
    /// How long it waits.
    pub seconds: i64,
}

/// Which question a page waits for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waited {
    /// Handle of the sign-in.
    pub txn: String,
    /// Handle of the question.
    pub question: String,
}
