//! The page "Mes moyens d'identification" and its forms.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{ChangeRefused, OwnMeans, RECORDED, is_of, link_row, may_change, row};
use crate::audit::{Caller, Event, Kind};
use crate::ids::{MeansId, Secret};
use crate::session::{EndReason, Session};
use crate::store::audit::NewRow;
use crate::store::means::{Halt, Halting, Kind as MeansKind, Means};
use crate::store::role::Role;
use crate::store::{self, StoreError};
use crate::web::csrf;
use crate::web::error_page::ErrorPage;
use crate::web::language::Language;
use crate::web::new_session;
use crate::web::pages::means::{FRESH, LONGEST_LABEL, MEANS_PATH, MeansPage, MeansRow, SIGN_IN_PATH};
use crate::web::text::line;

/// Why the page, or a form of it, does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Forged(#[from] csrf::Refused),
    #[error(transparent)]
    Change(#[from] ChangeRefused),
    #[error("the means is not this person's, or is gone")]
    NotTheirs,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::Forged(refused) => refused.code(),
            Self::Change(refused) => refused.code(),
            Self::NotTheirs => "MEANS-006",
            Self::Store(error) => error.code(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotTheirs => StatusCode::NOT_FOUND,
            Self::Forged(_) | Self::Change(_) => StatusCode::FORBIDDEN,
        }
    }
}

/// What the forms of the page hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Posted {
    csrf: String,
    #[serde(default)]
    label: String,
}

/// `GET /means`
pub(super) async fn show(
    State(means): State<Arc<OwnMeans>>,
    RawQuery(query): RawQuery,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let visit = Visit { means: &means, caller: &caller, headers: &headers };
    visit.show(language, query.as_deref()).await.unwrap_or_else(|refusal| visit.refuse(&refusal, language))
}

/// `POST /means/{means}/rename`
pub(super) async fn rename(
    State(means): State<Arc<OwnMeans>>,
    Path(id): Path<MeansId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(posted): Form<Posted>,
) -> Response {
    let visit = Visit { means: &means, caller: &caller, headers: &headers };
    visit.rename(id, &posted).await.unwrap_or_else(|refusal| visit.refuse(&refusal, language))
}

/// `POST /means/{means}/revoke`
pub(super) async fn revoke(
    State(means): State<Arc<OwnMeans>>,
    Path(id): Path<MeansId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(posted): Form<Posted>,
) -> Response {
    let visit = Visit { means: &means, caller: &caller, headers: &headers };
    visit.revoke(id, &posted).await.unwrap_or_else(|refusal| visit.refuse(&refusal, language))
}

/// One request of a browser.
pub(super) struct Visit<'a> {
    pub(super) means: &'a OwnMeans,
    pub(super) caller: &'a Caller,
    pub(super) headers: &'a HeaderMap,
}

impl Visit<'_> {
    async fn show(&self, language: Language, query: Option<&str>) -> Result<Response, Refusal> {
        let parts = &self.means.parts;
        let now = parts.clock.now();
        let Some((session, cookie)) = self.session().await? else { return Ok(sign_in("")) };
        let all = store::means::of_person(&parts.db, session.person_id).await?;
        let keys = store::webauthn_credential::of_person(&parts.db, session.person_id).await?;
        let allowed = may_change(&all, &session, &parts.policies, now);
        let subject = crate::directory::subject(&parts.db, session.person_id, now).await?;
        let name =
            subject.map(|known| format!("{} {}", known.given_name, known.family_name)).unwrap_or_default();
        let rows = all.iter().filter_map(|means| {
            let shown = row(means, &keys, now)?;
            Some(MeansRow {
                current: is_of(means, &session),
                rename: allowed.is_ok().then(|| format!("{MEANS_PATH}/{}/rename", means.id)),
                renew: (allowed.is_ok()
                    && parts.takes_keys
                    && means.is_due(false, now)
                    && !is_of(means, &session))
                .then(|| format!("{MEANS_PATH}/{}/renew", means.id)),
                revoke: allowed.is_ok().then(|| format!("{MEANS_PATH}/{}/revoke", means.id)),
                ..shown
            })
        });
        let links = store::upstream_link::of_person(&parts.db, session.person_id).await?;
        let page = MeansPage {
            name,
            means: rows.collect(),
            takes_keys: parts.takes_keys,
            takes_second_factors: parts.takes_second_factors,
            takes_phones: parts.takes_phones,
            links: links.iter().map(link_row).collect(),
            contact: self.contact(&session, query).await?,
            fixed: allowed.err().map(|refused| refused.code().to_owned()),
            desk: store::role::holds(&parts.db, session.person_id, Role::Desk, now).await?,
            csrf: csrf::token(&cookie),
        };
        let mut frame = parts.site.frame(language);
        frame.switch = Some(format!("{MEANS_PATH}?ui_locales={}", frame.other().tag()));
        Ok(page.render(&frame))
    }

    async fn rename(&self, id: MeansId, posted: &Posted) -> Result<Response, Refusal> {
        let Some(session) = self.posting(&posted.csrf).await? else { return Ok(sign_in("")) };
        let means = self.own(id, &session).await?;
        let event = self.event(Kind::MeansRenamed, &session, &means);
        if let Some(elsewhere) = self.check_change(&session, &event).await? {
            return Ok(elsewhere);
        }
        let (db, label) = (&self.means.parts.db, line(&posted.label, LONGEST_LABEL));
        store::means::rename(db, id, session.person_id, &label, &(&event).into()).await?;
        Ok(back())
    }

    async fn revoke(&self, id: MeansId, posted: &Posted) -> Result<Response, Refusal> {
        let Some(session) = self.posting(&posted.csrf).await? else { return Ok(sign_in("")) };
        let parts = &self.means.parts;
        let now = parts.clock.now();
        let means = self.own(id, &session).await?;
        let event = self.event(Kind::MeansRevoked, &session, &means);
        if let Some(elsewhere) = self.check_change(&session, &event).await? {
            return Ok(elsewhere);
        }
        // A card cannot be issued anew here: the desk, or whoever looks after the registry, decides about one that is lost.
        let (kind, halt) = match means.kind {
            MeansKind::Card => (Kind::MeansSuspended, Halt::Suspend),
            MeansKind::SecurityKey | MeansKind::SecondFactor | MeansKind::Phone => {
                (Kind::MeansRevoked, Halt::Revoke)
            }
        };
        let event = self.event(kind, &session, &means);
        let ended = |session| {
            let event = parts.trail.event(Kind::SessionEnded).person(means.person_id).session(session);
            NewRow::from(&event.note(EndReason::MeansHalted.as_str()).caller(self.caller))
        };
        let event = NewRow::from(&event);
        let halting = Halting { id, halt, reason: "by its person", event: &event, ended: &ended };
        store::means::halt(&parts.db, &halting, now, &*parts.random).await?;
        Ok(back())
    }

    /// Whether the person may change something now. Yields where they have to go first; `event` is recorded of a refusal.
    pub(super) async fn check_change(
        &self,
        session: &Session,
        event: &Event,
    ) -> Result<Option<Response>, Refusal> {
        let OwnMeans { parts, repeats } = self.means;
        let now = parts.clock.now();
        let own = store::means::of_person(&parts.db, session.person_id).await?;
        match may_change(&own, session, &parts.policies, now) {
            Ok(()) => Ok(None),
            Err(ChangeRefused::NotFresh) => Ok(Some(sign_in(FRESH))),
            Err(refused) => {
                let (code, whose) = (refused.code(), session.id.0);
                repeats.record(&parts.db, whose, code, RECORDED, event.clone().denied(code), now).await;
                Err(refused.into())
            }
        }
    }

    /// The session of whoever posts a form of the page.
    pub(super) async fn posting(&self, token: &str) -> Result<Option<Session>, Refusal> {
        self.means.parts.own.check_origin(self.headers)?;
        let Some((session, cookie)) = self.session().await? else { return Ok(None) };
        csrf::check_token(&cookie, token)?;
        Ok(Some(session))
    }

    /// The session of this browser, where whoever is there may use it.
    async fn session(&self) -> Result<Option<(Session, Secret)>, StoreError> {
        let parts = &self.means.parts;
        new_session::alive(&parts.db, self.headers, &parts.policies, parts.clock.now()).await
    }

    async fn own(&self, id: MeansId, session: &Session) -> Result<Means, Refusal> {
        let found = store::means::by_id(&self.means.parts.db, id).await?;
        let own = found.filter(|means| means.person_id == session.person_id && means.revoked_at.is_none());
        own.ok_or(Refusal::NotTheirs)
    }

    fn event(&self, kind: Kind, session: &Session, means: &Means) -> Event {
        let event = self.means.parts.trail.event(kind).caller(self.caller).person(session.person_id);
        let event = event.session(session.id).enrolment(&means.id.to_string());
        event.means(means.kind.as_str(), Some(&means.reference))
    }

    pub(super) fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        let code = refusal.code();
        tracing::warn!(code, "a change of means was refused: {refusal}");
        let operation = self.caller.operation.map(|id| id.to_string()).unwrap_or_default();
        let page = ErrorPage::new(refusal.status(), code, operation).back(MEANS_PATH);
        page.render(&self.means.parts.site.frame(language))
    }
}

pub(super) fn back() -> Response {
    Redirect::to(MEANS_PATH).into_response()
}

pub(super) fn sign_in(query: &str) -> Response {
    match query {
        "" => Redirect::to(SIGN_IN_PATH).into_response(),
        query => Redirect::to(&format!("{SIGN_IN_PATH}?{query}")).into_response(),
    }
}
