//! `[limits]`: how long whoever is refused again and again has to wait.

use chrono::TimeDelta;

use super::reader::Section;

/// Refusals of one client, or of one card, from one address.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many are told at once.
    pub refusals: u32,
    /// The wait doubles with each further one, up to this.
    pub longest_wait: TimeDelta,
}

impl Limits {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let refusals = section.number("refusals", 3..=10_000).and_then(|number| u32::try_from(number).ok());
        let longest_wait = section.span("longest_wait", TimeDelta::seconds(10)..=TimeDelta::hours(1));
        Self { refusals: refusals.unwrap_or(30), longest_wait: longest_wait.unwrap_or(TimeDelta::minutes(5)) }
    }
}
