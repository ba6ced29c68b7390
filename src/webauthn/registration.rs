//! Registering a security key, by its signed-in person: `POST` for a challenge, and `POST` of what the key made of it (Web
//! Authentication §7.1).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::authentication::{MEANS, read};
use super::ceremony::{Challenge, NewCredential, Registrant, Wishes};
use super::policy::{Attestation, Seen};
use super::refusal::Refusal;
use super::{CHALLENGE, SecurityKeys};
use crate::audit::{Caller, Event, Kind};
use crate::crypto::digest::sha256;
use crate::ids::{MeansId, Secret};
use crate::means::may_change;
use crate::session::{Session, Standing as SessionStanding};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::means::{Evidence, Issuer, Kind as MeansKind, Means};
use crate::store::notice::{NewNotice, Told};
use crate::store::webauthn_ceremony::{self, Ceremony, Purpose};
use crate::store::webauthn_credential::{self, Registered, SecurityKey};
use crate::web::browser;
use crate::web::language::Language;
use crate::web::new_session::of_browser;
use crate::web::pages::means::KeyChallenge;
use crate::web::pages::sign_in::Status;

/// The longest label that a person can give a key.
pub(super) const LONGEST_LABEL: usize = 60;

/// What the page answers a challenge with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    handle: String,
    label: String,
    credential: Value,
}

/// `POST /means/key/options`
pub(super) async fn options(
    State(keys): State<Arc<SecurityKeys>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::new(&keys, &caller, &headers);
    match visit.ask().await {
        Ok(challenge) => Json(challenge).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /means/key`
pub(super) async fn answer(
    State(keys): State<Arc<SecurityKeys>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&keys, &caller, &headers);
    match visit.register(&body).await {
        Ok(()) => Json(Status::Done).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// One request of a browser on its way through the checks. The event learns what is known.
struct Visit<'a> {
    keys: &'a SecurityKeys,
    caller: &'a Caller,
    headers: &'a HeaderMap,
    event: Event,
    /// Whether it is certain who is there.
    is_known: bool,
}

impl<'a> Visit<'a> {
    fn new(keys: &'a SecurityKeys, caller: &'a Caller, headers: &'a HeaderMap) -> Self {
        let event = keys.0.trail.event(Kind::MeansIssued).caller(caller).means(MEANS, None);
        Self { keys, caller, headers, event, is_known: false }
    }

    fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }

    /// The session of this browser, if its person may add a means now; and the keys that they have.
    async fn session(&mut self) -> Result<(Session, Vec<SecurityKey>), Refusal> {
        let keys = &self.keys.0;
        keys.own.check_origin(self.headers)?;
        let now = self.keys.now();
        let (session, _) = of_browser(&keys.db, self.headers).await?.ok_or(Refusal::NoSession)?;
        if session.standing(keys.policies.at(&session.station()), now) != SessionStanding::Alive {
            return Err(Refusal::NoSession);
        }
        self.is_known = true;
        self.learn(|event| event.person(session.person_id).session(session.id));
        may_change(&store::means::of_person(&keys.db, session.person_id).await?, &session, now)?;
        let own = webauthn_credential::of_person(&keys.db, session.person_id).await?;
        let standing = own.iter().filter(|key| key.means.revoked_at.is_none()).count();
        match standing < keys.policy.per_person {
            true => Ok((session, own)),
            false => Err(Refusal::TooMany),
        }
    }

    async fn ask(&mut self) -> Result<KeyChallenge, Refusal> {
        let (session, own) = self.session().await?;
        let keys = &self.keys.0;
        let now = self.keys.now();
        let subject = crate::directory::subject(&keys.db, session.person_id, now).await?;
        let (name, display_name) = match subject {
            Some(known) => {
                (known.id_nat.as_str().to_owned(), format!("{} {}", known.given_name, known.family_name))
            }
            None => return Err(Refusal::NoSession),
        };
        let who = Registrant {
            person: session.person_id.0,
            name,
            display_name,
            known: own.iter().filter_map(|key| URL_SAFE_NO_PAD.decode(&key.means.reference).ok()).collect(),
        };
        let wishes = Wishes { attestation: keys.policy.attestation != Attestation::None, verification: true };
        let Challenge { options, state } = keys.ceremonies.begin_registration(&who, wishes)?;
        let handle = Secret::of_256_bits(&*keys.random);
        let new = Ceremony {
            handle_hash: sha256(handle.expose().as_bytes()).to_vec(),
            purpose: Purpose::Register,
            transaction_id: None,
            session_id: Some(session.id),
            person_id: Some(session.person_id),
            state,
            expires_at: now + CHALLENGE,
        };
        webauthn_ceremony::begin(&keys.db, &new, now).await?;
        Ok(KeyChallenge { handle: handle.expose().to_owned(), options })
    }

    async fn register(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let Answered { handle, label, credential } = read(body)?;
        let (session, _) = self.session().await?;
        let (db, now) = (&self.keys.0.db, self.keys.now());
        let handle_hash = sha256(handle.as_bytes());
        let ceremony = webauthn_ceremony::by_handle(db, handle_hash, Purpose::Register, now).await?;
        let ceremony = ceremony.filter(|found| {
            found.session_id == Some(session.id) && found.person_id == Some(session.person_id)
        });
        let ceremony = ceremony.ok_or(Refusal::NotWaiting)?;
        let registered = self.registered(&session, &ceremony, handle_hash, &label, &credential).await;
        if registered.is_err() {
            webauthn_ceremony::forget(&self.keys.0.db, handle_hash).await?;
        }
        registered
    }

    async fn registered(
        &mut self,
        session: &Session,
        ceremony: &Ceremony,
        handle_hash: [u8; 32],
        label: &str,
        credential: &Value,
    ) -> Result<(), Refusal> {
        let keys = &self.keys.0;
        let now = self.keys.now();
        let new = keys.ceremonies.finish_registration(credential, &ceremony.state)?;
        let reference = URL_SAFE_NO_PAD.encode(&new.id);
        let id = MeansId::new(now, &*keys.random);
        self.learn(|event| {
            let event = event.means(MEANS, Some(&reference)).enrolment(&id.to_string());
            event.note(&format!("model {}", new.aaguid))
        });
        let seen = Seen {
            aaguid: new.aaguid,
            attested: self.proves(&new)?,
            synced: new.backup_eligible,
            user_verified: new.user_verified,
            listed: keys.models.listed(new.aaguid, now),
        };
        self.keys.admit(seen)?;
        // A means is worth no more than the one that vouched for it.
        let level = keys.policy.level(seen).min(session.acr);
        let key = SecurityKey {
            means: Means {
                id,
                person_id: session.person_id,
                kind: MeansKind::SecurityKey,
                reference,
                label: self::label(label),
                level,
                issued_by: Issuer::Person,
                issuer_id: None,
                evidence: Evidence::SignIn { session: session.id, at: session.auth_time, acr: session.acr },
                issued_at: now,
                expires_at: now + keys.policy.life,
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
        let event = self.event.clone().level(level.as_str(), &[]);
        let told = Told::MeansIssued { means: MeansKind::SecurityKey, place: browser::place(self.caller) };
        let notice = NewNotice::new(session.person_id, told, now, &*keys.random);
        let row = NewRow::from(&event);
        match webauthn_credential::register(&keys.db, &key, &handle_hash, &notice, &row, now).await? {
            Registered::Done => Ok(()),
            Registered::CeremonyOver => Err(Refusal::NotWaiting),
            Registered::KnownAlready => Err(Refusal::KnownAlready),
        }
    }

    /// Whether the key proves its model.
    fn proves(&self, new: &NewCredential) -> Result<bool, Refusal> {
        let keys = &self.keys.0;
        let proven = keys.models.prove(new.aaguid, new.attestation.as_deref(), self.keys.now());
        match (keys.policy.attestation, proven) {
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

    async fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        let code = refusal.code();
        tracing::warn!(code, "the registration of a security key was refused: {refusal}");
        if self.is_known {
            let event = self.event.clone();
            let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
            if let Err(error) = store::audit::append(&self.keys.0.db, NewRow::from(&event)).await {
                tracing::error!(code = error.code(), %error, "the refusal is missing in the audit trail");
            }
        }
        let texts = self.keys.0.site.frame(language).texts;
        (refusal.status(), Json(Status::failed(code, texts))).into_response()
    }
}

/// What the person typed, as it is kept: one line, not too long.
pub(super) fn label(typed: &str) -> String {
    let line: String = typed.chars().filter(|c| !c.is_control()).take(LONGEST_LABEL).collect();
    line.trim().to_owned()
}
