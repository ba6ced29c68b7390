//! Renewing a security key before its time is over, with the key in hand (RIE v2, PS 08; Implementing Regulation 2015/1502,
//! annex, 2.2.4): its person, by a sign-in with another means that is worth as much; or the desk, after an identity check.
//!
//! Who may ask for it is decided by the caller, at each of the two steps. Here: the key is one that is due, it signs a
//! challenge for its renewal and nothing else, and it is worth no more afterwards than what vouches for it. Never: a key
//! that vouches for itself. It would be good for ever, on evidence of years ago.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::SecurityKeys;
use super::authentication::{check_owner, read};
use super::ceremony::{Assertion, CeremonyError, Signed};
use super::issue::Vouched;
use super::refusal::Refusal;
use crate::audit::{Caller, Event};
use crate::crypto::digest::sha256;
use crate::ids::MeansId;
use crate::store::audit::NewRow;
use crate::store::means::{Issuer, Kind};
use crate::store::notice::{NewNotice, Told};
use crate::store::webauthn_ceremony::{self, Ceremony, Purpose};
use crate::store::webauthn_credential::{self, Registered, Renewal, SecurityKey, Used};
use crate::web::pages::means::KeyChallenge;

/// What the page answers a challenge with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    handle: String,
    credential: Value,
}

impl SecurityKeys {
    /// A challenge for the renewal of that key.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn begin_renewal(&self, vouched: &Vouched, id: MeansId) -> Result<KeyChallenge, Refusal> {
        let parts = &self.parts;
        let key = self.due(vouched, id).await?;
        let credential = URL_SAFE_NO_PAD.decode(&key.means.reference).map_err(|_| Refusal::NotDue)?;
        let challenge = match key.means.kind {
            Kind::SecondFactor => parts.ceremonies.begin_touch(&[credential])?,
            Kind::SecurityKey | Kind::Card | Kind::Phone => parts.ceremonies.begin_named(&[credential])?,
        };
        self.challenge(purpose(vouched), None, Some((vouched.session, vouched.person)), challenge).await
    }

    /// Renews the key that answered. `event` is recorded with it.
    ///
    /// # Errors
    /// [`Refusal`]; the challenge is used up then too.
    pub async fn renew(
        &self,
        vouched: &Vouched,
        (id, body): (MeansId, &[u8]),
        caller: &Caller,
        event: &mut Event,
    ) -> Result<(), Refusal> {
        let Answered { handle, credential } = read(body)?;
        let (db, now) = (&self.parts.db, self.now());
        let handle_hash = sha256(handle.as_bytes());
        let found = webauthn_ceremony::by_handle(db, handle_hash, purpose(vouched), now).await?;
        let found = found.filter(|found| {
            found.session_id == Some(vouched.session) && found.person_id == Some(vouched.person)
        });
        let ceremony = found.ok_or(Refusal::NotWaiting)?;
        let renewed =
            self.renew_by(&ceremony, handle_hash, (vouched, caller), (id, &credential), event).await;
        if renewed.is_err() {
            webauthn_ceremony::forget(db, handle_hash).await?;
        }
        renewed
    }

    async fn renew_by(
        &self,
        ceremony: &Ceremony,
        handle_hash: [u8; 32],
        (vouched, caller): (&Vouched, &Caller),
        (id, credential): (MeansId, &Value),
        event: &mut Event,
    ) -> Result<(), Refusal> {
        let (parts, now) = (&self.parts, self.now());
        let key = self.due(vouched, id).await?;
        let kind = key.means.kind;
        let named = event.clone().means(kind.as_str(), Some(&key.means.reference));
        *event = named.enrolment(&key.means.id.to_string());
        let assertion = Assertion::read(credential)?;
        if URL_SAFE_NO_PAD.encode(assertion.credential_id()) != key.means.reference {
            return Err(Refusal::Unknown);
        }
        let signed = match kind {
            Kind::SecondFactor => parts.ceremonies.finish_touch(&assertion, &ceremony.state, &key.credential),
            Kind::SecurityKey | Kind::Card | Kind::Phone => {
                parts.ceremonies.finish_sign_in(&assertion, &ceremony.state, Some(&key.credential))
            }
        };
        if matches!(signed, Err(CeremonyError::Cloned))
            && webauthn_ceremony::forget(&parts.db, handle_hash).await?
        {
            self.suspend_cloned(caller, &key).await?;
        }
        let signed: Signed = signed?;
        check_owner(&assertion, &key, false)?;
        let subject = crate::directory::subject(&parts.db, vouched.person, now).await?;
        let rules = parts.policy.of(&subject.ok_or(Refusal::NoSession)?.professional);
        let seen = self.seen(&key, signed.user_verified);
        self.admit(&rules, seen)?;
        // The level of the evidence, where that is less than what it was issued on.
        let level = key.means.level.min(vouched.highest);
        let event = event.clone().level(level.as_str(), &[]);
        let told = Told::MeansRenewed { means: kind, place: vouched.place.clone() };
        let used = Used {
            handle_hash,
            credential: signed.credential,
            counter: i64::from(signed.counter),
            backed_up: signed.backed_up,
            place: vouched.place.browser.clone(),
            key,
        };
        let renewal = Renewal {
            used: &used,
            check: vouched.desk.map(|desk| desk.check),
            level,
            issued_by: if vouched.desk.is_some() { Issuer::Desk } else { Issuer::Person },
            issuer_id: vouched.desk.map(|desk| desk.person),
            evidence: &vouched.evidence,
            expires_at: now + parts.policy.general.life,
            notice: &NewNotice::new(vouched.person, told, now, &*parts.random),
            event: &NewRow::from(&event),
        };
        match webauthn_credential::renew(&parts.db, &renewal, now).await? {
            Registered::Done => Ok(()),
            Registered::CheckOver => Err(Refusal::CheckOver),
            // Nothing is added: neither of the last two can be.
            Registered::CeremonyOver | Registered::KnownAlready | Registered::TooMany => {
                Err(Refusal::NotWaiting)
            }
        }
    }

    /// The key, if it is this person's, due, and vouched for by something else that is worth as much.
    async fn due(&self, vouched: &Vouched, id: MeansId) -> Result<SecurityKey, Refusal> {
        let own = webauthn_credential::of_person(&self.parts.db, vouched.person).await?;
        let key = own.into_iter().find(|key| key.means.id == id).ok_or(Refusal::NotDue)?;
        if !key.means.is_due(vouched.desk.is_some(), self.now()) {
            return Err(Refusal::NotDue);
        }
        let vouches = vouched.by != Some(id) && vouched.highest >= key.means.level;
        if vouched.desk.is_none() && !vouches {
            return Err(Refusal::VouchedByLess);
        }
        Ok(key)
    }
}

fn purpose(vouched: &Vouched) -> Purpose {
    if vouched.desk.is_some() { Purpose::RenewAtDesk } else { Purpose::Renew }
}
