//! What a workstation is told of itself: whether it may answer (agent protocol, section 9).
//!
//! A hospital gets from it that a workstation which waits for approval says so on its screen, before anybody types a PIN
//! in vain, and goes on by itself once it is approved.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DurationRound as _, TimeDelta};

use super::enrolment::{EnrolmentRefusal, Envelope, MAX_LEN, refused, unstored};
use super::login::CardLogin;
use super::protocol::{
    CLOCK_TOLERANCE, ProtocolError, Standing, StandingRequest, TYP_STANDING, TYP_STANDING_REQUEST,
    WorkstationState,
};
use crate::crypto::jose::{self, Expected, JwsError};
use crate::crypto::keys::{Algorithm, VerifyingKey};
use crate::ids::WorkstationId;
use crate::store::workstation::{self, Workstation};
use crate::store::{self, StoreError};

/// `POST /agent/standing`
pub(super) async fn answer(State(login): State<Arc<CardLogin>>, body: Bytes) -> Response {
    match login.standing(&body).await {
        Ok(jws) => unstored(Json(Envelope { jws }).into_response()),
        Err(refusal) => {
            tracing::warn!(code = refusal.code(), "a workstation was not told how it stands: {refusal}");
            refused(&refusal)
        }
    }
}

/// Why a message is not believed to be a workstation's.
pub(super) enum SignedByRefusal {
    /// There is no such workstation.
    Unknown,
    /// It did not sign the message.
    Signature(JwsError),
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for SignedByRefusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SignedByRefusal> for EnrolmentRefusal {
    fn from(refusal: SignedByRefusal) -> Self {
        match refusal {
            SignedByRefusal::Unknown => Self::Unknown,
            SignedByRefusal::Signature(error) => Self::Signature(error),
            SignedByRefusal::Store(error) => Self::Store(error),
        }
    }
}

impl CardLogin {
    async fn standing(&self, body: &[u8]) -> Result<String, EnrolmentRefusal> {
        let malformed = |what: &str| EnrolmentRefusal::Malformed(ProtocolError::Malformed(what.to_owned()));
        let Envelope { jws } = serde_json::from_slice(body).map_err(|_| malformed("not JSON with a JWS"))?;
        let payload = jose::unverified_payload(&jws).ok_or_else(|| malformed("not a JWS"))?;
        let request = StandingRequest::from_payload(&payload).map_err(EnrolmentRefusal::Malformed)?;
        let known = self.signed_by(request.workstation, &jws, TYP_STANDING_REQUEST).await?;
        if request.audience != self.parts.front {
            return Err(EnrolmentRefusal::Audience(request.audience.to_string()));
        }
        let now = self.now();
        if (now - request.issued_at).abs() > CLOCK_TOLERANCE {
            return Err(EnrolmentRefusal::Clock);
        }
        let standing = Standing {
            issuer: self.parts.front.clone(),
            workstation: known.id,
            state: match known.state(now) {
                workstation::State::Active => WorkstationState::Active,
                workstation::State::Pending => WorkstationState::Pending,
                workstation::State::Expired | workstation::State::Revoked => WorkstationState::Revoked,
            },
            issued_at: now.duration_trunc(TimeDelta::seconds(1)).unwrap_or(now),
        };
        let keys = self.parts.keys.keys().await;
        Ok(jose::sign(keys.current(), TYP_STANDING, &standing.to_payload())?)
    }

    /// The workstation of that id, whatever its standing, if it signed the message.
    pub(super) async fn signed_by(
        &self,
        id: WorkstationId,
        jws: &str,
        typ: &'static str,
    ) -> Result<Workstation, SignedByRefusal> {
        let known = store::workstation::by_id(&self.parts.db, id).await?.ok_or(SignedByRefusal::Unknown)?;
        let key = VerifyingKey::from_jwk(&known.public_jwk).ok();
        let expected = Expected { typ: Some(typ), algorithms: &[Algorithm::Es256], max_len: MAX_LEN };
        jose::verify_payload(jws, expected, |kid| key.as_ref().filter(|key| Some(key.kid()) == kid))
            .map_err(SignedByRefusal::Signature)?;
        Ok(known)
    }
}
