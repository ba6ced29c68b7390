//! One folder per specification: behaviour through the real router, and for every check the attack that it stops.

mod core;
mod discovery;
mod introspection;
mod logout;
mod oracle;
mod par;
mod pkce;
mod profiles;
mod psc;
mod refresh;
pub(crate) mod stand;
mod token;
