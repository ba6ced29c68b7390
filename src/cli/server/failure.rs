//! Why a command stopped: a sentence that says what to do, and its code.

use std::fmt::{self, Display};

/// What is printed on standard error before the program ends with status 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    code: Option<&'static str>,
}

impl Failure {
    /// A failure with a code of `docs/errors.md`.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Some(code) }
    }

    /// A failure that needs no entry in the list: the sentence is all there is to know.
    pub fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{} ({code})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Every error with a stable code becomes a failure by `?`.
macro_rules! coded {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error.code(), error.to_string())
            }
        }
    )*};
}

coded! {
    crate::app::StartError,
    crate::app::security_keys::KeysError,
    crate::card::enrolment::EnrolmentRefusal,
    crate::crypto::egress::EgressError,
    crate::crypto::hsm::HsmError,
    crate::crypto::sealed::SealError,
    crate::keyring::KeyringError,
    crate::notify::OpenError,
    crate::notify::SendError,
    crate::directory::import::ImportError,
    crate::oidc::client::registration::ClientFault,
    crate::sandbox::process::SandboxError,
    crate::store::StoreError,
    crate::webauthn::models::RefreshError,
}

#[cfg(feature = "agent")]
coded! {
    crate::agent::AgentError,
}

impl From<crate::config::ConfigError> for Failure {
    /// Each fault carries its own code already.
    fn from(error: crate::config::ConfigError) -> Self {
        Self::plain(error.to_string())
    }
}
