//! The phones, and the cards in readers, of the test persons: they answer as a switch says (CIBA).
//!
//! A software house gets from it every end that a question to somebody can have, without anybody to ask: yes, no, other
//! digits, nobody there. Nothing is proven, and only a sandbox has them.

use std::fmt::{self, Debug};
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::watch;

use super::persons::TestPerson;
use super::play::{Phone, Play, ToldAcr};
use crate::audit::{Kind, Trail};
use crate::clock::SharedClock;
use crate::ids::{ApprovalId, PersonId};
use crate::session::asking::{Asks, Later};
use crate::session::{AuthMode, Authentication, Evidence};
use crate::store::approval::{self, Answer};
use crate::store::{self, Db, StoreError};

/// What audit events say of a question that was answered with no.
const DENIED: &str = "CIBA-025";

/// What [`TestPhones`] are made of.
pub struct Parts {
    /// The database, made as a sandbox's.
    pub db: Db,
    /// The time.
    pub clock: SharedClock,
    /// What makes audit events.
    pub trail: Trail,
    /// What is played.
    pub play: Arc<Play>,
    /// With what they pretend to answer.
    pub auth_mode: AuthMode,
}

/// The phones of the test persons, or their cards.
pub struct TestPhones {
    parts: Parts,
    answered: watch::Sender<u64>,
}

impl Debug for TestPhones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPhones").field("auth_mode", &self.parts.auth_mode).finish_non_exhaustive()
    }
}

impl Asks for TestPhones {
    fn wake(&self, approval: ApprovalId, person: PersonId) -> Later<'_, ()> {
        async move {
            match self.answer(approval, person).await {
                Ok(()) => self.answered.send_modify(|count| *count = count.wrapping_add(1)),
                Err(error) => {
                    tracing::error!(code = error.code(), %error, "a test person could not answer");
                }
            }
        }
        .boxed()
    }

    fn answered(&self, _: ApprovalId) -> Later<'_, ()> {
        async move {
            // Of any question: whoever waits looks in the database.
            let _sender_is_ours = self.answered.subscribe().changed().await;
        }
        .boxed()
    }
}

impl TestPhones {
    /// From their parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, answered: watch::Sender::new(0) })
    }

    async fn answer(&self, approval: ApprovalId, person: PersonId) -> Result<(), StoreError> {
        let Parts { db, clock, trail, play, auth_mode } = &self.parts;
        let (now, switches) = (clock.now(), play.switches());
        let said = match switches.ciba {
            Phone::Silent => return Ok(()),
            Phone::Refuse => Answer::Refuse,
            Phone::Mistype => Answer::Mistype,
            Phone::Approve => Answer::Approve(Authentication {
                person,
                acr: switches.acr.level(),
                // Nothing was proven, and nothing is claimed to have been.
                amr: Vec::new(),
                auth_mode: *auth_mode,
                at: now,
                evidence: Evidence::Sandbox {
                    person: self.key(person).await?.unwrap_or_default().to_owned(),
                    acr_untold: switches.acr == ToldAcr::Absent,
                },
            }),
        };
        let event = trail.event(Kind::Approval).means("sandbox", None).person(person);
        let event = if matches!(said, Answer::Approve(_)) { event } else { event.denied(DENIED) };
        approval::answer(db, approval, person, &said, None, &(&event).into(), now).await?;
        Ok(())
    }

    /// Which test person it is.
    async fn key(&self, person: PersonId) -> Result<Option<&'static str>, StoreError> {
        let identifiers = store::person::identifiers(&self.parts.db, person).await?;
        let is_theirs = |test: &TestPerson| identifiers.iter().any(|one| one.as_str() == test.id_nat());
        Ok(TestPerson::ALL.into_iter().find(is_theirs).map(TestPerson::key))
    }
}
