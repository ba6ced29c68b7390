//! Asking a person away from what waits for the answer: on their phone, or at the reader that holds their card.
//!
//! A hospital gets from it one question, whoever asks: a browser at a desk, or a program without one (CIBA). The question and
//! its answer are a row of the database (`store::approval`), so that they survive a restart and any node can take the answer;
//! what stands here is only how a person is reached. The phone and the card implement it, and `app` joins them: whoever asks
//! names neither.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::ids::{ApprovalId, PersonId};

/// Where a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "lowercase"))]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// On a phone that was paired.
    Phone,
    /// At the workstation whose reader holds the card.
    Card,
}

/// What the person is shown, and what their answer covers: whoever approves has seen these words and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// The name of the service that asks who they are.
    pub application: String,
    /// Whether the waiting browser is in a network of the establishment. Of a program nobody knows where its user is: no.
    pub is_inside: bool,
    /// Whether a program waits, and no browser.
    pub is_program: bool,
    /// The browser that waits, in words of ours; empty where nobody knows it.
    pub browser: String,
    /// Whether this person has not used that browser with a card or a key before.
    pub is_new_browser: bool,
    /// How many digits they have to type; 0 of a code that was scanned.
    pub digits: u8,
}

/// What came of waking somebody, some time later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way of reaching people. The question stands in the database before, and its answer there afterwards.
pub trait Asks: Send + Sync + Debug {
    /// Tells the person that something waits, if they can be reached. Whoever asks learns nothing from it, not even whether
    /// there is such a person.
    fn wake(&self, approval: ApprovalId, person: PersonId) -> Later<'_, ()>;

    /// Until the answer is there, or may be: the caller looks in the database, and in any case after its own patience.
    fn answered(&self, approval: ApprovalId) -> Later<'_, ()>;
}
