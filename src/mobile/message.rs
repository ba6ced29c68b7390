//! Messages of a paired phone: JSON that the key of its installation signed.
//!
//! A message names what it is for in its type, and whom it is for; one that asks for something says when it was made, by our
//! clock as the phone knows it, so that one that was overheard is worth nothing later. An answer needs no clock: it holds a
//! challenge that is good once.

use chrono::{DateTime, TimeDelta};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Phones, Refusal};
use crate::clock::Time;
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::ids::MeansId;
use crate::store;
use crate::store::means::Standing;
use crate::store::phone::Phone;

/// The type of a message that asks for something.
pub(super) const TYP_ASK: &str = "sceau-phone-ask+jwt";
/// The type of an answer to a question.
pub(super) const TYP_ANSWER: &str = "sceau-phone-answer+jwt";
/// The longest message that is read.
pub(super) const MAX_LEN: usize = 16 * 1024;
/// How far the time of a message may be from ours.
const TOLERANCE: TimeDelta = TimeDelta::seconds(60);

/// What every message holds.
#[derive(Deserialize)]
struct Addressed {
    aud: String,
}

/// A message that asks for something.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    #[expect(dead_code, reason = "checked before, by `Addressed`")]
    aud: String,
    /// When it was made, in seconds since 1970.
    iat: i64,
    /// The code that was scanned, where one was.
    #[serde(default)]
    pub(super) code: Option<String>,
    /// The question that is opened, where one is.
    #[serde(default)]
    pub(super) question: Option<String>,
}

impl Phones {
    /// The phone that signed a message of this type, and what the message says. The phone may answer: it is neither halted
    /// nor too old.
    pub(super) async fn signed_by<T: DeserializeOwned>(
        &self,
        message: &str,
        typ: &'static str,
    ) -> Result<(Phone, T), Refusal> {
        let id = kid(message)?;
        let phone = store::phone::by_id(&self.parts.db, id).await?.ok_or(Refusal::UnknownPhone)?;
        let key = VerifyingKey::from_jwk(&phone.installation_key).map_err(|_| Refusal::UnknownPhone)?;
        let expected = Expected { typ: Some(typ), algorithms: &[Algorithm::Es256], max_len: MAX_LEN };
        let payload = jose::verify_payload(message, expected, |_| Some(&key))?;
        let addressed: Addressed = read(&payload)?;
        if addressed.aud != self.parts.own.as_str() {
            return Err(Refusal::OtherServer);
        }
        match phone.passkey.means.standing(self.now()) {
            Standing::Active => Ok((phone, read(&payload)?)),
            standing => Err(Refusal::Halted(standing)),
        }
    }

    /// As [`Self::signed_by`], of a message that asks for something now.
    pub(super) async fn asked_by(&self, message: &str) -> Result<(Phone, Ask), Refusal> {
        let (phone, ask): (Phone, Ask) = self.signed_by(message, TYP_ASK).await?;
        made_now(ask.iat, self.now())?;
        Ok((phone, ask))
    }
}

/// That a message was made now, as far as the phone knows.
pub(super) fn made_now(iat: i64, now: Time) -> Result<(), Refusal> {
    let made = DateTime::from_timestamp(iat, 0).ok_or(Refusal::Clock)?;
    if (now - made).abs() <= TOLERANCE { Ok(()) } else { Err(Refusal::Clock) }
}

/// Which phone a message says it is of.
fn kid(message: &str) -> Result<MeansId, Refusal> {
    #[derive(Deserialize)]
    struct Header {
        kid: String,
    }
    let header = message.split('.').next().and_then(jose::base64url::decode).ok_or(Refusal::Malformed)?;
    let Header { kid } = serde_json::from_slice(&header).map_err(|_| Refusal::Malformed)?;
    kid.parse().map_err(|_| Refusal::Malformed)
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(payload).map_err(|_| Refusal::Malformed)
}
