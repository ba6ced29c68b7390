//! Invitations and enrolments of workstations, and the request keys that their agents follow (agent protocol,
//! section 9).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DurationRound as _, TimeDelta};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::fleet::SiteTokenRefusal;
use super::login::CardLogin;
use super::protocol::{
    AgentNotice, CANCEL_PATH, CLOCK_TOLERANCE, EnrolmentGrant, EnrolmentRequest, INVITATION_LIFETIME,
    Invitation, ProtocolError, RETURN_PATH, RequestKeys, TYP_AGENT_NOTICE, TYP_ENROLLED, TYP_ENROLMENT,
    TYP_REQUEST_KEYS, WebOrigin, WorkstationState,
};
use crate::audit::{Caller, Event, Kind};
use crate::clock::Time;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::crypto::jose::{self, Expected, JwsError, SignError, base64url};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::crypto::sealed::{SealError, SealKey};
use crate::ids::{Random, WorkstationId};
use crate::keyring::Keys;
use crate::store;
use crate::store::audit::NewRow;
use crate::store::workstation::{Invite, Workstation, invite_place};
use crate::store::{Db, StoreError};
use crate::web::repeats::with_untold;

/// Events with one code that are recorded each minute: of one token, one workstation, or all invitations.
const RECORDED: u32 = 10;
/// The longest message of a workstation that is read.
pub(super) const MAX_LEN: usize = 8 * 1024;
/// The longest request to enrol: it may bring a certificate, wrapped three times.
const MAX_ENROLMENT_LEN: usize = 16 * 1024;

/// Why a workstation is not invited or not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentRefusal {
    /// Not a request to enrol, or not signed by the key it brings.
    #[error("the request to enrol is malformed: {0}")]
    Malformed(ProtocolError),
    /// Not signed by the key it brings.
    #[error("the request to enrol is not signed by the workstation's key: {0}")]
    Signature(JwsError),
    /// Meant for another server: the workstation was given another address.
    #[error("the request to enrol is meant for {0}")]
    Audience(String),
    /// There is no such invitation.
    #[error("the enrolment code is not known")]
    Unknown,
    /// It is older than fifteen minutes.
    #[error("the enrolment code has expired")]
    Expired,
    /// A workstation has enrolled with it.
    #[error("the enrolment code was used")]
    Used,
    /// The proof was not made with the code's secret, for this key and server.
    #[error("the request to enrol does not prove the code's secret")]
    Proof,
    /// There is no request key, or it has no successor.
    #[error("the request keys are not complete")]
    Keys,
    /// A message that was kept: the workstation's clock says another time than ours.
    #[error("the request to enrol was made at another time than now: set the workstation's clock")]
    Clock,
    /// What a site token allows does not include it.
    #[error(transparent)]
    Site(#[from] SiteTokenRefusal),
    /// The answer could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The secret of the invitation does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EnrolmentRefusal {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "WS-001",
            Self::Signature(_) => "WS-002",
            Self::Audience(_) => "WS-003",
            Self::Unknown => "WS-004",
            Self::Expired => "WS-005",
            Self::Used => "WS-006",
            Self::Proof => "WS-007",
            Self::Keys | Self::Sign(_) => "WS-008",
            Self::Clock => "WS-009",
            Self::Site(refusal) => refusal.code(),
            Self::Seal(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Signature(_) | Self::Audience(_) | Self::Clock => {
                StatusCode::BAD_REQUEST
            }
            Self::Unknown | Self::Proof | Self::Site(_) => StatusCode::FORBIDDEN,
            Self::Expired | Self::Used => StatusCode::GONE,
            Self::Keys | Self::Sign(_) | Self::Seal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// For which workstation an invitation is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The site, in the establishment's own words.
    pub site: String,
    /// The network zone, in the words of the configuration.
    pub zone: String,
    /// Whether an administrator has to approve the workstation afterwards.
    pub needs_approval: bool,
    /// Whether several people will use it in turn.
    pub shared: bool,
}

/// Makes an invitation: single use, fifteen minutes. Yields the code for the person at the workstation. `event` says
/// who made it.
///
/// # Errors
/// [`EnrolmentRefusal::Keys`], [`EnrolmentRefusal::Seal`] or [`EnrolmentRefusal::Store`].
pub async fn invite(
    db: &Db,
    seal: &SealKey,
    keys: &Keys,
    place: &Place,
    event: Event,
    now: Time,
    random: &dyn Random,
) -> Result<Zeroizing<String>, EnrolmentRefusal> {
    let server_key = thumbprint(keys.current()).ok_or(EnrolmentRefusal::Keys)?;
    let invitation = Invitation::new(server_key, random);
    let code = invitation.to_code();
    let hash = lookup_hash(&invitation.lookup()).ok_or(EnrolmentRefusal::Unknown)?;
    let new = Invite {
        sealed: seal.seal(&invite_place(&hash), code.as_bytes(), random)?,
        secret_hash: hash,
        site: place.site.clone(),
        zone: place.zone.clone(),
        needs_approval: place.needs_approval,
        shared: place.shared,
        expires_at: now + INVITATION_LIFETIME,
        consumed_at: None,
    };
    let event = event.zone(&place.zone).note(&place.site);
    store::workstation::invite(db, &new, &NewRow::from(&event), now).await?;
    Ok(code)
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    pub(super) jws: String,
}

#[derive(Debug, Serialize)]
struct Refused {
    code: &'static str,
    message: String,
}

/// The answer to an agent whose message was refused.
pub(super) fn refused(refusal: &EnrolmentRefusal) -> Response {
    let refused = Refused { code: refusal.code(), message: refusal.to_string() };
    unstored((refusal.status(), Json(refused)).into_response())
}

/// `POST /agent/enrol`
pub(super) async fn answer(State(login): State<Arc<CardLogin>>, caller: Caller, body: Bytes) -> Response {
    match login.enrol(&body, &caller).await {
        Ok(jws) => unstored(Json(Envelope { jws }).into_response()),
        Err(refusal) => {
            let code = refusal.code();
            tracing::warn!(code, "an enrolment was refused: {refusal}");
            login.record_refusal(&refusal, &caller).await;
            refused(&refusal)
        }
    }
}

/// `GET /agent/keys`
pub(super) async fn keys(State(login): State<Arc<CardLogin>>) -> Response {
    let keys = login.parts.keys.keys().await;
    let listed = login
        .request_keys(&keys)
        .and_then(|listed| Ok(jose::sign(keys.current(), TYP_REQUEST_KEYS, &listed.to_payload())?));
    match listed {
        Ok(jws) => unstored(Json(Envelope { jws }).into_response()),
        Err(refusal) => {
            tracing::error!(code = refusal.code(), "the request keys are not published: {refusal}");
            refusal.status().into_response()
        }
    }
}

/// `POST /agent/notice`
pub(super) async fn notice(State(login): State<Arc<CardLogin>>, caller: Caller, body: Bytes) -> Response {
    match login.take_notice(&body, &caller).await {
        Ok(()) => unstored(StatusCode::NO_CONTENT.into_response()),
        Err(refusal) => {
            tracing::warn!(code = refusal.code(), "an agent's notice was refused: {refusal}");
            refused(&refusal)
        }
    }
}

impl CardLogin {
    /// Writes into the audit trail that an enrolment was refused: where it names an invitation or a token of ours, and so
    /// many a minute. What a stranger sends stands in the log alone.
    async fn record_refusal(&self, refusal: &EnrolmentRefusal, caller: &Caller) {
        let code = refusal.code();
        let whose = match refusal {
            EnrolmentRefusal::Site(refusal) => refusal.token.0,
            EnrolmentRefusal::Expired | EnrolmentRefusal::Used | EnrolmentRefusal::Proof => uuid::Uuid::nil(),
            _ => return,
        };
        let event = self.parts.trail.event(Kind::WorkstationEnrolled).caller(caller).denied(code);
        let event = match refusal {
            EnrolmentRefusal::Site(refusal) => refusal.describe(event),
            _ => event,
        };
        self.repeats.record(&self.parts.db, whose, code, RECORDED, event, self.now()).await;
    }

    /// Writes what a workstation reports into the audit trail, if it is one of ours that says so, now.
    async fn take_notice(&self, body: &[u8], caller: &Caller) -> Result<(), EnrolmentRefusal> {
        let malformed = |what: &str| EnrolmentRefusal::Malformed(ProtocolError::Malformed(what.to_owned()));
        if body.len() > MAX_LEN {
            return Err(malformed("too long"));
        }
        let Envelope { jws } = serde_json::from_slice(body).map_err(|_| malformed("not JSON with a JWS"))?;
        let payload = jose::unverified_payload(&jws).ok_or_else(|| malformed("not a JWS"))?;
        let notice = AgentNotice::from_payload(&payload).map_err(EnrolmentRefusal::Malformed)?;
        let known = self.signed_by(notice.workstation, &jws, TYP_AGENT_NOTICE).await?;
        if known.revoked_at.is_some() {
            return Err(EnrolmentRefusal::Unknown);
        }
        if notice.audience != self.parts.front {
            return Err(EnrolmentRefusal::Audience(notice.audience.to_string()));
        }
        // A notice that somebody kept says nothing of today.
        if (self.now() - notice.issued_at).abs() > CLOCK_TOLERANCE {
            return Err(EnrolmentRefusal::Expired);
        }
        let event = self.event_of_notice(&notice).await?.caller(caller).workstation(known.id);
        let event = event.zone(&known.zone).reader("", &notice.agent_version.to_string());
        let event = event.note(&format!("{}, {} times", known.name, notice.count));
        let code = notice.code.as_str();
        // Of what no sign-in stands behind, one a minute: the agent counts, and says how often it was. An agent that does
        // not is somebody else's program with its key.
        let (kind, most) = if notice.request.is_none() { ("alert", 1) } else { ("sign-in", RECORDED) };
        let told = self.repeats.tell(known.id.0, &format!("{kind} {code}"), most, self.now());
        let Some(untold) = told else { return Ok(()) };
        let event = NewRow::from(&with_untold(event, untold).failure(code.to_owned()));
        // The same notice once more is as good as taken, whatever the clocks did in between; it is no second event.
        if !store::agent_notice::take(&self.parts.db, sha256(&payload), &event, self.now()).await? {
            return Ok(());
        }
        tracing::warn!(code, workstation = %known.id, name = known.name, count = notice.count, "a workstation reports");
        Ok(())
    }

    /// What stood in the way of a card request belongs to its sign-in; anything else is an alert.
    async fn event_of_notice(&self, notice: &AgentNotice) -> Result<Event, StoreError> {
        let trail = &self.parts.trail;
        let Some(request) = notice.request else { return Ok(trail.event(Kind::WorkstationAlert)) };
        let event = trail.event(Kind::SignIn).means("card", None);
        let found = store::login_transaction::by_card_txn(&self.parts.db, &request.to_text()).await?;
        if let Some(transaction) = found {
            return Ok(event.transaction(transaction.id).client(&transaction.client_id));
        }
        let db = &self.parts.db;
        if let Some(question) = store::card_question::by_txn(db, &request.to_text()).await?
            && let Some(asked) = store::approval::by_id(db, question.approval_id).await?
        {
            let event = trail.event(Kind::Approval).means("card", None).client(&asked.client_id);
            return Ok(asked.person_id.map_or_else(|| event.clone(), |person| event.clone().person(person)));
        }
        // The sign-in page has asked anew meanwhile.
        Ok(event)
    }

    /// Makes an invitation, as [`invite`] does, for the server that runs. `event` says who made it.
    ///
    /// # Errors
    /// As [`invite`].
    pub async fn invite(&self, place: &Place, event: Event) -> Result<Zeroizing<String>, EnrolmentRefusal> {
        let parts = &self.parts;
        let keys = parts.keys.keys().await;
        invite(&parts.db, &parts.seal, &keys, place, event, self.now(), &*parts.random).await
    }

    /// The origin that workstations enrol.
    #[must_use]
    pub fn front(&self) -> &WebOrigin {
        &self.parts.front
    }

    async fn enrol(&self, body: &[u8], caller: &Caller) -> Result<String, EnrolmentRefusal> {
        let malformed = |what: &str| EnrolmentRefusal::Malformed(ProtocolError::Malformed(what.to_owned()));
        if body.len() > MAX_ENROLMENT_LEN {
            return Err(malformed("too long"));
        }
        let Envelope { jws } = serde_json::from_slice(body).map_err(|_| malformed("not JSON with a JWS"))?;
        let payload = jose::unverified_payload(&jws).ok_or_else(|| malformed("not a JWS"))?;
        let request = EnrolmentRequest::from_payload(&payload).map_err(EnrolmentRefusal::Malformed)?;
        let expected = Expected {
            typ: Some(TYP_ENROLMENT),
            algorithms: &[Algorithm::Es256],
            max_len: MAX_ENROLMENT_LEN,
        };
        jose::verify_payload(&jws, expected, |kid| (kid == Some(request.key.kid())).then_some(&request.key))
            .map_err(EnrolmentRefusal::Signature)?;
        if request.audience != self.parts.front {
            return Err(EnrolmentRefusal::Audience(request.audience.to_string()));
        }
        if let Some(token) = self.site_token(&request).await? {
            return self.admit(&token, &request, caller).await;
        }
        let invite = self.invitation(&request).await?;

        let now = self.now();
        let workstation = Workstation {
            id: WorkstationId::new(now, &*self.parts.random),
            name: request.host_name.clone(),
            host_name: request.host_name.to_lowercase(),
            kid: request.key.kid().to_owned(),
            public_jwk: request.key.to_jwk(),
            site: invite.site,
            zone: invite.zone,
            agent_version: request.agent_version.to_string(),
            created_at: now,
            approved_at: (!invite.needs_approval).then_some(now),
            last_seen_at: None,
            revoked_at: None,
            site_token_id: None,
            asked_at: None,
            good_until: None,
            shared: invite.shared,
            channel_since: None,
        };
        let keys = self.parts.keys.keys().await;
        let grant = self.grant(&keys, &workstation, None)?;
        let answer = jose::sign(keys.current(), TYP_ENROLLED, &grant.to_payload())?;
        let event = self.enrolled(&workstation, caller);
        let enrolled = store::workstation::enrol(
            &self.parts.db,
            &invite.secret_hash,
            &workstation,
            &NewRow::from(&event),
            now,
        )
        .await?;
        if enrolled { Ok(answer) } else { Err(EnrolmentRefusal::Used) }
    }

    /// What a workstation is told that is now known. `signer` signs it where the current request key does not.
    pub(super) fn grant(
        &self,
        keys: &Keys,
        workstation: &Workstation,
        signer: Option<VerifyingKey>,
    ) -> Result<EnrolmentGrant, EnrolmentRefusal> {
        Ok(EnrolmentGrant {
            keys: self.request_keys(keys)?,
            display_name: self.parts.display_name.clone(),
            return_path: RETURN_PATH.to_owned(),
            cancel_path: CANCEL_PATH.to_owned(),
            workstation: workstation.id,
            workstation_key: workstation.kid.clone(),
            site: workstation.site.clone(),
            zone: workstation.zone.clone(),
            state: match workstation.approved_at {
                Some(_) => WorkstationState::Active,
                None => WorkstationState::Pending,
            },
            good_until: workstation.good_until,
            signer,
        })
    }

    /// The event of an enrolment.
    pub(super) fn enrolled(&self, workstation: &Workstation, caller: &Caller) -> Event {
        let event = self.parts.trail.event(Kind::WorkstationEnrolled).caller(caller);
        let event = event.workstation(workstation.id).zone(&workstation.zone).note(&workstation.name);
        event.reader("", &workstation.agent_version)
    }

    /// The invitation that the request names, if it is still good and the request proves its secret.
    async fn invitation(&self, request: &EnrolmentRequest) -> Result<Invite, EnrolmentRefusal> {
        let hash = lookup_hash(&request.invitation).ok_or(EnrolmentRefusal::Unknown)?;
        let found = store::workstation::invite_by_hash(&self.parts.db, &hash).await?;
        let invite = found.ok_or(EnrolmentRefusal::Unknown)?;
        if invite.consumed_at.is_some() {
            return Err(EnrolmentRefusal::Used);
        }
        if invite.expires_at <= self.now() {
            return Err(EnrolmentRefusal::Expired);
        }
        let code = self.parts.seal.open(&invite_place(&hash), &invite.sealed)?;
        let invitation = std::str::from_utf8(&code).ok().and_then(|code| Invitation::parse(code).ok());
        self.check_proof(&invitation.ok_or(EnrolmentRefusal::Unknown)?, request)?;
        Ok(invite)
    }

    /// The proof that whoever asks holds the secret of the code, for the key that is to be enrolled.
    pub(super) fn check_proof(
        &self,
        invitation: &Invitation,
        request: &EnrolmentRequest,
    ) -> Result<(), EnrolmentRefusal> {
        let key = thumbprint_of(request.key.kid()).ok_or(EnrolmentRefusal::Proof)?;
        let proof = invitation.prove(&self.parts.front, &key);
        if constant_time_eq(&proof, &request.secret_proof) { Ok(()) } else { Err(EnrolmentRefusal::Proof) }
    }

    fn request_keys(&self, keys: &Keys) -> Result<RequestKeys, EnrolmentRefusal> {
        let now = self.now();
        Ok(RequestKeys {
            issuer: self.parts.front.clone(),
            current: keys.current().public().clone(),
            next: keys.next().cloned().ok_or(EnrolmentRefusal::Keys)?,
            issued_at: now.duration_trunc(TimeDelta::seconds(1)).unwrap_or(now),
        })
    }
}

pub(super) fn thumbprint(key: &crate::crypto::keys::SigningKey) -> Option<[u8; 32]> {
    thumbprint_of(VerifyingKey::kid(key.public()))
}

pub(super) fn thumbprint_of(kid: &str) -> Option<[u8; 32]> {
    base64url::decode(kid)?.try_into().ok()
}

/// The bytes that an invitation is found by, from its name in a request.
pub(super) fn lookup_hash(name: &str) -> Option<Vec<u8>> {
    hex::decode(name).ok().filter(|hash| hash.len() == 32)
}

pub(super) fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
