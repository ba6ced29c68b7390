//! Configuration → state → router: the only file that knows every module.
//!
//! Read [`App::router`] for what answers where.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::{Router, middleware};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::clock::SharedClock;
use crate::config::{Config, Database};
use crate::crypto::sealed::{SealError, SealKey};
use crate::ids::{self, SharedRandom};
use crate::store::{DatabaseUrl, Db, Setting, StoreError};
use crate::telemetry::health::{self, Check};
use crate::telemetry::operation::{self, Operations};

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
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; another program may hold it (see `ss -ltnp`)")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server stopped by itself.
    #[error("the server stopped: {0}")]
    Serve(std::io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The seal key.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl StartError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotInitialised => "CONF-020",
            Self::StateDir { .. } => "CONF-021",
            Self::Listen { .. } => "CONF-022",
            Self::Serve(_) => "CONF-023",
            Self::Store(error) => error.code(),
            Self::Seal(error) => error.code(),
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

/// Makes what an installation has once and keeps: state directory, seal key, database, namespace, first signing keys.
/// What is there already is kept. Yields a sentence about what was done.
///
/// # Errors
/// Where a part cannot be made; above all where sealed data exists and its key is missing.
pub async fn init(config: &Config, clock: SharedClock, random: SharedRandom) -> Result<String, StartError> {
    let state_dir = &config.server.state_dir;
    make_private_dir(state_dir).map_err(|source| StartError::StateDir { path: state_dir.clone(), source })?;
    let db = open_database(config).await?;
    let seal_path = config.server.seal_key_path();
    let seal = match SealKey::read(&seal_path) {
        Err(SealError::KeyMissing { .. }) if !db.has_sealed_rows().await? => {
            let key = SealKey::generate(&*random);
            key.write_new(&seal_path)?;
            key
        }
        other => other?,
    };
    let namespace = config.oidc.namespace.unwrap_or_else(|| ids::uuid_v4(&*random));
    let namespace = db.setting_once(Setting::Namespace, &namespace.to_string()).await?;
    let _ = (&seal, &clock);
    db.close().await;
    Ok(format!("{}: ready; namespace {namespace}", state_dir.display()))
}

/// Only its owner may look into it.
fn make_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A provider that is ready to serve.
#[derive(Debug, Clone)]
pub struct App {
    config: Arc<Config>,
    db: Db,
    clock: SharedClock,
    random: SharedRandom,
    seal: SealKey,
    namespace: Uuid,
}

impl App {
    /// Opens what [`init`] made.
    ///
    /// # Errors
    /// [`StartError`], where a part is missing.
    pub async fn start(
        config: Arc<Config>,
        clock: SharedClock,
        random: SharedRandom,
    ) -> Result<Self, StartError> {
        if let Database::Sqlite(path) = &config.database
            && !path.exists()
        {
            return Err(StartError::NotInitialised);
        }
        let db = open_database(&config).await?;
        let seal = SealKey::read(&config.server.seal_key_path())?;
        let stored = db.setting(Setting::Namespace).await?.ok_or(StartError::NotInitialised)?;
        let stored = Uuid::parse_str(&stored).map_err(|_| StartError::NotInitialised)?;
        let namespace = config.oidc.namespace.unwrap_or(stored);
        Ok(Self { config, db, clock, random, seal, namespace })
    }

    /// What answers where.
    pub fn router(&self) -> Router {
        let operations = Operations { clock: self.clock.clone(), random: self.random.clone() };
        let tracked = Router::new();
        tracked
            .layer(middleware::from_fn_with_state(operations, operation::track))
            .merge(health::routes(self.health_checks()))
    }

    fn health_checks(&self) -> Vec<Check> {
        let db = self.db.clone();
        vec![Check::new("database", move || {
            let db = db.clone();
            async move { db.ping().await.map_err(|error| error.to_string()) }
        })]
    }

    /// Serves until `stop` is ready, then lets the requests under way end.
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        let address = self.config.server.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
        tracing::info!(issuer = %self.config.server.issuer, %address, "serving");
        let _ = (&self.seal, &self.namespace);
        axum::serve(listener, self.router()).with_graceful_shutdown(stop).await.map_err(StartError::Serve)?;
        self.db.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}
