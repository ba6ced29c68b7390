//! How this workstation becomes known to a server, and how it learns the server's next keys.
//!
//! A hospital gets from it an enrolment that a TLS inspection box between the two can watch but not take over: the
//! server's answer counts only if it is signed by the key whose thumbprint the code carries, and the server takes the
//! workstation's key only with a proof of the code's secret, which itself never travels (agent protocol, section 9).

use std::time::Duration;

use chrono::SubsecRound as _;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::AgentError;
use super::enrolments::Enrolment;
use super::machine::MachineIdentity;
use super::platform;
use crate::card::protocol::{
    AgentNotice, AgentVersion, Challenge, ENROL_PATH, EnrolmentGrant, EnrolmentRequest, Invitation,
    InvitationKind, NOTICE_PATH, NoticeCode, ProtocolError, REQUEST_KEYS_PATH, RequestKeys, STANDING_PATH,
    Standing, StandingRequest, TYP_AGENT_NOTICE, TYP_ENROLLED, TYP_ENROLMENT, TYP_REQUEST_KEYS, TYP_STANDING,
    TYP_STANDING_REQUEST, WebOrigin, WorkstationState,
};
use crate::clock::Clock;
use crate::crypto::jose::{self, Expected, base64url};
use crate::crypto::keys::{Algorithm, SigningKey};

/// The longest answer of a server that is read, in bytes.
const MAX_ANSWER_LEN: usize = 64 * 1024;
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// What enrolment gave.
#[derive(Debug)]
pub struct Enrolled {
    /// To be kept with [`super::enrolments::EnrolmentStore::add`].
    pub enrolment: Enrolment,
    /// The site that the invitation named.
    pub site: String,
    /// The zone that the invitation named.
    pub zone: String,
    /// Whether an administrator still has to approve it.
    pub state: WorkstationState,
}

/// The body of an enrolment, and of the server's answer.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    jws: String,
}

/// What a server answers where it refuses.
#[derive(Debug, Deserialize)]
struct ServerRefusal {
    code: String,
    #[serde(default)]
    message: String,
}

/// Enrols with `server` by the code that its administrator handed out: an invitation or a site token.
///
/// # Errors
/// From [`AgentError::Code`] to [`AgentError::ServerKey`], one case per cause.
pub async fn enrol(server: &WebOrigin, code: &str, clock: &dyn Clock) -> Result<Enrolled, AgentError> {
    enrol_as(&platform::host_name(), server, code, None, clock).await
}

/// As [`enrol`], for a computer that calls itself `host_name`, and shows its machine certificate where it has one.
///
/// # Errors
/// As [`enrol`].
pub async fn enrol_as(
    host_name: &str,
    server: &WebOrigin,
    code: &str,
    machine: Option<&MachineIdentity>,
    clock: &dyn Clock,
) -> Result<Enrolled, AgentError> {
    let invitation = Invitation::parse(code).map_err(|_| AgentError::Code)?;
    let key = SigningKey::generate(Algorithm::Es256).map_err(|error| AgentError::Key(error.to_string()))?;
    let mut request = EnrolmentRequest {
        audience: server.clone(),
        invitation: invitation.lookup(),
        key: key.public().clone(),
        host_name: host_name.to_owned(),
        agent_version: AgentVersion::this(),
        secret_proof: invitation.prove(server, &thumbprint(key.kid())),
        machine_proof: None,
        // As it travels: whole seconds.
        issued_at: clock.now().trunc_subsecs(0),
    };
    request.machine_proof = machine.map(|machine| machine.prove(&request)).transpose()?;
    let jws = jose::sign(&key, TYP_ENROLMENT, &request.to_payload())
        .map_err(|error| AgentError::Key(error.to_string()))?;
    let client = client(server)?;
    let answer = exchange(server, client.post(server.join(ENROL_PATH)).json(&json!({ "jws": jws }))).await?;
    let grant = read_grant(&answer, &invitation)?;
    if grant.keys.issuer != *server {
        return Err(AgentError::OtherServer { asked: server.clone(), answered: grant.keys.issuer });
    }
    if grant.workstation_key != key.kid() {
        return Err(AgentError::ServerKey);
    }
    let (site, zone, state) = (grant.site.clone(), grant.zone.clone(), grant.state);
    Ok(Enrolled { enrolment: Enrolment::of_grant(grant, key), site, zone, state })
}

/// The server's grant, if the key of the code signed it.
fn read_grant(jws: &str, invitation: &Invitation) -> Result<EnrolmentGrant, AgentError> {
    let unread = |error: ProtocolError| AgentError::ServerAnswer(error.to_string());
    let payload = jose::unverified_payload(jws)
        .ok_or_else(|| AgentError::ServerAnswer("the answer is no signed message".to_owned()))?;
    let claimed = EnrolmentGrant::from_payload(&payload).map_err(unread)?;
    // A site token names its own key, which outlives the request keys; an invitation names the current one of these.
    let signer = claimed.signer();
    let own_key = claimed.signer.is_some();
    if thumbprint(signer.kid()) != *invitation.server_key()
        || own_key != (invitation.kind() == InvitationKind::Site)
    {
        return Err(AgentError::ServerKey);
    }
    let verified = jose::verify_payload(jws, expected(TYP_ENROLLED), |kid| {
        (kid == Some(signer.kid())).then_some(signer)
    })
    .map_err(|_| AgentError::ServerKey)?;
    EnrolmentGrant::from_payload(&verified).map_err(unread)
}

/// Asks the server whether this workstation may answer: one that waits for approval sees it given without enrolling
/// again.
///
/// # Errors
/// From [`AgentError::Key`] to [`AgentError::OtherServer`].
pub async fn standing(enrolment: &Enrolment, clock: &dyn Clock) -> Result<WorkstationState, AgentError> {
    let request = StandingRequest {
        audience: enrolment.origin.clone(),
        workstation: enrolment.workstation,
        agent_version: AgentVersion::this(),
        issued_at: clock.now(),
    };
    let jws = jose::sign(&enrolment.key, TYP_STANDING_REQUEST, &request.to_payload())
        .map_err(|error| AgentError::Key(error.to_string()))?;
    let answer = post(enrolment, STANDING_PATH, &json!({ "jws": jws })).await?;
    let payload = jose::verify_payload(&answer, expected(TYP_STANDING), |kid| {
        kid.and_then(|kid| enrolment.keys.find(kid))
    })
    .map_err(|_| AgentError::ServerKey)?;
    let standing =
        Standing::from_payload(&payload).map_err(|error| AgentError::ServerAnswer(error.to_string()))?;
    if standing.issuer != enrolment.origin {
        return Err(AgentError::OtherServer { asked: enrolment.origin.clone(), answered: standing.issuer });
    }
    if standing.workstation != enrolment.workstation {
        return Err(AgentError::ServerAnswer("it speaks of another workstation".to_owned()));
    }
    Ok(standing.state)
}

/// The server's request keys, if a key that this workstation already knows signed them, and the list is newer.
///
/// # Errors
/// [`AgentError::Unreachable`], [`AgentError::ServerAnswer`] or [`AgentError::ServerKey`].
pub async fn newer_keys(enrolment: &Enrolment) -> Result<Option<RequestKeys>, AgentError> {
    let client = client(&enrolment.origin)?;
    let jws = exchange(&enrolment.origin, client.get(enrolment.origin.join(REQUEST_KEYS_PATH))).await?;
    let payload = jose::verify_payload(&jws, expected(TYP_REQUEST_KEYS), |kid| {
        kid.and_then(|kid| enrolment.keys.find(kid))
    })
    .map_err(|_| AgentError::ServerKey)?;
    let keys =
        RequestKeys::from_payload(&payload).map_err(|error| AgentError::ServerAnswer(error.to_string()))?;
    if keys.issuer != enrolment.origin {
        return Err(AgentError::OtherServer { asked: enrolment.origin.clone(), answered: keys.issuer });
    }
    Ok((keys.issued_at > enrolment.keys.issued_at).then_some(keys))
}

/// Tells the server what happened at this workstation, `count` times, during a card request of its or by itself.
///
/// # Errors
/// [`AgentError::Unreachable`], [`AgentError::Refused`] or [`AgentError::Key`].
pub async fn report(
    enrolment: &Enrolment,
    code: &NoticeCode,
    request: Option<Challenge>,
    count: u32,
    clock: &dyn Clock,
) -> Result<(), AgentError> {
    let notice = AgentNotice {
        audience: enrolment.origin.clone(),
        workstation: enrolment.workstation,
        code: code.clone(),
        request,
        count,
        agent_version: AgentVersion::this(),
        issued_at: clock.now(),
    };
    let jws = jose::sign(&enrolment.key, TYP_AGENT_NOTICE, &notice.to_payload())
        .map_err(|error| AgentError::Key(error.to_string()))?;
    let client = client(&enrolment.origin)?;
    let request = client.post(enrolment.origin.join(NOTICE_PATH)).json(&json!({ "jws": jws }));
    send(&enrolment.origin, request).await.map(|_| ())
}

/// Posts a message to a server that this workstation is enrolled with, and reads the signed one that it answers.
pub(super) async fn post(
    enrolment: &Enrolment,
    path: &str,
    body: &serde_json::Value,
) -> Result<String, AgentError> {
    let client = client(&enrolment.origin)?;
    exchange(&enrolment.origin, client.post(enrolment.origin.join(path)).json(body)).await
}

pub(super) fn expected(typ: &'static str) -> Expected<'static> {
    Expected { typ: Some(typ), algorithms: &[Algorithm::Es256], max_len: MAX_ANSWER_LEN }
}

/// The RFC 7638 thumbprint that names a key, as bytes.
fn thumbprint(kid: &str) -> [u8; 32] {
    base64url::decode(kid).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "crypto::egress guards a server; the agent calls the one origin that was enrolled"
)]
pub(super) fn client(server: &WebOrigin) -> Result<reqwest::Client, AgentError> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .user_agent(concat!("sceau-agent/", env!("CARGO_PKG_VERSION")));
    if server.as_str().starts_with("http://") {
        // Plain HTTP is for this machine's own names: never through a proxy.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| unreachable_server(server, &error))
}

/// Sends a request and reads the signed message of the answer.
pub(super) async fn exchange(
    server: &WebOrigin,
    request: reqwest::RequestBuilder,
) -> Result<String, AgentError> {
    let body = send(server, request).await?;
    serde_json::from_slice::<Envelope>(&body)
        .map(|envelope| envelope.jws)
        .map_err(|error| AgentError::ServerAnswer(error.to_string()))
}

/// Sends a request and reads the answer, within the limits of size and time.
pub(super) async fn send(
    server: &WebOrigin,
    request: reqwest::RequestBuilder,
) -> Result<Vec<u8>, AgentError> {
    let mut response = request.send().await.map_err(|error| unreachable_server(server, &error))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| unreachable_server(server, &error))? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_ANSWER_LEN {
            return Err(AgentError::ServerAnswer("the answer is too long".to_owned()));
        }
    }
    if !status.is_success() {
        return Err(match serde_json::from_slice::<ServerRefusal>(&body) {
            Ok(refusal) => AgentError::Refused {
                code: refusal
                    .code
                    .chars()
                    .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
                    .take(16)
                    .collect(),
                message: refusal.message.chars().filter(|c| !c.is_control()).take(500).collect(),
            },
            // A server of the version before does not know the address. Anything else is said by what stands before the
            // server, while it starts or is busy: it will pass.
            Err(_) if matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
                AgentError::ServerAnswer(format!("status {status}"))
            }
            Err(_) => AgentError::Unreachable { server: server.clone(), detail: format!("status {status}") },
        });
    }
    Ok(body)
}

fn unreachable_server(server: &WebOrigin, error: &reqwest::Error) -> AgentError {
    let mut detail = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        detail = cause.to_string();
        source = cause.source();
    }
    AgentError::Unreachable { server: server.clone(), detail }
}
