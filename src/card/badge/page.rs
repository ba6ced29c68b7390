//! The side of the browser: the click that asks for a tap, and the wait for what comes of it.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;

use super::{BadgeRefusal, LONGEST_WAIT, LOOK_EVERY, MEANS, OfPage, Renewable, malformed, station, told};
use crate::audit::Kind;
use crate::card::attempt::Attempt;
use crate::card::enrolment::unstored;
use crate::card::refusal::Refusal;
use crate::card::revocation::is_revoked;
use crate::crypto::digest::sha256;
use crate::directory;
use crate::ids::{Secret, SessionId, TransactionId};
use crate::session::{Acr, Amr, AuthMode, Authentication, EndReason, Evidence, Standing};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::badge::{BadgeRequest, State as Stage};
use crate::store::login_transaction::{Completion, LoginTransaction, Proof, State as TransactionStage};
use crate::store::session::NewSession;
use crate::web::browser;
use crate::web::cookies;
use crate::web::language::Language;
use crate::web::pages::RelyingParty;
use crate::web::pages::sign_in::Status;

/// What became of a click.
pub(super) enum Waited {
    Open,
    Expired,
    Refused(String),
    /// The session has begun; its cookie, in the one answer that brings it.
    Done(Option<HeaderValue>),
}

/// One message of the browser on its way through the checks.
pub(super) struct Page<'a>(pub(super) Attempt<'a>);

impl Page<'_> {
    /// The sign-in that the page speaks of, if it began in this browser and our own page says so.
    async fn transaction(&mut self, body: &[u8]) -> Result<(LoginTransaction, Duration), Refusal> {
        let attempt = &mut self.0;
        attempt.login.own.check_origin(attempt.headers)?;
        let OfPage { txn, wait } =
            serde_json::from_slice(body).map_err(|_| malformed("not JSON with a sign-in"))?;
        let id: TransactionId = txn.parse().map_err(|_| Refusal::UnknownRequest)?;
        let found = store::login_transaction::by_id(&attempt.login.parts.db, id).await?;
        let found = attempt.of_this_browser(found.ok_or(Refusal::UnknownRequest)?)?;
        Ok((found, Duration::from_secs(wait).min(LONGEST_WAIT)))
    }

    /// What the badge may renew in this browser.
    async fn renewable(&mut self, transaction: &LoginTransaction) -> Result<Renewable, Refusal> {
        let attempt = &mut self.0;
        let db = &attempt.login.parts.db;
        let cookie = cookies::session().read(attempt.headers).ok_or(BadgeRefusal::NoWindow)?;
        let session = store::session::by_cookie(db, sha256(cookie.expose().as_bytes())).await?;
        let session = session.ok_or(BadgeRefusal::NoWindow)?;
        attempt.learn(|event| event.person(session.person_id).zone(&session.zone));
        if let Some(Evidence::Card { workstation, .. }) = session.evidence.card_and_pin()
            && let Some(workstation) = store::workstation::by_id(db, *workstation).await?
        {
            attempt.learn(|event| event.workstation(workstation.id));
            attempt.at(&workstation);
        }
        let demands = attempt.client(transaction).await?.demands();
        attempt.login.renewable(transaction, &session, &demands).await
    }

    pub(super) async fn ask(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let (transaction, _) = self.transaction(body).await?;
        self.0.check_open(&transaction)?;
        let Renewable { session, workstation, .. } = self.renewable(&transaction).await?;
        let client = self.0.client(&transaction).await?;
        let (login, now) = (self.0.login, self.0.login.now());
        // The name of the service is for the agent's log; the person is at the page of the server.
        let shown = RelyingParty { name: client.name.clone(), host: login.parts.front.as_str().to_owned() };
        let (request, jws) = login.sign_badge_request(&workstation, &shown).await?;
        let new = BadgeRequest {
            txn: request.challenge.to_text(),
            request: jws,
            transaction_id: transaction.id,
            workstation_id: workstation.id,
            session_id: session.id,
            person_id: session.person_id,
            since: session.auth_time,
            state: Stage::Open,
            error_code: None,
            evidence: None,
            expires_at: request.expires_at,
        };
        let event = login.parts.trail.event(Kind::CardRequest).caller(self.0.caller).means(MEANS, None);
        let event = event.person(session.person_id).session(session.id).transaction(transaction.id);
        let event = event.client(&client.id).workstation(workstation.id).zone(&workstation.zone);
        store::badge::ask(&login.parts.db, &new, &NewRow::from(&event), now).await?;
        login.held.wake(workstation.id);
        Ok(())
    }

    pub(super) async fn wait(&mut self, body: &[u8]) -> Result<Waited, Refusal> {
        let login = self.0.login;
        let (transaction, mut left) = self.transaction(body).await?;
        // Before the first look, so that nothing happens in between.
        let mut woken = login.waiting.listen(transaction.id);
        loop {
            let now = login.now();
            let standing = store::login_transaction::by_id(&login.parts.db, transaction.id).await?;
            match standing.map(|transaction| transaction.state) {
                Some(TransactionStage::Open) if transaction.expires_at > now => {}
                Some(TransactionStage::Done) => return Ok(Waited::Done(None)),
                _ => return Ok(Waited::Expired),
            }
            let asked = store::badge::last_of(&login.parts.db, transaction.id).await?;
            let asked = asked.ok_or(Refusal::UnknownRequest)?;
            match asked.state {
                Stage::Refused => return Ok(Waited::Refused(asked.error_code.unwrap_or_default())),
                Stage::Withdrawn | Stage::Done => return Err(BadgeRefusal::NoTap.into()),
                Stage::Open | Stage::Answered if asked.expires_at <= now => {
                    return Err(BadgeRefusal::NoTap.into());
                }
                Stage::Answered => return self.finish(&transaction, asked).await,
                Stage::Open if left.is_zero() => return Ok(Waited::Open),
                Stage::Open => {}
            }
            let turn = LOOK_EVERY.min(left);
            left -= turn;
            tokio::select! {
                () = tokio::time::sleep(turn) => {}
                () = woken.moved() => {}
            }
        }
    }

    /// A good card was tapped: the session begins here, in the browser that clicked, and nowhere else.
    async fn finish(
        &mut self,
        transaction: &LoginTransaction,
        asked: BadgeRequest,
    ) -> Result<Waited, Refusal> {
        let Some(evidence) = asked.evidence.map(|stored| stored.0) else {
            return Err(BadgeRefusal::NoTap.into());
        };
        let renewable = self.renewable(transaction).await?;
        let had = &renewable.session;
        // The cookie is that of the session that was there at the click.
        if had.id != asked.session_id || had.auth_time != asked.since || had.person_id != asked.person_id {
            return Err(Refusal::OtherBrowser);
        }
        if let Some(verifier) = &self.0.login.parts.verifier
            && is_revoked(verifier, &evidence)
        {
            return Err(BadgeRefusal::NoWindow.into());
        }
        let client = self.0.client(transaction).await?;
        let (login, now) = (self.0.login, self.0.login.now());
        directory::admitted(&login.parts.db, had.person_id, client.audience, now).await??;
        let cookie_before = cookies::session().read(self.0.headers).ok_or(BadgeRefusal::NoWindow)?;
        let cookie_before = sha256(cookie_before.expose().as_bytes());
        let unlocks = had.ended_at.is_none()
            && had.standing(login.parts.policies.at(&had.station()), now) == Standing::Locked;
        let cookie = Secret::of_256_bits(&*login.parts.random);
        let amr = [Amr::Sc, Amr::Hwk];
        let lifetime = login.parts.policies.at(&had.station()).lifetime;
        let new = NewSession {
            id: if unlocks { had.id } else { SessionId::new(now, &*login.parts.random) },
            cookie_hash: sha256(cookie.expose().as_bytes()),
            authentication: Authentication {
                person: had.person_id,
                acr: Acr::Eidas1,
                amr: amr.to_vec(),
                auth_mode: AuthMode::Card,
                at: had.auth_time,
                evidence: evidence.clone(),
            },
            expires_at: renewable.until.min(now + lifetime),
            station: station(&renewable.workstation),
            // A card that was tapped goes back into the pocket: nobody watches it.
            watched: None,
        };
        let factors: Vec<String> = amr.into_iter().map(Amr::as_str).map(str::to_owned).collect();
        let number = match &evidence {
            Evidence::Badge { card_number, .. } => Some(card_number.as_str()),
            _ => None,
        };
        self.0.learn(|event| {
            let event = event.session(new.id).level(Acr::Eidas1.as_str(), &factors).means(MEANS, number);
            if unlocks { event.note("unlocked") } else { event }
        });
        // One that ran out but was not written off yet ends with its time, not for the tap.
        let replaced = (!unlocks && had.ended_at.is_none()).then(|| {
            let event = login.parts.trail.event(Kind::SessionEnded).person(had.person_id).session(had.id);
            let event = event.note(EndReason::Replaced.as_str()).transaction(transaction.id);
            let event = NewRow::from(&event.caller(self.0.caller));
            store::login_transaction::Replaced { session: had.id, event }
        });
        let event = NewRow::from(&self.0.event());
        let browser = browser::seen(new.authentication.person, self.0.headers, self.0.caller);
        let completion = Completion {
            proof: Proof::Badge(&asked.txn),
            session: &new,
            goes_on: unlocks.then_some(&cookie_before),
            replaced: replaced.as_ref(),
            browser: Some(&browser),
            event: &event,
        };
        let (db, random) = (&login.parts.db, &*login.parts.random);
        if !store::login_transaction::complete(db, transaction.id, completion, now, random).await? {
            return Err(Refusal::AlreadyEnded);
        }
        login.waiting.wake(transaction.id);
        Ok(Waited::Done(Some(cookies::session().set(&cookie, None)?)))
    }

    /// Says why nothing was renewed: here, in the log and in the audit.
    pub(super) async fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        let code = refusal.code();
        tracing::warn!(code, "a badge renewed nothing: {refusal}");
        let event = self.0.event();
        let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
        let row = NewRow::from(&event);
        if let Err(error) = store::audit::append(&self.0.login.parts.db, row).await {
            tracing::error!(code = error.code(), %error, "the refusal is missing in the audit trail");
        }
        let status = match refusal {
            // The page has nothing to do with it, or not any more.
            Refusal::ForeignOrigin(_)
            | Refusal::Malformed(_)
            | Refusal::OtherBrowser
            | Refusal::UnknownRequest => {
                return unstored(
                    (refusal.status(), Json(serde_json::json!({ "code": code }))).into_response(),
                );
            }
            Refusal::AlreadyEnded | Refusal::TransactionExpired => Status::Expired,
            _ => Status::failed(code, language.texts()),
        };
        told(&status, None)
    }
}
