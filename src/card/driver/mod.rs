//! The card driver: from PC/SC to a signed [`Proof`](crate::card::proof::Proof).
//!
//! A hospital gets from it that a professional's card is read and asked to sign without any middleware on the
//! workstation, beside other programs that use the same card, and that no try of the PIN is ever lost to a program's
//! insistence: VERIFY is sent once, after the tries left were read, and never repeated whatever the error.
//!
//! It implements ISO/IEC 7816-4 and -15 (PKCS#15) and PC/SC as far as a CPS3 (IAS-ECC, T=0) needs them; what is known
//! of the card is in `docs/cps-card.md`. Layers, from the wire up:
//!
//! | Module | Holds |
//! |---|---|
//! | [`transport`] | one exchange of bytes; the PC/SC one is in [`reader`], tests bring a software card |
//! | [`apdu`], [`tlv`], [`trace`] | commands, status words, fetching of answers, data objects, the trace of a report |
//! | [`ias_ecc`], [`pkcs15`] | commands of the card's operating system, and its directory of keys and certificates |
//! | [`cps`] | what a card of a generation is and does; a second generation joins there |
//! | [`card`] | reading a card, and signing in the one order that is safe |
//! | [`reader`], [`monitor`], `connection` | readers; watching for cards; transactions and lost connections |
//!
//! What it never does: sign or decipher anything but a proof; write to a card; keep, log or trace a PIN, a name or a
//! number.

pub mod apdu;
pub mod card;
mod connection;
pub mod cps;
mod error;
pub mod ias_ecc;
pub mod monitor;
pub mod pin;
pub mod pkcs15;
pub mod reader;
pub mod tlv;
pub mod trace;
pub mod transport;

pub use self::card::{CardSignature, LastTry, PresentedCard};
pub use self::cps::{Generation, Interface};
pub use self::error::ReaderError;
pub use self::monitor::Monitor;
pub use self::pin::Pin;
pub use self::reader::{Reader, Readers, Slot};
