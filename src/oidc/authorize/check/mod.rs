//! The checks of [`super::checks`], one per file.

pub mod acr_values;
pub mod characters;
pub mod claims;
pub mod client;
pub mod delegation;
pub mod details;
pub mod dpop;
pub mod duplicates;
pub mod grant_types;
pub mod hints;
pub mod length;
pub mod max_age;
pub mod nonce;
pub mod pkce;
pub mod prompt;
pub mod pushed;
pub mod redirect_uri;
pub mod resource;
pub mod response_mode;
pub mod response_type;
pub mod scope;
pub mod signed;
pub mod state;
pub mod unsupported;

use super::checks::Draft;
use super::error::AuthorizationError;
