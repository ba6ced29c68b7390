//! The identities of a person at other providers, at the desk: one is unlinked at once, like a means that is suspended, and
//! linked to whoever stands there and was recognised by a document.
//!
//! What it stops. *An identity given to somebody else*: an identity check of this moment, used up by the link; a document
//! that proves as much as the identity opens; no identity that is somebody's already, nor one of which the provider has
//! just told somebody else's national identifier; and its person is told. *A `sub` that is mistyped*: the identities that
//! were refused a moment ago are there to choose from.
//!
//! What it cannot see: whose a `sub` is of which the provider tells no identifier. A colleague who signs in there at
//! that minute stands in the same list. So where nothing else will be compared, the desk links none that opens `eidas3`.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::TimeDelta;
use http::HeaderMap;

use super::desk::{Posted, Visit, actor, back};
use super::refusal::Refusal;
use super::{Desk, Elsewhere};
use crate::audit::{Caller, Kind};
use crate::ids::PersonId;
use crate::session::{Acr, EndReason};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::identity_check::Document;
use crate::store::upstream_link::{self, Link, Linked, NewLink, Refused, Unlinking};
use crate::web::language::Language;
use crate::web::pages::desk::{LINKS_ANCHOR, Linking, RefusedRow};

/// For how long an identity that was refused is offered: its person has just tried.
const OFFERED_FOR: TimeDelta = TimeDelta::hours(1);
/// So many are offered at most.
const MOST_OFFERED: usize = 10;
/// Nobody is linked to it, or the provider and the registry disagree whose it is.
const REFUSED_WITH: [&str; 2] = ["UPSTREAM-012", "UPSTREAM-013"];

/// `POST /desk/people/{person}/links/link`
pub(super) async fn link(
    State(desk): State<Arc<Desk>>,
    Path(person): Path<PersonId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(posted): Form<Posted>,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::IdentityLinked);
    let done = visit.link(person, &posted).await;
    visit.answer(done, language).await
}

/// `POST /desk/people/{person}/links/unlink`
pub(super) async fn unlink(
    State(desk): State<Arc<Desk>>,
    Path(person): Path<PersonId>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    Form(posted): Form<Posted>,
) -> Response {
    let mut visit = Visit::new(&desk, &caller, &headers, Kind::IdentityUnlinked);
    let done = visit.unlink(person, &posted).await;
    visit.answer(done, language).await
}

/// Whether the desk links identities of that provider. It vouches for no more than substantial: what opens more is linked
/// here only where the provider tells a national identifier, which has to be the person's at the sign-in.
fn is_for_the_desk(provider: &Elsewhere) -> bool {
    provider.tells_identifier || provider.level <= Acr::Eidas2
}

/// Whether a document proves as much as a sign-in by that provider opens; beyond substantial, where the desk links at
/// all, the provider's own word has to match.
fn is_enough(document: Document, provider: &Elsewhere) -> bool {
    document.highest_level() >= provider.level.min(Acr::Eidas2)
}

impl Visit<'_> {
    /// Links an identity to the person whose identity was checked.
    async fn link(&mut self, person: PersonId, posted: &Posted) -> Result<Response, Refusal> {
        let (session, _) = self.posting(posted).await?;
        self.receiver(person, &session).await?;
        let parts = &self.desk.parts;
        let named = parts.providers.iter().find(|provider| provider.name == posted.provider);
        let provider = named.ok_or(Refusal::Unclear)?;
        let subject = posted.subject.trim();
        if !upstream_link::is_subject(subject) {
            return Err(Refusal::Unclear);
        }
        self.event = self.event.clone().upstream(&provider.name).means("upstream", Some(subject));
        self.gets_something(person).await?;
        if !is_for_the_desk(provider) {
            return Err(Refusal::TooHigh);
        }
        let check = self.good_check(person, &session).await?;
        if !is_enough(check.document, provider) {
            return Err(Refusal::Document);
        }
        for seen in self.refused_lately().await? {
            if seen.provider == provider.name
                && seen.subject == subject
                && self.is_somebody_elses(&seen, person).await?
            {
                return Err(Refusal::ToldOfAnother);
            }
        }
        let event = NewRow::from(&self.event.clone().note(check.document.as_str()));
        let new = NewLink {
            person,
            issuer: provider.issuer.clone(),
            subject: subject.to_owned(),
            label: provider.label.clone(),
            by: "desk",
            check: Some(check.id),
        };
        match upstream_link::link(&parts.db, &new, &event, self.desk.now(), &*parts.random).await? {
            Linked::Done => Ok(back(person, LINKS_ANCHOR)),
            Linked::Taken => Err(Refusal::LinkedElsewhere),
            Linked::HasOther => Err(Refusal::HasIdentity),
            Linked::CheckOver => Err(Refusal::NoCheck),
        }
    }

    /// Takes an identity away: at once, like a means that is suspended.
    async fn unlink(&mut self, person: PersonId, posted: &Posted) -> Result<Response, Refusal> {
        let (session, _) = self.posting(posted).await?;
        self.receiver(person, &session).await?;
        let configured = self.desk.parts.providers.iter().find(|provider| provider.issuer == posted.issuer);
        let provider = configured.map_or(&posted.issuer, |provider| &provider.name);
        let event = self.event.clone().upstream(provider);
        let event = |subject: &str| NewRow::from(&event.clone().means("upstream", Some(subject)));
        let ended = |ended| {
            let event = self.desk.parts.trail.event(Kind::SessionEnded).person(person).session(ended);
            let event = event.actor(&actor(&session)).note(EndReason::Unlinked.as_str());
            NewRow::from(&event.caller(self.caller))
        };
        let unlinking = Unlinking { person, issuer: &posted.issuer, event: &event, ended: &ended };
        let (db, now) = (&self.desk.parts.db, self.desk.now());
        match upstream_link::unlink(db, &unlinking, now, &*self.desk.parts.random).await? {
            true => Ok(back(person, LINKS_ANCHOR)),
            false => Err(Refusal::Changed),
        }
    }

    /// The identities that were refused within the last hour.
    async fn refused_lately(&self) -> Result<Vec<Refused>, Refusal> {
        let since = self.desk.now() - OFFERED_FOR;
        Ok(upstream_link::refused(&self.desk.parts.db, Kind::SignIn.name(), &REFUSED_WITH, since).await?)
    }

    /// Whether the provider told of it what is the national identifier of somebody other than that person here.
    async fn is_somebody_elses(&self, seen: &Refused, person: PersonId) -> Result<bool, Refusal> {
        let holders = store::person::holders(&self.desk.parts.db, &seen.told).await?;
        Ok(holders.iter().any(|(_, holder)| *holder != person))
    }

    /// What can be linked to a person who has these identities and has shown that document; none where nothing can.
    pub(super) async fn linking(
        &self,
        person: PersonId,
        document: Document,
        links: &[Link],
    ) -> Result<Option<Linking>, Refusal> {
        let (parts, now) = (&self.desk.parts, self.desk.now());
        let has_none = |provider: &&Elsewhere| links.iter().all(|link| link.issuer != provider.issuer);
        let providers: Vec<_> = parts
            .providers
            .iter()
            .filter(has_none)
            .filter(|provider| is_for_the_desk(provider) && is_enough(document, provider))
            .collect();
        if providers.is_empty() {
            return Ok(None);
        }
        let mut refused = Vec::new();
        for seen in self.refused_lately().await? {
            let named = providers.iter().find(|provider| provider.name == seen.provider);
            let Some(provider) = named.filter(|_| refused.len() < MOST_OFFERED) else { continue };
            let is_free =
                store::upstream::person_of(&parts.db, &provider.issuer, &seen.subject).await?.is_none();
            if is_free && !self.is_somebody_elses(&seen, person).await? {
                refused.push(RefusedRow {
                    label: provider.label.clone(),
                    provider: seen.provider,
                    subject: seen.subject,
                    id_nat: seen.id_nat,
                    minutes: (now - seen.at).num_minutes(),
                });
            }
        }
        let providers = providers.iter().map(|provider| (provider.name.clone(), provider.label.clone()));
        Ok(Some(Linking { providers: providers.collect(), refused }))
    }
}
