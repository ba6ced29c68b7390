//! `sceau check`: the configuration, each fault with its line, and whether what it names is there.

use std::path::Path;

use super::Failure;
use crate::config::{Config, Database};
use crate::crypto::sealed::SealKey;

/// Arguments of `sceau check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {}

impl Check {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let config = Config::read(path)?;
        let mut faults = Vec::new();
        let server = &config.server;
        if let Database::Sqlite(database) = &config.database
            && !database.exists()
        {
            faults.push(format!("{} is not there yet: run `sceau init`", database.display()));
        } else {
            match crate::app::open_database(&config).await {
                Ok(db) => db.close().await,
                Err(error) => faults.push(format!("{error} ({})", error.code())),
            }
        }
        if let Err(error) = SealKey::read(&server.seal_key_path()) {
            faults.push(format!("{error} ({})", error.code()));
        }
        for (key, dir) in
            [("card.anchors_dir", &config.card.anchors_dir), ("card.crl_dir", &config.card.crl_dir)]
        {
            match dir {
                Some(dir) if !dir.is_dir() => {
                    faults.push(format!("{key} names {}, which is no directory", dir.display()));
                }
                _ => {}
            }
        }
        if let Some(tls) = &config.tls {
            for (key, file) in
                [("tls.certificate_file", &tls.certificate_file), ("tls.key_file", &tls.key_file)]
            {
                if let Err(error) = std::fs::File::open(file) {
                    faults.push(format!("{key} names {}, which cannot be read: {error}", file.display()));
                }
            }
        } else if !server.listen.ip().is_loopback() {
            faults.push(format!(
                "server.listen is {}, reachable from other machines, and there is no [tls] section: add one, or listen \
                 on 127.0.0.1 behind a proxy",
                server.listen
            ));
        }
        if faults.is_empty() {
            println!("{}: in order", path.display());
            return Ok(());
        }
        let list: String = faults.iter().flat_map(|fault| ["\n  ", fault]).collect();
        Err(Failure::plain(format!("{} is readable, but:{list}", path.display())))
    }
}
