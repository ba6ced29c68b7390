//! The control interface of a sandbox: a program says who signs in next, sets the switches, turns the keys.
//!
//! A software house gets a CI that goes through with `curl` alone. JSON over plain HTTP, on an address of loopback that
//! is not the provider's; whoever runs programs on the machine may use it, and nobody else:
//!
//! - a page in a browser of the machine cannot, since browsers say where a request comes from (`Origin`,
//!   `Sec-Fetch-Site`), and such requests are refused;
//! - nor can a name of somebody else's that leads to 127.0.0.1 (DNS rebinding), since `Host` has to be loopback's.
//!
//! | Request | |
//! |---|---|
//! | `GET /` | addresses, test persons, switches, what is scripted |
//! | `POST /sign-ins` | scripts the next sign-in ([`Scripted`]) |
//! | `DELETE /sign-ins` | forgets what is scripted: persons are asked again |
//! | `PATCH /switches` | changes the named switches ([`Change`]) |
//! | `DELETE /switches` | back to how PSC is |
//! | `POST /keys/rotate` | the next key signs; seen by relying parties within five seconds |
//! | `POST /clients` | registers a relying party ([`Registered`]) |

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, Uri, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::persons::{self, PersonsError, TestPerson};
use super::play::{Change, Play, Scripted, Switches};
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::crypto::digest::sha256;
use crate::directory::import::Importer;
use crate::keyring::{self, KeyringError};
use crate::oidc::client::registration::{self, Allowed, ClientFault, Registration};
use crate::oidc::psc;
use crate::store;
use crate::store::client::{Audience, Metadata, ProfileName};
use crate::store::signing_key::Purpose;

/// Who does what is asked for here, in the audit.
const ACTOR: &str = "sandbox";

/// A relying party, as options, files and requests name it. Unlike an installation, a sandbox takes the secret that it
/// is told: a CI has it in its configuration already.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Its `client_id`.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Its name on the pages; the `client_id` where none is given.
    #[serde(default)]
    pub name: Option<String>,
    /// Where it may be answered; `*` at the end of a path as in PSC's sandbox.
    pub redirect_uris: Vec<String>,
    /// Where a user may be sent after a logout.
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session ended.
    #[serde(default)]
    pub backchannel_logout_uri: Option<String>,
    /// Whether it may introspect tokens of other relying parties.
    #[serde(default)]
    pub may_introspect: bool,
    /// `psc`, `standard` or `fapi2`; `psc` where none is given.
    #[serde(default, deserialize_with = "profile")]
    pub profile: Option<ProfileName>,
    /// What RFC 7591 has beyond that, such as `userinfo_signed_response_alg`.
    #[serde(default)]
    pub metadata: Metadata,
}

fn profile<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<ProfileName>, D::Error> {
    let named = String::deserialize(deserializer)?;
    named.parse().map(Some).map_err(serde::de::Error::custom)
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A running sandbox, as the control interface sees it.
#[derive(Debug)]
pub struct Control {
    app: App,
    play: Arc<Play>,
    dir: PathBuf,
    /// One change of the directory at a time.
    importing: Mutex<()>,
}

/// Why something asked for was not done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A browser asks, or somebody who came by another name.
    #[error("the control interface is for programs of this machine, not for pages")]
    Page,
    /// The body is not what it should be.
    #[error("{0}")]
    Malformed(String),
    /// Too many sign-ins.
    #[error("there are too many scripted sign-ins: DELETE /sign-ins forgets them")]
    Full,
    /// The relying party.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// The test persons.
    #[error(transparent)]
    Persons(#[from] PersonsError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyringError),
}

impl ControlError {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Page => "SANDBOX-020",
            Self::Malformed(_) => "SANDBOX-021",
            Self::Full => "SANDBOX-022",
            Self::Client(fault) => fault.code(),
            Self::Persons(error) => error.code(),
            Self::Keys(error) => error.code(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Page => StatusCode::FORBIDDEN,
            Self::Malformed(_) | Self::Client(_) => StatusCode::BAD_REQUEST,
            Self::Full => StatusCode::TOO_MANY_REQUESTS,
            Self::Persons(_) | Self::Keys(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let said = json!({ "code": self.code(), "message": self.to_string() });
        (self.status(), Json(said)).into_response()
    }
}

type Shared = State<Arc<Control>>;
type Done = Result<Json<Value>, ControlError>;

impl Control {
    /// Of a sandbox that keeps its files in `dir`.
    #[must_use]
    pub fn new(app: App, play: Arc<Play>, dir: PathBuf) -> Arc<Self> {
        Arc::new(Self { app, play, dir, importing: Mutex::default() })
    }

    /// What answers where.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/", get(status))
            .route("/sign-ins", post(script).delete(forget))
            .route("/switches", get(status).patch(change).delete(reset))
            .route("/keys/rotate", post(rotate))
            .route("/clients", post(register))
            .with_state(Arc::clone(self))
            .layer(middleware::from_fn(programs_only))
    }

    /// Makes the test persons what the switches say.
    ///
    /// # Errors
    /// [`PersonsError`].
    pub async fn describe_persons(&self, switches: &Switches) -> Result<(), PersonsError> {
        let _alone = self.importing.lock().await;
        persons::import(&self.importer(), &self.dir, switches.variety()).await
    }

    /// Adds the test persons whom no directory knows.
    ///
    /// # Errors
    /// [`PersonsError`].
    pub async fn add_others(&self) -> Result<(), PersonsError> {
        let now = self.app.clock().now();
        persons::add_others(&self.importer(), now).await?;
        persons::welcome(&self.importer(), now).await
    }

    fn importer(&self) -> Importer<'_> {
        Importer {
            db: self.app.db(),
            trail: self.app.trail(),
            clock: &**self.app.clock(),
            random: &**self.app.random(),
            actor: ACTOR,
        }
    }

    /// Registers a relying party with the secret it names; one of that name before is replaced.
    ///
    /// # Errors
    /// [`ClientFault`].
    pub async fn register(&self, new: Registered) -> Result<(), ClientFault> {
        let (db, now) = (self.app.db(), self.app.clock().now());
        let registration = Registration {
            name: new.name.unwrap_or_else(|| new.client_id.clone()),
            id: new.client_id,
            redirect_uris: new.redirect_uris,
            post_logout_redirect_uris: new.post_logout_redirect_uris,
            backchannel_logout_uri: new.backchannel_logout_uri,
            // Test persons work at no establishment of anybody's.
            audience: Audience::AnyProfessional,
            may_introspect: new.may_introspect,
            profile: new.profile.unwrap_or(ProfileName::Psc),
            metadata: new.metadata,
        };
        let mut allowed = Allowed::by(&self.app.config().oidc);
        allowed.wildcards = true;
        registration::check(&registration, &allowed)?;
        let removed = self.event(Kind::ClientRemoved).client(&registration.id);
        store::client::remove(db, &registration.id, &(&removed).into()).await?;
        let event = self.event(Kind::ClientAdded);
        let (egress, random) = (self.app.egress(), &**self.app.random());
        registration::register(db, &registration, &allowed, egress, &event, now, random).await?;
        let hash = sha256(new.client_secret.as_bytes());
        let event = self.event(Kind::ClientSecretRotated).client(&registration.id);
        store::client::rotate_secret(db, &registration.id, hash, now, now, &(&event).into()).await?;
        Ok(())
    }

    fn event(&self, kind: Kind) -> Event {
        self.app.trail().event(kind).actor(ACTOR)
    }

    fn status(&self) -> Value {
        let server = &self.app.config().server;
        let persons = TestPerson::ALL.map(|person| {
            json!({
                "person": person.key(),
                "SubjectNameID": person.id_nat(),
                "given_name": person.given_name(),
                "family_name": person.family_name(),
            })
        });
        json!({
            "issuer": server.issuer.as_str(),
            "discovery": format!("{}{}", server.issuer, psc::WALLET_DISCOVERY),
            "persons": persons,
            "switches": self.play.switches(),
            "sign_ins": self.play.scripted(),
        })
    }
}

async fn status(State(control): Shared) -> Json<Value> {
    Json(control.status())
}

async fn script(State(control): Shared, body: Bytes) -> Done {
    let scripted: Scripted = read(&body)?;
    if !control.play.script(scripted) {
        return Err(ControlError::Full);
    }
    Ok(Json(control.status()))
}

async fn forget(State(control): Shared) -> Json<Value> {
    control.play.forget();
    Json(control.status())
}

async fn change(State(control): Shared, body: Bytes) -> Done {
    let change: Change = read(&body)?;
    let switches = control.play.switches().with(change);
    set(&control, switches).await
}

async fn reset(State(control): Shared) -> Done {
    set(&control, Switches::default()).await
}

/// The directory first: where it cannot be written, the switches still say what is.
async fn set(control: &Control, switches: Switches) -> Done {
    if switches.variety() != control.play.switches().variety() {
        control.describe_persons(&switches).await?;
    }
    control.play.set(switches);
    Ok(Json(control.status()))
}

async fn rotate(State(control): Shared) -> Done {
    let app = &control.app;
    let (now, event) = (app.clock().now(), control.event(Kind::KeyRotated));
    let kid =
        keyring::rotate(app.db(), app.vault(), Purpose::Token, true, now, &**app.random(), event).await?;
    Ok(Json(json!({ "kid": kid })))
}

async fn register(State(control): Shared, body: Bytes) -> Done {
    let new: Registered = read(&body)?;
    control.register(new).await?;
    Ok(Json(control.status()))
}

/// JSON, whatever its type is said to be: `curl -d` calls it a form.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ControlError> {
    serde_json::from_slice(body).map_err(|error| ControlError::Malformed(error.to_string()))
}

/// Neither a page nor somebody who came by a name that is not loopback's.
async fn programs_only(uri: Uri, headers: HeaderMap, request: Request, next: Next) -> Response {
    let of_a_page = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    let host = uri.host().map(str::to_owned).or_else(|| {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        host.parse::<http::uri::Authority>().ok().map(|authority| authority.host().to_owned())
    });
    let is_loopback = matches!(host.as_deref(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if of_a_page || !is_loopback {
        return ControlError::Page.into_response();
    }
    next.run(request).await
}
