//! The list of a sector (OpenID Connect Core §8.1, Registration §5): services of one software house, or of one group of
//! hospitals, that may know a person by the same pairwise `sub`.
//!
//! What a hospital gets: nobody joins a sector by naming it. The document at `sector_identifier_uri`, which whoever
//! owns the sector's host publishes, must list every address for answers of the client. It is fetched when an
//! administrator registers or changes the client, and at no other time; a client that registers itself cannot name one.

use serde_json::Value;

use crate::crypto::egress::{Egress, EgressError};
use crate::crypto::jose::{JsonFault, strict_json};

/// Why a client is not of the sector that it names.
#[derive(Debug, thiserror::Error)]
pub enum SectorFault {
    /// It was not answered, or may not be called.
    #[error("sector_identifier_uri cannot be fetched: {0}")]
    Fetch(#[from] EgressError),
    /// Another status than 200; redirects are not followed.
    #[error("sector_identifier_uri answers with status {0}")]
    Status(u16),
    /// No JSON list.
    #[error("the document at sector_identifier_uri is refused: {0}")]
    Json(JsonFault),
    /// Something else than addresses in it.
    #[error("the document at sector_identifier_uri lists something that is no text")]
    NoAddresses,
    /// An address of the client that is not in it.
    #[error("the document at sector_identifier_uri does not list the redirect URI {0}")]
    Unlisted(String),
}

/// Fetches the document, and looks whether every one of `redirect_uris` is in it, character by character.
///
/// # Errors
/// [`SectorFault`].
pub async fn check(egress: &Egress, address: &str, redirect_uris: &[String]) -> Result<(), SectorFault> {
    let answer = egress.fetch(address).await?;
    if answer.status != http::StatusCode::OK {
        return Err(SectorFault::Status(answer.status.as_u16()));
    }
    let listed = strict_json::list(&answer.body).map_err(SectorFault::Json)?;
    if !listed.iter().all(Value::is_string) {
        return Err(SectorFault::NoAddresses);
    }
    let missing = redirect_uris.iter().find(|address| !listed.iter().any(|one| one == address.as_str()));
    missing.map_or(Ok(()), |address| Err(SectorFault::Unlisted(address.clone())))
}
