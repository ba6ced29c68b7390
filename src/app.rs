//! Configuration → state → router: the only file that knows every module.
//!
//! Read [`App::router`] for what answers where, [`jobs`] for what runs beside the requests.

pub mod card;
mod figures;
mod init;
mod jobs;
mod listeners;
pub mod mail;
mod phones;
mod policies;
pub mod security_keys;
pub(crate) mod upstreams;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use axum::{Router, middleware};
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::admin::{self, Desk};
use crate::audit::{Kind, Trail};
use crate::card::login::{self, CardLogin};
use crate::card::question::CardAsks;
use crate::clock::{SharedClock, Time};
use crate::config::{Config, Database, OidcMtls};
use crate::crypto::egress::{Egress, EgressError};
use crate::crypto::hsm::{Hsm, HsmError, HsmSettings};
use crate::crypto::sealed::{SealError, SealKey};
use crate::crypto::x509::anchors::AnchorsError;
use crate::crypto::x509::trust::{Trust, TrustDirs};
use crate::ids::SharedRandom;
use crate::jobs::Jobs;
use crate::keyring::{Keyring, KeyringError, Vault};
use crate::means::{self, OwnMeans};
use crate::mobile::{self, Phones};
use crate::notify::code::Codes;
use crate::notify::{OpenError as MailError, Outbox};
use crate::oidc::mtls::Mtls;
use crate::oidc::outbound::Outbound;
use crate::oidc::{self, Asking, Means, Provider};
use crate::sandbox::approval::{self, Approval};
use crate::sandbox::play::Play;
use crate::session::Acr;
use crate::store::signing_key::Purpose;
use crate::store::{self, DatabaseUrl, Db, SANDBOX, Setting, StoreError};
use crate::telemetry::health::{self, Check};
use crate::telemetry::operation::{self, Operations};
use crate::upstream::{self, Upstreams};
use crate::web::answers::Answers;
use crate::web::assets;
use crate::web::csrf::OwnOrigin;
use crate::web::limits::Limit;
use crate::web::middleware::Pages;
use crate::web::page::Site;
use crate::web::proxy::{self, TrustedProxies};
use crate::web::serve::ServeError;
use crate::web::tls::TlsError;
use crate::webauthn::models::Models;
use crate::webauthn::{self, SecurityKeys, trial};

pub use init::{init, init_sandbox, trail};
pub use listeners::{Certificates, Listeners};

/// Why the provider does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `sceau init` has not run.
    #[error("this installation is not initialised: run `sceau init` with the same configuration")]
    NotInitialised,
    /// The state directory cannot be made.
    #[error("the state directory {path} cannot be made: {source}")]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The seal key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database holds people who do not exist, and keys that sign for them.
    #[error(
        "this database is that of a sandbox: nobody in it is real. Use another state directory or database, and run \
         `sceau init`"
    )]
    SandboxDatabase,
    /// A sandbox over the database of an installation.
    #[error("this database is that of an installation, and not of a sandbox")]
    NotASandbox,
    /// The pages would be at an address that workstations cannot enrol with.
    #[error(
        "front_url {0} must be https, or plain http on this machine: workstations enrol with nothing else"
    )]
    FrontUrl(String),
    /// The HSM.
    #[error(transparent)]
    Hsm(#[from] HsmError),
    /// The signing keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The OpenID Provider.
    #[error(transparent)]
    Provider(#[from] oidc::OpenError),
    /// The client for outbound calls.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The authorities of cards.
    #[error(transparent)]
    Anchors(#[from] AnchorsError),
    /// Security keys.
    #[error(transparent)]
    SecurityKeys(#[from] security_keys::KeysError),
    /// The configuration takes the last means of so many administrators.
    #[error(
        "with this configuration {0} people with the role admin would have no means left to sign in with: `sceau policy try` \
         names them. Register another means of theirs with the configuration as it was; or, if they are to have none, take \
         the role away: `sceau person role revoke PERSON admin`"
    )]
    Administrators(usize),
    /// The mail server.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The certificate of the listener.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl StartError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotInitialised => "CONF-020",
            Self::StateDir { .. } => "CONF-021",
            Self::FrontUrl(_) => "CONF-024",
            Self::SandboxDatabase => "CONF-025",
            Self::NotASandbox => "CONF-026",
            Self::Store(error) => error.code(),
            Self::Seal(error) => error.code(),
            Self::Hsm(error) => error.code(),
            Self::Keyring(error) => error.code(),
            Self::Provider(error) => error.code(),
            Self::Egress(error) => error.code(),
            Self::Anchors(error) => error.code(),
            Self::SecurityKeys(error) => error.code(),
            Self::Administrators(_) => "KEY-041",
            Self::Mail(error) => error.code(),
            Self::Tls(error) => error.code(),
            Self::Serve(error) => error.code(),
        }
    }
}

/// How many more reports of workstations than requests of browsers one address may send: a whole site may stand behind it,
/// each workstation with a report every twenty seconds.
const CHANNEL_SHARE: NonZeroU32 = match NonZeroU32::new(10) {
    Some(share) => share,
    None => NonZeroU32::MIN,
};

/// Opens the database that the configuration names, makes it where there is none, and brings it up to date.
///
/// # Errors
/// What the database says.
pub async fn open_database(config: &Config) -> Result<Db, StoreError> {
    Db::open(&address(config)).await
}

/// As [`open_database`], and makes none: it would belong to whoever runs the command, and lack keys and namespace.
///
/// # Errors
/// [`StartError::NotInitialised`], and what the database says.
pub async fn open_existing(config: &Config) -> Result<Db, StartError> {
    require_database(config)?;
    Ok(open_database(config).await?)
}

/// For whoever only looks: makes no database, and brings none up to date.
///
/// # Errors
/// [`StartError::NotInitialised`], and what the database says; [`StoreError::Older`] where it is not up to date.
pub async fn open_as_it_is(config: &Config) -> Result<Db, StartError> {
    require_database(config)?;
    Ok(Db::open_as_it_is(&address(config)).await?)
}

fn require_database(config: &Config) -> Result<(), StartError> {
    match &config.database {
        Database::Sqlite(path) if !path.exists() => Err(StartError::NotInitialised),
        _ => Ok(()),
    }
}

fn address(config: &Config) -> DatabaseUrl {
    match &config.database {
        Database::Sqlite(path) => DatabaseUrl::Sqlite(path.clone()),
        Database::Postgres(url) => DatabaseUrl::Postgres(url.expose_secret().to_owned()),
    }
}

/// Whether the database was made as a sandbox's.
async fn is_sandbox(db: &Db) -> Result<bool, StoreError> {
    Ok(db.setting(Setting::Kind).await?.as_deref() == Some(SANDBOX))
}

/// The settings of the OpenID Provider.
fn oidc_settings(config: &Config, namespace: Uuid) -> oidc::Settings {
    let mut choices = oidc::psc::Choices { auth_level: config.oidc.auth_level.clone(), ..Default::default() };
    if let Some(acr) = config.card.acr {
        choices.card_acr = card::level(acr);
    }
    let delegation = &config.delegation;
    oidc::Settings {
        issuer: oidc::Issuer::new(config.server.issuer.clone()),
        front_url: config.server.front_url.clone(),
        namespace,
        sandbox: config.oidc.redirect_wildcards,
        policies: policies::of(config),
        lifetimes: oidc::Lifetimes {
            code: config.oidc.code,
            access_token: config.oidc.access_token,
            refresh_token: config.oidc.refresh_token,
            exchanged_token: config.oidc.exchanged_token,
            offline_access: config.oidc.offline_access,
            refresh_grace: config.oidc.refresh_grace,
            ..Default::default()
        },
        // A card with its PIN; the other means prove less.
        highest_level: Acr::Eidas3,
        choices,
        registration: config.oidc.registration,
        delegation: oidc::DelegationSettings {
            tenant: delegation.tenant.clone().unwrap_or_else(|| oidc::delegation::tenant_of(namespace)),
            max_age: delegation.max_age,
        },
    }
}

/// The host on which services show a certificate, and whose certificates are believed there.
fn mtls(config: &Config, now: Time) -> Result<Option<Mtls>, AnchorsError> {
    let Some(host) = &config.oidc.mtls else { return Ok(None) };
    Ok(Some(Mtls::new(&host.url, service_authorities(host, now)?)))
}

/// The authorities of services with their lists, where some are named.
///
/// # Errors
/// [`AnchorsError`], where none of them can be used.
pub fn service_authorities(host: &OidcMtls, now: Time) -> Result<Option<Trust>, AnchorsError> {
    let dirs = host.anchors_dir.clone().map(|anchors| TrustDirs {
        anchors,
        crls: host.crl_dir.clone(),
        fetch: host.crl_fetch,
        fallback: card::fallback(host.fallback),
    });
    dirs.map(|dirs| Trust::open(dirs, now)).transpose()
}

/// What opens the stored keys: the seal, and the HSM where one is configured.
///
/// # Errors
/// [`HsmError`], where it cannot be used.
pub async fn vault(config: &Config, seal: &SealKey) -> Result<Vault, HsmError> {
    let Some(pkcs11) = config.keys.pkcs11.clone() else { return Ok(seal.into()) };
    let settings = HsmSettings { module: pkcs11.module, token: pkcs11.token, pin: pkcs11.pin };
    // A module may wait for a network.
    let opened = tokio::task::spawn_blocking(move || Hsm::open(&settings)).await;
    let hsm = opened.map_err(|error| HsmError::Failed(error.to_string()))??;
    Ok(Vault::new(seal.clone(), Some(hsm)))
}

/// What the ways of signing in are made with.
#[derive(Clone, Copy)]
struct Made<'a> {
    config: &'a Config,
    db: &'a Db,
    clock: &'a SharedClock,
    random: &'a SharedRandom,
    trail: &'a Trail,
    seal: &'a SealKey,
    site: &'a Site,
    answers: &'a Arc<Answers>,
    egress: &'a Egress,
}

/// A provider that is ready to serve. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    config: Arc<Config>,
    db: Db,
    clock: SharedClock,
    random: SharedRandom,
    trail: Trail,
    vault: Vault,
    card: Arc<CardLogin>,
    provider: Arc<Provider>,
    /// Security keys; none where they are turned off.
    keys: Option<Arc<SecurityKeys>>,
    means: Arc<OwnMeans>,
    /// Phones that answer for their persons; none where they are turned off.
    phones: Option<Arc<Phones>>,
    /// Who waits on this node for the answer of somebody who is asked.
    answers: Arc<Answers>,
    /// Providers of others; none where none is configured.
    upstreams: Option<Arc<Upstreams>>,
    /// What sends notices; none where no mail server is configured.
    outbox: Option<Arc<Outbox>>,
    /// The pages of whoever has a role.
    desk: Arc<Desk>,
    /// The test persons of a sandbox; none in an installation.
    approval: Option<Arc<Approval>>,
    egress: Arc<Egress>,
    pages: Pages,
    /// As `pages`, with the limit of the workstations' channels.
    channels: Pages,
    certificates: Certificates,
}

impl App {
    /// Opens what [`init()`] made.
    ///
    /// # Errors
    /// [`StartError`], where a part is missing or cannot be used.
    pub async fn start(
        config: Arc<Config>,
        clock: SharedClock,
        random: SharedRandom,
    ) -> Result<Self, StartError> {
        Self::open(config, clock, random, None).await
    }

    /// As [`Self::start`], with test persons in the place of cards: for what [`init_sandbox`] made, and nothing else.
    ///
    /// # Errors
    /// [`StartError::NotASandbox`] above all.
    pub async fn for_sandbox(
        config: Arc<Config>,
        clock: SharedClock,
        random: SharedRandom,
        play: Arc<Play>,
    ) -> Result<Self, StartError> {
        Self::open(config, clock, random, Some(play)).await
    }

    async fn open(
        config: Arc<Config>,
        clock: SharedClock,
        random: SharedRandom,
        play: Option<Arc<Play>>,
    ) -> Result<Self, StartError> {
        let db = open_existing(&config).await?;
        match (is_sandbox(&db).await?, &play) {
            (true, None) => return Err(StartError::SandboxDatabase),
            (false, Some(_)) => return Err(StartError::NotASandbox),
            (true, Some(_)) | (false, None) => {}
        }
        let stored = db.setting(Setting::Namespace).await?.ok_or(StartError::NotInitialised)?;
        let stored = Uuid::parse_str(&stored).map_err(|_| StartError::NotInitialised)?;
        let namespace = config.oidc.namespace.unwrap_or(stored);
        let seal = SealKey::read(&config.server.seal_key_path())?;
        let vault = vault(&config, &seal).await?;
        let trail = trail(&config, &clock, &random);
        let keyring =
            |purpose| Keyring::open(db.clone(), seal.clone(), purpose, clock.clone(), random.clone(), &trail);
        let card_keys = Arc::new(keyring(Purpose::CardRequest).await?);
        let site = Site {
            establishment: config.establishment.name.as_str().into(),
            https: config.server.front_url.scheme() == "https",
            sandbox: play.is_some(),
        };
        let answers = Arc::<Answers>::default();
        let egress = Arc::new(Egress::new(&config.egress)?);
        let made = Made {
            config: &config,
            db: &db,
            clock: &clock,
            random: &random,
            trail: &trail,
            seal: &seal,
            site: &site,
            answers: &answers,
            egress: &egress,
        };
        let card = card::open(made, card_keys)?;
        card.recall_revoked().await?;
        // A sandbox has people without means.
        let keys = match play {
            Some(_) => None,
            None => security_keys::open(made)?,
        };
        if let Some(keys) = &keys
            && let Err(error) = keys.models().recall(&db).await
        {
            tracing::warn!(code = error.code(), "the metadata of security keys is not used: {error}");
        }
        if play.is_none() {
            let (none, now) = (Models::default(), clock.now());
            let taken = security_keys::taken_by(&config, keys.as_deref(), &none);
            let without = trial::administrators_without_means(&db, taken, now).await?.len();
            if without > 0 {
                return Err(StartError::Administrators(without));
            }
        }
        let phones = match play {
            Some(_) => None,
            None => phones::open(made).await?,
        };
        let upstreams = match play {
            Some(_) => None,
            None => upstreams::open(made)?,
        };
        let means = OwnMeans::new(means::Parts {
            db: db.clone(),
            clock: clock.clone(),
            random: random.clone(),
            trail: trail.clone(),
            policies: policies::of(&config),
            own: OwnOrigin::of(&config.server.front_url),
            site: site.clone(),
            takes_keys: keys.is_some(),
            takes_second_factors: keys.as_ref().is_some_and(|keys| keys.policy().take_second_factors()),
            takes_phones: phones.is_some(),
            codes: config.mail.as_ref().map(|_| Codes::new(&seal)),
        });
        let outbox = mail::open(made)?;
        let desk = Desk::new(admin::Parts {
            db: db.clone(),
            clock: clock.clone(),
            random: random.clone(),
            trail: trail.clone(),
            policies: policies::of(&config),
            own: OwnOrigin::of(&config.server.front_url),
            site: site.clone(),
            level: card::level(config.desk.level),
            keys: keys.clone(),
            phones: phones.clone(),
            providers: upstreams::elsewhere(&config.upstreams),
        });
        // A tab that can only fail is not shown.
        let card_tab =
            config.card.anchors_dir.as_ref().map(|_| Arc::new(card::CardTab(Arc::clone(&card))) as _);
        let mut settings = oidc_settings(&config, namespace);
        if play.is_some() {
            // The level of a session is the one that the sandbox's switch says, and is told as it is.
            (settings.choices.card_acr, settings.choices.mobile_acr) = (Acr::Eidas3, Acr::Eidas3);
        }
        let approval = play.map(|play| {
            Approval::new(approval::Parts {
                db: db.clone(),
                clock: clock.clone(),
                random: random.clone(),
                trail: trail.clone(),
                policies: policies::of(&config),
                own: OwnOrigin::of(&config.server.front_url),
                site: site.clone(),
                play,
            })
        });
        let asking = match &approval {
            Some(approval) => approval.asking(),
            None => Asking {
                phone: phones.clone().map(|phones| phones as _),
                // Without authorities no card can be judged.
                card: config
                    .card
                    .anchors_dir
                    .as_ref()
                    .map(|_| Arc::new(CardAsks::new(Arc::clone(&card))) as _),
            },
        };
        let key_tab = keys.clone().map(|keys| Arc::new(security_keys::KeyTab(keys)) as _);
        let test_persons = approval.clone().map(|approval| approval as _);
        let provider = Provider::open(oidc::Parts {
            settings,
            db: db.clone(),
            seal: seal.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            random: random.clone(),
            trail: trail.clone(),
            site: site.clone(),
            means: Means {
                card: card_tab,
                security_keys: key_tab,
                phones: phones.as_ref().map(|phones| phones.level()),
                providers: upstreams.clone().map(|all| Arc::new(upstreams::ProviderTabs(all)) as _),
                test_persons,
            },
            outbound: Outbound::new(&config.egress)?,
            mtls: mtls(&config, clock.now())?.map(Arc::new),
            waits: policies::waits(&config),
            asking,
            foreign: upstreams.clone().map(|all| Arc::new(upstreams::ProviderTokens(all)) as _),
        })
        .await?;
        let per_minute = config.server.requests_per_minute;
        let burst = NonZeroU32::new(per_minute.get() / 5).unwrap_or(per_minute);
        let pages = Pages {
            site,
            origin: OwnOrigin::of(&config.server.front_url),
            limit: Some(Arc::new(Limit::new(burst, per_minute, clock.clone()))),
        };
        let (burst, per_minute) =
            (burst.saturating_mul(CHANNEL_SHARE), per_minute.saturating_mul(CHANNEL_SHARE));
        let channels =
            Pages { limit: Some(Arc::new(Limit::new(burst, per_minute, clock.clone()))), ..pages.clone() };
        let certificates = Certificates::read(&config)?;
        Ok(Self {
            config,
            db,
            clock,
            random,
            trail,
            vault,
            card,
            provider,
            keys,
            means,
            phones,
            answers,
            upstreams,
            outbox,
            desk,
            approval,
            egress,
            pages,
            channels,
            certificates,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The time.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// What calls the addresses that administrators registered.
    pub fn egress(&self) -> &Egress {
        &self.egress
    }

    /// Randomness.
    pub fn random(&self) -> &SharedRandom {
        &self.random
    }

    /// What makes audit events.
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// What opens the stored keys.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The server's side of a card sign-in.
    pub fn card(&self) -> &Arc<CardLogin> {
        &self.card
    }

    /// What answers where.
    pub fn router(&self) -> Router {
        let operations = Operations { clock: self.clock.clone(), random: self.random.clone() };
        let proxies = TrustedProxies::new(&self.config.server.trusted_proxies);
        let routes = Router::new().merge(oidc::routes(&self.provider)).merge(login::routes(&self.card));
        let routes = routes.merge(means::routes(&self.means)).merge(admin::routes(&self.desk));
        let routes = match &self.keys {
            Some(keys) => routes.merge(webauthn::routes(keys)),
            None => routes,
        };
        let routes = match &self.phones {
            Some(phones) => routes.merge(mobile::routes(phones)),
            None => routes,
        };
        let routes = match &self.upstreams {
            Some(upstreams) => routes.merge(upstream::routes(upstreams)),
            None => routes,
        };
        let routes = match &self.approval {
            Some(approval) => approval.around(routes),
            None => routes,
        };
        self.pages
            .around(routes)
            .merge(self.channels.within_limits(login::channel_routes(&self.card)))
            .layer(middleware::from_fn_with_state(proxies, proxy::name_client))
            .layer(middleware::from_fn_with_state(operations, operation::track))
            // Asked for every few seconds, and by every page: not worth a line of the log each.
            .merge(assets::router())
            .merge(health::routes(self.health_checks(), self.list_age()))
    }

    /// Seconds since the oldest list in use was made.
    fn list_age(&self) -> health::ListAge {
        let (card, clock) = (Arc::clone(&self.card), self.clock.clone());
        Arc::new(move || {
            let lists = card.verifier()?.deciding_lists();
            let oldest = lists.into_iter().map(|list| list.this_update).min()?;
            Some((clock.now() - oldest).num_seconds())
        })
    }

    fn health_checks(&self) -> Vec<Check> {
        let db = self.db.clone();
        let database = Check::new("database", move || {
            let db = db.clone();
            async move { db.ping().await.map_err(|error| error.to_string()) }
        });
        let (card, clock) = (Arc::clone(&self.card), self.clock.clone());
        let lists = Check::warning("revocation-lists", move || {
            let verdict = card.revocation_lists_in_order(clock.now());
            async move { verdict }
        });
        vec![database, lists]
    }

    /// Answers on `listeners` and runs the jobs until `stop`; then lets requests and jobs under way end, and closes the
    /// database.
    pub async fn serve(self, listeners: Listeners, stop: CancellationToken) {
        tracing::info!(issuer = %self.config.server.issuer, address = %listeners.address(), "serving");
        if let Some(address) = listeners.card_address() {
            tracing::info!(%address, "asking for the card's certificate");
        }
        if let Some(address) = listeners.delegation_address() {
            tracing::info!(%address, "serving providers that delegate to this establishment");
        }
        if let Some(host) = &self.config.oidc.mtls {
            let address = listeners.services_address().unwrap_or_else(|| listeners.address());
            tracing::info!(%address, url = %host.url, "asking for the certificates of services");
        }
        // Beside the first requests: nobody has to wait until the disk has it.
        let started = self.clone();
        let started = tokio::spawn(async move { started.note(Kind::ServerStarted).await });
        if self.approval.is_none() {
            tokio::spawn(self.clone().look_over_means());
        }
        let jobs = Jobs::start(self.jobs());
        let (card, stopping) = (Arc::clone(&self.card), stop.clone());
        tokio::spawn(async move {
            stopping.cancelled().await;
            card.let_channels_go();
        });
        let figures = tokio::spawn(self.clone().serve_metrics(stop.clone()));
        self.answer(listeners, &stop).await;
        let _noted = started.await;
        self.note(Kind::ServerStopped).await;
        jobs.stop().await;
        let _ended = figures.await;
        // What the last requests recorded is sealed too.
        if let Err(reason) = self.clone().seal_audit().await {
            tracing::warn!(%reason, "the audit was not sealed to its end; the next start does it");
        }
        self.db.close().await;
        tracing::info!("stopped");
    }

    /// Says in the log how many means the configuration takes no more: beside the requests, for it reads all of them.
    async fn look_over_means(self) {
        let none = Models::default();
        let taken = security_keys::taken_by(&self.config, self.keys.as_deref(), &none);
        if let Err(error) = security_keys::look_over(&self.db, taken, self.clock.now()).await {
            tracing::warn!(code = error.code(), %error, "the means of people were not looked over");
        }
    }

    async fn note(&self, kind: Kind) {
        let event = self.trail.event(kind).note(env!("CARGO_PKG_VERSION"));
        if let Err(error) = store::audit::append(&self.db, &event).await {
            tracing::warn!(code = error.code(), %error, "an event was not recorded");
        }
    }
}
