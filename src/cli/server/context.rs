//! What most commands begin with: the configuration, the database, the clock and the random source.

use std::path::Path;
use std::sync::Arc;

use super::Failure;
use super::arguments::actor;
use crate::app::{self, StartError};
use crate::audit::{Event, Kind};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, Database};
use crate::crypto::random::SystemRandom;
use crate::ids::SharedRandom;
use crate::store::Db;

/// An installation, opened by a command.
#[derive(Debug, Clone)]
pub struct Context {
    /// Its configuration.
    pub config: Arc<Config>,
    /// Its database.
    pub db: Db,
    /// The computer's clock.
    pub clock: SharedClock,
    /// OpenSSL's generator.
    pub random: SharedRandom,
}

impl Context {
    /// Reads the configuration at `path` and opens its database, which `sceau init` made.
    ///
    /// # Errors
    /// What is wrong with either.
    pub async fn open(path: &Path) -> Result<Self, Failure> {
        let config = Arc::new(Config::read(path)?);
        // A command makes no database: it would belong to whoever runs it, and lack keys and namespace.
        if let Database::Sqlite(database) = &config.database
            && !database.exists()
        {
            return Err(StartError::NotInitialised.into());
        }
        let db = app::open_database(&config).await?;
        Ok(Self { config, db, clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) })
    }

    /// An event of this command, with whoever runs it.
    pub fn event(&self, kind: Kind) -> Event {
        app::trail(&self.config, &self.clock, &self.random).event(kind).actor(&actor())
    }
}
