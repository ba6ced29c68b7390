//! Relying parties: how they are registered, how they prove who they are, which keys they have.

pub mod authentication;
pub mod keys;
pub mod metadata;
pub mod redirect_uri;
pub mod registration;
pub mod sector;

pub use authentication::ClientError;
pub use authentication::credentials::Credentials;
pub(super) use authentication::{PARAMETERS, authenticate, authenticate_confidential, methods};
