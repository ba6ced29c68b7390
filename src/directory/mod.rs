//! The national directory and the people of this establishment.
//!
//! What a hospital gets: its own copy of the Annuaire Santé, read from the free file that the ANS publishes every day,
//! so that sign-ins need no network; a rule for who may sign in here ([`admission()`]); and the claims that services
//! written for Pro Santé Connect expect ([`claims`]), for professionals of the directory and for staff who are not in it.
//!
//! Known is not admitted: the directory knows every professional of the country, a session needs a link with this
//! establishment or a service that welcomes any professional. Our key of a person is our own: national identifiers
//! change and merge, and are rows.
//!
//! Never here: what a card says of its holder (that is `card::identity`), pages, protocols.

pub mod admission;
pub mod claims;
pub mod identifier;
pub mod import;
pub mod model;
pub mod staff;
pub mod synthetic;
pub mod told;

pub use admission::{
    Admission, Audience, Refusal, Subject, admission, admitted, end_due_links, sign_in, subject,
};
pub use identifier::{IdKind, NationalId};
pub use model::{Activity, Practice, Professional, Skill};
