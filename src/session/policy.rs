//! How long a session is good for, and what the card's leaving does to it: the one file of these rules.
//!
//! A hospital says it once for all workstations, once for those that several people share, and zone by zone where a
//! zone differs. A relying party may ask for more (a shorter time, a stricter reaction, named zones) and never for
//! less. Where two rules meet, the stricter wins.
//!
//! Nothing here reads a clock, a database or a card: it judges a [`Session`] at a time that it is given. Presence of a
//! card never makes a session better than it is, only worse.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{Amr, Authentication, Session};
use crate::clock::Time;

/// How far into the future a lease may reach beyond its own length before it is seen for what it is: written by a clock
/// that was set back since.
const CLOCK_SLACK: TimeDelta = TimeDelta::seconds(60);

/// The longest badge window: for so long after a sign-in with two factors, one of them may do (RIE v2, PS 10).
pub const LONGEST_BADGE_WINDOW: TimeDelta = TimeDelta::hours(4);

/// What happens to a session when the card that opened it leaves its reader, from the mildest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "lowercase"))]
#[serde(rename_all = "lowercase")]
pub enum CardOut {
    /// Nothing: the card may be taken along.
    Ignore,
    /// It serves nobody until the same person shows the same card with its PIN. Services keep what was open.
    Lock,
    /// It ends, and every service is told.
    End,
}

impl CardOut {
    /// Every reaction, from the mildest.
    pub const ALL: [Self; 3] = [Self::Ignore, Self::Lock, Self::End];

    /// The name, as in the configuration, the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Lock => "lock",
            Self::End => "end",
        }
    }
}

impl std::str::FromStr for CardOut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|reaction| reaction.as_str() == text)
            .ok_or_else(|| format!("must be \"ignore\", \"lock\" or \"end\", not {text:?}"))
    }
}

/// Where a session was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Station {
    /// The network zone; empty where it is not known.
    pub zone: String,
    /// Whether the workstation is marked as shared by several people.
    pub shared: bool,
}

/// The rules in force for one session, and, once tightened, for one relying party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// From sign-in to the end, at most. PSC and RIE v2: 4 h.
    pub lifetime: TimeDelta,
    /// Between two uses, at most. PSC and RIE v2: 30 min.
    pub idle: TimeDelta,
    /// What the card's leaving does.
    pub card_out: CardOut,
    /// For how long the word of a workstation's channel counts: a channel that is silent for longer locks.
    pub lease: TimeDelta,
    /// Whether a session whose card nobody watches is of no use: a relying party asks for a reaction that could never come.
    pub needs_watch: bool,
    /// For how long after a sign-in with card and PIN a tap of the card renews it; none: never.
    pub badge_window: Option<TimeDelta>,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            lifetime: TimeDelta::hours(4),
            idle: TimeDelta::minutes(30),
            card_out: CardOut::Lock,
            lease: TimeDelta::seconds(90),
            needs_watch: false,
            badge_window: None,
        }
    }
}

impl SessionPolicy {
    /// These rules and what a relying party asks for beside them. A session that a badge renewed is for those that say so.
    #[must_use]
    pub fn tightened(self, demands: &Demands) -> Self {
        let badge_window = self.badge_window.filter(|_| demands.accepts_badge);
        Self {
            badge_window: badge_window.map(|span| demands.lifetime.map_or(span, |asked| asked.min(span))),
            lifetime: demands.lifetime.map_or(self.lifetime, |asked| asked.min(self.lifetime)),
            idle: demands.idle.map_or(self.idle, |asked| asked.min(self.idle)),
            card_out: demands.card_out.map_or(self.card_out, |asked| asked.max(self.card_out)),
            needs_watch: self.needs_watch || demands.need_watch(),
            ..self
        }
    }
}

/// What a relying party asks for beyond the rules of the place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demands {
    /// Its reaction to a card that leaves.
    pub card_out: Option<CardOut>,
    /// Its idle time.
    pub idle: Option<TimeDelta>,
    /// How old a sign-in may be.
    pub lifetime: Option<TimeDelta>,
    /// The zones it may be used from; empty: all.
    pub zones: Vec<String>,
    /// Whether it takes a session that a tap of the badge renewed.
    pub accepts_badge: bool,
}

impl Demands {
    /// Whether the card has to be watched: nothing else could bring about what is asked for when it leaves.
    #[must_use]
    pub fn need_watch(&self) -> bool {
        self.card_out.is_some_and(|asked| asked > CardOut::Ignore)
    }

    /// Whether the relying party may be used from `zone`.
    #[must_use]
    pub fn admit(&self, zone: &str) -> bool {
        self.zones.is_empty() || self.zones.iter().any(|admitted| admitted == zone)
    }
}

/// In what a zone differs from the rest of the establishment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ZonePolicy {
    /// All its workstations are shared.
    pub shared: bool,
    /// Its own life of a session.
    pub lifetime: Option<TimeDelta>,
    /// Its own idle time.
    pub idle: Option<TimeDelta>,
    /// Its own reaction to a card that leaves.
    pub card_out: Option<CardOut>,
    /// Its badge window. Only a zone has one: the use has to be named (RIE v2, PS 10).
    pub badge_window: Option<TimeDelta>,
}

/// The rules of the whole establishment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// Where nothing else is said.
    pub general: SessionPolicy,
    /// The idle time on shared workstations.
    pub shared_idle: TimeDelta,
    /// What a card's leaving does on shared workstations.
    pub shared_card_out: CardOut,
    /// Zones that differ, by name.
    pub zones: BTreeMap<String, ZonePolicy>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            general: SessionPolicy::default(),
            shared_idle: TimeDelta::minutes(10),
            shared_card_out: CardOut::End,
            zones: BTreeMap::new(),
        }
    }
}

/// Sessions that share an idle time. A session can be of several groups; the shortest time of them ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleGroup {
    /// Those of this zone only.
    pub zone: Option<String>,
    /// Those of workstations that are marked as shared only.
    pub shared: bool,
    /// Their idle time.
    pub idle: TimeDelta,
}

impl Policies {
    /// The rules for sessions that are opened at `station`: the zone's word before that of shared workstations, that
    /// before the general one; for the idle time the shortest of them.
    #[must_use]
    pub fn at(&self, station: &Station) -> SessionPolicy {
        let zone = self.zones.get(&station.zone).copied().unwrap_or_default();
        let general = self.general;
        let (idle, card_out) = if self.is_shared(station) {
            (self.shared_idle.min(general.idle), self.shared_card_out)
        } else {
            (general.idle, general.card_out)
        };
        SessionPolicy {
            lifetime: zone.lifetime.unwrap_or(general.lifetime).min(general.lifetime),
            idle: zone.idle.map_or(idle, |zone| zone.min(idle)),
            card_out: zone.card_out.unwrap_or(card_out),
            lease: general.lease,
            needs_watch: general.needs_watch,
            badge_window: zone.badge_window.map(|span| span.min(LONGEST_BADGE_WINDOW)),
        }
    }

    /// Whether any zone is of workstations that several people use in turn.
    #[must_use]
    pub fn have_shared_zones(&self) -> bool {
        self.zones.values().any(|zone| zone.shared)
    }

    /// Whether several people use a workstation in turn: it is marked so, or its whole zone is.
    #[must_use]
    pub fn is_shared(&self, station: &Station) -> bool {
        station.shared || self.zones.get(&station.zone).is_some_and(|zone| zone.shared)
    }

    /// The groups whose idle times together are those of [`at`](Self::at), for a job that looks for what ran out.
    #[must_use]
    pub fn idle_groups(&self) -> Vec<IdleGroup> {
        let everywhere = IdleGroup { zone: None, shared: false, idle: self.general.idle };
        let shared = IdleGroup { zone: None, shared: true, idle: self.shared_idle.min(self.general.idle) };
        let zones = self.zones.keys().map(|name| {
            let station = Station { zone: name.clone(), shared: false };
            IdleGroup { zone: Some(name.clone()), shared: false, idle: self.at(&station).idle }
        });
        [everywhere, shared].into_iter().chain(zones).collect()
    }
}

/// Whether a session may still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Alive,
    /// Its card is out, or nobody can say that it is in. The same person with the same card and its PIN opens it again.
    Locked,
    /// Nobody watches its card, and the relying party wants it watched: a sign-in where somebody does helps.
    Unwatched,
    /// It ran its time, or was not used for too long.
    Expired,
    /// Somebody or something ended it.
    Ended,
}

impl Session {
    /// Where it was opened.
    #[must_use]
    pub fn station(&self) -> Station {
        Station { zone: self.zone.clone(), shared: self.shared }
    }

    /// Whether the session may be used at `now`.
    #[must_use]
    pub fn standing(&self, policy: SessionPolicy, now: Time) -> Standing {
        if self.ended_at.is_some() {
            Standing::Ended
        } else if now >= self.expires_at
            || now - self.auth_time >= self.lifetime(policy)
            || now - self.last_seen_at >= policy.idle
        {
            Standing::Expired
        } else if self.is_locked(policy, now) {
            Standing::Locked
        } else if policy.needs_watch && self.workstation_id.is_none() {
            Standing::Unwatched
        } else {
            Standing::Alive
        }
    }

    /// How old the sign-in with all factors may be. What a badge renewed is as old as the sign-in that it renews.
    fn lifetime(&self, policy: SessionPolicy) -> TimeDelta {
        if self.evidence.rests_on_badge() {
            policy.badge_window.unwrap_or(LONGEST_BADGE_WINDOW)
        } else {
            policy.lifetime
        }
    }

    /// A session whose agent keeps no channel cannot be locked: nobody watches its card. One that a badge renewed is
    /// locked for those who do not take a badge: card and PIN open it.
    fn is_locked(&self, policy: SessionPolicy, now: Time) -> bool {
        if self.evidence.rests_on_badge() && policy.badge_window.is_none() {
            return true;
        }
        let watched = self.workstation_id.is_some() && policy.card_out != CardOut::Ignore;
        self.locked_at.is_some()
            || (watched && !self.leased_until.is_some_and(|until| policy.holds(until, now)))
    }

    /// Whether the sign-in is recent enough for `max_age` (OpenID Connect Core §3.1.2.1). One whose PIN may have been typed
    /// hours before never is, whoever asks; nor is one that a badge renewed.
    pub fn is_fresh(&self, max_age: TimeDelta, now: Time) -> bool {
        self.evidence.is_of_the_moment() && now - self.auth_time <= max_age
    }

    /// Whether a new sign-in proves at least what this session rests on: its level, its factors, and a PIN of the moment. The
    /// session may then go on with it; what was granted on the strength of the one never rests on less afterwards.
    #[must_use]
    pub fn is_matched_by(&self, proved: &Authentication) -> bool {
        // The PIN makes up for a key that was touched in its place.
        let made_up_for = |factor: &Amr| {
            self.evidence.second_factor().is_some()
                && proved.amr.contains(&Amr::Pin)
                && matches!(factor, Amr::Swk | Amr::User)
        };
        proved.acr >= self.acr
            && self.amr.iter().all(|factor| proved.amr.contains(factor) || made_up_for(factor))
            && (proved.evidence.is_of_the_moment() || !self.evidence.is_of_the_moment())
    }
}

impl SessionPolicy {
    /// Whether a lease until `until` holds at `now`. One that reaches further than any lease does was written before the
    /// clock was set back, and does not hold: it could outlive the card by hours.
    #[must_use]
    pub fn holds(&self, until: Time, now: Time) -> bool {
        until > now && until - now <= self.lease + CLOCK_SLACK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::ids::{CountingRandom, PersonId, SessionId, WorkstationId};
    use crate::session::{Acr, AuthMode, Evidence};

    fn zone(zone: &str, shared: bool) -> Station {
        Station { zone: zone.into(), shared }
    }

    /// Reanimation shares its workstations, offices keep the session when the card is taken along.
    fn policies() -> Policies {
        let zones = [
            (
                "reanimation",
                ZonePolicy { shared: true, idle: Some(TimeDelta::minutes(5)), ..ZonePolicy::default() },
            ),
            ("bureaux", ZonePolicy { card_out: Some(CardOut::Ignore), ..ZonePolicy::default() }),
            ("garde", ZonePolicy { lifetime: Some(TimeDelta::hours(1)), ..ZonePolicy::default() }),
        ];
        Policies {
            zones: zones.map(|(name, policy)| (name.to_owned(), policy)).into(),
            ..Policies::default()
        }
    }

    #[test]
    fn the_zone_speaks_first_then_the_mark_then_everybody() {
        let all = policies();
        let of = |station| {
            let SessionPolicy { lifetime, idle, card_out, .. } = all.at(&station);
            (lifetime.num_minutes(), idle.num_minutes(), card_out)
        };
        assert_eq!(of(zone("", false)), (240, 30, CardOut::Lock));
        assert_eq!(of(zone("unknown", true)), (240, 10, CardOut::End));
        assert_eq!(of(zone("reanimation", false)), (240, 5, CardOut::End));
        assert_eq!(of(zone("bureaux", false)), (240, 30, CardOut::Ignore));
        assert_eq!(of(zone("garde", false)), (60, 30, CardOut::Lock));
        assert!(all.is_shared(&zone("reanimation", false)) && all.is_shared(&zone("", true)));
        assert!(!all.is_shared(&zone("bureaux", false)));
    }

    #[test]
    fn the_idle_groups_together_are_the_rules() {
        let all = policies();
        for station in [
            zone("", false),
            zone("", true),
            zone("reanimation", false),
            zone("garde", true),
            zone("x", false),
        ] {
            let of_group = |group: &IdleGroup| {
                group.zone.as_ref().is_none_or(|name| *name == station.zone)
                    && (!group.shared || station.shared)
            };
            let shortest =
                all.idle_groups().iter().filter(|group| of_group(group)).map(|group| group.idle).min();
            assert_eq!(shortest, Some(all.at(&station).idle), "{station:?}");
        }
    }

    #[test]
    fn a_relying_party_tightens_and_never_loosens() {
        let place = SessionPolicy::default();
        let strict = Demands {
            card_out: Some(CardOut::End),
            idle: Some(TimeDelta::minutes(5)),
            lifetime: Some(TimeDelta::hours(1)),
            zones: vec!["bloc".into()],
            accepts_badge: false,
        };
        let tightened = place.tightened(&strict);
        assert_eq!((tightened.card_out, tightened.idle), (CardOut::End, TimeDelta::minutes(5)));
        assert_eq!(tightened.lifetime, TimeDelta::hours(1));
        let lax = Demands {
            card_out: Some(CardOut::Ignore),
            idle: Some(TimeDelta::days(1)),
            lifetime: Some(TimeDelta::days(1)),
            zones: Vec::new(),
            accepts_badge: true,
        };
        assert_eq!(place.tightened(&lax), place, "nor can it open a window that the place does not");
        assert!(strict.admit("bloc") && !strict.admit("") && !strict.admit("Bloc"));
        assert!(lax.admit("") && lax.admit("bloc"));
    }

    fn session(now: Time) -> Session {
        let random = CountingRandom::default();
        let workstation = WorkstationId::new(now, &random);
        Session {
            id: SessionId::new(now, &random),
            person_id: PersonId::new(now, &random),
            acr: Acr::Eidas3,
            amr: Vec::new(),
            auth_mode: AuthMode::Card,
            auth_time: now,
            evidence: Evidence::Card {
                card_number: String::new(),
                certificate_sha256: String::new(),
                serial: String::new(),
                issuer: None,
                workstation,
                pin: String::new(),
                interface: String::new(),
            },
            created_at: now,
            last_seen_at: now,
            expires_at: now + TimeDelta::hours(4),
            ended_at: None,
            workstation_id: Some(workstation),
            card: Some("00".into()),
            leased_until: Some(now + TimeDelta::seconds(90)),
            locked_at: None,
            zone: String::new(),
            shared: false,
        }
    }

    #[test]
    fn a_certificate_whose_pin_was_typed_who_knows_when_is_never_fresh() {
        let now = MockClock::default().now();
        let proven = |fresh| Evidence::CardCertificate {
            card_number: String::new(),
            certificate_sha256: String::new(),
            serial: String::new(),
            issuer: None,
            pin: "middleware".into(),
            interface: "contact".into(),
            fresh,
        };
        let is_fresh = |evidence| Session { evidence, ..session(now) }.is_fresh(TimeDelta::minutes(5), now);
        assert!(!is_fresh(proven(false)) && is_fresh(proven(true)) && is_fresh(session(now).evidence));
    }

    #[test]
    fn a_session_goes_on_only_with_what_proves_as_much() {
        let now = MockClock::default().now();
        let by_agent = Session { amr: vec![Amr::Sc, Amr::Pin], ..session(now) };
        let certificate = Evidence::CardCertificate {
            card_number: String::new(),
            certificate_sha256: String::new(),
            serial: String::new(),
            issuer: None,
            pin: "middleware".into(),
            interface: "contact".into(),
            fresh: false,
        };
        let proved = Authentication {
            person: by_agent.person_id,
            acr: Acr::Eidas3,
            amr: vec![Amr::Pin, Amr::Sc, Amr::Mfa],
            auth_mode: AuthMode::Card,
            at: now,
            evidence: by_agent.evidence.clone(),
        };
        assert!(by_agent.is_matched_by(&proved));
        assert!(
            !by_agent.is_matched_by(&Authentication { acr: Acr::Eidas2, ..proved.clone() }),
            "a lower level"
        );
        assert!(
            !by_agent.is_matched_by(&Authentication { amr: vec![Amr::Sc], ..proved.clone() }),
            "a factor less"
        );
        let unsure = Authentication { evidence: certificate.clone(), ..proved.clone() };
        assert!(!by_agent.is_matched_by(&unsure), "a PIN that may have been typed hours before");
        let by_certificate = Session { acr: Acr::Eidas2, evidence: certificate, ..by_agent };
        assert!(by_certificate.is_matched_by(&unsure) && by_certificate.is_matched_by(&proved), "or more");
    }

    #[test]
    fn card_and_pin_make_up_for_a_key_that_was_touched_in_their_place() {
        let now = MockClock::default().now();
        let by_pin = session(now);
        let badge = Evidence::Badge {
            card_number: String::new(),
            certificate_sha256: String::new(),
            serial: String::new(),
            issuer: String::new(),
            workstation: WorkstationId::new(now, &CountingRandom::default()),
            tapped_at: now,
            renews: Box::new(by_pin.evidence.clone()),
        };
        let touched = Evidence::BadgeAndKey {
            badge: Box::new(badge),
            key: crate::ids::MeansId::new(now, &CountingRandom::default()),
            aaguid: String::new(),
            attested: false,
            touched_at: now,
        };
        let joined = Session {
            acr: Acr::Eidas2,
            amr: vec![Amr::Sc, Amr::Hwk, Amr::Swk, Amr::User],
            evidence: touched,
            ..by_pin.clone()
        };
        let proved = Authentication {
            person: by_pin.person_id,
            acr: Acr::Eidas3,
            amr: vec![Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa],
            auth_mode: AuthMode::Card,
            at: now,
            evidence: by_pin.evidence,
        };
        assert!(joined.is_matched_by(&proved), "the session goes on, with all that was granted");
        let key_alone = Authentication { amr: vec![Amr::Swk, Amr::User, Amr::Mfa], ..proved };
        assert!(!joined.is_matched_by(&key_alone));
        assert!(!joined.is_fresh(TimeDelta::hours(4), now), "a touch is no proof of the moment");
    }

    #[test]
    fn a_silent_channel_locks_and_an_ended_session_stays_ended() {
        let now = MockClock::default().now();
        let (policy, session) = (SessionPolicy::default(), session(now));
        let at = |seconds| session.standing(policy, now + TimeDelta::seconds(seconds));
        assert_eq!((at(0), at(89), at(90)), (Standing::Alive, Standing::Alive, Standing::Locked));
        assert_eq!(at(30 * 60), Standing::Expired, "a locked session grows old like any other");
        let ended = Session { ended_at: Some(now), locked_at: Some(now), ..session.clone() };
        assert_eq!(ended.standing(policy, now), Standing::Ended);
        let locked = Session { locked_at: Some(now), ..session };
        assert_eq!(
            locked.standing(SessionPolicy { card_out: CardOut::Ignore, ..policy }, now),
            Standing::Locked
        );
    }

    #[test]
    fn a_session_of_an_agent_without_channel_is_never_locked() {
        let now = MockClock::default().now();
        let session = Session { workstation_id: None, card: None, leased_until: None, ..session(now) };
        let later = now + TimeDelta::minutes(29);
        assert_eq!(session.standing(SessionPolicy::default(), later), Standing::Alive);
    }

    #[test]
    fn a_session_that_nobody_watches_is_none_for_a_relying_party_that_asks_for_it() {
        let now = MockClock::default().now();
        let session = Session { workstation_id: None, card: None, leased_until: None, ..session(now) };
        let for_client = |card_out| {
            let demands = Demands { card_out, ..Demands::default() };
            session.standing(SessionPolicy::default().tightened(&demands), now)
        };
        assert_eq!([None, Some(CardOut::Ignore)].map(for_client), [Standing::Alive; 2]);
        assert_eq!([Some(CardOut::Lock), Some(CardOut::End)].map(for_client), [Standing::Unwatched; 2]);
    }

    #[test]
    fn a_card_that_may_be_taken_along_counts_only_where_no_relying_party_asks_for_it() {
        let now = MockClock::default().now();
        let session = Session { leased_until: None, ..session(now) };
        let office = SessionPolicy { card_out: CardOut::Ignore, ..SessionPolicy::default() };
        assert_eq!(session.standing(office, now), Standing::Alive);
        let demands = Demands { card_out: Some(CardOut::Lock), ..Demands::default() };
        assert_eq!(session.standing(office.tightened(&demands), now), Standing::Locked);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stretch_a_lease() {
        let now = MockClock::default().now();
        let (policy, session) = (SessionPolicy::default(), session(now));
        let at = |seconds| session.standing(policy, now + TimeDelta::seconds(seconds));
        assert_eq!(at(-60), Standing::Alive, "as much as clocks are corrected by");
        assert_eq!(at(-61), Standing::Locked);
        assert_eq!(at(-600), Standing::Locked);
    }
}
