//! Access tokens of other providers, which services bring to exchange them for ours. `oidc` names none of these providers: `app`
//! joins them here.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use crate::store::StoreError;
use crate::store::client::Client;
use crate::store::token::ForeignToken;

/// What becomes of a token of another provider.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<ForeignToken, ForeignError>> + Send + 'a>>;

/// Reads the access tokens of other providers.
pub trait ForeignTokens: Send + Sync + Debug {
    /// The name of the provider of that issuer; none where it is none of them.
    fn of_issuer(&self, issuer: &str) -> Option<String>;

    /// The same, where a client says whose a token is: by the name of the provider, or its issuer.
    fn named(&self, name: &str) -> Option<String>;

    /// Whose token of that provider it is that a service brings, and whether it may bring it. The provider is asked.
    ///
    /// # Errors
    /// [`ForeignError`].
    fn read<'a>(&'a self, provider: &'a str, token: &'a str, client: &'a Client) -> Reading<'a>;
}

/// Why a token of another provider is not taken, with the stable code of `docs/errors.md`.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// It is not good, or not for the service that brings it.
    #[error("the token of another provider is not taken")]
    Refused(&'static str),
    /// Its provider does not answer.
    #[error("the provider of the token does not answer")]
    Away(&'static str),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ForeignError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(code) | Self::Away(code) => code,
            Self::Store(error) => error.code(),
        }
    }
}
