//! `[keys]`: when signing keys change.

use chrono::TimeDelta;

use super::reader::Section;

/// When signing keys change.
#[derive(Debug, Clone)]
pub struct Keys {
    /// How long a key signs before the next one, published since then, takes over.
    pub rotation: TimeDelta,
}

impl Keys {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let range = TimeDelta::days(1)..=TimeDelta::days(730);
        Self { rotation: section.span("rotation", range).unwrap_or(TimeDelta::days(180)) }
    }
}
