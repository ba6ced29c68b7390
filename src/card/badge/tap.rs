//! The side of the workstation: what the card that was tapped has signed, and whether it is the card that the PIN was typed
//! for.

use super::{BadgeRefusal, OfAgent, malformed};
use crate::audit::Event;
use crate::card::finish::{MAX_ANSWER_LEN, read};
use crate::card::login::CardLogin;
use crate::card::protocol::{CardAnswer, Interface, PinEntry, Purpose};
use crate::card::refusal::Refusal;
use crate::card::verify::VerifiedCard;
use crate::crypto::constant_time_eq;
use crate::session::Evidence;
use crate::store;
use crate::store::audit::NewRow;
use crate::store::badge::{BadgeRequest, State as Stage};

/// One tap on its way through the checks. The event learns what is known.
pub(super) struct Tap<'a> {
    pub(super) login: &'a CardLogin,
    pub(super) event: Event,
    /// The request, once it is certain that the workstation that was asked answers it.
    pub(super) asked: Option<BadgeRequest>,
}

impl Tap<'_> {
    pub(super) async fn judge(&mut self, body: &[u8]) -> Result<(), Refusal> {
        if body.len() > MAX_ANSWER_LEN {
            return Err(malformed("too long"));
        }
        let OfAgent { answer: jws } =
            serde_json::from_slice(body).map_err(|_| malformed("not JSON with an answer"))?;
        let (answer, request) = read(&jws)?;
        let (login, txn) = (self.login, request.challenge.to_text());
        let parts = &login.parts;
        let asked = store::badge::by_txn(&parts.db, &txn).await?.ok_or(Refusal::UnknownRequest)?;
        self.learn(|event| event.person(asked.person_id).transaction(asked.transaction_id));
        // Byte for byte the one that was issued, so its claims are ours.
        if !constant_time_eq(asked.request.as_bytes(), answer.request.as_bytes()) {
            return Err(Refusal::RequestDiffers);
        }
        let workstation = login.answering(&jws, &answer).await?;
        let version = answer.agent_version.to_string();
        self.learn(|event| event.workstation(workstation.id).zone(&workstation.zone).reader("", &version));
        if request.purpose != Purpose::Badge {
            return Err(Refusal::Purpose);
        }
        if workstation.id != asked.workstation_id || request.workstation != Some(workstation.id) {
            return Err(BadgeRefusal::OtherWorkstation.into());
        }
        match asked.state {
            Stage::Open => {}
            Stage::Answered | Stage::Done | Stage::Refused | Stage::Withdrawn => {
                return Err(Refusal::AlreadyEnded);
            }
        }
        if asked.expires_at <= login.now() {
            return Err(Refusal::RequestExpired);
        }
        self.asked = Some(asked.clone());
        login.check_agent(&answer)?;
        if answer.pin != PinEntry::None || answer.interface != Interface::Contactless {
            return Err(BadgeRefusal::NotATap.into());
        }
        let card = login.judge(Purpose::Badge, &answer)?;
        let number = card.certificate.card_number.clone();
        self.learn(|event| event.means(super::MEANS, number.as_deref()).id_nat(&card.certificate.id_nat));
        login.check_not_halted(number.as_deref()).await?;
        let evidence = self.renews(&asked, &card, &answer).await?;
        if !store::badge::answer(&parts.db, &txn, &evidence, login.now()).await? {
            return Err(Refusal::AlreadyEnded);
        }
        login.waiting.wake(asked.transaction_id);
        Ok(())
    }

    /// What the tap proves, if it is the card of the person whose session it is to renew.
    async fn renews(
        &self,
        asked: &BadgeRequest,
        card: &VerifiedCard,
        answer: &CardAnswer,
    ) -> Result<Evidence, Refusal> {
        let (login, certificate) = (self.login, &card.certificate);
        let db = &login.parts.db;
        let holder = store::person::by_identifier(db, &certificate.id_nat).await?;
        if holder.map(|holder| holder.id) != Some(asked.person_id) {
            return Err(BadgeRefusal::OtherPerson.into());
        }
        let session = store::session::by_id(db, asked.session_id).await?.ok_or(BadgeRefusal::NoWindow)?;
        let seen = session.evidence.card_and_pin().ok_or(BadgeRefusal::NoWindow)?;
        let Evidence::Card { card_number, certificate_sha256, .. } = seen else {
            return Err(BadgeRefusal::NoWindow.into());
        };
        // The number of the card is in both of its certificates; one that has none is no card to us.
        if card_number.is_empty() || certificate.card_number.as_ref() != Some(card_number) {
            return Err(BadgeRefusal::OtherCard.into());
        }
        let fingerprint = hex::encode(card.fingerprint);
        if fingerprint == *certificate_sha256 {
            return Err(BadgeRefusal::NotATap.into());
        }
        Ok(Evidence::Badge {
            card_number: card_number.clone(),
            certificate_sha256: fingerprint,
            serial: hex::encode(&certificate.serial),
            issuer: hex::encode(card.issuer),
            workstation: answer.workstation,
            tapped_at: login.now(),
            renews: Box::new(seen.clone()),
        })
    }

    fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }

    /// Writes the refusal to log, audit and, where the workstation that was asked answered, to the request: the page that
    /// waits says it, and it counts.
    pub(super) async fn refuse(&mut self, refusal: &Refusal) {
        let code = refusal.code();
        tracing::warn!(code, "a tap was refused: {refusal}");
        let event = self.event.clone();
        let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
        let (db, row) = (&self.login.parts.db, NewRow::from(&event));
        let recorded = match &self.asked {
            Some(asked) => store::badge::refuse(db, &asked.txn, code, &row).await.map(|_| ()),
            None => store::audit::append(db, row).await,
        };
        if let Err(error) = recorded {
            tracing::error!(code = error.code(), %error, "the refusal is missing in the audit trail");
        }
        if let Some(asked) = &self.asked {
            self.login.waiting.wake(asked.transaction_id);
        }
    }
}
