//! Relying parties.
//!
//! A client's secret is always ours (256 random bits), so its SHA-256 is enough to keep: there is nothing to guess.
//! After a rotation the previous secret stays good until a time, so that a relying party changes without an outage.

mod delegation;
mod metadata;
pub mod registration;
pub mod standing;

use sqlx::types::Json;

use super::approval::note_moves;
use super::audit::{NewRow, record};
use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::SessionId;
use crate::session::asking::Workstations;
use crate::session::{CardOut, Delegation, Demands, Names};
use chrono::TimeDelta;
use standing::withdraw_questions;

pub use delegation::set_delegation;
pub use metadata::{AuthMethod, CIBA, DeliveryMode, Metadata, SubjectType};

/// A relying party.
#[derive(Clone, sqlx::FromRow)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// Its name, as its users know it.
    pub name: String,
    /// The protocol profile it was written for.
    pub profile: ProfileName,
    /// SHA-256 of its secret.
    pub secret_hash: Option<Vec<u8>>,
    /// SHA-256 of the secret before.
    pub previous_secret_hash: Option<Vec<u8>>,
    /// Until when that one is good.
    pub previous_secret_until: Option<Time>,
    /// Where it may be answered, compared character by character.
    #[sqlx(json)]
    pub redirect_uris: Vec<String>,
    /// Where a user may be sent after a logout, compared likewise.
    #[sqlx(json)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session ended.
    pub backchannel_logout_uri: Option<String>,
    /// Whom it welcomes.
    pub audience: Audience,
    /// Whether it may introspect tokens of other clients.
    pub may_introspect: bool,
    /// When it was registered.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
    /// When it was disabled, if it is.
    pub disabled_at: Option<Time>,
    /// What it asks for when a card leaves; none: what the place says.
    pub card_out: Option<CardOut>,
    /// Its own idle time, in seconds.
    pub session_idle: Option<i64>,
    /// How old a sign-in may be, in seconds.
    pub session_lifetime: Option<i64>,
    /// The zones it may be used from; empty: all.
    #[sqlx(json)]
    pub zones: Vec<String>,
    /// What else is registered of it.
    #[sqlx(json)]
    pub metadata: Metadata,
    /// Whether it takes a session that a tap of the badge renewed.
    pub accepts_badge: bool,
    /// What it calls levels and factors.
    #[sqlx(json)]
    pub names: Names,
    /// It registered itself (RFC 7591): a stranger to outbound calls.
    pub self_registered: bool,
    /// SHA-256 of the token by which it manages its registration (RFC 7592).
    pub registration_token_hash: Option<Vec<u8>>,
    /// The workstations at which it may ask people for their card, over the agents' channels.
    #[sqlx(json)]
    pub card_workstations: Workstations,
    /// What it is told of whoever signs in here for it, where it is a provider of others.
    #[sqlx(json)]
    pub delegation: Delegation,
}

impl Client {
    /// What it asks for beyond the rules of the place.
    pub fn demands(&self) -> Demands {
        Demands {
            card_out: self.card_out,
            idle: self.session_idle.and_then(TimeDelta::try_seconds),
            lifetime: self.session_lifetime.and_then(TimeDelta::try_seconds),
            zones: self.zones.clone(),
            accepts_badge: self.accepts_badge,
        }
    }

    /// Whether it stands for our own pages.
    pub fn is_own_pages(&self) -> bool {
        self.id == OWN_PAGES
    }

    /// The hashes of the secrets that are good at `now`.
    pub fn secret_hashes(&self, now: Time) -> impl Iterator<Item = &[u8]> {
        let previous = self.previous_secret_until.is_some_and(|until| now < until);
        let previous = self.previous_secret_hash.as_deref().filter(|_| previous);
        self.secret_hash.as_deref().into_iter().chain(previous)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.id).field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// The protocol profile a client was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "TEXT", rename_all = "kebab-case")]
pub enum ProfileName {
    /// Pro Santé Connect, bit for bit.
    Psc,
    /// OpenID Connect and OAuth as the standards say.
    Standard,
    /// The FAPI 2.0 Security Profile.
    Fapi2,
    /// A provider of others that delegates its sign-in to us, as Pro Santé Connect does to hospitals.
    PscDelegation,
}

impl ProfileName {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Psc, Self::Standard, Self::Fapi2, Self::PscDelegation];

    /// The name, as in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Psc => "psc",
            Self::Standard => "standard",
            Self::Fapi2 => "fapi2",
            Self::PscDelegation => "psc-delegation",
        }
    }
}

impl std::str::FromStr for ProfileName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text).ok_or_else(|| {
            format!("the profile is \"psc\", \"standard\", \"fapi2\" or \"psc-delegation\", not {text:?}")
        })
    }
}

/// Whom a client welcomes. Known is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "TEXT", rename_all = "kebab-case")]
pub enum Audience {
    /// People with an affiliation to this establishment.
    Affiliated,
    /// Every professional of the country.
    AnyProfessional,
}

impl Audience {
    /// The name, as in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Affiliated => "affiliated",
            Self::AnyProfessional => "any-professional",
        }
    }
}

impl std::str::FromStr for Audience {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Affiliated, Self::AnyProfessional]
            .into_iter()
            .find(|audience| audience.as_str() == text)
            .ok_or_else(|| format!("the audience is \"affiliated\" or \"any-professional\", not {text:?}"))
    }
}

/// A relying party to register.
#[derive(Clone)]
pub struct NewClient {
    /// Its `client_id`.
    pub id: String,
    /// Its name, as its users know it.
    pub name: String,
    /// The protocol profile it was written for.
    pub profile: ProfileName,
    /// SHA-256 of its secret; none where it authenticates by a key, or not at all.
    pub secret_hash: Option<[u8; 32]>,
    /// Where it may be answered.
    pub redirect_uris: Vec<String>,
    /// Where a user may be sent after a logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session ended.
    pub backchannel_logout_uri: Option<String>,
    /// Whom it welcomes.
    pub audience: Audience,
    /// Whether it may introspect tokens of other clients.
    pub may_introspect: bool,
    /// What else is registered of it.
    pub metadata: Metadata,
    /// It registers itself (RFC 7591).
    pub self_registered: bool,
    /// SHA-256 of the token by which it manages its registration (RFC 7592).
    pub registration_token_hash: Option<[u8; 32]>,
}

macro_rules! columns {
    () => {
        "id, name, profile, secret_hash, previous_secret_hash, previous_secret_until, redirect_uris,
         post_logout_redirect_uris, backchannel_logout_uri, audience, may_introspect, created_at, updated_at,
         disabled_at, card_out, session_idle, session_lifetime, zones, metadata, accepts_badge, names,
         self_registered, registration_token_hash, card_workstations, delegation"
    };
}

/// Keeps a client, inside a `write!` body.
macro_rules! insert {
    ($c:expr, $new:expr, $now:expr) => {{
        let new: &$crate::store::client::NewClient = $new;
        sqlx::query(
            "INSERT INTO client (id, name, profile, secret_hash, redirect_uris, post_logout_redirect_uris,
               backchannel_logout_uri, audience, may_introspect, created_at, updated_at, metadata, self_registered,
               registration_token_hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13)",
        )
        .bind(new.id.clone())
        .bind(new.name.clone())
        .bind(new.profile)
        .bind(new.secret_hash.map(|hash| hash.to_vec()))
        .bind(sqlx::types::Json(new.redirect_uris.clone()))
        .bind(sqlx::types::Json(new.post_logout_redirect_uris.clone()))
        .bind(new.backchannel_logout_uri.clone())
        .bind(new.audience)
        .bind(new.may_introspect)
        .bind($now)
        .bind(sqlx::types::Json(new.metadata.clone()))
        .bind(new.self_registered)
        .bind(new.registration_token_hash.map(|hash| hash.to_vec()))
        .execute(&mut *$c)
        .await?;
    }};
}
use insert;

/// Registers a client. Yields false where the `client_id` is taken.
///
/// # Errors
/// [`StoreError`].
pub async fn add(db: &Db, new: &NewClient, now: Time, event: &NewRow) -> Result<bool, StoreError> {
    let added: Result<(), StoreError> = async {
        write!(db, c => {
            insert!(c, new, now);
            record!(c, *event);
            Ok(())
        })
    }
    .await;
    match added {
        Ok(()) => Ok(true),
        Err(error) if error.is_duplicate() => Ok(false),
        Err(error) => Err(error),
    }
}

/// The client of that `client_id`, also where it is disabled.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &Db, id: &str) -> Result<Option<Client>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM client WHERE id = $1");
    let id = id.to_owned();
    read!(db, c => Ok(sqlx::query_as(SQL).bind(id).fetch_optional(&mut *c).await?))
}

/// The `client_id` of our own pages: no service can be registered under it.
pub const OWN_PAGES: &str = "our own pages";

/// Our own pages as a service that people sign in to. It is registered nowhere, so no endpoint but the sign-in knows it.
pub fn own_pages() -> Client {
    Client {
        id: OWN_PAGES.to_owned(),
        name: "Sceau".to_owned(),
        profile: ProfileName::Standard,
        secret_hash: None,
        previous_secret_hash: None,
        previous_secret_until: None,
        redirect_uris: Vec::new(),
        post_logout_redirect_uris: Vec::new(),
        backchannel_logout_uri: None,
        audience: Audience::Affiliated,
        may_introspect: false,
        created_at: Time::default(),
        updated_at: Time::default(),
        disabled_at: None,
        card_out: None,
        session_idle: None,
        session_lifetime: None,
        zones: Vec::new(),
        metadata: Metadata::default(),
        accepts_badge: false,
        names: Names::default(),
        self_registered: false,
        registration_token_hash: None,
        card_workstations: Workstations::default(),
        delegation: Delegation::default(),
    }
}

/// Whom a sign-in is for: a client, or our own pages.
///
/// # Errors
/// [`StoreError`].
pub async fn for_sign_in(db: &Db, id: &str) -> Result<Option<Client>, StoreError> {
    if id == OWN_PAGES {
        return Ok(Some(own_pages()));
    }
    by_id(db, id).await
}

/// The clients that were granted something in a session, by `client_id`.
///
/// # Errors
/// [`StoreError`].
pub async fn of_session(db: &Db, session: SessionId) -> Result<Vec<Client>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM client WHERE id IN (SELECT client_id FROM authorization_grant WHERE session_id = $1) ORDER BY id"
    );
    read!(db, c => Ok(sqlx::query_as(SQL).bind(session).fetch_all(&mut *c).await?))
}

/// Every client, by `client_id`.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &Db) -> Result<Vec<Client>, StoreError> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM client ORDER BY id");
    read!(db, c => Ok(sqlx::query_as(SQL).fetch_all(&mut *c).await?))
}

/// Gives the client a new secret; the one it had stays good until `previous_until`. Yields whether it exists.
///
/// # Errors
/// [`StoreError`].
pub async fn rotate_secret(
    db: &Db,
    id: &str,
    secret_hash: [u8; 32],
    previous_until: Time,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let id = id.to_owned();
    write!(db, c => {
        let rotated = sqlx::query(
            "UPDATE client SET previous_secret_hash = secret_hash, previous_secret_until = $3, secret_hash = $2,
               updated_at = $4
             WHERE id = $1",
        )
        .bind(id)
        .bind(secret_hash.to_vec())
        .bind(previous_until)
        .bind(now)
        .execute(&mut *c)
        .await?;
        if rotated.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        Ok(true)
    })
}

/// Replaces what the client asks for beyond the rules of the place. Yields whether it exists.
///
/// # Errors
/// [`StoreError`].
pub async fn set_policy(
    db: &Db,
    id: &str,
    demands: &Demands,
    names: &Names,
    now: Time,
    event: &NewRow,
) -> Result<bool, StoreError> {
    let id = id.to_owned();
    write!(db, c => {
        let changed = sqlx::query(
            "UPDATE client SET card_out = $2, session_idle = $3, session_lifetime = $4, zones = $5,
               accepts_badge = $7, names = $8, updated_at = $6
             WHERE id = $1",
        )
        .bind(id)
        .bind(demands.card_out)
        .bind(demands.idle.map(|idle| idle.num_seconds()))
        .bind(demands.lifetime.map(|lifetime| lifetime.num_seconds()))
        .bind(Json(demands.zones.clone()))
        .bind(now)
        .bind(demands.accepts_badge)
        .bind(Json(names.clone()))
        .execute(&mut *c)
        .await?;
        if changed.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        Ok(true)
    })
}

/// Replaces name, profile, addresses and metadata of the client by those of `new`. Yields whether it exists.
///
/// # Errors
/// [`StoreError`].
pub async fn update(db: &Db, new: &NewClient, now: Time, event: &NewRow) -> Result<bool, StoreError> {
    write!(db, c => {
        let changed = sqlx::query(
            "UPDATE client SET name = $2, profile = $3, redirect_uris = $4, post_logout_redirect_uris = $5,
               backchannel_logout_uri = $6, audience = $7, may_introspect = $8, updated_at = $9, metadata = $10
             WHERE id = $1",
        )
        .bind(new.id.clone())
        .bind(new.name.clone())
        .bind(new.profile)
        .bind(Json(new.redirect_uris.clone()))
        .bind(Json(new.post_logout_redirect_uris.clone()))
        .bind(new.backchannel_logout_uri.clone())
        .bind(new.audience)
        .bind(new.may_introspect)
        .bind(now)
        .bind(Json(new.metadata.clone()))
        .execute(&mut *c)
        .await?;
        if changed.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        Ok(true)
    })
}

/// Removes the client with everything it was granted. Yields whether it existed.
///
/// # Errors
/// [`StoreError`].
pub async fn remove(db: &Db, id: &str, event: &NewRow) -> Result<bool, StoreError> {
    let id = id.to_owned();
    write!(db, c => {
        let withdrawn = withdraw_questions!(c, id);
        let removed = sqlx::query("DELETE FROM client WHERE id = $1").bind(id).execute(&mut *c).await?;
        if removed.rows_affected() != 1 {
            return Ok(false);
        }
        record!(c, *event);
        note_moves!(c, &withdrawn);
        Ok(true)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::audit::{Kind, Trail};
    use crate::clock::{Clock, MockClock};
    use crate::store::testing::on_both;
    use chrono::TimeDelta;

    /// Some event, to be recorded with a change.
    pub(crate) fn event(kind: Kind, clock: &MockClock) -> NewRow {
        let random = Arc::new(crate::crypto::random::SystemRandom);
        (&Trail::new("main", "1", Arc::new(clock.clone()), random).event(kind)).into()
    }

    /// A client that asks for everything.
    pub(crate) fn new_client(id: &str) -> NewClient {
        NewClient {
            id: id.into(),
            name: format!("Service {id}"),
            profile: ProfileName::Psc,
            secret_hash: Some([1; 32]),
            redirect_uris: vec![format!("https://{id}.example/cb")],
            post_logout_redirect_uris: vec![format!("https://{id}.example/bye")],
            backchannel_logout_uri: Some(format!("https://{id}.example/logout")),
            audience: Audience::Affiliated,
            may_introspect: false,
            metadata: Metadata::default(),
            self_registered: false,
            registration_token_hash: None,
        }
    }

    #[tokio::test]
    async fn a_client_is_kept_as_it_was_registered() {
        on_both(async |db| {
            let clock = MockClock::default();
            let (now, event) = (clock.now(), || event(Kind::ClientAdded, &clock));
            let new =
                NewClient { audience: Audience::AnyProfessional, may_introspect: true, ..new_client("rp") };
            assert!(add(&db, &new, now, &event()).await.unwrap());
            assert!(!add(&db, &new, now, &event()).await.unwrap(), "registered twice");
            let client = by_id(&db, "rp").await.unwrap().unwrap();
            assert_eq!(client.redirect_uris, new.redirect_uris);
            assert_eq!(client.post_logout_redirect_uris, new.post_logout_redirect_uris);
            assert_eq!(client.backchannel_logout_uri, new.backchannel_logout_uri);
            assert_eq!((client.audience, client.may_introspect), (Audience::AnyProfessional, true));
            assert_eq!((client.created_at, client.disabled_at), (now, None));
            assert_eq!(client.demands(), Demands::default());
            let demands = Demands {
                card_out: Some(CardOut::End),
                idle: Some(TimeDelta::minutes(5)),
                lifetime: Some(TimeDelta::hours(1)),
                zones: vec!["bloc".into()],
                accepts_badge: true,
            };
            let own = [("eidas2".to_owned(), "possession".to_owned())];
            let names = Names::new(&own, &[], true).unwrap();
            let policy = async || {
                let client = by_id(&db, "rp").await.unwrap().unwrap();
                (client.demands(), client.names)
            };
            assert!(set_policy(&db, "rp", &demands, &names, now, &event()).await.unwrap());
            assert_eq!(policy().await, (demands.clone(), names.clone()));
            let (nothing, ours) = (Demands::default(), Names::default());
            assert!(set_policy(&db, "rp", &nothing, &ours, now, &event()).await.unwrap());
            assert_eq!(policy().await, (nothing, ours));
            assert!(!set_policy(&db, "nobody", &demands, &names, now, &event()).await.unwrap());
            let metadata = Metadata {
                token_endpoint_auth_method: Some(AuthMethod::PrivateKeyJwt),
                default_max_age: Some(600),
                ..Metadata::default()
            };
            let changed = NewClient { profile: ProfileName::Fapi2, metadata, ..new.clone() };
            assert!(update(&db, &changed, now, &event()).await.unwrap());
            let client = by_id(&db, "rp").await.unwrap().unwrap();
            assert_eq!((client.profile, &client.metadata), (ProfileName::Fapi2, &changed.metadata));
            assert_eq!(client.secret_hash.as_deref(), Some(&[1; 32][..]), "a change touches no secret");
            assert!(!update(&db, &new_client("nobody"), now, &event()).await.unwrap());
            assert_eq!(all(&db).await.unwrap().len(), 1);
            assert!(by_id(&db, "RP").await.unwrap().is_none());
            assert!(remove(&db, "rp", &event()).await.unwrap());
            assert!(!remove(&db, "rp", &event()).await.unwrap());
        })
        .await;
    }

    #[tokio::test]
    async fn a_rotated_secret_stays_good_for_its_time() {
        on_both(async |db| {
            let clock = MockClock::default();
            let event = || event(Kind::ClientAdded, &clock);
            add(&db, &new_client("rp"), clock.now(), &event()).await.unwrap();
            let until = clock.now() + TimeDelta::hours(1);
            assert!(rotate_secret(&db, "rp", [2; 32], until, clock.now(), &event()).await.unwrap());
            let client = by_id(&db, "rp").await.unwrap().unwrap();
            assert_eq!(client.secret_hashes(clock.now()).collect::<Vec<_>>(), [[2; 32], [1; 32]]);
            assert_eq!(client.secret_hashes(until).collect::<Vec<_>>(), [[2; 32]]);
            assert!(!rotate_secret(&db, "nobody", [2; 32], until, clock.now(), &event()).await.unwrap());
        })
        .await;
    }
}
