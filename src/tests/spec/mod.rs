//! One folder per specification: behaviour through the real router, and for every check the attack that it stops.

mod core;
mod discovery;
mod exchange;
mod introspection;
mod logout;
mod oracle;
mod pairwise;
mod par;
mod pkce;
mod profiles;
mod psc;
mod refresh;
mod revocation;
mod sessions;
mod signed_answers;
pub(crate) mod stand;
mod token;
