//! The touch of a key after a badge: `POST` for a challenge, and `POST` of what the key signed (Web Authentication §7.2).
//!
//! A hospital gets from it that who has renewed a session with a tap of the badge reaches more by a touch of their key: the
//! page asks for what is missing, and neither for the card nor for its PIN again. The key need not verify its person: an
//! old key (U2F), or one without a code. Card and key are then two things that somebody has, and no two kinds of factors
//! (Implementing Regulation 2015/1502, annex, 2.2.1): `mfa` and `pin` are never said, and the level is what the hospital
//! answers for (`docs/adr/0019-second-factor.md`).
//!
//! Never: a session of somebody who was not there with a badge, another person's key, another browser, a request that the
//! key would not answer, or a session that lasts longer for it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde_json::Value;

use super::SecurityKeys;
use super::authentication::{Answered, Visit, check_owner, read};
use super::ceremony::{Assertion, CeremonyError};
use super::policy::{Seen, after_badge};
use super::populations::KeyRules;
use super::refusal::Refusal;
use crate::audit::Caller;
use crate::crypto::digest::sha256;
use crate::directory;
use crate::ids::Secret;
use crate::session::{Amr, Authentication, Demands, Evidence, Session, Standing as SessionStanding};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::login_transaction::{self, Completion, LoginTransaction, Proof};
use crate::store::means::{Kind, Standing};
use crate::store::session::NewSession;
use crate::store::webauthn_ceremony::{self, Ceremony, Purpose};
use crate::store::webauthn_credential::{self, SecurityKey, Used};
use crate::web::language::Language;
use crate::web::new_session::{of_browser, relying_party};
use crate::web::pages::means::KeyChallenge;
use crate::web::pages::sign_in::Status;
use crate::web::{browser, cookies};

/// What the page asks a challenge with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    txn: String,
}

/// `POST /login/second-factor/options`
pub(super) async fn options(
    State(keys): State<Arc<SecurityKeys>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&keys, &caller, &headers, Kind::SecondFactor);
    match visit.ask_touch(&body).await {
        Ok(challenge) => Json(challenge).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /login/second-factor`
pub(super) async fn answer(
    State(keys): State<Arc<SecurityKeys>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&keys, &caller, &headers, Kind::SecondFactor);
    match visit.join(&body).await {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Json(Status::Done)).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

impl SecurityKeys {
    /// Whether the touch of a key is all that this sign-in needs of whoever has this session: the sign-in page offers it then.
    ///
    /// # Errors
    /// [`Refusal`], where the database fails.
    pub async fn offers_touch(
        &self,
        transaction: &LoginTransaction,
        session: &Session,
    ) -> Result<bool, Refusal> {
        // Before the database is asked: most sessions come of no badge.
        if !session.evidence.is_badge() || !self.parts.policy.take_second_factors() {
            return Ok(false);
        }
        let client = store::client::for_sign_in(&self.parts.db, &transaction.client_id).await?;
        let Some(client) = client else { return Ok(false) };
        match self.touchable(transaction, session, &client.demands()).await {
            Ok(_) => Ok(true),
            Err(Refusal::Store(error)) => Err(error.into()),
            Err(refusal) => {
                tracing::debug!(code = refusal.code(), "no touch is offered: {refusal}");
                Ok(false)
            }
        }
    }

    /// The keys whose touch would answer the sign-in, at least one. Asked when the page is shown, when it wants a challenge
    /// and, of the key that signed, at the end.
    async fn touchable(
        &self,
        transaction: &LoginTransaction,
        session: &Session,
        demands: &Demands,
    ) -> Result<Vec<SecurityKey>, Refusal> {
        let (parts, now) = (&self.parts, self.now());
        let policy = parts.policies.at(&session.station()).tightened(demands);
        let is_open = session.evidence.is_badge() && session.standing(policy, now) == SessionStanding::Alive;
        if !is_open || !demands.admit(&session.zone) || (parts.is_answered_by)(transaction, session, now) {
            return Err(Refusal::NothingToTouch);
        }
        let subject = directory::subject(&parts.db, session.person_id, now).await?;
        let subject = subject.ok_or(Refusal::NothingToTouch)?;
        let rules = parts.policy.of(&subject.professional);
        let mut own = webauthn_credential::of_person(&parts.db, session.person_id).await?;
        own.retain(|key| {
            let seen = self.seen(key, false);
            key.means.kind == Kind::SecondFactor
                && key.means.standing(now) == Standing::Active
                && self.admit(&rules, seen).is_ok()
                && (parts.is_answered_by)(transaction, &self.joined(session, key, &rules, seen), now)
        });
        if own.is_empty() { Err(Refusal::NothingToTouch) } else { Ok(own) }
    }

    /// The session as it would be after the touch of this key. Never more than the key was issued for, nor than it had less of
    /// before.
    fn joined(&self, session: &Session, key: &SecurityKey, rules: &KeyRules<'_>, seen: Seen) -> Session {
        let mut amr = session.amr.clone();
        amr.extend(after_badge(seen).into_iter().filter(|factor| !session.amr.contains(factor)));
        Session {
            acr: rules.level(seen).min(key.means.level).max(session.acr),
            amr,
            evidence: Evidence::BadgeAndKey {
                badge: Box::new(session.evidence.clone()),
                key: key.means.id,
                aaguid: key.aaguid.clone(),
                attested: seen.attested,
                touched_at: self.now(),
            },
            ..session.clone()
        }
    }
}

impl Visit<'_> {
    /// The session of this browser, SHA-256 of its cookie, and what the relying party demands.
    async fn with_session(
        &mut self,
        transaction: &LoginTransaction,
    ) -> Result<(Session, [u8; 32], Demands), Refusal> {
        let keys = &self.keys.parts;
        let found = of_browser(&keys.db, self.headers).await?;
        let (session, cookie_hash) = found.ok_or(Refusal::NothingToTouch)?;
        let zone = session.zone.clone();
        self.learn(|event| event.person(session.person_id).session(session.id).zone(&zone));
        let client = relying_party(&keys.db, &transaction.client_id).await?;
        self.learn(|event| event.application(&client.name));
        directory::admitted(&keys.db, session.person_id, client.audience, self.keys.now()).await??;
        Ok((session, cookie_hash, client.demands()))
    }

    async fn ask_touch(&mut self, body: &[u8]) -> Result<KeyChallenge, Refusal> {
        let Asked { txn } = read(body)?;
        let transaction = self.transaction(&txn).await?;
        let (session, _, demands) = self.with_session(&transaction).await?;
        let own = self.keys.touchable(&transaction, &session, &demands).await?;
        let ids = own.iter().filter_map(|key| URL_SAFE_NO_PAD.decode(&key.means.reference).ok());
        let keys = &self.keys.parts;
        let challenge = keys.ceremonies.begin_touch(&ids.collect::<Vec<_>>())?;
        let of = Some((session.id, session.person_id));
        self.keys.challenge(Purpose::SecondFactor, Some(transaction.id), of, challenge).await
    }

    async fn join(&mut self, body: &[u8]) -> Result<HeaderValue, Refusal> {
        let Answered { txn, handle, credential } = read(body)?;
        let transaction = self.transaction(&txn).await?;
        let (db, now) = (&self.keys.parts.db, self.keys.now());
        let handle_hash = sha256(handle.as_bytes());
        let found = webauthn_ceremony::by_handle(db, handle_hash, Purpose::SecondFactor, now).await?;
        let found = found.filter(|found| found.transaction_id == Some(transaction.id));
        let ceremony = found.ok_or(Refusal::NotWaiting)?;
        let judged = self.judged_touch(&transaction, &ceremony, handle_hash, &credential).await;
        if judged.is_err() {
            webauthn_ceremony::forget(&self.keys.parts.db, handle_hash).await?;
        }
        judged
    }

    async fn judged_touch(
        &mut self,
        transaction: &LoginTransaction,
        ceremony: &Ceremony,
        handle_hash: [u8; 32],
        credential: &Value,
    ) -> Result<HeaderValue, Refusal> {
        let (keys, now) = (&self.keys.parts, self.keys.now());
        let (session, cookie_before, demands) = self.with_session(transaction).await?;
        // The cookie is that of the session that was there when the challenge was made.
        if ceremony.session_id != Some(session.id) || ceremony.person_id != Some(session.person_id) {
            return Err(Refusal::NotWaiting);
        }
        let assertion = Assertion::read(credential)?;
        let id = URL_SAFE_NO_PAD.encode(assertion.credential_id());
        self.learn(|event| event.means(Kind::SecondFactor.as_str(), Some(&id)));
        let key = webauthn_credential::by_credential_id(&keys.db, Kind::SecondFactor, &id).await?;
        let key = key.filter(|key| key.means.person_id == session.person_id).ok_or(Refusal::Unknown)?;
        self.learn(|event| event.enrolment(&key.means.id.to_string()));
        let signed = match keys.ceremonies.finish_touch(&assertion, &ceremony.state, &key.credential) {
            Err(CeremonyError::Cloned) => {
                // Two copies of one answer are no two keys.
                if webauthn_ceremony::forget(&keys.db, handle_hash).await? {
                    self.keys.suspend_cloned(self.caller, &key).await?;
                    return Err(CeremonyError::Cloned.into());
                }
                return Err(Refusal::NotWaiting);
            }
            signed => signed?,
        };
        check_owner(&assertion, &key, false)?;
        match key.means.standing(now) {
            Standing::Active => {}
            standing => return Err(Refusal::Halted(standing)),
        }
        let subject = directory::subject(&keys.db, session.person_id, now).await?;
        let rules = keys.policy.of(&subject.ok_or(Refusal::NothingToTouch)?.professional);
        let seen = self.keys.seen(&key, signed.user_verified);
        self.keys.admit(&rules, seen)?;
        // All of it once more: the session, the request, and what this key makes of them.
        let touchable = self.keys.touchable(transaction, &session, &demands).await?;
        if !touchable.iter().any(|other| other.means.id == key.means.id) {
            return Err(Refusal::NothingToTouch);
        }
        let joined = self.keys.joined(&session, &key, &rules, seen);
        let used = Used {
            handle_hash,
            credential: signed.credential,
            counter: i64::from(signed.counter),
            backed_up: signed.backed_up,
            place: browser::place(self.caller).browser,
            key,
        };
        self.go_on(transaction, joined, cookie_before, &used).await
    }

    /// The session goes on with what both prove, under a new cookie.
    async fn go_on(
        &mut self,
        transaction: &LoginTransaction,
        joined: Session,
        cookie_before: [u8; 32],
        used: &Used,
    ) -> Result<HeaderValue, Refusal> {
        let (keys, now) = (&self.keys.parts, self.keys.now());
        let cookie = Secret::of_256_bits(&*keys.random);
        let factors: Vec<String> = joined.amr.iter().copied().map(Amr::as_str).map(str::to_owned).collect();
        self.learn(|event| event.level(joined.acr.as_str(), &factors).note("joined"));
        let new = NewSession {
            id: joined.id,
            cookie_hash: sha256(cookie.expose().as_bytes()),
            expires_at: joined.expires_at,
            station: joined.station(),
            authentication: Authentication {
                person: joined.person_id,
                acr: joined.acr,
                amr: joined.amr,
                auth_mode: joined.auth_mode,
                at: joined.auth_time,
                evidence: joined.evidence,
            },
            watched: None,
        };
        let completion = Completion {
            proof: Proof::SecondFactor(used),
            session: &new,
            goes_on: Some(&cookie_before),
            replaced: None,
            browser: None,
            event: &NewRow::from(&self.event),
        };
        match login_transaction::complete(&keys.db, transaction.id, completion, now, &*keys.random).await? {
            true => Ok(cookies::session().set(&cookie, None)?),
            false => Err(Refusal::NotWaiting),
        }
    }
}
