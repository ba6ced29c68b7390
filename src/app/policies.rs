//! The rules of sessions, from `[session]` and `[zones.…]`, and of waiting, from `[limits]`.

use crate::config::{self, Config};
use crate::session::{CardOut, Policies, SessionPolicy, ZonePolicy};
use crate::web::delays::Waits;

/// The rules that the configuration states.
pub(super) fn of(config: &Config) -> Policies {
    let reaction = |configured| match configured {
        config::CardOut::Ignore => CardOut::Ignore,
        config::CardOut::Lock => CardOut::Lock,
        config::CardOut::End => CardOut::End,
    };
    let session = &config.session;
    let zone = |zone: &config::Zone| ZonePolicy {
        shared: zone.shared,
        lifetime: zone.lifetime,
        idle: zone.idle,
        card_out: zone.card_out.map(reaction),
        badge_window: zone.badge_window,
    };
    Policies {
        general: SessionPolicy {
            lifetime: session.lifetime,
            idle: session.idle,
            card_out: reaction(session.card_out),
            lease: session.lease,
            // Only a zone opens a badge window.
            ..SessionPolicy::default()
        },
        shared_idle: session.shared_idle,
        shared_card_out: reaction(session.shared_card_out),
        zones: config.zones.iter().map(|(name, of)| (name.clone(), zone(of))).collect(),
    }
}

/// How long whoever is refused again and again has to wait.
pub(super) fn waits(config: &Config) -> Waits {
    let config::Limits { refusals, longest_wait } = config.limits;
    Waits { free: refusals, longest: longest_wait }
}
