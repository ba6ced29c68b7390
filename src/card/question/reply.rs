//! The two messages of an agent: what the person says before the PIN, and what the card has signed.

use serde::Deserialize;

use super::QuestionRefusal;
use super::take::Taken;
use crate::audit::Event;
use crate::card::finish::{MAX_ANSWER_LEN, authentication, read};
use crate::card::protocol::{
    CLOCK_TOLERANCE, ProtocolError, Purpose, QuestionReply, Said, TYP_QUESTION_REPLY,
};
use crate::card::refusal::Refusal;
use crate::crypto::constant_time_eq;
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::session::{Amr, Authentication, Evidence};
use crate::store;
use crate::store::approval::Answer;
use crate::store::audit::NewRow;
use crate::store::card_question;

/// The code of an agent whose person refused.
const CANCELLED: &str = "AGENT-026";
/// The longest reply that is read.
const MAX_REPLY_LEN: usize = 4 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfPerson {
    jws: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfCard {
    answer: String,
}

fn malformed(what: &str) -> Refusal {
    Refusal::Malformed(ProtocolError::Malformed(what.to_owned()))
}

impl Taken<'_> {
    /// The number, or no. In this order: form · workstation known, active, its key signed · meant for us · now · sent to it ·
    /// waiting · linked · the number.
    pub(super) async fn reply(&mut self, body: &[u8]) -> Result<(), Refusal> {
        if body.len() > MAX_REPLY_LEN {
            return Err(malformed("too long"));
        }
        let OfPerson { jws } = serde_json::from_slice(body).map_err(|_| malformed("not JSON with a JWS"))?;
        let payload = jose::unverified_payload(&jws).ok_or_else(|| malformed("not a JWS"))?;
        let reply = QuestionReply::from_payload(&payload).map_err(Refusal::Malformed)?;
        let login = self.login;
        let workstation = store::workstation::by_id(&login.parts.db, reply.workstation).await?;
        let workstation = workstation.ok_or(Refusal::WorkstationUnknown)?;
        login.check_state(&workstation)?;
        let key = VerifyingKey::from_jwk(&workstation.public_jwk).ok();
        let expected = Expected {
            typ: Some(TYP_QUESTION_REPLY),
            algorithms: &[Algorithm::Es256],
            max_len: MAX_REPLY_LEN,
        };
        jose::verify_payload(&jws, expected, |kid| key.as_ref().filter(|key| Some(key.kid()) == kid))
            .map_err(Refusal::AnswerSignature)?;
        if reply.audience != login.parts.front {
            return Err(Refusal::Audience);
        }
        if (login.now() - reply.issued_at).abs() > CLOCK_TOLERANCE {
            return Err(Refusal::Clock);
        }
        let version = reply.agent_version.to_string();
        self.learn(|event| event.reader("", &version));
        let (question, approval, _) = self.of(&reply.challenge.to_text(), &workstation).await?;
        match &reply.said {
            Said::Number(typed) => {
                let asked = approval.digits.as_deref().unwrap_or_default();
                if asked.is_empty() || !constant_time_eq(typed.as_bytes(), asked.as_bytes()) {
                    return Err(QuestionRefusal::WrongNumber.into());
                }
                let noted = card_question::typed(&login.parts.db, &question.txn, login.now()).await?;
                if noted { Ok(()) } else { Err(QuestionRefusal::NotWaiting.into()) }
            }
            Said::No(code) => {
                let event = self.event.clone();
                let code = code.as_str().to_owned();
                tracing::warn!(code, "a question was refused at a workstation");
                let event = if code == CANCELLED { event.denied(code) } else { event.failure(code) };
                self.settle(&approval, &Answer::Refuse, &NewRow::from(&event)).await
            }
        }
    }

    /// The proof. After the checks of a reply: the request byte for byte · the number was typed · by an agent that is served,
    /// with the PIN · proof, path, usage, category, revocation · not halted here · the card that was asked · its holder is
    /// whoever was asked · admitted. One conditional update takes it.
    pub(super) async fn answer(&mut self, body: &[u8]) -> Result<(), Refusal> {
        if body.len() > MAX_ANSWER_LEN {
            return Err(malformed("too long"));
        }
        let OfCard { answer: jws } =
            serde_json::from_slice(body).map_err(|_| malformed("not JSON with an answer"))?;
        let (answer, request) = read(&jws)?;
        let login = self.login;
        let workstation = login.answering(&jws, &answer).await?;
        let version = answer.agent_version.to_string();
        self.learn(|event| event.reader("", &version));
        if request.purpose != Purpose::Ciba {
            return Err(Refusal::Purpose);
        }
        let (question, approval, client) = self.of(&request.challenge.to_text(), &workstation).await?;
        if !constant_time_eq(question.request.as_bytes(), answer.request.as_bytes()) {
            return Err(Refusal::RequestDiffers);
        }
        if question.typed_at.is_none() {
            return Err(QuestionRefusal::NoNumber.into());
        }
        login.check_answer(&answer)?;
        let card = login.judge(Purpose::Ciba, &answer)?;
        let number = card.certificate.card_number.clone();
        self.learn(|event: Event| {
            event.means(super::MEANS, number.as_deref()).id_nat(&card.certificate.id_nat)
        });
        login.check_not_halted(number.as_deref()).await?;
        if hex::encode(card.fingerprint) != question.certificate {
            return Err(QuestionRefusal::OtherCard.into());
        }
        let db = &login.parts.db;
        let holder = store::person::by_identifier(db, &card.certificate.id_nat).await?;
        let person = holder.map(|holder| holder.id).filter(|holder| Some(*holder) == approval.person_id);
        let person = person.ok_or(QuestionRefusal::OtherPerson)?;
        crate::directory::admitted(db, person, client.audience, login.now()).await??;
        let proved = authentication(person, &answer, &card, login.now());
        let proved = Authentication {
            acr: login.parts.asked_level.min(proved.acr),
            evidence: Evidence::CardAsked { card: Box::new(proved.evidence) },
            ..proved
        };
        let factors: Vec<String> = proved.amr.iter().copied().map(Amr::as_str).map(str::to_owned).collect();
        let event = self.event.clone().level(proved.acr.as_str(), &factors);
        self.settle(&approval, &Answer::Approve(proved), &NewRow::from(&event)).await
    }
}
