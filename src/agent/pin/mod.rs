//! How the PIN of a card reaches the agent: in a window of its own, or, where a setting allows it, on its page.
//!
//! A hospital gets from it that no web page ever sees a PIN unless its administrator chose so: the window belongs to the
//! agent's process (agent protocol, section 4). The PIN stands in memory that is wiped, is never logged, never printed,
//! and never kept after the card has seen it.

mod assuan;
pub mod window;

use std::fmt::{self, Debug};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use window::{PinWindow, REACTION, WindowError, WindowText};

/// The longest PIN that is taken from anywhere, in bytes.
pub const MAX_PIN_LEN: usize = 32;

/// Where the PIN is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinSetting {
    /// In a window of the agent's own process.
    #[default]
    Window,
    /// On the agent's page in the browser. For machines with one user only.
    Page,
}

/// A PIN as it was typed. Wiped when dropped.
#[derive(Clone)]
pub struct TypedPin(Zeroizing<Vec<u8>>);

impl TypedPin {
    /// Takes what was typed; `None` where it is empty or longer than [`MAX_PIN_LEN`].
    #[must_use]
    pub fn new(typed: Zeroizing<Vec<u8>>) -> Option<Self> {
        (!typed.is_empty() && typed.len() <= MAX_PIN_LEN).then_some(Self(typed))
    }

    /// The bytes, for the card alone.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Debug for TypedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedPin(…)")
    }
}
