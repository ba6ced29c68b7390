//! The code that a waiting page shows and a phone scans. It changes every second and is good for a few, so that a photograph
//! of it is worth nothing a moment later.
//!
//! It is not an address: no link and no navigation leads anywhere with it. Only the application of a paired phone, looking
//! through its own camera, makes something of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::clock::Time;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::hmac_sha256;
use crate::ids::ApprovalId;
use crate::store::approval::Approval;

/// What every code begins with. No browser knows it as a scheme.
const PREFIX: &str = "SCEAU1";
/// For how many seconds a code is good: the camera has to find it, and the phone to bring it.
const FRESH: i64 = 5;
/// Bytes of the authentication code that are kept: 96 bits, for one that lives for seconds.
const MAC_LEN: usize = 12;

/// The second of a question that was asked at `created_at`; each has a code of its own.
pub(super) fn epoch(created_at: Time, now: Time) -> i64 {
    (now - created_at).num_seconds().max(0)
}

/// The code of a second. It is made of the question's key and a key of ours: nobody looks anything up for it.
pub(super) fn at(key: &[u8; 32], approval: ApprovalId, epoch: i64) -> String {
    format!(
        "{PREFIX}.{}.{epoch}.{}",
        URL_SAFE_NO_PAD.encode(approval.0.as_bytes()),
        mac(key, approval, epoch)
    )
}

/// A code that was scanned, whose authenticity is still to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanned<'a> {
    pub(super) approval: ApprovalId,
    epoch: i64,
    mac: &'a str,
}

impl<'a> Scanned<'a> {
    /// Reads one in its one spelling; none where it is no code of ours.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split('.');
        let (prefix, id, written, mac) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let epoch: i64 = written.parse().ok()?;
        if prefix != PREFIX || parts.next().is_some() || epoch < 0 || epoch.to_string() != written {
            return None;
        }
        let id = Uuid::from_slice(&URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
        Some(Self { approval: ApprovalId(id), epoch, mac })
    }

    /// Whether it is the code of that question, of a few seconds ago at most.
    pub(super) fn is_good(&self, key: &[u8; 32], approval: &Approval, now: Time) -> bool {
        let made = (now - approval.created_at).num_seconds();
        constant_time_eq(self.mac.as_bytes(), mac(key, approval.id, self.epoch).as_bytes())
            && (self.epoch..=self.epoch.saturating_add(FRESH)).contains(&made)
    }
}

fn mac(key: &[u8; 32], approval: ApprovalId, epoch: i64) -> String {
    let whole = hmac_sha256(key, &[approval.0.as_bytes().as_slice(), &epoch.to_be_bytes()].concat());
    URL_SAFE_NO_PAD.encode(whole.get(..MAC_LEN).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::ids::CountingRandom;
    use crate::store::approval::Way;
    use crate::store::approval::tests::question;

    fn now_of(key: &[u8; 32], approval: &Approval, now: Time) -> String {
        at(key, approval.id, epoch(approval.created_at, now))
    }

    #[test]
    fn a_code_is_good_for_its_question_and_a_few_seconds() {
        let (clock, random, key) = (MockClock::default(), CountingRandom::default(), [7; 32]);
        let [asked, other] = [0, 1].map(|_| question(None, Way::Scan, clock.now(), &random));
        clock.advance(TimeDelta::seconds(10));
        let text = now_of(&key, &asked, clock.now());
        assert!(text.len() <= 53, "a QR code of 29 modules: {text}");
        let code = Scanned::read(&text).unwrap();
        assert_eq!(code.approval, asked.id);
        assert!(code.is_good(&key, &asked, clock.now()));
        assert!(!code.is_good(&key, &other, clock.now()), "of another question");
        assert!(!code.is_good(&[8; 32], &asked, clock.now()), "of another installation");
        assert!(!code.is_good(&key, &asked, clock.now() - TimeDelta::seconds(1)), "made in advance");
        clock.advance(TimeDelta::seconds(5));
        assert!(code.is_good(&key, &asked, clock.now()));
        clock.advance(TimeDelta::seconds(1));
        assert!(!code.is_good(&key, &asked, clock.now()), "photographed");
        let later = text.replace(".10.", ".16.");
        assert!(!Scanned::read(&later).unwrap().is_good(&key, &asked, clock.now()), "another second");
    }

    #[test]
    fn only_the_one_spelling_is_read() {
        let (clock, random) = (MockClock::default(), CountingRandom::default());
        let text = now_of(&[7; 32], &question(None, Way::Scan, clock.now(), &random), clock.now());
        for wrong in [
            "",
            "SCEAU1",
            "https://id.example/phone",
            "SCEAU1.a.0.b",
            &text.replace(".0.", ".00."),
            &text.replace(".0.", ".-1."),
            &format!("{text}.x"),
            &text.replace("SCEAU1", "SCEAU2"),
        ] {
            assert_eq!(Scanned::read(wrong), None, "{wrong}");
        }
    }
}
