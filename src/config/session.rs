//! `[session]` and `[zones.…]`: how long a sign-in lasts, and what the card's leaving does. The limits are those of Pro
//! Santé Connect and of the RIE, version 2.

use chrono::TimeDelta;

use super::reader::Section;

/// How long a sign-in lasts.
#[derive(Debug, Clone)]
pub struct Session {
    /// From sign-in to end, whatever happens.
    pub lifetime: TimeDelta,
    /// Without any activity.
    pub idle: TimeDelta,
    /// What a card that leaves its reader does.
    pub card_out: CardOut,
    /// How long the word of a workstation's channel counts.
    pub lease: TimeDelta,
    /// On workstations that several people share: without any activity.
    pub shared_idle: TimeDelta,
    /// On workstations that several people share: what a card that leaves its reader does.
    pub shared_card_out: CardOut,
}

/// In what a zone differs from the rest.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    /// All its workstations are shared by several people.
    pub shared: bool,
    /// Its own life of a session.
    pub lifetime: Option<TimeDelta>,
    /// Its own idle time.
    pub idle: Option<TimeDelta>,
    /// Its own reaction to a card that leaves its reader.
    pub card_out: Option<CardOut>,
    /// For how long after a sign-in with card and PIN a tap of the card renews it here; none: never.
    pub badge_window: Option<TimeDelta>,
}

/// What a card that leaves its reader does to the session that it opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardOut {
    /// Nothing.
    Ignore,
    /// It is locked until the same card and PIN.
    Lock,
    /// It ends.
    End,
}

impl Session {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let minute = TimeDelta::minutes(1);
        let lifetime = section.span("lifetime", minute..=TimeDelta::hours(4)).unwrap_or(TimeDelta::hours(4));
        let idle = section.span("idle", minute..=TimeDelta::minutes(30)).unwrap_or(TimeDelta::minutes(30));
        // An agent reports every 20 s: one message may be lost without a consequence.
        let lease = TimeDelta::seconds(45)..=TimeDelta::minutes(10);
        Self {
            lifetime,
            idle,
            card_out: section.text("card_out", card_out).unwrap_or(CardOut::Lock),
            lease: section.span("lease", lease).unwrap_or(TimeDelta::seconds(90)),
            shared_idle: section
                .span("shared_idle", minute..=TimeDelta::minutes(30))
                .unwrap_or(TimeDelta::minutes(10)),
            shared_card_out: section.text("shared_card_out", card_out).unwrap_or(CardOut::End),
        }
    }
}

impl Zone {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let minute = TimeDelta::minutes(1);
        Self {
            shared: section.flag("shared").unwrap_or(false),
            lifetime: section.span("lifetime", minute..=TimeDelta::hours(4)),
            idle: section.span("idle", minute..=TimeDelta::minutes(30)),
            card_out: section.text("card_out", card_out),
            badge_window: section.span("badge_window", minute..=TimeDelta::hours(4)),
        }
    }
}

fn card_out(text: &str) -> Result<CardOut, String> {
    match text {
        "ignore" => Ok(CardOut::Ignore),
        "lock" => Ok(CardOut::Lock),
        "end" => Ok(CardOut::End),
        _ => Err("must be \"ignore\", \"lock\" or \"end\"".to_owned()),
    }
}
