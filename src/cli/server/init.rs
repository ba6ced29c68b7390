//! `sceau init`: everything that an installation has once and keeps.

use std::path::Path;
use std::sync::Arc;

use super::Failure;
use crate::app;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::crypto::random::SystemRandom;

/// Arguments of `sceau init`.
#[derive(Debug, clap::Args)]
pub(super) struct Init {}

impl Init {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let config = Config::read(path)?;
        let made = app::init(&config, Arc::new(SystemClock), Arc::new(SystemRandom)).await?;
        println!("{made}");
        Ok(())
    }
}
