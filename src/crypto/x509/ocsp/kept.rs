//! What outlives an answer's time, this process and this node: that a certificate is revoked.
//!
//! A hospital gets from it that a card reported lost stays refused after a restart, on every node, while the responder
//! cannot be reached. Only answers that were verified come here. A revocation is final (RFC 5280 §5.3.1); only a
//! certificate on hold may come back, by a later answer or a later list that says so.

use chrono::{DateTime, Utc};

use super::{Answer, Answers, IssuerId, Key, Status};

/// What is to be remembered of a certificate that was called revoked once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Who issued it.
    pub issuer: IssuerId,
    /// Its serial number: the content of the INTEGER.
    pub serial: Vec<u8>,
    /// What counts: revoked, or good again after it was on hold. Never [`Status::Unknown`].
    pub status: Status,
    /// When this was known to be so, by the clock of the responder.
    pub this_update: DateTime<Utc>,
    /// When the certificate expires: nobody has to remember it afterwards.
    pub not_after: DateTime<Utc>,
}

impl Answers {
    /// What was answered here and is not in the database, as far as [`recall`](Self::recall) has told.
    #[must_use]
    pub fn unkept(&self) -> Vec<KeptAnswer> {
        let known = self.known();
        let is_news = |key, answer: Answer| match (known.kept.get(key), answer.status) {
            (None, status) => matches!(status, Status::Revoked { .. }),
            (Some(_), Status::Unknown) => false,
            (Some(kept), _) => {
                let counts = weightier(*kept, answer);
                counts == answer && (counts.status, counts.this_update) != (kept.status, kept.this_update)
            }
        };
        let answered = known.cards.iter().filter_map(|(key, card)| Some((key, card, card.answer?)));
        answered
            .filter(|(key, _, answer)| is_news(key, *answer))
            .map(|(key, card, answer)| KeptAnswer {
                issuer: key.0,
                serial: key.1.clone(),
                status: answer.status,
                this_update: answer.this_update,
                not_after: card.not_after,
            })
            .collect()
    }

    /// Takes over what the database has: all of it. Yields whether a certificate is revoked that was not before.
    pub fn recall(&self, all: Vec<KeptAnswer>) -> bool {
        let entry = |kept: KeptAnswer| {
            // As good it is past its time; as revoked it counts until something takes its place.
            let answer =
                Answer { status: kept.status, this_update: kept.this_update, until: kept.this_update };
            (Key::from((kept.issuer, kept.serial)), answer)
        };
        let mut known = self.known();
        let before = std::mem::replace(&mut known.kept, all.into_iter().map(entry).collect());
        let is_revoked = |answer: &Answer| matches!(answer.status, Status::Revoked { .. });
        known.kept.iter().any(|(key, answer)| is_revoked(answer) && !before.get(key).is_some_and(is_revoked))
    }
}

/// Which of two answers about a certificate counts: a revocation for good, whenever it was said; one on hold, where the
/// other does not know the certificate; else the later one.
#[must_use]
pub fn weightier(one: Answer, other: Answer) -> Answer {
    match (one.status, other.status) {
        (Status::Revoked { on_hold: false }, _) => one,
        (_, Status::Revoked { on_hold: false }) => other,
        (Status::Revoked { .. }, Status::Unknown) => one,
        (Status::Unknown, Status::Revoked { .. }) => other,
        _ if other.this_update >= one.this_update => other,
        _ => one,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::crypto::x509::test_pki::now;

    const GOOD: Status = Status::Good;
    const HOLD: Status = Status::Revoked { on_hold: true };
    const REVOKED: Status = Status::Revoked { on_hold: false };

    fn answer(status: Status, minute: i64) -> Answer {
        let this_update = now() + TimeDelta::minutes(minute);
        Answer { status, this_update, until: this_update + TimeDelta::hours(1) }
    }

    #[test]
    fn what_is_final_stays_and_a_hold_is_lifted_only_by_whoever_knows_later() {
        for (former, later, counts) in [
            (REVOKED, GOOD, REVOKED),
            (REVOKED, HOLD, REVOKED),
            (REVOKED, Status::Unknown, REVOKED),
            (HOLD, GOOD, GOOD),
            (HOLD, REVOKED, REVOKED),
            (HOLD, Status::Unknown, HOLD),
            (GOOD, HOLD, HOLD),
            (GOOD, REVOKED, REVOKED),
            (GOOD, Status::Unknown, Status::Unknown),
        ] {
            let (former, later) = (answer(former, 0), answer(later, 1));
            assert_eq!(weightier(former, later).status, counts, "{former:?} {later:?}");
            assert_eq!(weightier(later, former).status, counts, "in whatever order they are at hand");
        }
        assert_eq!(
            weightier(answer(GOOD, 0), answer(HOLD, 1)).status,
            HOLD,
            "a good one from before lifts nothing"
        );
    }
}
