//! The channel between an agent and a server: what the agent says of its readers, and what the server answers (agent
//! protocol, section 13).
//!
//! Every message stands by itself: a report holds all cards that are there, so that one that was lost does no harm. It
//! says that a card is present and proves nothing about a person.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    AGENT_AUDIENCE, AgentVersion, Challenge, ProtocolError, VERSION, WebOrigin, check_version, fixed_bytes,
    from_json, time_from_seconds,
};
use crate::clock::Time;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::crypto::jose::base64url;
use crate::ids::{ChannelId, Secret, WorkstationId};

/// The most cards that a workstation reports.
pub const MAX_CARDS: usize = 16;

/// The longest time that an agent lets the server hold an answer back.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// What an opening lists that takes badge requests over its channel.
const BADGE: &str = "badge";
/// What an opening lists that takes questions of other programs.
const CIBA: &str = "ciba";

/// The most that an opening lists, in words and in characters of each. Words of later versions are passed over.
const MAX_ACCEPTED: (usize, usize) = (16, 32);

/// The name of an agent among those of its workstation: 128 bits that stay the same from start to start. Where several
/// people use the workstation, and so its key, whoever knows the name can speak for the agent: it goes to the server when
/// a channel is opened and nowhere else, and the server keeps its hash.
#[derive(Debug, Clone)]
pub struct AgentName(Secret);

impl PartialEq for AgentName {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(&self.hash(), &other.hash())
    }
}

impl Eq for AgentName {}

impl AgentName {
    /// The name of these bits.
    #[must_use]
    pub fn of_bytes(bytes: &[u8; 16]) -> Self {
        Self(Secret::from(base64url::encode(bytes)))
    }

    /// What others know it by: SHA-256 of its text.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.expose().as_bytes())
    }
}

/// The card requests that an agent takes over its channel. Said by `accepts`, which a server that knows none of them refuses:
/// the agent then asks again without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepts {
    /// Badge requests (section 14).
    pub badge: bool,
    /// Questions of other programs (section 15).
    pub question: bool,
}

impl Accepts {
    /// All that this version knows.
    pub const ALL: Self = Self { badge: true, question: true };

    fn read(words: &[String]) -> Self {
        let has = |word: &str| words.iter().any(|listed| listed == word);
        Self { badge: has(BADGE), question: has(CIBA) }
    }

    fn words(self) -> Option<Vec<String>> {
        let words = [(self.badge, BADGE), (self.question, CIBA)];
        let words: Vec<_> =
            words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()).collect();
        (!words.is_empty()).then_some(words)
    }
}

/// The wish for a channel, agent → server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelOpening {
    /// The origin as enrolled on the workstation.
    pub audience: WebOrigin,
    /// The workstation, as the server named it at enrolment.
    pub workstation: WorkstationId,
    /// Which of its agents, where several people use it at the same time.
    pub agent: AgentName,
    /// The agent's version.
    pub agent_version: AgentVersion,
    /// What may come over the channel.
    pub accepts: Accepts,
    /// When, by the workstation's clock.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpeningWire {
    v: u64,
    aud: WebOrigin,
    workstation: WorkstationId,
    agent: String,
    agent_version: AgentVersion,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepts: Option<Vec<String>>,
    iat: i64,
}

impl ChannelOpening {
    /// Reads the payload of a JWS of type [`super::TYP_CHANNEL_OPENING`], before it is verified: it names the workstation
    /// by whose key it is.
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: OpeningWire = from_json(payload)?;
        check_version(wire.v)?;
        let accepts = wire.accepts.unwrap_or_default();
        if accepts.len() > MAX_ACCEPTED.0 || accepts.iter().any(|word| word.len() > MAX_ACCEPTED.1) {
            return Err(ProtocolError::Malformed("accepts lists too much".to_owned()));
        }
        Ok(Self {
            accepts: Accepts::read(&accepts),
            audience: wire.aud,
            workstation: wire.workstation,
            agent: AgentName::of_bytes(&fixed_bytes("agent", &wire.agent)?),
            agent_version: wire.agent_version,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the workstation key.
    #[must_use]
    pub fn to_payload(&self) -> serde_json::Value {
        serde_json::json!(OpeningWire {
            v: u64::from(VERSION),
            aud: self.audience.clone(),
            workstation: self.workstation,
            agent: self.agent.0.expose().to_owned(),
            agent_version: self.agent_version,
            accepts: self.accepts.words(),
            iat: self.issued_at.timestamp(),
        })
    }
}

/// What is in the readers of a workstation, agent → server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelReport {
    /// The origin as enrolled on the workstation.
    pub audience: WebOrigin,
    /// The workstation, as the server named it at enrolment.
    pub workstation: WorkstationId,
    /// The channel, as the server named it.
    pub channel: ChannelId,
    /// 1 for the first message of the channel; each later one has a higher number.
    pub number: u32,
    /// Every card that is there: SHA-256 of its certificate.
    pub cards: Vec<[u8; 32]>,
    /// How long the server may hold its answer back while it has nothing to say; whole seconds, at most [`MAX_WAIT`].
    pub wait: Duration,
    /// The badge request that arrived last, so that it is not sent again; only over a channel that takes some.
    pub badge: Option<Challenge>,
    /// The question that arrived last, likewise.
    pub question: Option<Challenge>,
    /// The certificate of a card that the server has asked about, DER: one of `cards`.
    pub certificate: Option<Vec<u8>>,
    /// When, by the workstation's clock.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportWire {
    v: u64,
    aud: WebOrigin,
    workstation: WorkstationId,
    channel: ChannelId,
    number: u32,
    cards: Vec<String>,
    wait: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    badge: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    question: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    iat: i64,
}

impl ChannelReport {
    /// Reads the payload of a JWS of type [`super::TYP_CHANNEL_REPORT`], before it is verified: it names the workstation
    /// by whose key it is.
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: ReportWire = from_json(payload)?;
        check_version(wire.v)?;
        if wire.number == 0 {
            return Err(ProtocolError::Malformed("number begins with 1".to_owned()));
        }
        if wire.cards.len() > MAX_CARDS {
            return Err(ProtocolError::Malformed(format!("more than {MAX_CARDS} cards")));
        }
        let wait = Duration::from_secs(wire.wait);
        if wait > MAX_WAIT {
            return Err(ProtocolError::Malformed("wait is too long".to_owned()));
        }
        Ok(Self {
            audience: wire.aud,
            workstation: wire.workstation,
            channel: wire.channel,
            number: wire.number,
            cards: wire.cards.iter().map(|card| fingerprint(card)).collect::<Result<_, _>>()?,
            wait,
            badge: wire.badge.as_deref().map(Challenge::parse).transpose()?,
            question: wire.question.as_deref().map(Challenge::parse).transpose()?,
            certificate: wire.certificate.as_deref().map(certificate).transpose()?,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the workstation key.
    #[must_use]
    pub fn to_payload(&self) -> serde_json::Value {
        serde_json::json!(ReportWire {
            v: u64::from(VERSION),
            aud: self.audience.clone(),
            workstation: self.workstation,
            channel: self.channel,
            number: self.number,
            cards: self.cards.iter().map(hex::encode).collect(),
            wait: self.wait.as_secs(),
            badge: self.badge.map(Challenge::to_text),
            question: self.question.map(Challenge::to_text),
            certificate: self.certificate.as_ref().map(base64url::encode),
            iat: self.issued_at.timestamp(),
        })
    }
}

fn certificate(text: &str) -> Result<Vec<u8>, ProtocolError> {
    let malformed = || ProtocolError::Malformed("certificate is not base64url".to_owned());
    base64url::decode(text).ok_or_else(malformed)
}

/// 32 bytes in lower-case hexadecimal: the one spelling that sessions are compared with.
fn fingerprint(text: &str) -> Result<[u8; 32], ProtocolError> {
    let malformed = || ProtocolError::Malformed("a card is not 32 bytes in hexadecimal".to_owned());
    let bytes: [u8; 32] =
        hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(malformed)?;
    if hex::encode(bytes) == text { Ok(bytes) } else { Err(malformed()) }
}

/// The answer to an opening or a report, server → agent. Reports follow one another: the agent sends the next one as soon
/// as it has the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelAnswer {
    /// The server's origin.
    pub issuer: WebOrigin,
    /// Whom it is for.
    pub workstation: WorkstationId,
    /// The channel.
    pub channel: ChannelId,
    /// The number of the report that it answers; 0 answers an opening.
    pub number: u32,
    /// A badge request or a question, byte for byte: over channels that take some, until a report names it.
    pub request: Option<String>,
    /// A reported card whose certificate the server does not know: the next report is to hold it. Only over channels that take
    /// questions.
    pub whose: Option<[u8; 32]>,
    /// When, by the server's clock.
    pub issued_at: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerWire {
    v: u64,
    iss: WebOrigin,
    aud: String,
    workstation: WorkstationId,
    channel: ChannelId,
    number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whose: Option<String>,
    iat: i64,
}

impl ChannelAnswer {
    /// Reads the payload of a JWS of type [`super::TYP_CHANNEL_ANSWER`].
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: AnswerWire = from_json(payload)?;
        check_version(wire.v)?;
        if wire.aud != AGENT_AUDIENCE {
            return Err(ProtocolError::Audience(wire.aud));
        }
        Ok(Self {
            issuer: wire.iss,
            workstation: wire.workstation,
            channel: wire.channel,
            number: wire.number,
            request: wire.request,
            whose: wire.whose.as_deref().map(fingerprint).transpose()?,
            issued_at: time_from_seconds("iat", wire.iat)?,
        })
    }

    /// The payload to sign with the current request key.
    #[must_use]
    pub fn to_payload(&self) -> serde_json::Value {
        serde_json::json!(AnswerWire {
            v: u64::from(VERSION),
            iss: self.issuer.clone(),
            aud: AGENT_AUDIENCE.to_owned(),
            workstation: self.workstation,
            channel: self.channel,
            number: self.number,
            request: self.request.clone(),
            whose: self.whose.map(hex::encode),
            iat: self.issued_at.timestamp(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ID: &str = "019aa000-0000-7000-8000-000000000001";

    fn opening() -> Value {
        json!({
            "v": 1, "aud": "https://sceau.chu.example", "workstation": ID, "agent_version": "0.1.0",
            "agent": "AAECAwQFBgcICQoLDA0ODw", "iat": 1_795_262_400,
        })
    }

    fn report() -> Value {
        json!({
            "v": 1, "aud": "https://sceau.chu.example", "workstation": ID, "channel": ID, "number": 7,
            "cards": ["ab".repeat(32)], "wait": 20, "iat": 1_795_262_400,
        })
    }

    fn answer() -> Value {
        json!({
            "v": 1, "iss": "https://sceau.chu.example", "aud": "sceau-agent", "workstation": ID, "channel": ID,
            "number": 7, "iat": 1_795_262_400,
        })
    }

    /// What each message refuses beside a missing and an unknown member.
    fn refuses(good: &Value, read: impl Fn(&Value) -> bool, bad: &[(&str, Value)]) {
        assert!(read(good));
        for member in good.as_object().unwrap().keys() {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(member);
            assert!(!read(&without), "without {member}");
        }
        for (member, value) in
            bad.iter().chain(&[("v", json!(2)), ("extra", json!(1)), ("iat", json!("now"))])
        {
            let mut changed = good.clone();
            changed[*member] = value.clone();
            assert!(!read(&changed), "{member} = {value}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = |value: &Value| value.to_string().into_bytes();
        assert_eq!(ChannelOpening::from_payload(&bytes(&opening())).unwrap().to_payload(), opening());
        assert_eq!(ChannelReport::from_payload(&bytes(&report())).unwrap().to_payload(), report());
        assert_eq!(ChannelAnswer::from_payload(&bytes(&answer())).unwrap().to_payload(), answer());
    }

    #[test]
    fn the_name_of_an_agent_is_not_printed() {
        let opening = ChannelOpening::from_payload(opening().to_string().as_bytes()).unwrap();
        assert!(!format!("{opening:?}").contains("AAECAw"));
    }

    #[test]
    fn what_belongs_to_badges_is_there_or_not() {
        let bytes = |value: &Value| value.to_string().into_bytes();
        let with = |mut value: Value, member: &str, added: Value| {
            value[member] = added;
            value
        };
        let accepting = with(opening(), "accepts", json!(["badge"]));
        let read = ChannelOpening::from_payload(&bytes(&accepting)).unwrap();
        assert_eq!((read.accepts, read.to_payload()), (Accepts { badge: true, question: false }, accepting));
        let both = with(opening(), "accepts", json!(["badge", "ciba"]));
        let read = ChannelOpening::from_payload(&bytes(&both)).unwrap();
        assert_eq!((read.accepts, read.to_payload()), (Accepts::ALL, both));
        let later = with(opening(), "accepts", json!(["badge", "what nobody knows yet"]));
        assert!(ChannelOpening::from_payload(&bytes(&later)).unwrap().accepts.badge);
        let none = with(opening(), "accepts", json!([]));
        assert_eq!(ChannelOpening::from_payload(&bytes(&none)).unwrap().accepts, Accepts::default());
        for bad in [json!(vec!["x"; 17]), json!(["x".repeat(33)]), json!("badge"), json!([1])] {
            assert!(ChannelOpening::from_payload(&bytes(&with(opening(), "accepts", bad))).is_err());
        }
        let heard = with(report(), "badge", json!("AAECAwQFBgcICQoLDA0ODw"));
        assert_eq!(ChannelReport::from_payload(&bytes(&heard)).unwrap().to_payload(), heard);
        assert!(ChannelReport::from_payload(&bytes(&with(report(), "badge", json!("AAEC")))).is_err());
        let heard =
            with(with(report(), "question", json!("AAECAwQFBgcICQoLDA0ODw")), "certificate", json!("AAEC"));
        assert_eq!(ChannelReport::from_payload(&bytes(&heard)).unwrap().to_payload(), heard);
        assert!(ChannelReport::from_payload(&bytes(&with(report(), "certificate", json!("=")))).is_err());
        let whose = with(answer(), "whose", json!("ab".repeat(32)));
        assert_eq!(ChannelAnswer::from_payload(&bytes(&whose)).unwrap().to_payload(), whose);
        assert!(ChannelAnswer::from_payload(&bytes(&with(answer(), "whose", json!("AB")))).is_err());
        let asking = with(answer(), "request", json!("a.b.c"));
        assert_eq!(ChannelAnswer::from_payload(&bytes(&asking)).unwrap().to_payload(), asking);
    }

    #[test]
    fn what_is_unknown_missing_or_out_of_bounds_is_refused() {
        let opens = |value: &Value| ChannelOpening::from_payload(value.to_string().as_bytes()).is_ok();
        refuses(
            &opening(),
            opens,
            &[("aud", json!("null")), ("workstation", json!("1")), ("agent", json!("AAEC"))],
        );
        let reports = |value: &Value| ChannelReport::from_payload(value.to_string().as_bytes()).is_ok();
        let many = vec!["ab".repeat(32); MAX_CARDS + 1];
        let bad = [
            ("number", json!(0)),
            ("number", json!(-1)),
            ("number", json!(1.5)),
            ("number", json!(u64::MAX)),
            ("wait", json!(21)),
            ("wait", json!(-1)),
            ("cards", json!(many)),
            ("cards", json!(["AB".repeat(32)])),
            ("cards", json!(["ab".repeat(31)])),
            ("cards", json!("ab")),
        ];
        refuses(&report(), reports, &bad);
        let answers = |value: &Value| ChannelAnswer::from_payload(value.to_string().as_bytes()).is_ok();
        refuses(&answer(), answers, &[("aud", json!("somebody")), ("number", json!(-1))]);
    }
}
