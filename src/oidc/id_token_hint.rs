//! `id_token_hint`: an ID token of ours, signed by any key we ever had, however old.

use serde::Deserialize;

use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::ids::{PersonId, SessionId};
use crate::oidc::{Provider, psc};
use crate::store::{self, Db, StoreError};

/// The key decides: it is one of ours, and for one algorithm.
const EXPECTED: Expected<'_> = Expected { typ: Some("JWT"), algorithms: &Algorithm::ALL, max_len: 8 * 1024 };

/// What a hint tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    /// The session it was issued in.
    pub session: SessionId,
    /// The client it was issued to.
    pub client_id: String,
    /// The national identifier in its `sub`.
    pub id_nat: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    /// In the tokens of PSC's profile.
    typ: Option<String>,
    sid: SessionId,
}

impl Hint {
    /// Reads a hint; nothing where it is no ID token of this provider.
    pub(super) async fn of(provider: &Provider, token: &str) -> Option<Self> {
        let keys = provider.token_keys.keys().await;
        Self::read(token, provider.settings.issuer.as_str(), |kid| keys.verifying(kid))
    }

    /// Whose it is; nobody, where they are gone altogether. Sessions are deleted some time after their end: then the token
    /// still says whose it was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn person(&self, db: &Db) -> Result<Option<PersonId>, StoreError> {
        if let Some(session) = store::session::by_id(db, self.session).await? {
            return Ok(Some(session.person_id));
        }
        Ok(store::person::by_identifier(db, &self.id_nat).await?.map(|person| person.id))
    }

    /// Reads a hint; nothing where it is no ID token of ours. Its age does not matter (RP-Initiated Logout §4).
    pub(super) fn read<'k>(
        token: &str,
        issuer: &str,
        key_of: impl FnOnce(Option<&str>) -> Option<&'k VerifyingKey>,
    ) -> Option<Self> {
        let claims: Claims = jose::verify(token, EXPECTED, key_of).ok()?;
        // What else we sign as `JWT` says another `typ`, or has no `sid`.
        let is_id_token = claims.typ.is_none_or(|typ| typ == psc::ID_TOKEN_TYPE);
        let is_ours = claims.iss == issuer && is_id_token;
        let id_nat = claims.sub.rsplit(':').next().unwrap_or_default().to_owned();
        is_ours.then_some(Self { session: claims.sid, client_id: claims.aud, id_nat })
    }
}
