//! Registering a relying party: what it must be, so that nothing registered can hurt later.

use url::Url;

use super::authentication::enabled;
use super::metadata::{self, Document, MetadataFault, Registrar};
use super::redirect_uri::{self, RegistrationError};
use super::sector::{self, SectorFault};
use crate::audit::Event;
use crate::clock::Time;
use crate::config;
use crate::crypto::digest::sha256;
use crate::crypto::egress::Egress;
use crate::directory::NationalId;
use crate::ids::{Random, Secret};
use crate::oidc::profile;
use crate::store::client::{Audience, AuthMethod, Metadata, NewClient, ProfileName};
use crate::store::{self, Db, StoreError};

/// The longest `client_id` and name.
const LONGEST: usize = 100;

/// A relying party to register.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Its `client_id`.
    pub id: String,
    /// Its name, as its users know it.
    pub name: String,
    /// Where it may be answered; at least one.
    pub redirect_uris: Vec<String>,
    /// Where a user may be sent after a logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session ended.
    pub backchannel_logout_uri: Option<String>,
    /// Whom it welcomes.
    pub audience: Audience,
    /// Whether it may introspect tokens of other clients.
    pub may_introspect: bool,
    /// The protocol profile it was written for.
    pub profile: ProfileName,
    /// What else is registered of it.
    pub metadata: Metadata,
}

/// Why a relying party is not registered.
#[derive(Debug, thiserror::Error)]
pub enum ClientFault {
    /// Not of the characters of a `client_id`.
    #[error(
        "a client id is 1 to {LONGEST} letters, digits and . _ ~ -, such as dpi-production; {0:?} is not"
    )]
    Id(String),
    /// Looks like a person (RFC 9700 §4.15).
    #[error("{0:?} is the national identifier of a person; choose a name for the service")]
    IdOfAPerson(String),
    /// Empty, too long, or with control characters.
    #[error("the name is 1 to {LONGEST} characters that people can read")]
    Name,
    /// None given.
    #[error("at least one redirect URI is needed")]
    NoRedirectUri,
    /// One of the addresses.
    #[error(transparent)]
    Address(#[from] RegistrationError),
    /// The back-channel address.
    #[error("the back-channel logout URI must be an https address without # ({0:?} is not)")]
    BackchannelUri(String),
    /// What else is registered of it.
    #[error(transparent)]
    Metadata(#[from] MetadataFault),
    /// The list of the sector that it names.
    #[error(transparent)]
    Sector(#[from] SectorFault),
    /// The id is taken.
    #[error("there is a client {0:?} already")]
    Taken(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ClientFault {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address(error) => error.code(),
            Self::Id(_) | Self::IdOfAPerson(_) => "OIDC-081",
            Self::Name => "OIDC-082",
            Self::NoRedirectUri => "OIDC-083",
            Self::BackchannelUri(_) => "OIDC-084",
            Self::Metadata(fault) => fault.code(),
            Self::Sector(_) => "OIDC-165",
            Self::Taken(_) => "OIDC-085",
            Self::Store(error) => error.code(),
        }
    }
}

/// What an installation allows of registrations.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// Addresses may end with `*`, as in PSC's sandbox.
    pub wildcards: bool,
    /// How clients can authenticate.
    pub methods: Vec<AuthMethod>,
}

impl Allowed {
    /// By the configuration.
    pub fn by(config: &config::Oidc) -> Self {
        let mtls = config.mtls.as_ref();
        let methods = enabled(mtls.is_some(), mtls.is_some_and(|mtls| mtls.anchors_dir.is_some())).collect();
        Self { wildcards: config.redirect_wildcards, methods }
    }
}

/// Registers a relying party and yields its secret, which is kept nowhere; none where it authenticates in another way.
/// Where it names a sector, `egress` fetches that sector's list first.
///
/// # Errors
/// [`ClientFault`].
pub async fn register(
    db: &Db,
    registration: &Registration,
    allowed: &Allowed,
    egress: &Egress,
    event: &Event,
    now: Time,
    random: &dyn Random,
) -> Result<Option<Secret>, ClientFault> {
    check(registration, allowed)?;
    check_sector(registration, egress).await?;
    let secret = has_secret(&registration.metadata).then(|| Secret::of_256_bits(random));
    let new = NewClient {
        secret_hash: secret.as_ref().map(|secret| sha256(secret.expose().as_bytes())),
        ..kept(registration)
    };
    let event = event.clone().client(&new.id);
    if store::client::add(db, &new, now, &(&event).into()).await? {
        Ok(secret)
    } else {
        Err(ClientFault::Taken(new.id))
    }
}

/// Replaces what is registered of a relying party; its secret stays. Yields whether there is one of that id. Where it
/// names a sector, `egress` fetches that sector's list first.
///
/// # Errors
/// [`ClientFault`].
pub async fn change(
    db: &Db,
    registration: &Registration,
    allowed: &Allowed,
    egress: &Egress,
    event: &Event,
    now: Time,
) -> Result<bool, ClientFault> {
    check(registration, allowed)?;
    check_sector(registration, egress).await?;
    let event = event.clone().client(&registration.id);
    Ok(store::client::update(db, &kept(registration), now, &(&event).into()).await?)
}

/// OpenID Connect Registration §5: the sector's list is looked at before anything is kept.
async fn check_sector(registration: &Registration, egress: &Egress) -> Result<(), ClientFault> {
    match &registration.metadata.sector_identifier_uri {
        Some(address) => Ok(sector::check(egress, address, &registration.redirect_uris).await?),
        None => Ok(()),
    }
}

/// Whether a client with this metadata authenticates by a secret.
pub fn has_secret(metadata: &Metadata) -> bool {
    matches!(
        metadata.token_endpoint_auth_method,
        None | Some(AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
    )
}

fn kept(registration: &Registration) -> NewClient {
    let Registration { id, name, redirect_uris, post_logout_redirect_uris, .. } = registration.clone();
    NewClient {
        id,
        name,
        profile: registration.profile,
        secret_hash: None,
        redirect_uris,
        post_logout_redirect_uris,
        backchannel_logout_uri: registration.backchannel_logout_uri.clone(),
        audience: registration.audience,
        may_introspect: registration.may_introspect,
        metadata: registration.metadata.clone(),
        self_registered: false,
        registration_token_hash: None,
    }
}

/// Whether a relying party may be registered so.
///
/// # Errors
/// [`ClientFault`].
pub fn check(registration: &Registration, allowed: &Allowed) -> Result<(), ClientFault> {
    let id = &registration.id;
    // No colon: it would end the name in Basic authentication for the many clients that do not encode it.
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-');
    if id.is_empty() || id.len() > LONGEST || !id.bytes().all(good) {
        return Err(ClientFault::Id(id.clone()));
    }
    if id.parse::<NationalId>().is_ok() {
        return Err(ClientFault::IdOfAPerson(id.clone()));
    }
    let name = registration.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
        return Err(ClientFault::Name);
    }
    if registration.redirect_uris.is_empty() && registration.metadata.may_use("authorization_code") {
        return Err(ClientFault::NoRedirectUri);
    }
    let addresses = registration.redirect_uris.iter().chain(&registration.post_logout_redirect_uris);
    addresses
        .into_iter()
        .try_for_each(|address| redirect_uri::check_registration(address, allowed.wildcards))?;
    if let Some(uri) = &registration.backchannel_logout_uri {
        // Plain http is judged when it is called: only what `[egress] allow` lists is reached so.
        let url = Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let good = url.filter(|url| url.host().is_some() && url.fragment().is_none());
        good.ok_or_else(|| ClientFault::BackchannelUri(uri.clone()))?;
    }
    let document = Document {
        redirect_uris: registration.redirect_uris.clone(),
        post_logout_redirect_uris: registration.post_logout_redirect_uris.clone(),
        metadata: registration.metadata.clone(),
        ..Document::default()
    };
    let rules = profile::named(registration.profile).rules();
    let (by, methods) = (Registrar::Administrator, &allowed.methods);
    Ok(metadata::check(&document, by, rules, methods, allowed.wildcards)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dpi() -> Registration {
        Registration {
            id: "dpi-production".into(),
            name: "Dossier patient".into(),
            redirect_uris: vec!["https://dpi.hopital.example/cb".into()],
            post_logout_redirect_uris: vec!["https://dpi.hopital.example/".into()],
            backchannel_logout_uri: Some("https://dpi.hopital.example/logout".into()),
            audience: Audience::Affiliated,
            may_introspect: false,
            profile: ProfileName::Psc,
            metadata: Metadata::default(),
        }
    }

    #[test]
    fn what_could_hurt_later_is_not_registered() {
        let allowed = Allowed { wildcards: false, methods: AuthMethod::ALL.to_vec() };
        assert!(check(&dpi(), &allowed).is_ok());
        let fault = |change: fn(&mut Registration)| {
            let mut registration = dpi();
            change(&mut registration);
            check(&registration, &allowed).unwrap_err().code()
        };
        assert_eq!(fault(|r| r.id = "a:b".into()), "OIDC-081");
        assert_eq!(fault(|r| r.id = "".into()), "OIDC-081");
        assert_eq!(fault(|r| r.id = "899700427885".into()), "OIDC-081");
        assert_eq!(fault(|r| r.name = " ".into()), "OIDC-082");
        assert_eq!(fault(|r| r.name = "a\u{1b}[31m".into()), "OIDC-082");
        assert_eq!(fault(|r| r.redirect_uris.clear()), "OIDC-083");
        assert_eq!(fault(|r| r.redirect_uris.push("http://dpi.hopital.example/cb".into())), "OIDC-080");
        assert_eq!(fault(|r| r.post_logout_redirect_uris.push("javascript:x".into())), "OIDC-080");
        assert_eq!(fault(|r| r.backchannel_logout_uri = Some("file:///x".into())), "OIDC-084");
    }
}
