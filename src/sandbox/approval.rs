//! The means of identification of a sandbox: a test person is chosen, on the page or by a script, and signs in or
//! refuses. Nothing is proven.
//!
//! A software house gets from it a sign-in without card, reader or workstation whose every other step is the real one:
//! the same transaction and cookies, the same session, the same codes and tokens.
//!
//! It is as hard to reach as it is weak. `app` makes it only for a database that was made as a sandbox's, which `sceau
//! serve` refuses; a sign-in still ends in no other browser than the one that began it, each handle is good once, and
//! only our own page may post.

use std::fmt::{self, Debug};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use chrono::TimeDelta;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::disturbance;
use super::persons::TestPerson;
use super::phone::{self, TestPhones};
use super::play::{Decision, Play, PlayedMeans, Scripted, ToldAcr};
use crate::audit::{Caller, Kind, Trail};
use crate::clock::SharedClock;
use crate::crypto::constant_time_eq;
use crate::crypto::digest::sha256;
use crate::directory::{self, NationalId};
use crate::ids::{Secret, SharedRandom};
use crate::oidc::Asking;
use crate::oidc::authorize::means::{Later, Offer, TestPersons};
use crate::oidc::authorize::{resume, see_other};
use crate::session::asking::Asks;
use crate::session::{AuthMode, Authentication, Evidence, Policies, Station};
use crate::store::login_transaction::{self, LoginTransaction, Proof, State as Stage};
use crate::store::{self, Db, StoreError};
use crate::web::cookies::{self, NoCookie};
use crate::web::csrf::{self, OwnOrigin};
use crate::web::error_page::ErrorPage;
use crate::web::language::Language;
use crate::web::new_session::{Beginning, NotBegun};
use crate::web::page::Site;
use crate::web::pages::sign_in::{PersonRow, PersonsPanel};

/// Where the page posts the choice.
const ANSWER_PATH: &str = "/sandbox/answer";
/// Where a browser fetches what a script has chosen.
const SCRIPTED_PATH: &str = "/sandbox/scripted";
/// How long a handle is good: as long as the sign-in itself.
const HANDLE: TimeDelta = TimeDelta::minutes(10);
/// What stands in the place of the card request that nobody answers.
const NO_REQUEST: &str = "sandbox";

/// What an [`Approval`] is made of.
pub struct Parts {
    /// The database, made as a sandbox's.
    pub db: Db,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub random: SharedRandom,
    /// What makes audit events.
    pub trail: Trail,
    /// How long sessions are good for.
    pub policies: Policies,
    /// The origin of the pages.
    pub own: OwnOrigin,
    /// What stands around the pages.
    pub site: Site,
    /// What is played.
    pub play: Arc<Play>,
}

/// The sandbox's side of a sign-in.
pub struct Approval(Parts);

impl Debug for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approval").field("own", &self.0.own).finish_non_exhaustive()
    }
}

impl Approval {
    /// From its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self(parts))
    }

    /// The phones and cards of the test persons.
    #[must_use]
    pub fn asking(&self) -> Asking {
        let Parts { db, clock, trail, play, .. } = &self.0;
        let asks = |auth_mode| -> Arc<dyn Asks> {
            let (db, clock, trail, play) = (db.clone(), clock.clone(), trail.clone(), Arc::clone(play));
            TestPhones::new(phone::Parts { db, clock, trail, play, auth_mode })
        };
        Asking { phone: Some(asks(AuthMode::Mobile)), card: Some(asks(AuthMode::Card)) }
    }

    /// Its addresses beside those of `routes`, and its disturbances around both.
    pub fn around(self: &Arc<Self>, routes: Router) -> Router {
        let own = Router::new()
            .route(ANSWER_PATH, post(answer))
            .route(SCRIPTED_PATH, get(scripted))
            .with_state(Arc::clone(self));
        disturbance::around(&self.0.play, routes.merge(own))
    }
}

impl TestPersons for Approval {
    fn offer<'a>(&'a self, transaction: &'a LoginTransaction) -> Later<'a, Offer> {
        async move { self.offered(transaction).await.map_err(|error| error.to_string()) }.boxed()
    }
}

/// Why a sign-in of a sandbox does not go on.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// Another site posted the choice.
    #[error("the choice was posted by another site: {0}")]
    ForeignOrigin(#[from] csrf::Refused),
    /// What was sent names no person, or nothing that one can answer.
    #[error("the choice is malformed")]
    Malformed,
    /// The sign-in is over, was begun by another browser, or its page was shown anew in between.
    #[error("no sign-in of this browser waits for this choice")]
    NotWaiting,
    /// The relying party is gone or disabled.
    #[error("the relying party is not known or disabled")]
    Client,
    /// The person.
    #[error(transparent)]
    Person(#[from] directory::Refusal),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cookie.
    #[error(transparent)]
    Cookie(#[from] NoCookie),
}

impl Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::ForeignOrigin(refused) => refused.code(),
            Self::Malformed => "SANDBOX-001",
            Self::NotWaiting => "SANDBOX-002",
            Self::Client => "OIDC-002",
            Self::Person(refusal) => refusal.code(),
            Self::Store(error) => error.code(),
            Self::Cookie(_) => "WEB-005",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::ForeignOrigin(_) | Self::NotWaiting | Self::Client | Self::Person(_) => {
                StatusCode::FORBIDDEN
            }
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Store(_) | Self::Cookie(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// What the page posts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    txn: String,
    person: TestPerson,
    means: PlayedMeans,
    decision: Decision,
}

/// `POST /sandbox/answer`
async fn answer(
    State(approval): State<Arc<Approval>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    choice: Result<axum::Form<Choice>, axum::extract::rejection::FormRejection>,
) -> Response {
    let visit = Visit { approval: &approval, caller: &caller, headers: &headers };
    let done = match choice {
        Ok(axum::Form(Choice { txn, person, means, decision })) => {
            let (after, client_id, always) = (0, None, false);
            visit.posted(&txn, Scripted { person, decision, after, means, client_id, always }).await
        }
        Err(_) => Err(Refusal::Malformed),
    };
    done.unwrap_or_else(|refusal| visit.refuse(&refusal, language))
}

/// The handle in the address of [`scripted`].
#[derive(Deserialize)]
struct Handle {
    txn: String,
}

/// `GET /sandbox/scripted?txn=…`: the browser of a sign-in that a script has decided. It changes something although it
/// is a GET: a handle is no use to another browser, and none twice.
async fn scripted(
    State(approval): State<Arc<Approval>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    handle: Result<Query<Handle>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let visit = Visit { approval: &approval, caller: &caller, headers: &headers };
    let done = match handle {
        Ok(Query(Handle { txn })) => visit.fetched(&txn).await,
        Err(_) => Err(Refusal::Malformed),
    };
    done.unwrap_or_else(|refusal| visit.refuse(&refusal, language))
}

impl Approval {
    async fn offered(&self, transaction: &LoginTransaction) -> Result<Offer, StoreError> {
        let Parts { db, clock, random, play, .. } = &self.0;
        let (now, txn) = (clock.now(), Secret::of_128_bits(&**random));
        let txn = txn.expose();
        // A sign-in that ended in between says so when its handle comes back.
        login_transaction::issue_card_request(db, transaction.id, txn, NO_REQUEST, now + HANDLE, now).await?;
        if play.take(&transaction.client_id, txn) {
            return Ok(Offer::Scripted(format!("{SCRIPTED_PATH}?txn={txn}")));
        }
        let persons = TestPerson::ALL.into_iter().map(|person| PersonRow {
            key: person.key(),
            kind: person.kind(),
            name: format!("{} {}", person.given_name(), person.family_name()),
            id_nat: person.id_nat(),
        });
        Ok(Offer::Choice(PersonsPanel {
            action: ANSWER_PATH.into(),
            txn: txn.to_owned(),
            persons: persons.collect(),
        }))
    }
}

/// One request of a browser.
struct Visit<'a> {
    approval: &'a Approval,
    caller: &'a Caller,
    headers: &'a HeaderMap,
}

impl Visit<'_> {
    async fn posted(&self, txn: &str, choice: Scripted) -> Result<Response, Refusal> {
        self.parts().own.check_origin(self.headers)?;
        let transaction = self.waiting(txn).await?;
        self.decide(txn, &transaction, &choice, Method::POST).await
    }

    async fn fetched(&self, txn: &str) -> Result<Response, Refusal> {
        // Before the script is asked: a handle that another browser brings must not use it up.
        self.waiting(txn).await?;
        let scripted = self.parts().play.fetch(txn).ok_or(Refusal::NotWaiting)?;
        tokio::time::sleep(scripted.wait()).await;
        // The sign-in may have ended meanwhile.
        let transaction = self.waiting(txn).await?;
        self.decide(txn, &transaction, &scripted, Method::GET).await
    }

    fn parts(&self) -> &Parts {
        &self.approval.0
    }

    /// The sign-in that waits for this handle, if this browser began it.
    async fn waiting(&self, txn: &str) -> Result<LoginTransaction, Refusal> {
        let Parts { db, clock, .. } = self.parts();
        let found = login_transaction::by_card_txn(db, txn).await?.ok_or(Refusal::NotWaiting)?;
        let cookie = cookies::transaction(found.id).read(self.headers).ok_or(Refusal::NotWaiting)?;
        let of_this_browser = constant_time_eq(&found.browser_hash, &sha256(cookie.expose().as_bytes()));
        if of_this_browser && found.state == Stage::Open && found.expires_at > clock.now() {
            Ok(found)
        } else {
            Err(Refusal::NotWaiting)
        }
    }

    async fn decide(
        &self,
        txn: &str,
        transaction: &LoginTransaction,
        choice: &Scripted,
        method: Method,
    ) -> Result<Response, Refusal> {
        let page = resume::path(transaction.id);
        if choice.decision == Decision::Refuse {
            return Ok(see_other(&format!("{page}/cancel"), method));
        }
        let cookie = self.begin_session(txn, transaction, choice).await?;
        let mut response = see_other(&page, method);
        response.headers_mut().append(header::SET_COOKIE, cookie);
        Ok(response)
    }

    /// Consumes the sign-in and begins the session, or goes on with the one that this browser has, by the rules of a card:
    /// the same person anew keeps what was granted, another one's sign-in ends it first.
    async fn begin_session(
        &self,
        txn: &str,
        transaction: &LoginTransaction,
        choice: &Scripted,
    ) -> Result<HeaderValue, Refusal> {
        let Parts { db, clock, random, trail, policies, play, .. } = self.parts();
        let (now, random, told) = (clock.now(), &**random, play.switches().acr);
        let client = store::client::for_sign_in(db, &transaction.client_id).await?;
        let client = client.filter(|client| client.disabled_at.is_none()).ok_or(Refusal::Client)?;
        let id_nat = NationalId::of_source(&choice.person.id_nat()).ok_or(directory::Refusal::Unknown)?;
        let person = directory::sign_in(db, trail, &id_nat, client.audience, now, random).await??;
        let authentication = Authentication {
            person,
            acr: told.level(),
            // Nothing was proven, and nothing is claimed to have been.
            amr: Vec::new(),
            auth_mode: choice.means.auth_mode(),
            at: now,
            evidence: Evidence::Sandbox {
                person: choice.person.key().to_owned(),
                acr_untold: told == ToldAcr::Absent,
            },
        };
        let event = trail.event(Kind::SignIn).caller(self.caller).means("sandbox", None).person(person);
        let event = event.id_nat(id_nat.as_str()).client(&client.id).transaction(transaction.id);
        let beginning = Beginning {
            db,
            trail,
            policies,
            random,
            caller: self.caller,
            headers: self.headers,
            transaction: transaction.id,
            station: Station::default(),
        };
        let begun = beginning.begin(Proof::Request(txn), authentication, event, now).await;
        begun.map_err(|error| match error {
            NotBegun::Raced => Refusal::NotWaiting,
            NotBegun::Store(error) => error.into(),
            NotBegun::Cookie(error) => error.into(),
        })
    }

    fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        let code = refusal.code();
        tracing::warn!(code, "a sign-in of the sandbox was refused: {refusal}");
        let operation = self.caller.operation.map(|id| id.to_string()).unwrap_or_default();
        ErrorPage::new(refusal.status(), code, operation).render(&self.parts().site.frame(language))
    }
}
