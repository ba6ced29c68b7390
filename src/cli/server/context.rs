//! What most commands begin with: the configuration, the database, the clock and the random source.

use std::path::Path;
use std::sync::Arc;

use super::Failure;
use super::arguments::actor;
use crate::app;
use crate::audit::{Event, Kind, Trail};
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
        let db = app::open_existing(&config).await?;
        Ok(Self { config, db, clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) })
    }

    /// What makes the audit events of this installation.
    pub fn trail(&self) -> Trail {
        app::trail(&self.config, &self.clock, &self.random)
    }

    /// An event of this command, with whoever runs it.
    pub fn event(&self, kind: Kind) -> Event {
        self.trail().event(kind).actor(&actor())
    }
}
