//! The card request, server → agent (agent protocol, section 1).

use std::fmt::{self, Debug};

use serde::{Deserialize, Serialize};

use super::{
    AGENT_AUDIENCE, CLOCK_TOLERANCE, MAX_DIGITS, ProtocolError, Purpose, REQUEST_LIFETIME, VERSION,
    WebOrigin, check_text, check_version, fixed_bytes, from_json, time_from_seconds,
};
use crate::clock::Time;
use crate::crypto::jose::base64url;
use crate::ids::{Random, WorkstationId};

/// The member `txn`: 128 random bits that name one card request.
///
/// Each request has its own, also when a sign-in asks a second time: an agent answers or cancels a challenge once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Challenge([u8; 16]);

impl Challenge {
    /// A new challenge.
    pub fn new(random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// Its text in messages and rows: 22 characters of base64url.
    #[must_use]
    pub fn to_text(self) -> String {
        base64url::encode(self.0)
    }

    /// Reads that text.
    pub fn parse(text: &str) -> Result<Self, ProtocolError> {
        fixed_bytes("txn", text).map(Self)
    }
}

impl Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Challenge({})", self.to_text())
    }
}

/// What a server asks an agent for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardRequest {
    /// The server's front origin.
    pub issuer: WebOrigin,
    /// What the signature is for.
    pub purpose: Purpose,
    /// Names this request.
    pub challenge: Challenge,
    /// 256 random bits, so that no answer can be prepared.
    pub nonce: [u8; 32],
    /// When it was issued, in whole seconds.
    pub issued_at: Time,
    /// Until when the server takes an answer, at most two minutes later.
    pub expires_at: Time,
    /// The relying party as the person knows it.
    pub rp_name: String,
    /// The host that the person will return to.
    pub rp_host: String,
    /// SHA-256 of the secret of the process that asks; present for [`Purpose::Terminal`] and only there.
    pub confirmation: Option<[u8; 32]>,
    /// The workstation that is to answer; present for [`Purpose::Badge`] and [`Purpose::Ciba`] and only there: no page brings
    /// such a request.
    pub workstation: Option<WorkstationId>,
    /// Which of the cards that the workstation has reported is to answer, and what its person types first; present for
    /// [`Purpose::Ciba`] and only there.
    pub question: Option<CardQuestion>,
}

/// What a question of another program has beyond other requests. It says nothing of whoever is asked but what the
/// workstation has said itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardQuestion {
    /// SHA-256 of the certificate of the card, as the workstation has reported it.
    pub card: [u8; 32],
    /// How many digits the person types: 1 to [`MAX_DIGITS`]. Never which.
    pub digits: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    iss: String,
    aud: String,
    purpose: String,
    txn: String,
    nonce: String,
    iat: i64,
    exp: i64,
    rp_name: String,
    rp_host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workstation: Option<WorkstationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    card: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digits: Option<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    #[serde(rename = "S256")]
    s256: String,
}

impl CardRequest {
    /// Reads the payload of a verified JWS of type [`super::TYP_CARD_REQUEST`].
    pub fn from_payload(payload: &[u8]) -> Result<Self, ProtocolError> {
        let wire: Wire = from_json(payload)?;
        check_version(wire.v)?;
        if wire.aud != AGENT_AUDIENCE {
            return Err(ProtocolError::Audience(wire.aud));
        }
        let purpose = Purpose::parse(&wire.purpose).ok_or(ProtocolError::Purpose(wire.purpose))?;
        if wire.cnf.is_some() != (purpose == Purpose::Terminal) {
            return Err(ProtocolError::Misplaced("cnf"));
        }
        if wire.workstation.is_some() != matches!(purpose, Purpose::Badge | Purpose::Ciba) {
            return Err(ProtocolError::Misplaced("workstation"));
        }
        let question = match (wire.card, wire.digits) {
            (Some(card), Some(digits)) if purpose == Purpose::Ciba => {
                if !(1..=MAX_DIGITS).contains(&digits) {
                    return Err(ProtocolError::Malformed("digits is out of bounds".to_owned()));
                }
                Some(CardQuestion { card: fixed_bytes("card", &card)?, digits })
            }
            (None, None) if purpose != Purpose::Ciba => None,
            _ => return Err(ProtocolError::Misplaced("card")),
        };
        check_text("rp_name", &wire.rp_name, 200)?;
        check_text("rp_host", &wire.rp_host, 260)?;
        let request = Self {
            issuer: WebOrigin::parse(&wire.iss)?,
            purpose,
            challenge: Challenge::parse(&wire.txn)?,
            nonce: fixed_bytes("nonce", &wire.nonce)?,
            issued_at: time_from_seconds("iat", wire.iat)?,
            expires_at: time_from_seconds("exp", wire.exp)?,
            rp_name: wire.rp_name,
            rp_host: wire.rp_host,
            confirmation: wire.cnf.map(|cnf| fixed_bytes("cnf", &cnf.s256)).transpose()?,
            workstation: wire.workstation,
            question,
        };
        let lifetime = request.expires_at - request.issued_at;
        if lifetime <= chrono::TimeDelta::zero() || lifetime > REQUEST_LIFETIME {
            return Err(ProtocolError::Lifetime(lifetime.num_seconds()));
        }
        Ok(request)
    }

    /// The payload to sign.
    #[must_use]
    pub fn to_payload(&self) -> serde_json::Value {
        serde_json::json!(Wire {
            v: u64::from(VERSION),
            iss: self.issuer.to_string(),
            aud: AGENT_AUDIENCE.to_owned(),
            purpose: self.purpose.as_str().to_owned(),
            txn: self.challenge.to_text(),
            nonce: base64url::encode(self.nonce),
            iat: self.issued_at.timestamp(),
            exp: self.expires_at.timestamp(),
            rp_name: self.rp_name.clone(),
            rp_host: self.rp_host.clone(),
            cnf: self.confirmation.map(|hash| Confirmation { s256: base64url::encode(hash) }),
            workstation: self.workstation,
            card: self.question.map(|question| base64url::encode(question.card)),
            digits: self.question.map(|question| question.digits),
        })
    }

    /// Whether the clocks of server and workstation are so far apart that the agent does not answer. Expiry itself is
    /// judged by the server.
    #[must_use]
    pub fn is_far_from(&self, now: Time) -> bool {
        (now - self.issued_at).abs() > CLOCK_TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn payload() -> Value {
        json!({
            "v": 1, "iss": "https://sceau.chu.example", "aud": "sceau-agent", "purpose": "browser",
            "txn": "AAAAAAAAAAAAAAAAAAAAAA", "nonce": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "iat": 1_795_262_400, "exp": 1_795_262_520, "rp_name": "Dossier patient", "rp_host": "dpi.chu.example",
        })
    }

    fn read(payload: &Value) -> Result<CardRequest, ProtocolError> {
        CardRequest::from_payload(payload.to_string().as_bytes())
    }

    fn with(member: &str, value: Value) -> Value {
        let mut payload = payload();
        payload[member] = value;
        payload
    }

    #[test]
    fn what_is_written_is_read_back() {
        let request = read(&payload()).unwrap();
        assert_eq!(request.to_payload(), payload());
        assert_eq!(request.rp_name, "Dossier patient");
    }

    #[test]
    fn what_is_unknown_is_refused() {
        assert_eq!(read(&with("v", json!(2))), Err(ProtocolError::Version(2)));
        assert_eq!(read(&with("aud", json!("sceau"))), Err(ProtocolError::Audience("sceau".into())));
        assert_eq!(read(&with("purpose", json!("login"))), Err(ProtocolError::Purpose("login".into())));
        assert!(matches!(read(&with("hint", json!(1))), Err(ProtocolError::Malformed(_))));
        assert!(matches!(
            read(&with("iss", json!("https://sceau.chu.example/"))),
            Err(ProtocolError::Origin(_))
        ));
        assert!(matches!(read(&with("txn", json!("AAAA"))), Err(ProtocolError::Malformed(_))));
        assert!(matches!(read(&with("iat", json!("1"))), Err(ProtocolError::Malformed(_))));
    }

    #[test]
    fn a_member_given_twice_is_refused() {
        let twice = payload().to_string().replacen("{", r#"{"purpose":"badge","#, 1);
        assert!(matches!(CardRequest::from_payload(twice.as_bytes()), Err(ProtocolError::Malformed(_))));
    }

    #[test]
    fn every_member_is_needed() {
        for member in payload().as_object().unwrap().keys() {
            let mut without = payload();
            without.as_object_mut().unwrap().remove(member);
            assert!(read(&without).is_err(), "{member}");
        }
    }

    #[test]
    fn the_confirmation_belongs_to_terminals_alone() {
        let cnf = json!({ "S256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" });
        assert_eq!(read(&with("cnf", cnf.clone())), Err(ProtocolError::Misplaced("cnf")));
        assert_eq!(read(&with("purpose", json!("terminal"))), Err(ProtocolError::Misplaced("cnf")));
        let mut terminal = with("purpose", json!("terminal"));
        terminal["cnf"] = cnf;
        assert!(read(&terminal).unwrap().confirmation.is_some());
    }

    #[test]
    fn the_workstation_belongs_to_badges_alone() {
        let id = json!("019aa000-0000-7000-8000-000000000001");
        assert_eq!(read(&with("workstation", id.clone())), Err(ProtocolError::Misplaced("workstation")));
        assert_eq!(read(&with("purpose", json!("badge"))), Err(ProtocolError::Misplaced("workstation")));
        let mut badge = with("purpose", json!("badge"));
        badge["workstation"] = id;
        assert_eq!(read(&badge).unwrap().to_payload(), badge);
    }

    #[test]
    fn the_card_and_the_digits_belong_to_questions_alone() {
        let card = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(read(&with("card", card.clone())), Err(ProtocolError::Misplaced("card")));
        assert_eq!(read(&with("digits", json!(2))), Err(ProtocolError::Misplaced("card")));
        let mut ciba = with("purpose", json!("ciba"));
        assert_eq!(read(&ciba), Err(ProtocolError::Misplaced("workstation")));
        ciba["workstation"] = json!("019aa000-0000-7000-8000-000000000001");
        assert_eq!(read(&ciba), Err(ProtocolError::Misplaced("card")));
        ciba["card"] = card;
        for digits in [0, 9, 255] {
            ciba["digits"] = json!(digits);
            assert!(matches!(read(&ciba), Err(ProtocolError::Malformed(_))), "{digits}");
        }
        ciba["digits"] = json!(2);
        assert_eq!(read(&ciba).unwrap().to_payload(), ciba);
    }

    #[test]
    fn it_lives_two_minutes_at_most() {
        assert_eq!(read(&with("exp", json!(1_795_262_521))), Err(ProtocolError::Lifetime(121)));
        assert_eq!(read(&with("exp", json!(1_795_262_400))), Err(ProtocolError::Lifetime(0)));
    }

    #[test]
    fn ten_minutes_of_clock_error_are_borne() {
        let request = read(&payload()).unwrap();
        let minutes = chrono::TimeDelta::minutes;
        assert!(!request.is_far_from(request.issued_at + minutes(10)));
        assert!(!request.is_far_from(request.issued_at - minutes(10)));
        assert!(request.is_far_from(request.issued_at + minutes(11)));
        assert!(request.is_far_from(request.issued_at - minutes(11)));
    }
}
