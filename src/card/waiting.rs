//! What the waiting sign-in page asks for: a request as good as new, and how its sign-in stands.
//!
//! It gets `done` or an error code, never a code for a relying party, an address or a cookie: a page that waits in the
//! wrong browser learns nothing that signs it in (agent protocol, section 8).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::enrolment::unstored;
use super::login::CardLogin;
use super::protocol::Challenge;
use super::refusal::{CANCELLED, Refusal};
use crate::audit::{Caller, Kind};
use crate::ids::TransactionId;
use crate::store;
use crate::store::StoreError;
use crate::store::audit::NewRow;
use crate::store::login_transaction::{LoginTransaction, State as Stage};
use crate::web::error_page::ErrorPage;
use crate::web::i18n::Texts;
use crate::web::language::Language;
use crate::web::moves::Moves;
use crate::web::new_session;
use crate::web::pages::card::{Finish, Outcome};
use crate::web::pages::sign_in::{Noticed, Renewed, Status};
use crate::web::repeats::with_untold;

/// How often a stream looks for what another node did.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize)]
pub(super) struct Handle {
    txn: String,
}

impl CardLogin {
    async fn of_handle(&self, txn: &str, headers: &HeaderMap) -> Result<LoginTransaction, StatusCode> {
        let id: TransactionId = txn.parse().map_err(|_| StatusCode::NOT_FOUND)?;
        match new_session::transaction_of(&self.parts.db, id, headers).await {
            Ok(Some(transaction)) => Ok(transaction),
            Ok(None) => Err(StatusCode::NOT_FOUND),
            Err(error) => Err(unavailable(&error)),
        }
    }

    fn status(&self, transaction: &LoginTransaction, texts: &Texts) -> Status {
        match (transaction.state, transaction.error_code.as_deref()) {
            (Stage::Done | Stage::Answered, _) => Status::Done,
            (Stage::Cancelled, _) => Status::Expired,
            (Stage::Open, _) if transaction.expires_at <= self.now() => Status::Expired,
            (Stage::Open, Some(CANCELLED)) => Status::Cancelled,
            (Stage::Open, Some(code)) => Status::failed(code, texts),
            (Stage::Open, None) => Status::Open,
        }
    }
}

/// `GET /card/request?txn=…`: a request as good as new, for the page that is about to send it.
pub(super) async fn renew(
    State(login): State<Arc<CardLogin>>,
    Query(handle): Query<Handle>,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    // It voids the request before: no other site may bring that about.
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin") {
        return plain(StatusCode::FORBIDDEN);
    }
    let transaction = match login.of_handle(&handle.txn, &headers).await {
        Ok(transaction) => transaction,
        Err(status) => return plain(status),
    };
    if transaction.state != Stage::Open || transaction.expires_at <= login.now() {
        return plain(StatusCode::GONE);
    }
    match login.renew(&transaction).await {
        Ok(request) => unstored(Json(Renewed { request }).into_response()),
        Err(refusal) => {
            let operation = caller.operation.map(|id| id.to_string());
            tracing::warn!(code = refusal.code(), operation, "a card request was not renewed: {refusal}");
            match refusal {
                Refusal::AlreadyEnded | Refusal::UnknownRequest => plain(StatusCode::GONE),
                _ => plain(StatusCode::SERVICE_UNAVAILABLE),
            }
        }
    }
}

/// `GET /card/status?txn=…`: how the sign-in stands.
pub(super) async fn status(
    State(login): State<Arc<CardLogin>>,
    Query(handle): Query<Handle>,
    language: Language,
    headers: HeaderMap,
) -> Response {
    match login.of_handle(&handle.txn, &headers).await {
        Ok(transaction) => unstored(Json(login.status(&transaction, language.texts())).into_response()),
        Err(status) => plain(status),
    }
}

/// `GET /card/events?txn=…`: the same, as soon as it has moved; the stream ends with it.
pub(super) async fn events(
    State(login): State<Arc<CardLogin>>,
    Query(handle): Query<Handle>,
    language: Language,
    headers: HeaderMap,
) -> Response {
    let transaction = match login.of_handle(&handle.txn, &headers).await {
        Ok(transaction) => transaction,
        Err(status) => return plain(status),
    };
    let woken = login.waiting.listen(transaction.id);
    let events = moves(login, transaction.id, woken, language.texts())
        .filter_map(async |status| Event::default().json_data(status).ok().map(Ok::<_, Infallible>));
    unstored(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// `POST /card/noticed`: no agent answered, says the page that waits. The sign-in is as good as before.
pub(super) async fn noticed(
    State(login): State<Arc<CardLogin>>,
    caller: Caller,
    headers: HeaderMap,
    Json(noticed): Json<Noticed>,
) -> Response {
    if login.own.check_origin(&headers).is_err() {
        return plain(StatusCode::FORBIDDEN);
    }
    let transaction = match login.of_handle(&noticed.txn, &headers).await {
        Ok(transaction) => transaction,
        Err(status) => return plain(status),
    };
    if transaction.state != Stage::Open || transaction.expires_at <= login.now() {
        return plain(StatusCode::GONE);
    }
    let code = noticed.code.as_str();
    let Some(untold) = login.repeats.tell(transaction.id.0, code, 1, login.now()) else {
        return plain(StatusCode::NO_CONTENT);
    };
    let event = login.parts.trail.event(Kind::SignIn).caller(&caller).means("card", None);
    let event = event.transaction(transaction.id).client(&transaction.client_id);
    let event = with_untold(event.failure(code), untold);
    match store::audit::append(&login.parts.db, NewRow::from(&event)).await {
        Ok(()) => plain(StatusCode::NO_CONTENT),
        Err(error) => plain(unavailable(&error)),
    }
}

/// Every standing other than open; ends after the first.
fn moves(
    login: Arc<CardLogin>,
    id: TransactionId,
    woken: Moves<TransactionId>,
    texts: &'static Texts,
) -> impl Stream<Item = Status> {
    let state = Some((login, woken));
    stream::unfold(state, move |state| async move {
        let (login, mut woken) = state?;
        loop {
            // Once it listens, so that nothing happens in between.
            let status = match store::login_transaction::by_id(&login.parts.db, id).await {
                Ok(Some(transaction)) => login.status(&transaction, texts),
                Ok(None) => Status::Expired,
                // The next look may find it back.
                Err(_) => Status::Open,
            };
            if status != Status::Open {
                return Some((status, None));
            }
            let _ = tokio::time::timeout(LOOK_EVERY, woken.moved()).await;
        }
    })
}

/// `GET /card/cancel?txn=…`: the person gave up at the agent. The sign-in is still good.
///
/// Other than the page's handle, `txn` here is that of the card request: the agent knows no other. Only the browser
/// that began the sign-in gets anywhere.
pub(super) async fn cancel(
    State(login): State<Arc<CardLogin>>,
    Query(handle): Query<Handle>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let frame = login.parts.site.frame(language);
    match given_up(&login, &handle.txn, &caller, &headers).await {
        Ok(transaction) => {
            let next = (login.parts.next)(transaction.id);
            let transaction = transaction.id.to_string();
            Finish { transaction, outcome: Outcome::Cancelled, next, same_tab: false }.render(&frame)
        }
        Err(refusal) => {
            tracing::warn!(code = refusal.code(), "{refusal}");
            let operation = caller.operation.map(|id| id.to_string()).unwrap_or_default();
            ErrorPage::new(refusal.status(), refusal.code(), operation).render(&frame)
        }
    }
}

async fn given_up(
    login: &CardLogin,
    txn: &str,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<LoginTransaction, Refusal> {
    let challenge = Challenge::parse(txn).map_err(Refusal::Malformed)?;
    let db = &login.parts.db;
    let found = store::login_transaction::by_card_txn(db, &challenge.to_text()).await?;
    let transaction = found.ok_or(Refusal::UnknownRequest)?;
    let transaction = new_session::transaction_of(db, transaction.id, headers).await?;
    let transaction = transaction.ok_or(Refusal::OtherBrowser)?;
    if transaction.state == Stage::Open && transaction.error_code.as_deref() != Some(CANCELLED) {
        store::login_transaction::note_failure(db, transaction.id, CANCELLED).await?;
        let event = login.parts.trail.event(Kind::SignIn).caller(caller).means("card", None);
        let event = event.transaction(transaction.id).client(&transaction.client_id).failure(CANCELLED);
        store::audit::append(db, NewRow::from(&event)).await?;
        login.waiting.wake(transaction.id);
    }
    Ok(transaction)
}

fn unavailable(error: &StoreError) -> StatusCode {
    tracing::error!(code = error.code(), %error, "a waiting page got no answer");
    StatusCode::SERVICE_UNAVAILABLE
}

fn plain(status: StatusCode) -> Response {
    unstored(status.into_response())
}
