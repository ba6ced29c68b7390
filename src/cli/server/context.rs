//! What most commands begin with: the configuration, the database, the clock and the random source.

use std::path::Path;
use std::sync::Arc;

use super::Failure;
use crate::app;
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
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
        let db = app::open_database(&config).await?;
        Ok(Self { config, db, clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) })
    }
}
