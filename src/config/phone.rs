//! `[phone]`: phones that answer for their persons.

use chrono::TimeDelta;
use ipnet::IpNet;

use super::card::CardAcr;
use super::reader::Section;

/// Phones that answer for their persons.
#[derive(Debug, Clone)]
pub struct Phone {
    /// Whether there are any.
    pub enabled: bool,
    /// The level that an answer reaches at most.
    pub level: CardAcr,
    /// For how long a phone is good.
    pub life: TimeDelta,
    /// The networks of the establishment.
    pub networks: Vec<IpNet>,
    /// Whether a phone answers for any browser anywhere.
    pub anywhere: bool,
}

impl Phone {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let network =
            |text: &str| text.parse::<IpNet>().map_err(|_| "must be networks such as \"10.0.0.0/8\"".into());
        let networks = section.list("networks", network).unwrap_or_default();
        let years = TimeDelta::days(1)..=TimeDelta::days(3 * 365);
        // Neither a number nor a code resists phishing: high is never reached.
        let level = section.text("level", CardAcr::parse).unwrap_or(CardAcr::Eidas1);
        if level == CardAcr::Eidas3 {
            section.refuse(
                "level",
                "must be \"eidas1\" or \"eidas2\": an answer on a phone does not resist phishing",
            );
        }
        Self {
            enabled: section.flag("enabled").unwrap_or(false),
            level,
            life: section.span("life", years).unwrap_or(TimeDelta::days(3 * 365)),
            networks,
            anywhere: section.flag("anywhere").unwrap_or(false),
        }
    }
}
