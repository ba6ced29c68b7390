//! Pairing a phone: a code on the page "Mes moyens d'identification", which the phone opens; a passkey and a key of its
//! installation, which it makes; and six digits, which it shows and the person types on the page.
//!
//! Whoever photographs the code and is faster makes a phone of theirs ready, and gets no further: its digits are not those
//! that the person reads on their own. The session that vouches is asked again at each step.
//!
//! The session is the person's own, or that of the desk, which has looked at a document (`admin::phones`): [`Vouched`] says
//! whose phone it becomes and what it is worth at most. The phone that takes a code of the desk is no browser that whoever
//! works there has signed in with: the one thing of a colleague who pairs their own that can be seen from here.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::MAX_LEN;
use super::{Phones, RECORDED, Refusal};
use crate::audit::{Caller, Event, Kind};
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::crypto::jose::{self, Expected};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::ids::{MeansId, PairingId, Secret, digits};
use crate::means::may_change;
use crate::session::{Acr, Session};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::means::{Evidence, Issuer, Kind as MeansKind, Means};
use crate::store::notice::{NewNotice, Place, Told};
use crate::store::pairing::{self, Pairing, Vouching};
use crate::store::phone::Phone;
use crate::store::webauthn_credential::{Registered, SecurityKey};
use crate::web::browser;
use crate::web::language::Language;
use crate::web::new_session;
use crate::web::pages::means::LONGEST_LABEL;
use crate::web::pages::phone::{Begun, PHONE_PATH, PairingStep, QrCode, Taken};
use crate::web::pages::sign_in::Status;
use crate::web::text::line;
use crate::webauthn::ceremony::{Challenge, Registrant};

/// The name of the means in the audit.
pub(super) const MEANS: &str = "phone";
/// The type of what proves that a phone holds the key of its installation.
const TYP_PAIRING: &str = "sceau-phone-pairing+jwt";

/// Who vouches for whom.
#[derive(Debug, Clone)]
pub struct Vouched {
    /// Whose phone it becomes, in which session, and by which desk.
    pub by: Vouching,
    /// On what.
    pub evidence: Evidence,
    /// The highest level that this justifies.
    pub highest: Acr,
    /// Where the digits are typed, for the notice to its person.
    pub place: Place,
}

/// What the page says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    pairing: PairingId,
    #[serde(default)]
    digits: String,
}

/// What a phone brings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Brought {
    handle: String,
    /// What the browser made of the challenge.
    credential: Value,
    /// The challenge, signed by the key in its header: that of the installation.
    installation: String,
    /// What the phone is called, by its browser's words or its person's.
    #[serde(default)]
    label: String,
}

/// What the key of the installation signs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proven {
    aud: String,
    handle: String,
    #[expect(dead_code, reason = "read before it is verified: it is what verifies")]
    jwk: Value,
}

/// What is kept of a phone until the digits are typed.
#[derive(Serialize, Deserialize)]
struct Candidate {
    credential: Value,
    id: String,
    aaguid: String,
    counter: u32,
    backup_eligible: bool,
    backed_up: bool,
    installation_key: Value,
    label: String,
}

/// `POST /means/phone`: a code for the page.
pub(super) async fn begin(
    State(phones): State<Arc<Phones>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::new(&phones, &caller, &headers);
    match visit.begin().await {
        Ok(begun) => Json(begun).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /means/phone/status`: how far it is, for the page.
pub(super) async fn status(
    State(phones): State<Arc<Phones>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Json(said): Json<Said>,
) -> Response {
    let mut visit = Visit::new(&phones, &caller, &headers);
    match visit.status(&said).await {
        Ok(step) => Json(step).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /means/phone/confirm`: the digits, typed on the page.
pub(super) async fn confirm(
    State(phones): State<Arc<Phones>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Json(said): Json<Said>,
) -> Response {
    let mut visit = Visit::new(&phones, &caller, &headers);
    match visit.confirm(&said).await {
        Ok(()) => Json(Status::Done).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /phone/pair/take`: a phone takes the code.
pub(super) async fn take(
    State(phones): State<Arc<Phones>>,
    language: Language,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match phones.take(&headers, &body).await {
        Ok(taken) => Json(taken).into_response(),
        Err(refusal) => phones.refuse_phone(&refusal, language),
    }
}

/// `POST /phone/pair/bring`: it brings its keys, and gets digits to show.
pub(super) async fn bring(
    State(phones): State<Arc<Phones>>,
    language: Language,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match phones.bring(&headers, &body).await {
        Ok(digits) => Json(json!({ "digits": digits })).into_response(),
        Err(refusal) => phones.refuse_phone(&refusal, language),
    }
}

/// `POST /phone/pair/brought`: whether the digits were typed.
pub(super) async fn brought(
    State(phones): State<Arc<Phones>>,
    language: Language,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match phones.brought(&headers, &body).await {
        Ok(step) => Json(step).into_response(),
        Err(refusal) => phones.refuse_phone(&refusal, language),
    }
}

/// One request of the page, in whose session a phone is paired.
struct Visit<'a> {
    phones: &'a Phones,
    caller: &'a Caller,
    headers: &'a HeaderMap,
    event: Event,
    session: Option<Session>,
}

impl<'a> Visit<'a> {
    fn new(phones: &'a Phones, caller: &'a Caller, headers: &'a HeaderMap) -> Self {
        let event = phones.parts.trail.event(Kind::MeansIssued).caller(caller).means(MEANS, None);
        Self { phones, caller, headers, event, session: None }
    }

    /// That the person of this browser's session vouches for a phone of theirs, if they may add a means now.
    async fn vouching(&mut self) -> Result<Vouched, Refusal> {
        let parts = &self.phones.parts;
        parts.own.check_origin(self.headers)?;
        let now = self.phones.now();
        let alive = new_session::alive(&parts.db, self.headers, &parts.policies, now).await?;
        let (session, _) = alive.ok_or(Refusal::NoSession)?;
        self.event = self.event.clone().person(session.person_id).session(session.id);
        self.session = Some(session.clone());
        let own = store::means::of_person(&parts.db, session.person_id).await?;
        may_change(&own, &session, &parts.policies, now)?;
        Ok(Vouched {
            by: Vouching { person: session.person_id, session: session.id, desk: None },
            evidence: Evidence::SignIn { session: session.id, at: session.auth_time, acr: session.acr },
            highest: session.acr,
            place: browser::place(self.caller),
        })
    }

    async fn begin(&mut self) -> Result<Begun, Refusal> {
        let vouched = self.vouching().await?;
        self.phones.begin_pairing(&vouched).await
    }

    async fn status(&mut self, said: &Said) -> Result<PairingStep, Refusal> {
        let vouched = self.vouching().await?;
        self.phones.pairing_step(&vouched, said).await
    }

    async fn confirm(&mut self, said: &Said) -> Result<(), Refusal> {
        let vouched = self.vouching().await?;
        self.phones.confirm_pairing(&vouched, said, &mut self.event).await
    }

    async fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        let code = refusal.code();
        tracing::warn!(code, "the pairing of a phone was refused: {refusal}");
        if let Some(session) = &self.session {
            let event = self.event.clone();
            let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
            let Phones { parts, repeats, .. } = self.phones;
            repeats.record(&parts.db, session.id.0, code, RECORDED, event, self.phones.now()).await;
        }
        self.phones.refuse_phone(refusal, language)
    }
}

/// The side of the page, whoever vouches. Whether they may is asked by the caller, at each step.
impl Phones {
    /// A code for the page.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn begin_pairing(&self, vouched: &Vouched) -> Result<Begun, Refusal> {
        let (parts, now) = (&self.parts, self.now());
        let id = PairingId::new(now, &*parts.random);
        let secret = Secret::of_256_bits(&*parts.random);
        let hash = sha256(secret.expose().as_bytes());
        pairing::begin(&parts.db, id, vouched.by, hash, now).await?;
        // After the number sign: no server sees it, not even in a log of ours.
        let address = format!("{}{PHONE_PATH}#pair={}", parts.own.as_str(), secret.expose());
        Ok(Begun {
            pairing: id.to_string(),
            code: QrCode::of(&address),
            seconds: pairing::CODE_LIFETIME.num_seconds(),
        })
    }

    /// The pairing that this session began, for that person and on that check.
    async fn pairing(&self, vouched: &Vouched, id: PairingId) -> Result<Pairing, Refusal> {
        let Vouching { person, session, desk } = vouched.by;
        let found = pairing::by_id(&self.parts.db, id, self.now()).await?;
        let is_theirs = |pairing: &Pairing| {
            pairing.session_id == session
                && pairing.person_id == person
                && pairing.identity_check_id == desk.map(|(_, check)| check)
        };
        found.filter(is_theirs).ok_or(Refusal::NoPairing)
    }

    /// How far it is.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn pairing_step(&self, vouched: &Vouched, said: &Said) -> Result<PairingStep, Refusal> {
        let pairing = self.pairing(vouched, said.pairing).await?;
        Ok(match (pairing.is_taken, pairing.digits.is_some()) {
            (_, true) => PairingStep::Digits,
            (true, false) => PairingStep::Taken,
            (false, false) => PairingStep::Code,
        })
    }

    /// The digits, typed on the page: the phone becomes a means. `event` is recorded with it, and learns what is known of the
    /// phone.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn confirm_pairing(
        &self,
        vouched: &Vouched,
        said: &Said,
        event: &mut Event,
    ) -> Result<(), Refusal> {
        let pairing = self.pairing(vouched, said.pairing).await?;
        let (parts, now) = (&self.parts, self.now());
        let (Some(digits), Some(candidate)) = (&pairing.digits, &pairing.candidate) else {
            return Err(Refusal::NoPairing);
        };
        let typed: String = said.digits.chars().filter(char::is_ascii_digit).collect();
        if !constant_time_eq(typed.as_bytes(), digits.as_bytes()) {
            let again = pairing::mistype(&parts.db, pairing.id).await?;
            return Err(if again { Refusal::WrongDigits } else { Refusal::TooManyDigits });
        }
        let candidate: Candidate =
            serde_json::from_value(candidate.clone()).map_err(|_| Refusal::Malformed)?;
        let id = MeansId::new(now, &*parts.random);
        let level = parts.rules.level.min(vouched.highest);
        let named = event.clone().means(MEANS, Some(&candidate.id)).enrolment(&id.to_string());
        *event = match &vouched.evidence {
            Evidence::IdentityCheck { document, .. } => {
                named.level(level.as_str(), &[]).note(&format!("on {document}"))
            }
            _ => named,
        };
        let phone = Phone {
            installation_key: candidate.installation_key,
            passkey: SecurityKey {
                means: Means {
                    id,
                    person_id: vouched.by.person,
                    kind: MeansKind::Phone,
                    reference: candidate.id,
                    label: candidate.label,
                    level,
                    issued_by: if vouched.by.desk.is_some() { Issuer::Desk } else { Issuer::Person },
                    issuer_id: vouched.by.desk.map(|(person, _)| person),
                    evidence: vouched.evidence.clone(),
                    issued_at: now,
                    expires_at: now + parts.rules.life,
                    suspended_at: None,
                    revoked_at: None,
                    reason: None,
                    last_used_at: None,
                    last_used_where: String::new(),
                },
                credential: candidate.credential,
                counter: i64::from(candidate.counter),
                aaguid: candidate.aaguid,
                attested: false,
                backup_eligible: candidate.backup_eligible,
                backed_up: candidate.backed_up,
                verifies_user: true,
            },
        };
        let told = Told::MeansIssued { means: MeansKind::Phone, place: vouched.place.clone() };
        let notice = NewNotice::new(vouched.by.person, told, now, &*parts.random);
        let event = NewRow::from(&*event);
        match pairing::complete(&parts.db, &pairing, &phone, &notice, &event, now).await? {
            Registered::Done => Ok(()),
            Registered::KnownAlready => Err(Refusal::KnownAlready),
            Registered::CheckOver => Err(Refusal::CheckOver),
            Registered::CeremonyOver | Registered::TooMany => Err(Refusal::NoPairing),
        }
    }
}

/// The side of the phone.
impl Phones {
    /// The answer to a page of ours, in its words.
    pub(super) fn refuse_phone(&self, refusal: &Refusal, language: Language) -> Response {
        let code = refusal.code();
        tracing::info!(code, "a phone was refused: {refusal}");
        let texts = self.parts.site.frame(language).texts;
        let mut response = (refusal.status(), Json(Status::failed(code, texts))).into_response();
        let again = match refusal {
            Refusal::TooMany(too_many) => Some(too_many.retry_after()),
            Refusal::Full => Some(super::watch::ROOM_AFTER),
            _ => None,
        };
        if let Some(seconds) = again {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    async fn take(&self, headers: &HeaderMap, body: &[u8]) -> Result<Taken, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Scanned {
            code: String,
        }
        let parts = &self.parts;
        parts.own.check_origin(headers)?;
        let Scanned { code } = read(body)?;
        let now = self.now();
        let found = pairing::by_secret(&parts.db, sha256(code.as_bytes()), now).await?;
        let found = found.ok_or(Refusal::NoPairing)?;
        self.check_whose(&found, headers).await?;
        let subject = crate::directory::subject(&parts.db, found.person_id, now).await?;
        let subject = subject.ok_or(Refusal::NoPairing)?;
        let own = store::webauthn_credential::of_person(&parts.db, found.person_id).await?;
        let name = format!("{} {}", subject.given_name, subject.family_name);
        let who = Registrant {
            person: found.person_id.0,
            // Whoever scans the code reads it: the name is enough.
            name: name.clone(),
            display_name: name.clone(),
            // A phone near its end, or after it, is paired anew by the same device.
            known: own
                .iter()
                .filter(|key| key.means.is_to_be_told_apart(now))
                .filter_map(|key| URL_SAFE_NO_PAD.decode(&key.means.reference).ok())
                .collect(),
        };
        let Challenge { options, state } = parts.ceremonies.begin_registration(&who, false, false)?;
        let handle = Secret::of_256_bits(&*parts.random);
        let hash = sha256(handle.expose().as_bytes());
        if !pairing::take(&parts.db, found.id, hash, &state, now).await? {
            return Err(Refusal::NoPairing);
        }
        Ok(Taken { handle: handle.expose().to_owned(), person: name, options })
    }

    /// Whoever works at the desk pairs no phone of their own to somebody else: not one whose browser they have signed in
    /// with. It is recorded under their name, and the code is good no more.
    async fn check_whose(&self, pairing: &Pairing, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(desk) = pairing.desk_person_id else { return Ok(()) };
        let own = browser::hash(headers);
        if !browser::is_known(&self.parts.db, desk, own.as_ref().map(<[u8; 32]>::as_slice)).await? {
            return Ok(());
        }
        let (parts, refusal) = (&self.parts, Refusal::OfTheDesk);
        pairing::forget(&parts.db, pairing.id).await?;
        let event = parts.trail.event(Kind::MeansIssued).means(MEANS, None).person(pairing.person_id);
        let event = event.session(pairing.session_id).actor(&format!("desk: {desk}")).denied(refusal.code());
        let whose = pairing.session_id.0;
        self.repeats.record(&parts.db, whose, refusal.code(), RECORDED, event, self.now()).await;
        Err(refusal)
    }

    async fn bring(&self, headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
        let parts = &self.parts;
        parts.own.check_origin(headers)?;
        let Brought { handle, credential, installation, label } = read(body)?;
        let (pairing, now) = (self.of_handle(&handle).await?, self.now());
        let state = pairing.ceremony.as_ref().ok_or(Refusal::NoPairing)?;
        let candidate = match self.judged(&handle, &credential, state, &installation, &label) {
            Ok(candidate) => candidate,
            Err(refusal) => {
                // Its challenge was answered wrongly: it is no use any more.
                pairing::forget(&parts.db, pairing.id).await?;
                return Err(refusal);
            }
        };
        let digits = digits(&*parts.random, 6);
        let candidate = serde_json::to_value(&candidate).map_err(|_| Refusal::Malformed)?;
        match pairing::bring(&parts.db, pairing.id, &candidate, &digits, now).await? {
            true => Ok(digits),
            false => Err(Refusal::NoPairing),
        }
    }

    fn judged(
        &self,
        handle: &str,
        credential: &Value,
        state: &Value,
        installation: &str,
        label: &str,
    ) -> Result<Candidate, Refusal> {
        let new = self.parts.ceremonies.finish_registration(credential, state)?;
        if !new.user_verified {
            return Err(Refusal::Unverified);
        }
        // The key signs for itself that it is there, for this server and this pairing.
        let claimed = jose::unverified_claims(installation).and_then(|claims| claims.get("jwk").cloned());
        let key =
            VerifyingKey::from_jwk(&claimed.ok_or(Refusal::Malformed)?).map_err(|_| Refusal::Malformed)?;
        let expected = Expected { typ: Some(TYP_PAIRING), algorithms: &[Algorithm::Es256], max_len: MAX_LEN };
        let Proven { aud, handle: signed, jwk: _ } = jose::verify(installation, expected, |_| Some(&key))?;
        if aud != self.parts.own.as_str() {
            return Err(Refusal::OtherServer);
        }
        if signed != handle {
            return Err(Refusal::OtherContext);
        }
        Ok(Candidate {
            id: URL_SAFE_NO_PAD.encode(&new.id),
            credential: new.credential,
            aaguid: new.aaguid.to_string(),
            counter: new.counter,
            backup_eligible: new.backup_eligible,
            backed_up: new.backed_up,
            installation_key: key.to_jwk(),
            label: line(label, LONGEST_LABEL),
        })
    }

    async fn brought(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Waits {
            handle: String,
            /// The credential id of its passkey, by which it is found once it is a means.
            credential: String,
        }
        self.parts.own.check_origin(headers)?;
        let Waits { handle, credential } = read(body)?;
        let waits = self.of_handle(&handle).await;
        // After the pairing: it is gone the moment the means is there.
        let known = store::means::by_reference(&self.parts.db, MeansKind::Phone, &credential).await?;
        match known {
            Some(means) => Ok(json!({ "state": "done", "phone": means.id })),
            None => waits.map(|_| json!({ "state": "waiting" })),
        }
    }

    async fn of_handle(&self, handle: &str) -> Result<Pairing, Refusal> {
        let found = pairing::by_handle(&self.parts.db, sha256(handle.as_bytes()), self.now()).await?;
        found.ok_or(Refusal::NoPairing)
    }
}

pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refusal> {
    const MOST: usize = 64 * 1024;
    if body.len() > MOST {
        return Err(Refusal::Malformed);
    }
    serde_json::from_slice(body).map_err(|_| Refusal::Malformed)
}
