//! Notices: the mail server of the configuration becomes what sends them.

use std::sync::Arc;

use super::Made;
use crate::config::{Config, Mail};
use crate::notify::code::Codes;
use crate::notify::{Letterhead, OpenError, Outbox, Parts, Smtp};
use crate::web::pages::means::MEANS_PATH;

/// What sends notices; none where no mail server is configured.
pub(super) fn open(made: Made<'_>) -> Result<Option<Arc<Outbox>>, OpenError> {
    let Made { config, db, clock, trail, seal, .. } = made;
    let Some(mail) = &config.mail else { return Ok(None) };
    Ok(Some(Outbox::new(Parts {
        db: db.clone(),
        clock: clock.clone(),
        trail: trail.clone(),
        codes: Codes::new(seal),
        letterhead: letterhead(config, mail)?,
        smtp: server(config, mail)?,
    })))
}

/// What stands around every mail.
///
/// # Errors
/// [`OpenError`], where a sender is no address.
pub fn letterhead(config: &Config, mail: &Mail) -> Result<Letterhead, OpenError> {
    Letterhead::new(mail, &config.establishment.name, &config.server.front_url, MEANS_PATH)
}

/// The mail server. Connects to nobody.
///
/// # Errors
/// [`OpenError`], where its authority cannot be read.
pub fn server(config: &Config, mail: &Mail) -> Result<Smtp, OpenError> {
    Smtp::open(mail, config.server.front_url.host_str().unwrap_or("localhost"))
}
