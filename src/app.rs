//! Configuration → state → router: the only file that knows every module.
//!
//! Read [`App::router`] for what answers where, [`jobs`] for what runs beside the requests.

mod init;
mod jobs;

use std::path::PathBuf;
use std::sync::Arc;

use axum::{Router, middleware};
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::audit::Trail;
use crate::clock::SharedClock;
use crate::config::{Config, Database};
use crate::crypto::sealed::{SealError, SealKey};
use crate::crypto::x509::anchors::AnchorsError;
use crate::ids::SharedRandom;
use crate::jobs::Jobs;
use crate::keyring::{Keyring, KeyringError};
use crate::store::signing_key::Purpose;
use crate::store::{DatabaseUrl, Db, Setting, StoreError};
use crate::telemetry::health::{self, Check};
use crate::telemetry::operation::{self, Operations};
use crate::web::assets;
use crate::web::proxy::{self, TrustedProxies};
use crate::web::serve::{Listener, Patience, ServeError, Transport};
use crate::web::tls::{Host, TlsError, TlsHosts};

pub use init::{init, trail};

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
    /// The signing keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The authorities of cards.
    #[error(transparent)]
    Anchors(#[from] AnchorsError),
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
            Self::Store(error) => error.code(),
            Self::Seal(error) => error.code(),
            Self::Keyring(error) => error.code(),
            Self::Anchors(error) => error.code(),
            Self::Tls(error) => error.code(),
            Self::Serve(error) => error.code(),
        }
    }
}

/// Opens the database that the configuration names.
///
/// # Errors
/// What the database says.
pub async fn open_database(config: &Config) -> Result<Db, StoreError> {
    let url = match &config.database {
        Database::Sqlite(path) => DatabaseUrl::Sqlite(path.clone()),
        Database::Postgres(url) => DatabaseUrl::Postgres(url.expose_secret().to_owned()),
    };
    Db::open(&url).await
}

/// A provider that is ready to serve. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    config: Arc<Config>,
    db: Db,
    clock: SharedClock,
    random: SharedRandom,
    trail: Trail,
    card_keys: Arc<Keyring>,
    namespace: Uuid,
    tls: Option<Arc<TlsHosts>>,
}

impl App {
    /// Opens what [`init`] made.
    ///
    /// # Errors
    /// [`StartError`], where a part is missing or cannot be used.
    pub async fn start(
        config: Arc<Config>,
        clock: SharedClock,
        random: SharedRandom,
    ) -> Result<Self, StartError> {
        if matches!(&config.database, Database::Sqlite(path) if !path.exists()) {
            return Err(StartError::NotInitialised);
        }
        let db = open_database(&config).await?;
        let stored = db.setting(Setting::Namespace).await?.ok_or(StartError::NotInitialised)?;
        let stored = Uuid::parse_str(&stored).map_err(|_| StartError::NotInitialised)?;
        let namespace = config.oidc.namespace.unwrap_or(stored);
        let seal = SealKey::read(&config.server.seal_key_path())?;
        let trail = trail(&config, &clock, &random);
        let keyring =
            |purpose| Keyring::open(db.clone(), seal.clone(), purpose, clock.clone(), random.clone(), &trail);
        let card_keys = Arc::new(keyring(Purpose::CardRequest).await?);
        let tls = config.tls.as_ref().map(|tls| {
            let names = config.server.front_url.host_str().map(str::to_owned).into_iter().collect();
            TlsHosts::read(vec![Host {
                names,
                certificate_file: tls.certificate_file.clone(),
                key_file: tls.key_file.clone(),
                asks_certificate: false,
            }])
        });
        let tls = tls.transpose()?.map(Arc::new);
        Ok(Self { config, db, clock, random, trail, card_keys, namespace, tls })
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The time.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Randomness.
    pub fn random(&self) -> &SharedRandom {
        &self.random
    }

    /// What makes audit events.
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// What answers where.
    pub fn router(&self) -> Router {
        let operations = Operations { clock: self.clock.clone(), random: self.random.clone() };
        let proxies = TrustedProxies::new(&self.config.server.trusted_proxies);
        let tracked = Router::new();
        tracked
            .layer(middleware::from_fn_with_state(proxies, proxy::name_client))
            .layer(middleware::from_fn_with_state(operations, operation::track))
            // Asked for every few seconds, and by every page: not worth a line of the log each.
            .merge(assets::router())
            .merge(health::routes(self.health_checks()))
    }

    fn health_checks(&self) -> Vec<Check> {
        let db = self.db.clone();
        let database = Check::new("database", move || {
            let db = db.clone();
            async move { db.ping().await.map_err(|error| error.to_string()) }
        });
        vec![database]
    }

    /// Takes the address that the configuration names.
    ///
    /// # Errors
    /// [`StartError::Serve`].
    pub async fn bind(&self) -> Result<Listener, StartError> {
        let server = &self.config.server;
        let transport = match &self.tls {
            Some(hosts) => Transport::Tls(Arc::clone(hosts)),
            None => Transport::Plain { behind_proxy: !server.trusted_proxies.is_empty() },
        };
        Ok(Listener::bind(server.listen, transport).await?)
    }

    /// Answers on `listener` and runs the jobs until `stop`; then lets requests and jobs under way end, and closes the
    /// database.
    pub async fn serve(self, listener: Listener, stop: CancellationToken) {
        tracing::info!(issuer = %self.config.server.issuer, address = %listener.address(), "serving");
        let jobs = Jobs::start(self.jobs());
        listener.serve(self.router(), Patience::default(), stop).await;
        jobs.stop().await;
        self.db.close().await;
        tracing::info!("stopped");
    }
}
