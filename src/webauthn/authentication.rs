//! Signing in with a security key: `POST` for a challenge, and `POST` of what the key signed (Web Authentication §7.2).
//!
//! Either the key says whose it is, or the person types an identifier first; then whoever typed it learns nothing from the
//! challenge: somebody without a key, and nobody at all, get one too.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::ceremony::{Assertion, Ceremonies, CeremonyError};
use super::policy::{Seen, factors};
use super::populations::KeyRules;
use super::refusal::Refusal;
use super::{MAX_ANSWER_LEN, SecurityKeys, decoy};
use crate::audit::{Caller, Event, Kind as Recorded};
use crate::crypto::digest::sha256;
use crate::directory::{self, NationalId};
use crate::ids::TransactionId;
use crate::session::{Acr, AuthMode, Authentication, Evidence};
use crate::store;
use crate::store::login_transaction::{LoginTransaction, Proof, State as Stage};
use crate::store::means::{Kind, Means, Standing};
use crate::store::webauthn_ceremony::{self, Ceremony, Purpose};
use crate::store::webauthn_credential::{self, SecurityKey, Used};
use crate::web::browser;
use crate::web::language::Language;
use crate::web::limits::network_of;
use crate::web::new_session::{Beginning, NotBegun, admitted_station, relying_party, transaction_of};
use crate::web::pages::means::KeyChallenge;
use crate::web::pages::sign_in::Status;

/// The name of the means in the audit.
pub(super) const MEANS: &str = "security-key";
/// Refusals of one sign-in with one code that are recorded each minute: more than a person makes.
pub(super) const RECORDED: u32 = 5;

/// What the page asks a challenge with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    txn: String,
    /// The national identifier that was typed; none: the key says whose it is.
    #[serde(default)]
    identifier: Option<String>,
}

/// What the page answers it with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    pub(super) txn: String,
    pub(super) handle: String,
    pub(super) credential: Value,
}

/// `POST /login/key/options`
pub(super) async fn options(
    State(keys): State<Arc<SecurityKeys>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&keys, &caller, &headers, Kind::SecurityKey);
    match visit.ask(&body).await {
        Ok(challenge) => Json(challenge).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// `POST /login/key`
pub(super) async fn answer(
    State(keys): State<Arc<SecurityKeys>>,
    language: Language,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut visit = Visit::new(&keys, &caller, &headers, Kind::SecurityKey);
    match visit.sign_in(&body).await {
        Ok(cookie) => ([(header::SET_COOKIE, cookie)], Json(Status::Done)).into_response(),
        Err(refusal) => visit.refuse(&refusal, language).await,
    }
}

/// One request of a browser on its way through the checks. The event learns what is known.
pub(super) struct Visit<'a> {
    pub(super) keys: &'a SecurityKeys,
    pub(super) caller: &'a Caller,
    pub(super) headers: &'a HeaderMap,
    pub(super) event: Event,
    /// The sign-in, once it is certain that this browser began it.
    transaction: Option<TransactionId>,
}

impl<'a> Visit<'a> {
    /// `kind` is the sort of key that is asked for.
    pub(super) fn new(
        keys: &'a SecurityKeys,
        caller: &'a Caller,
        headers: &'a HeaderMap,
        kind: Kind,
    ) -> Self {
        let event = keys.parts.trail.event(Recorded::SignIn).caller(caller).means(kind.as_str(), None);
        Self { keys, caller, headers, event, transaction: None }
    }

    pub(super) fn learn(&mut self, more: impl FnOnce(Event) -> Event) {
        self.event = more(self.event.clone());
    }

    /// The sign-in that the page speaks of, if it began in this browser, our own page says so, and it is still open.
    pub(super) async fn transaction(&mut self, txn: &str) -> Result<LoginTransaction, Refusal> {
        let keys = &self.keys.parts;
        keys.own.check_origin(self.headers)?;
        let id: TransactionId = txn.parse().map_err(|_| Refusal::NoSignIn)?;
        let found = transaction_of(&keys.db, id, self.headers).await?.ok_or(Refusal::NoSignIn)?;
        self.transaction = Some(id);
        self.learn(|event| event.transaction(id).client(&found.client_id));
        let is_open = found.state == Stage::Open && found.expires_at > self.keys.now();
        if is_open { Ok(found) } else { Err(Refusal::NoSignIn) }
    }

    async fn ask(&mut self, body: &[u8]) -> Result<KeyChallenge, Refusal> {
        let Asked { txn, identifier } = read(body)?;
        let transaction = self.transaction(&txn).await?;
        let keys = &self.keys.parts;
        let identifier = identifier.map(|typed| typed.trim().to_owned());
        let challenge = match identifier.filter(|typed| !typed.is_empty()) {
            None => keys.ceremonies.begin_discoverable()?,
            Some(typed) => {
                let mut ids = self.keys_of(&typed).await?;
                if ids.is_empty() {
                    ids.push(decoy::of(&typed, &keys.decoy_key));
                }
                keys.ceremonies.begin_named(&ids)?
            }
        };
        self.keys.challenge(Purpose::SignIn, Some(transaction.id), None, challenge).await
    }

    /// The ids of the keys of whoever has this identifier, that can sign in alone.
    async fn keys_of(&self, typed: &str) -> Result<Vec<Vec<u8>>, Refusal> {
        let db = &self.keys.parts.db;
        let Some(id_nat) = NationalId::of_source(typed) else { return Ok(Vec::new()) };
        let Some(person) = store::person::by_identifier(db, id_nat.as_str()).await? else {
            return Ok(Vec::new());
        };
        let now = self.keys.now();
        let mut own = webauthn_credential::of_person(db, person.id).await?;
        own.retain(|key| {
            let means = &key.means;
            means.kind == Kind::SecurityKey && means.standing(now) == Standing::Active && key.verifies_user
        });
        Ok(own.iter().filter_map(|key| URL_SAFE_NO_PAD.decode(&key.means.reference).ok()).collect())
    }

    async fn sign_in(&mut self, body: &[u8]) -> Result<HeaderValue, Refusal> {
        let Answered { txn, handle, credential } = read(body)?;
        let transaction = self.transaction(&txn).await?;
        let now = self.keys.now();
        let handle_hash = sha256(handle.as_bytes());
        let ceremony =
            webauthn_ceremony::by_handle(&self.keys.parts.db, handle_hash, Purpose::SignIn, now).await?;
        let ceremony = ceremony.filter(|found| found.transaction_id == Some(transaction.id));
        let ceremony = ceremony.ok_or(Refusal::NotWaiting)?;
        let judged = self.judged(&transaction, &ceremony, handle_hash, &credential).await;
        if judged.is_err() {
            // Its challenge has been shown to somebody who answered it wrongly: it is no use any more.
            webauthn_ceremony::forget(&self.keys.parts.db, handle_hash).await?;
        }
        judged
    }

    async fn judged(
        &mut self,
        transaction: &LoginTransaction,
        ceremony: &Ceremony,
        handle_hash: [u8; 32],
        credential: &Value,
    ) -> Result<HeaderValue, Refusal> {
        let keys = &self.keys.parts;
        let now = self.keys.now();
        let assertion = Assertion::read(credential)?;
        let id = URL_SAFE_NO_PAD.encode(assertion.credential_id());
        self.learn(|event| event.means(MEANS, Some(&id)));
        let mut found = webauthn_credential::by_credential_id(&keys.db, Kind::SecurityKey, &id).await?;
        if found.is_none() {
            // The passkey of a phone signs in on the phone itself.
            found = webauthn_credential::by_credential_id(&keys.db, Kind::Phone, &id).await?;
        }
        // Nobody learns whether there is such a key, nor whose it is, before it has signed.
        let kept = found.as_ref().map(|key| &key.credential);
        let signed = match (keys.ceremonies.finish_sign_in(&assertion, &ceremony.state, kept), &found) {
            (Err(CeremonyError::Cloned), Some(key)) => {
                self.is_of(key);
                // Two copies of one answer are no two keys.
                if webauthn_ceremony::forget(&keys.db, handle_hash).await? {
                    self.keys.suspend_cloned(self.caller, key).await?;
                    return Err(CeremonyError::Cloned.into());
                }
                return Err(Refusal::NotWaiting);
            }
            (signed, found) => signed.map_err(|error| match (found, Refusal::unverified(error)) {
                (None, Refusal::Unverified(_)) => Refusal::Unknown,
                (_, refusal) => refusal,
            })?,
        };
        let key = found.ok_or(Refusal::Unknown)?;
        self.is_of(&key);
        check_owner(&assertion, &key, Ceremonies::is_discoverable(&ceremony.state)?)?;
        match key.means.standing(now) {
            Standing::Active => {}
            standing => return Err(Refusal::Halted(standing)),
        }
        let seen = self.keys.seen(&key, signed.user_verified);
        let client = relying_party(&keys.db, &transaction.client_id).await?;
        self.learn(|event| event.application(&client.name));
        let station = admitted_station(&keys.db, &keys.policies, &client).await?;
        let person = directory::admitted(&keys.db, key.means.person_id, client.audience, now).await??;
        let rules = keys.policy.of(&person.professional);
        self.keys.admit(&rules, seen)?;
        let authentication = self.authentication(&key, &rules, seen);
        // Before anything ends for it: the session that is there reaches as much, or more.
        if !(keys.is_enough)(transaction, &authentication) {
            return Err(Refusal::TooLow);
        }
        let used = Used {
            handle_hash,
            credential: signed.credential,
            counter: i64::from(signed.counter),
            backed_up: signed.backed_up,
            place: browser::place(self.caller).browser,
            key,
        };
        let beginning = Beginning {
            db: &keys.db,
            trail: &keys.trail,
            policies: &keys.policies,
            random: &*keys.random,
            caller: self.caller,
            headers: self.headers,
            transaction: transaction.id,
            station,
        };
        let begun = beginning.begin(Proof::SecurityKey(&used), authentication, self.event.clone(), now).await;
        begun.map_err(|error| match error {
            NotBegun::Raced => Refusal::NotWaiting,
            NotBegun::Store(error) => error.into(),
            NotBegun::Cookie(error) => error.into(),
        })
    }

    /// The event learns which key it is, and whose: a phone's own passkey is one too.
    fn is_of(&mut self, key: &SecurityKey) {
        let Means { id, person_id, kind, reference, .. } = &key.means;
        self.learn(|event| {
            event.means(kind.as_str(), Some(reference)).person(*person_id).enrolment(&id.to_string())
        });
    }

    /// What the signature proves. Never more than the key was issued for.
    fn authentication(&self, key: &SecurityKey, rules: &KeyRules<'_>, seen: Seen) -> Authentication {
        let acr: Acr = rules.level(seen).min(key.means.level);
        Authentication {
            person: key.means.person_id,
            acr,
            amr: factors(seen),
            auth_mode: AuthMode::Fido,
            at: self.keys.now(),
            evidence: Evidence::SecurityKey {
                key: key.means.id,
                aaguid: key.aaguid.clone(),
                attested: seen.attested,
                synced: seen.synced,
                user_verified: seen.user_verified,
            },
        }
    }

    pub(super) async fn refuse(&self, refusal: &Refusal, language: Language) -> Response {
        let code = refusal.code();
        tracing::warn!(code, "a sign-in with a security key was refused: {refusal}");
        // What names no sign-in of this browser is a stranger's: it stands in the log alone.
        if let Some(named) = self.transaction {
            let event = self.event.clone();
            let event = if refusal.is_denial() { event.denied(code) } else { event.failure(code) };
            let SecurityKeys { parts, repeats } = self.keys;
            // Anybody has as many sign-ins of their own as they like, to ask in vain with: what names nobody is counted of
            // the address that it comes from.
            let source = self.caller.address.filter(|_| refusal.names_nobody()).map(of_address);
            let whose = source.unwrap_or(named.0);
            repeats.record(&parts.db, whose, code, RECORDED, event, self.keys.now()).await;
        }
        let texts = self.keys.parts.site.frame(language).texts;
        (refusal.status(), Json(Status::failed(refusal.told(), texts))).into_response()
    }
}

/// What stands for an address where refusals are counted.
fn of_address(address: IpAddr) -> Uuid {
    let hash = sha256(network_of(address).to_string().as_bytes());
    Uuid::from_slice(hash.get(..16).unwrap_or_default()).unwrap_or_default()
}

/// §7.2, step 6: whom the key names is whose it is; where nobody was named before, it has to name somebody.
pub(super) fn check_owner(
    assertion: &Assertion,
    key: &SecurityKey,
    names_itself: bool,
) -> Result<(), Refusal> {
    let names_nobody = assertion.names_nobody();
    let is_owner = assertion.user_handle() == Some(key.means.person_id.0);
    match is_owner || (names_nobody && !names_itself) {
        true => Ok(()),
        false => Err(Refusal::OtherPerson),
    }
}

/// A message of our own page.
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refusal> {
    if body.len() > MAX_ANSWER_LEN {
        return Err(CeremonyError::Malformed("too long".into()).into());
    }
    serde_json::from_slice(body).map_err(|error| CeremonyError::Malformed(error.to_string()).into())
}
