//! One folder per specification: behaviour through the real router, and for every check the attack that it stops.

mod browser;
mod claims;
mod consent;
mod core;
mod details;
mod discovery;
mod exchange;
mod introspection;
mod jarm;
mod logout;
mod oracle;
mod pairwise;
mod par;
mod pkce;
mod profiles;
mod psc;
mod refresh;
mod resource;
mod response_modes;
mod revocation;
mod sessions;
mod signed_answers;
pub(crate) mod stand;
mod step_up;
mod token;
