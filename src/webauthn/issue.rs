//! Issuing a security key, whoever vouches for its person: a sign-in of theirs with another means, or the desk, which has
//! looked at a document (Web Authentication §7.1).
//!
//! Who may ask for it is decided by the caller, at each of the two steps. Here: a challenge is for one session, one person
//! and one way of vouching; and a key is worth no more than what vouches for its person.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::SecurityKeys;
use super::authentication::read;
use super::ceremony::{NewCredential, Registrant};
use super::policy::{Attestation, Seen, Unfit};
use super::populations::KeyRules;
use super::refusal::Refusal;
use crate::audit::Event;
use crate::crypto::digest::sha256;
use crate::ids::{IdentityCheckId, MeansId, PersonId, SessionId};
use crate::session::Acr;
use crate::store::audit::NewRow;
use crate::store::means::{Evidence, Issuer, Kind as MeansKind, Means};
use crate::store::notice::{NewNotice, Place, Told};
use crate::store::webauthn_ceremony::{self, Ceremony, Purpose};
use crate::store::webauthn_credential::{self, Registered, Registration, SecurityKey};
use crate::web::pages::means::{KeyChallenge, LONGEST_LABEL};
use crate::web::text::line;

/// Who vouches for whom.
#[derive(Debug, Clone)]
pub struct Vouched {
    /// Whose key it becomes.
    pub person: PersonId,
    /// The session of the browser that the key is plugged into.
    pub session: SessionId,
    /// The means of that session, where it is in the registry.
    pub by: Option<MeansId>,
    /// The desk that vouches; none where the person does, by that session.
    pub desk: Option<Desk>,
    /// On what.
    pub evidence: Evidence,
    /// The highest level that this justifies.
    pub highest: Acr,
    /// Where the key is plugged in, for the notice to its person.
    pub place: Place,
}

/// A desk that issues a key.
#[derive(Debug, Clone, Copy)]
pub struct Desk {
    /// Who of the desk.
    pub person: PersonId,
    /// The check that is used up.
    pub check: IdentityCheckId,
}

impl Vouched {
    fn purpose(&self, kind: MeansKind) -> Purpose {
        match (self.desk.is_some(), kind) {
            (true, MeansKind::SecondFactor) => Purpose::RegisterSecondFactorAtDesk,
            (false, MeansKind::SecondFactor) => Purpose::RegisterSecondFactor,
            (true, _) => Purpose::RegisterAtDesk,
            (false, _) => Purpose::Register,
        }
    }
}

/// What the page asks a challenge with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Whether the key counts after a badge only, and need not verify its person.
    #[serde(default)]
    second_factor: bool,
}

/// What the page answers a challenge with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    handle: String,
    label: String,
    /// As it was asked.
    #[serde(default)]
    second_factor: bool,
    credential: Value,
}

fn kind(second_factor: bool) -> MeansKind {
    if second_factor { MeansKind::SecondFactor } else { MeansKind::SecurityKey }
}

impl SecurityKeys {
    /// A challenge for a new key of that person, of the kind that the page asks for.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn begin_issue(&self, vouched: &Vouched, body: &[u8]) -> Result<KeyChallenge, Refusal> {
        let Asked { second_factor } = read(body)?;
        let (parts, now) = (&self.parts, self.now());
        let own = self.own(vouched.person).await?;
        let subject = crate::directory::subject(&parts.db, vouched.person, now).await?;
        let known = subject.ok_or(Refusal::NoSession)?;
        let rules = parts.policy.of(&known.professional);
        if second_factor && !rules.take_second_factors() {
            return Err(Unfit::SecondFactor.into());
        }
        let who = Registrant {
            person: vouched.person.0,
            name: known.id_nat.as_str().to_owned(),
            display_name: format!("{} {}", known.given_name, known.family_name),
            known: own.iter().filter_map(|key| URL_SAFE_NO_PAD.decode(&key.means.reference).ok()).collect(),
        };
        let attestation = rules.attestation() != Attestation::None;
        let challenge = parts.ceremonies.begin_registration(&who, attestation, second_factor)?;
        let of = Some((vouched.session, vouched.person));
        self.challenge(vouched.purpose(kind(second_factor)), None, of, challenge).await
    }

    /// Issues the key that answered. `event` is recorded with it, and learns what is known of the key, also where it is
    /// refused.
    ///
    /// # Errors
    /// [`Refusal`]; the challenge is used up then too.
    pub async fn issue(&self, vouched: &Vouched, body: &[u8], event: &mut Event) -> Result<(), Refusal> {
        let Answered { handle, label, second_factor, credential } = read(body)?;
        let kind = kind(second_factor);
        let (db, now) = (&self.parts.db, self.now());
        let handle_hash = sha256(handle.as_bytes());
        let ceremony = webauthn_ceremony::by_handle(db, handle_hash, vouched.purpose(kind), now).await?;
        let ceremony = ceremony.filter(|found| {
            found.session_id == Some(vouched.session) && found.person_id == Some(vouched.person)
        });
        let ceremony = ceremony.ok_or(Refusal::NotWaiting)?;
        let answered = (kind, label.as_str(), &credential);
        let issued = self.issue_by(&ceremony, handle_hash, vouched, answered, event).await;
        if issued.is_err() {
            webauthn_ceremony::forget(db, handle_hash).await?;
        }
        issued
    }

    async fn issue_by(
        &self,
        ceremony: &Ceremony,
        handle_hash: [u8; 32],
        vouched: &Vouched,
        (kind, label, credential): (MeansKind, &str, &Value),
        event: &mut Event,
    ) -> Result<(), Refusal> {
        let (parts, now) = (&self.parts, self.now());
        let new = parts.ceremonies.finish_registration(credential, &ceremony.state)?;
        let reference = URL_SAFE_NO_PAD.encode(&new.id);
        let id = MeansId::new(now, &*parts.random);
        let note = match &vouched.evidence {
            Evidence::IdentityCheck { document, .. } => format!("model {}, on {document}", new.aaguid),
            _ => format!("model {}", new.aaguid),
        };
        *event = event.clone().means(kind.as_str(), Some(&reference)).enrolment(&id.to_string()).note(&note);
        let subject = crate::directory::subject(&parts.db, vouched.person, now).await?;
        let subject = subject.ok_or(Refusal::NoSession)?;
        let rules = parts.policy.of(&subject.professional);
        let seen = Seen {
            aaguid: new.aaguid,
            attested: self.proves(&rules, &new)?,
            synced: new.backup_eligible,
            user_verified: new.user_verified,
            second_factor: kind == MeansKind::SecondFactor,
            listed: parts.models.listed(new.aaguid, now),
        };
        self.admit(&rules, seen)?;
        let level = rules.level(seen).min(vouched.highest);
        let key = SecurityKey {
            means: Means {
                id,
                person_id: vouched.person,
                kind,
                reference,
                label: line(label, LONGEST_LABEL),
                level,
                issued_by: if vouched.desk.is_some() { Issuer::Desk } else { Issuer::Person },
                issuer_id: vouched.desk.map(|desk| desk.person),
                evidence: vouched.evidence.clone(),
                issued_at: now,
                expires_at: now + parts.policy.general.life,
                suspended_at: None,
                revoked_at: None,
                reason: None,
                last_used_at: None,
                last_used_where: String::new(),
            },
            credential: new.credential,
            counter: i64::from(new.counter),
            aaguid: new.aaguid.to_string(),
            attested: seen.attested,
            backup_eligible: new.backup_eligible,
            backed_up: new.backed_up,
            verifies_user: new.user_verified,
        };
        let event = event.clone().level(level.as_str(), &[]);
        let told = Told::MeansIssued { means: kind, place: vouched.place.clone() };
        let notice = NewNotice::new(vouched.person, told, now, &*parts.random);
        let row = NewRow::from(&event);
        let registration = Registration {
            key: &key,
            handle_hash: &handle_hash,
            check: vouched.desk.map(|desk| desk.check),
            most: i64::try_from(parts.policy.general.per_person).unwrap_or(i64::MAX),
            notice: &notice,
            event: &row,
        };
        match webauthn_credential::register(&parts.db, &registration, now).await? {
            Registered::Done => Ok(()),
            Registered::CeremonyOver => Err(Refusal::NotWaiting),
            Registered::CheckOver => Err(Refusal::CheckOver),
            Registered::KnownAlready => Err(Refusal::KnownAlready),
            Registered::TooMany => Err(Refusal::TooMany),
        }
    }

    /// Whether the key proves its model.
    fn proves(&self, rules: &KeyRules<'_>, new: &NewCredential) -> Result<bool, Refusal> {
        let parts = &self.parts;
        let proven = parts.models.prove(new.aaguid, new.attestation.as_deref(), self.now());
        match (rules.attestation(), proven) {
            (Attestation::None, _) => Ok(false),
            (Attestation::Required, proven) => Ok(proven.map(|()| true)?),
            (Attestation::Preferred, Ok(())) => Ok(true),
            (Attestation::Preferred, Err(unproven)) => {
                let code = unproven.code();
                tracing::info!(code, model = %new.aaguid, "a key proves no model: {unproven}");
                Ok(false)
            }
        }
    }

    /// The keys of a person who may have one more.
    async fn own(&self, person: PersonId) -> Result<Vec<SecurityKey>, Refusal> {
        let own = webauthn_credential::of_person(&self.parts.db, person).await?;
        let is_key =
            |key: &&SecurityKey| key.means.kind != MeansKind::Phone && key.means.revoked_at.is_none();
        let standing = own.iter().filter(is_key).count();
        if standing < self.parts.policy.general.per_person { Ok(own) } else { Err(Refusal::TooMany) }
    }
}
