//! The profile of a provider that delegates its sign-in to us: Pro Santé Connect, where people choose "Délégation" and then
//! their hospital ("PSC sans couture").
//!
//! A hospital gets from it that its own sign-in opens national services: the session that somebody has serves once more,
//! after one click that names them. The ID token tells `tid` (the establishment), `oid` (the person, immutable and never used
//! again), `amr`, `acr` and `auth_time`; what each is called, the client says ([`Delegation`](crate::session::Delegation)).
//!
//! Never: anybody passed on silently, or by a means that its terms do not take; a national identifier where nobody asked for
//! it; a refresh token, or a token without its person (CIBA, exchange). `docs/delegation.md` says it to hospitals.

use serde_json::{Value, json};
use uuid::Uuid;

use super::profile::{self, BackchannelRules, Facts, LevelRule, Pkce, Profile, Rules, Stamp};
use super::standard;
use crate::audit::Caller;
use crate::crypto::digest::sha256;
use crate::ids::PersonId;
use crate::session::{Amr, DelegatedClaim};
use crate::store::client::{AuthMethod, Client};

/// The scopes: who somebody is to the provider, and their name where it asks for it.
pub const SCOPES: &[&str] = &["openid", "profile"];

/// The grants: nobody is passed on who is not at a browser.
pub const GRANTS: &[&str] = &["authorization_code"];

/// The rules: those of the standards for a client that is confidential, without what outlives the moment.
pub const RULES: Rules = Rules {
    scopes: SCOPES,
    pkce: Pkce::OfPublicClients,
    loopback_ports: false,
    levels: LevelRule::Required,
    auth_methods: &[
        AuthMethod::PrivateKeyJwt,
        AuthMethod::TlsClientAuth,
        AuthMethod::SelfSignedTlsClientAuth,
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
    ],
    backchannel: BackchannelRules { signed_only: true, ..standard::RULES.backchannel },
    extensions: &[],
    only_grants: Some(GRANTS),
    delegation: true,
    ..standard::RULES
};

/// The profile.
#[derive(Debug)]
pub struct PscDelegation;

impl Profile for PscDelegation {
    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn id_token(&self, facts: &Facts<'_>, stamp: Stamp, at_hash: String) -> Value {
        let mut token = standard::id_token(facts, stamp, at_hash);
        let Value::Object(claims) = &mut token else { return token };
        let Facts { client, session, subject, .. } = facts;
        let terms = &client.delegation;
        let acr = claims.remove("acr").unwrap_or_default();
        claims.remove("amr");
        let mut factors = session.amr.clone();
        factors.sort_by_key(|factor| ORDER.iter().position(|known| known == factor));
        let amr: Vec<&str> = factors.into_iter().map(|factor| client.names.of_factor(factor)).collect();
        for claim in DelegatedClaim::ALL {
            let value = match claim {
                DelegatedClaim::Tid => json!(terms.tenant().unwrap_or(facts.tenant)),
                DelegatedClaim::Oid => json!(subject.sub),
                DelegatedClaim::Amr => json!(amr),
                DelegatedClaim::Acr => acr.clone(),
            };
            claims.insert(terms.name_of(claim).to_owned(), value);
        }
        token
    }
}

/// The factors in the order in which Pro Santé Connect's own example of a card has them.
const ORDER: [Amr; 6] = [Amr::Sc, Amr::Pin, Amr::User, Amr::Mfa, Amr::Hwk, Amr::Swk];

/// Whether a client is served where the request came in: by the address that faces the Internet none but those that delegate
/// to us are.
pub(super) fn serves(client: &Client, caller: &Caller) -> bool {
    !caller.outside || profile::of(client).rules().delegation
}

/// Who somebody is to every provider that delegates to us: made of the row that a person has here, which is nobody else's
/// before or after, and of nothing that can change (names, national identifiers, tenant, keys). A UUID of version 8.
pub(super) fn oid(person: PersonId) -> String {
    let digest = sha256(&[b"sceau oid 1\0".as_slice(), person.0.as_bytes()].concat());
    let bytes: [u8; 16] = std::array::from_fn(|place| digest.get(place).copied().unwrap_or_default());
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// The tenant of an installation that is configured with none: what every `sub` of it holds already.
pub fn tenant_of(namespace: Uuid) -> String {
    namespace.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_the_same_for_ever_and_nobody_else() {
        let person = |n: u128| PersonId(Uuid::from_u128(n));
        // What Pro Santé Connect has paired stays paired: a change here breaks every pairing there is.
        assert_eq!(oid(person(1)), "5a5314ed-9bed-85f0-8d4d-223a7ca62eb9");
        assert_ne!(oid(person(1)), oid(person(2)));
        assert!(!oid(person(1)).contains(&person(1).to_string()), "the key of the row is told to nobody");
    }
}
