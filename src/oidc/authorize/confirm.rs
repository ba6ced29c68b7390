//! "Is this you?", at workstations that several people share and for services that ask for it; and the answers to this
//! question and to the one for [consent](super::consent).
//!
//! At a shared workstation a session that is still open may be the one of whoever sat here before. So nobody is signed on
//! silently: a page names the person and asks. "Continue" goes on to the relying party; "This is not me" ends the session,
//! with its logouts, and leads to the sign-in page; where it came from a provider of others, which may hold another, the next
//! sign-in there from this browser is asked for anew. A session that has just come out of this very sign-in needs no question,
//! unless a provider of others gave it without asking anybody.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, header};

use super::answer::see_other;
use super::error::AuthorizationError;
use super::request::has_just_signed_in;
use super::{Asked, Failed, Question, Seen, Visit, accept_language, resume};
use crate::audit::{Caller, Kind};
use crate::ids::{Secret, TransactionId};
use crate::oidc::Provider;
use crate::oidc::parameters::{Parameters, UnreadableForm};
use crate::session::{EndReason, Session, Standing};
use crate::store;
use crate::store::login_transaction::LoginTransaction;
use crate::web::cookies;
use crate::web::csrf::{self, OwnOrigin};
use crate::web::language::Language;
use crate::web::pages::session::Confirmation;

/// "Continue".
pub const CONTINUE_ROUTE: &str = "/login/{transaction}/continue";
/// "This is not me".
pub const NOT_ME_ROUTE: &str = "/login/{transaction}/not-me";
/// "Allow".
pub const ALLOW_ROUTE: &str = "/login/{transaction}/allow";
/// "Do not allow".
pub const REFUSE_ROUTE: &str = "/login/{transaction}/refuse";

/// `POST /login/{id}/continue`
pub async fn go_on(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    answer(&provider, &id, &caller, &headers, form, Answer::Continue).await
}

/// `POST /login/{id}/not-me`
pub async fn not_me(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    answer(&provider, &id, &caller, &headers, form, Answer::NotMe).await
}

/// `POST /login/{id}/allow`
pub async fn allow(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    answer(&provider, &id, &caller, &headers, form, Answer::Allow).await
}

/// `POST /login/{id}/refuse`
pub async fn refuse(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    answer(&provider, &id, &caller, &headers, form, Answer::Refuse).await
}

/// What the person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Continue,
    NotMe,
    Allow,
    Refuse,
}

async fn answer(
    provider: &Provider,
    id: &str,
    caller: &Caller,
    headers: &HeaderMap,
    form: Result<Parameters, UnreadableForm>,
    answer: Answer,
) -> Response {
    let form = match form {
        Ok(form) => form,
        Err(unreadable) => return unreadable.into_response(),
    };
    let language = Language::choose(None, accept_language(headers));
    let visit = Visit { provider, caller, headers, language, method: Method::POST };
    let failed = match visit.confirmed(id, &form, answer).await {
        Ok(response) => return response,
        Err(failed) => failed,
    };
    let is_over = matches!(failed.error, AuthorizationError::ConsentRefused);
    let mut response = visit.fail(failed, id.parse().ok()).await;
    // Going back in the history asks nothing a second time.
    if is_over
        && let Ok(id) = id.parse()
        && let Ok(forget) = cookies::transaction(id).clear()
    {
        response.headers_mut().append(header::SET_COOKIE, forget);
    }
    response
}

impl Visit<'_> {
    /// The page that asks.
    pub(super) async fn confirmation_page(
        &self,
        transaction: &LoginTransaction,
        asked: &Asked,
        session: &Session,
        cookie: &Secret,
    ) -> Result<Response, Failed> {
        let subject = self.provider.subject(session.person_id, &asked.client).await?;
        let (relying_party, form_targets) = asked.shown();
        let here = resume::path(transaction.id);
        let page = Confirmation {
            name: subject.spoken_name(),
            passed_on: asked.request.delegation.is_some(),
            relying_party,
            go_on: format!("{here}/continue"),
            not_me: format!("{here}/not-me"),
            csrf: csrf::token(cookie),
            form_targets,
        };
        Ok(page.render(&self.provider.site.frame(self.language)))
    }

    async fn confirmed(&self, id: &str, form: &Parameters, answer: Answer) -> Result<Response, Failed> {
        OwnOrigin::of(&self.provider.settings.front_url).check(&self.method, self.headers)?;
        let transaction = self.transaction(id).await?;
        let asked = self.asked(&transaction).await?;
        // Whatever became of the session in the meantime, the transaction's own address knows what comes next.
        let again = || see_other(&resume::path(transaction.id), Method::POST);
        let Some(Seen { session, standing, cookie }) = self.session(&asked.client).await? else {
            return Ok(again());
        };
        csrf::check_token(&cookie, form.first(csrf::FIELD).unwrap_or_default())?;
        if answer == Answer::NotMe {
            return self.end_of_another(&session, transaction.id, again()).await;
        }
        let satisfies = asked.request.is_satisfied_by(&session, Some(&transaction), self.provider.now());
        if standing != Standing::Alive || !satisfies {
            return Ok(again());
        }
        let question = self.question(&asked, &session, has_just_signed_in(&transaction, &session)).await?;
        let issued = match (answer, question) {
            // Whoever answers a question that is not asked is shown the one that is.
            (Answer::Allow | Answer::Refuse, None | Some(Question::Name)) => return Ok(again()),
            (Answer::Continue, Some(Question::Consent)) => return Ok(again()),
            (Answer::Refuse, Some(Question::Consent)) => {
                store::login_transaction::cancel(&self.provider.db, transaction.id, self.provider.now())
                    .await?;
                Err(AuthorizationError::ConsentRefused.into())
            }
            (Answer::Allow, Some(Question::Consent)) => {
                let consent = asked.consent(&session);
                self.issue(&asked, &session, Some(&transaction), Some(consent)).await
            }
            (Answer::Continue | Answer::NotMe, _) => {
                self.issue(&asked, &session, Some(&transaction), None).await
            }
        };
        issued.map_err(|failed: Failed| failed.of(&asked))
    }

    /// Ends the session of whoever was here before.
    async fn end_of_another(
        &self,
        session: &Session,
        transaction: TransactionId,
        mut response: Response,
    ) -> Result<Response, Failed> {
        let provider = self.provider;
        let event = provider.trail.event(Kind::SessionEnded).person(session.person_id).session(session.id);
        let event = event.transaction(transaction).note(EndReason::NotMe.as_str()).caller(self.caller);
        let there = store::upstream_session::of(&provider.db, session.id).await?;
        let (which, now) = ((transaction, session.id), provider.now());
        let event = (&event).into();
        store::login_transaction::end_of_another(&provider.db, which, &event, now, &*provider.random).await?;
        response.headers_mut().append(header::SET_COOKIE, cookies::session().clear()?);
        // It may still be open there: whoever goes there next from this browser proves who they are.
        if let Some(there) = there {
            response.headers_mut().append(header::SET_COOKIE, cookies::not_me(&there.provider).set_mark()?);
        }
        Ok(response)
    }
}
