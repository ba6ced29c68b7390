//! The pages of the desk: a person is found, their means are looked at, their identity is checked, and what follows from it.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::HeaderMap;
use serde::Deserialize;

use super::refusal::Refusal;
use super::{CHECK_LIFE, Desk, RECORDED, rights};
use crate::audit::{Caller, Event, Kind};
use crate::directory::{Audience, admitted};
use crate::ids::{IdentityCheckId, MeansId, PersonId, Secret, SessionId};
use crate::session::{EndReason, Session};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::identity_check::{Document, HandOut, HandedOut, IdentityCheck};
use crate::store::means::{Halt, Halting, Means, Standing};
use crate::store::notice::{NewNotice, Told};
use crate::store::role::Role;
use crate::store::subject::Known;
use crate::web::csrf;
use crate::web::error_page::ErrorPage;
use crate::web::language::Language;
use crate::web::new_session;
use crate::web::pages::desk::{
    CHECK_ANCHOR, DESK_PATH, DeskPage, DeskPersonPage, DeskRow, FoundRow, MEANS_ANCHOR, PersonStanding,
    SIGN_IN_PATH,
};
use crate::web::pages::means::FRESH;

/// So many people are shown at most: a desk looks somebody up, and does not read a list of the staff.
const MOST_FOUND: usize = 20;
/// What is looked for has so many letters and digits at least.
const SHORTEST_TEXT: usize = 3;
/// And so many at most.
const LONGEST_TEXT: usize = 100;

/// Why a means is halted. Words of our own, so that nobody writes of an illness into the trail.
const REASONS: [&str; 5] = ["lost", "stolen", "damaged", "given-back", "doubt"];

/// What the desk does to a means of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Suspend,
    Resume,
    HandOut,
    Revoke,
}

impl Act {
    fn named(name: &str) -> Option<Self> {
        match name {
            "suspend" => Some(Self::Suspend),
            "resume" => Some(Self::Resume),
            "hand-out" => Some(Self::HandOut),
            "revoke" => Some(Self::Revoke),
            _ => None,
        }
    }

    fn event(self) -> Kind {
        match self {
            Self::Suspend => Kind::MeansSuspended,
            Self::Resume => Kind::MeansResumed,
            Self::HandOut => Kind::MeansHandedOut,
            Self::Revoke => Kind::MeansRevoked,
        }
    }
}

/// What the forms of the desk hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Posted {
    csrf: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    document: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    pub(super) issuer: String,
    #[serde(default)]
    pub(super) provider: String,
    #[serde(default)]
    pub(super) subject: String,
}

/// `GET /desk`
pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::PersonSearched);
    let shown = visit.show(language).await;
    visit.answer(shown, language).await
}

/// `POST /desk/find`
pub(super) async fn find(
    State(desk): State<Arc<Desk>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(posted): Form<Posted>,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::PersonSearched);
    let found = visit.find(&posted, language).await;
    visit.answer(found, language).await
}

/// `GET /desk/people/{person}`
pub(super) async fn person(
    State(desk): State<Arc<Desk>>,
    Path(person): Path<PersonId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::PersonConsulted);
    let shown = visit.person(person, language).await;
    visit.answer(shown, language).await
}

/// `POST /desk/people/{person}/check`
pub(super) async fn check(
    State(desk): State<Arc<Desk>>,
    Path(person): Path<PersonId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(posted): Form<Posted>,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::IdentityChecked);
    let checked = visit.check(person, &posted).await;
    visit.answer(checked, language).await
}

/// `POST /desk/people/{person}/means/{means}/{act}`
pub(super) async fn act(
    State(desk): State<Arc<Desk>>,
    Path((person, means, act)): Path<(PersonId, MeansId, String)>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(posted): Form<Posted>,
) -> Response {
    let Some(act) = Act::named(&act) else {
        // No form of ours asks for it, and no event has a name for it.
        let visit = Visit::new(&desk, &caller, &headers, Kind::PersonConsulted);
        return visit.page(&Refusal::Unclear, language);
    };
    let mut visit = Visit::new(&desk, &caller, &headers, act.event());
    let done = match act {
        Act::Suspend => visit.halt(person, means, Halt::Suspend, &posted).await,
        Act::Resume => visit.hand_out(person, means, true, &posted).await,
        Act::HandOut => visit.hand_out(person, means, false, &posted).await,
        Act::Revoke => visit.halt(person, means, Halt::Revoke, &posted).await,
    };
    visit.answer(done, language).await
}

/// One request of a browser on its way through the checks. The event learns what is known.
pub(super) struct Visit<'a> {
    pub(super) desk: &'a Desk,
    pub(super) caller: &'a Caller,
    headers: &'a HeaderMap,
    kind: Kind,
    pub(super) event: Event,
    /// The session, once it is certain who is there.
    session: Option<SessionId>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(desk: &'a Desk, caller: &'a Caller, headers: &'a HeaderMap, kind: Kind) -> Self {
        let event = desk.parts.trail.event(kind).caller(caller);
        Self { desk, caller, headers, kind, event, session: None }
    }

    async fn show(&mut self, language: Language) -> Result<Response, Refusal> {
        let (_, cookie) = self.holder().await?;
        let page = DeskPage { csrf: csrf::token(&cookie), ..DeskPage::default() };
        let mut frame = self.desk.parts.site.frame(language);
        frame.switch = Some(format!("{DESK_PATH}?ui_locales={}", frame.other().tag()));
        Ok(page.render(&frame))
    }

    async fn find(&mut self, posted: &Posted, language: Language) -> Result<Response, Refusal> {
        let (_, cookie) = self.posting(posted).await?;
        let (db, now) = (&self.desk.parts.db, self.desk.now());
        let text = posted.text.trim();
        let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
        if letters < SHORTEST_TEXT || text.chars().count() > LONGEST_TEXT {
            return Err(Refusal::Unclear);
        }
        let limit = i64::try_from(MOST_FOUND + 1).unwrap_or(i64::MAX);
        let mut found = store::person::list(db, text, limit, now).await?;
        let more = found.len() > MOST_FOUND;
        found.truncate(MOST_FOUND);
        let event = self.event.clone().note(&format!("{} found", found.len()));
        store::audit::append(db, &event).await?;
        let rows = found.into_iter().map(|person| FoundRow {
            name: format!("{} {}", person.given_name, person.family_name),
            id_nat: person.id_nat,
            standing: standing(person.disabled, person.affiliated),
            href: path_of(person.id),
        });
        let page =
            DeskPage { text: text.to_owned(), found: Some(rows.collect()), more, csrf: csrf::token(&cookie) };
        Ok(page.render(&self.desk.parts.site.frame(language)))
    }

    async fn person(&mut self, person: PersonId, language: Language) -> Result<Response, Refusal> {
        let (session, cookie) = self.holder().await?;
        let known = self.receiver(person, &session).await?;
        let (db, now) = (&self.desk.parts.db, self.desk.now());
        let all = store::means::of_person(db, person).await?;
        let keys = store::webauthn_credential::of_person(db, person).await?;
        let checked = store::identity_check::good(db, session.id, person, now).await?;
        let handed = store::identity_check::handed_out(db, person).await?;
        store::audit::append(db, &self.event).await?;
        let standing = standing(known.disabled, known.affiliated);
        let checked = checked.filter(|_| standing == PersonStanding::Linked);
        let gets = checked.is_some();
        let links = store::upstream_link::of_person(db, person).await?;
        let linking = match &checked {
            Some(check) => self.linking(person, check.document, &links).await?,
            None => None,
        };
        let takes_keys = self.desk.parts.keys.is_some();
        let rows = all.iter().filter_map(|means| {
            let shown = crate::means::row(means, &keys, now)?;
            let path = |act: &str| format!("{}/means/{}/{act}", path_of(person), means.id);
            let stands = |wanted| means.standing(now) == wanted;
            Some(DeskRow {
                shown,
                handed_out: handed.iter().find(|(id, _)| *id == means.id).map(|(_, at)| *at),
                hand_out: (gets && stands(Standing::Active)).then(|| path("hand-out")),
                renew: (gets && takes_keys && means.is_due(true, now)).then(|| path("renew")),
                resume: (gets && means.can_be_resumed(now)).then(|| path("resume")),
                suspend: stands(Standing::Active).then(|| path("suspend")),
                revoke: path("revoke"),
            })
        });
        let page = DeskPersonPage {
            name: name(&known),
            id_nat: known.identifiers.first().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            standing,
            checked: checked.map(|check| check.document.as_str()),
            documents: Document::ALL.into_iter().map(Document::as_str).collect(),
            reasons: REASONS.to_vec(),
            means: rows.collect(),
            links: links.iter().map(crate::means::link_row).collect(),
            linking,
            takes_keys,
            takes_phones: self.desk.parts.phones.is_some(),
            takes_second_factors: (self.desk.parts.keys.as_ref())
                .is_some_and(|keys| keys.policy().take_second_factors()),
            path: path_of(person),
            csrf: csrf::token(&cookie),
        };
        let mut frame = self.desk.parts.site.frame(language);
        frame.switch = Some(format!("{}?ui_locales={}", path_of(person), frame.other().tag()));
        Ok(page.render(&frame))
    }

    async fn check(&mut self, person: PersonId, posted: &Posted) -> Result<Response, Refusal> {
        let (session, _) = self.posting(posted).await?;
        self.receiver(person, &session).await?;
        self.gets_something(person).await?;
        let document = Document::named(&posted.document).ok_or(Refusal::Unclear)?;
        let now = self.desk.now();
        let check = IdentityCheck {
            id: IdentityCheckId::new(now, &*self.desk.parts.random),
            person_id: person,
            checked_by: session.person_id,
            session_id: session.id,
            document,
            checked_at: now,
            expires_at: now + CHECK_LIFE,
        };
        let event = self.event.clone().note(document.as_str());
        store::identity_check::keep(&self.desk.parts.db, &check, &(&event).into()).await?;
        Ok(back(person, CHECK_ANCHOR))
    }

    /// Suspends or revokes: at once, for anybody who says so, without a check. Who asked for it wrongly is known.
    async fn halt(
        &mut self,
        person: PersonId,
        id: MeansId,
        halt: Halt,
        posted: &Posted,
    ) -> Result<Response, Refusal> {
        let (session, _) = self.posting(posted).await?;
        self.receiver(person, &session).await?;
        let means = self.means(person, id).await?;
        let reason = REASONS.into_iter().find(|reason| *reason == posted.reason).ok_or(Refusal::Unclear)?;
        let event = NewRow::from(&self.event.clone().note(reason));
        let ended = |ended| {
            let event = self.desk.parts.trail.event(Kind::SessionEnded).person(person).session(ended);
            let event = event.actor(&actor(&session)).note(EndReason::MeansHalted.as_str());
            NewRow::from(&event.caller(self.caller))
        };
        let halting = Halting { id: means.id, halt, reason, event: &event, ended: &ended };
        let (db, now) = (&self.desk.parts.db, self.desk.now());
        match store::means::halt(db, &halting, now, &*self.desk.parts.random).await? {
            true => Ok(back(person, MEANS_ANCHOR)),
            false => Err(Refusal::Changed),
        }
    }

    /// Hands a means to the person whose identity was checked; with `resumes`, one that was suspended.
    async fn hand_out(
        &mut self,
        person: PersonId,
        id: MeansId,
        resumes: bool,
        posted: &Posted,
    ) -> Result<Response, Refusal> {
        let (session, _) = self.posting(posted).await?;
        self.receiver(person, &session).await?;
        self.gets_something(person).await?;
        let means = self.means(person, id).await?;
        let check = self.good_check(person, &session).await?;
        let event = NewRow::from(&self.event.clone().note(check.document.as_str()));
        let told = Told::MeansResumed { means: means.kind };
        let notice = NewNotice::new(person, told, self.desk.now(), &*self.desk.parts.random);
        let handed = HandOut {
            means: &means,
            check: check.id,
            highest: check.document.highest_level(),
            by: session.person_id,
            resumed: resumes.then_some(&notice),
            event: &event,
        };
        match store::identity_check::hand_out(&self.desk.parts.db, &handed, self.desk.now()).await? {
            HandedOut::Done => Ok(back(person, MEANS_ANCHOR)),
            HandedOut::CheckOver => Err(Refusal::NoCheck),
            HandedOut::Changed => Err(Refusal::Changed),
        }
    }

    /// The session of whoever posts a form of a page of the desk.
    pub(super) async fn posting(&mut self, posted: &Posted) -> Result<(Session, Secret), Refusal> {
        self.desk.parts.own.check_origin(self.headers)?;
        let (session, cookie) = self.holder().await?;
        csrf::check_token(&cookie, &posted.csrf)?;
        Ok((session, cookie))
    }

    /// The session of whoever asks by script from a page of the desk.
    pub(super) async fn scripted(&mut self) -> Result<Session, Refusal> {
        self.desk.parts.own.check_origin(self.headers)?;
        Ok(self.holder().await?.0)
    }

    /// The session of this browser, whose person may use the role now.
    async fn holder(&mut self) -> Result<(Session, Secret), Refusal> {
        let parts = &self.desk.parts;
        let now = self.desk.now();
        let alive = new_session::alive(&parts.db, self.headers, &parts.policies, now).await?;
        let (session, cookie) = alive.ok_or(Refusal::NoSession)?;
        self.session = Some(session.id);
        self.event = self.event.clone().session(session.id).actor(&actor(&session));
        rights::may_use(&parts.db, Role::Desk, &session, parts.level, now).await?;
        Ok((session, cookie))
    }

    /// The person it is about, who is somebody else.
    pub(super) async fn receiver(&mut self, person: PersonId, session: &Session) -> Result<Known, Refusal> {
        let known = store::subject::known(&self.desk.parts.db, person, self.desk.now()).await?;
        let known = known.ok_or(Refusal::Nobody)?;
        self.event = self.event.clone().person(person);
        if person == session.person_id { Err(Refusal::OwnMeans) } else { Ok(known) }
    }

    /// Whether the person may be given anything: they are linked with the establishment, and not disabled.
    pub(super) async fn gets_something(&self, person: PersonId) -> Result<(), Refusal> {
        let (db, now) = (&self.desk.parts.db, self.desk.now());
        admitted(db, person, Audience::Affiliated, now).await??;
        Ok(())
    }

    /// The identity check of the person that is good in this session.
    pub(super) async fn good_check(
        &self,
        person: PersonId,
        session: &Session,
    ) -> Result<IdentityCheck, Refusal> {
        let (db, now) = (&self.desk.parts.db, self.desk.now());
        store::identity_check::good(db, session.id, person, now).await?.ok_or(Refusal::NoCheck)
    }

    /// A means of this person that was not revoked.
    async fn means(&mut self, person: PersonId, id: MeansId) -> Result<Means, Refusal> {
        let found = store::means::by_id(&self.desk.parts.db, id).await?;
        let found = found.filter(|means| means.person_id == person && means.revoked_at.is_none());
        let means = found.ok_or(Refusal::Changed)?;
        let event = self.event.clone().enrolment(&means.id.to_string());
        self.event = event.means(means.kind.as_str(), Some(&means.reference));
        Ok(means)
    }

    pub(super) async fn answer(&self, done: Result<Response, Refusal>, language: Language) -> Response {
        let refusal = match done {
            Ok(response) => return response,
            Err(refusal) if refusal.asks_for_sign_in() => return Redirect::to(SIGN_IN_PATH).into_response(),
            Err(refusal) => refusal,
        };
        self.record(&refusal).await;
        self.page(&refusal, language)
    }

    /// The page of a refusal.
    fn page(&self, refusal: &Refusal, language: Language) -> Response {
        let operation = self.caller.operation.map(|id| id.to_string()).unwrap_or_default();
        let page = ErrorPage::new(refusal.status(), refusal.code(), operation);
        let page = match refusal.asks_for_better() {
            true => page.retry(format!("{SIGN_IN_PATH}?{FRESH}")),
            false => page.back(DESK_PATH),
        };
        page.render(&self.desk.parts.site.frame(language))
    }

    /// Logs a refusal and, where it is certain who was refused, records it.
    pub(super) async fn record(&self, refusal: &Refusal) {
        let code = refusal.code();
        tracing::warn!(code, "the desk refused: {refusal}");
        let Some(session) = self.session else { return };
        let event = self.event.clone();
        let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
        let Desk { parts, repeats } = self.desk;
        let what = format!("{} {code}", self.kind.name());
        repeats.record(&parts.db, session.0, &what, RECORDED, event, self.desk.now()).await;
    }
}

/// Who did it, as the trail says it.
pub(super) fn actor(session: &Session) -> String {
    format!("desk: {}", session.person_id)
}

fn standing(disabled: bool, affiliated: bool) -> PersonStanding {
    match (disabled, affiliated) {
        (true, _) => PersonStanding::Disabled,
        (false, true) => PersonStanding::Linked,
        (false, false) => PersonStanding::Unlinked,
    }
}

fn name(known: &Known) -> String {
    match &known.entry {
        Some(entry) => format!("{} {}", entry.given_name, entry.family_name),
        None => format!("{} {}", known.given_name, known.family_name),
    }
}

fn path_of(person: PersonId) -> String {
    format!("{DESK_PATH}/people/{person}")
}

pub(super) fn back(person: PersonId, anchor: &str) -> Response {
    Redirect::to(&format!("{}#{anchor}", path_of(person))).into_response()
}
