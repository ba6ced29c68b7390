//! The card driver: from PC/SC to a signed [`Proof`](crate::card::proof::Proof).
//!
//! A hospital gets from it that a professional's card is read and asked to sign without any middleware on the
//! workstation, beside other programs that use the same card, and that no try of the PIN is ever lost to a program's
//! insistence: VERIFY is sent once, after the tries left were read, and never repeated whatever the error.
//!
//! It implements ISO/IEC 7816-4 and -15 (PKCS#15) and PC/SC as far as the cards of two generations need them: CPS3
//! (IAS-ECC) and CPS4 (ChipDoc). What is known of them is in `docs/cards.md`. Layers, from the wire up:
//!
//! | Module | Holds |
//! |---|---|
//! | [`transport`] | one exchange of bytes; the PC/SC one is in [`reader`], tests bring a software card |
//! | [`apdu`], [`tlv`], [`trace`] | commands, status words, fetching of answers, data objects, the trace of a report |
//! | `iso7816`, [`ias_ecc`], `chipdoc` | commands of all cards, of a CPS3's operating system, of a CPS4's applet |
//! | [`pkcs15`], [`contents`] | the card's directory of PIN, keys and certificates, and what is read by it |
//! | [`cps`], `cps3`, `cps4` | which card it is, and what one of its generation does |
//! | `free_data` | what else of the card has a known layout |
//! | `pad` | the PIN on the reader's own keys |
//! | [`card`] | reading a card, and signing in the one order that is safe |
//! | [`reader`], [`monitor`], `connection` | readers; watching for cards; transactions and lost connections |
//!
//! What it never does: sign or decipher anything but a proof; write to a card; keep, log or trace a PIN, a name or a
//! number.

pub mod apdu;
pub mod card;
mod chipdoc;
mod connection;
pub mod contents;
pub mod cps;
mod cps3;
mod cps4;
mod error;
mod free_data;
pub mod ias_ecc;
mod iso7816;
pub mod monitor;
mod pad;
pub mod pin;
pub mod pkcs15;
pub mod reader;
pub mod tlv;
pub mod trace;
pub mod transport;

pub use self::card::{CardSignature, Consent, LastTry, PresentedCard};
pub use self::cps::{Generation, Interface, Recognised};
pub use self::error::ReaderError;
pub use self::monitor::Monitor;
pub use self::pin::Pin;
pub use self::reader::{Reader, Readers, Slot};
