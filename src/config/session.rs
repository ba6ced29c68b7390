//! `[session]`: how long a sign-in lasts. The limits are those of Pro Santé Connect and of the RIE, version 2.

use chrono::TimeDelta;

use super::reader::Section;

/// How long a sign-in lasts.
#[derive(Debug, Clone)]
pub struct Session {
    /// From sign-in to end, whatever happens.
    pub lifetime: TimeDelta,
    /// Without any activity.
    pub idle: TimeDelta,
}

impl Session {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let minute = TimeDelta::minutes(1);
        let lifetime = section.span("lifetime", minute..=TimeDelta::hours(4)).unwrap_or(TimeDelta::hours(4));
        let idle = section.span("idle", minute..=TimeDelta::minutes(30)).unwrap_or(TimeDelta::minutes(30));
        Self { lifetime, idle }
    }
}
