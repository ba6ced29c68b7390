//! The two ceremonies of Web Authentication, by `webauthn-rs`.
//!
//! The one file that names its crates. Signing in goes through the safe interface. Registration goes through the core
//! beneath it, because the safe interface leaves out what a hospital decides: that a key keeps its person's name, and whether
//! a model has to prove itself. The core compares origins one by one (no sub-domain, no other port), refuses
//! what comes from a frame of another site, and compares the hash of our host with what the authenticator signed (§7.1,
//! §7.2); the path of an attestation is judged by [`super::attestation`], by our clock.

use std::time::Duration;

use super::related::RelyingParty;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_cbor_2::Value as Cbor;
use serde_json::Value;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{DiscoverableAuthentication, DiscoverableKey, Passkey, Webauthn, WebauthnBuilder};
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::error::WebauthnError;
use webauthn_rs_core::internals::AuthenticatorData;
use webauthn_rs_core::proto::{
    AllowCredentials, AttestationConveyancePreference, AttestationFormat, AuthenticationState, COSEKey,
    Credential, ParsedAttestation, ParsedAttestationData, PublicKeyCredential, RegisterPublicKeyCredential,
    RegisteredExtensions, Registration, RegistrationState, UserVerificationPolicy,
};

/// How long a browser waits for its person.
const BROWSER_WAITS: Duration = Duration::from_secs(120);

/// Why a ceremony does not go on.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// The pages are at an address of numbers: no key can be registered for it (§5.1.3).
    #[error("security keys need a host with a name: {0} has none")]
    NoDomain(String),
    /// What the page sent is not an answer of a browser.
    #[error("the answer cannot be read: {0}")]
    Malformed(String),
    /// The answer was made on another site.
    #[error("the answer was made on another site")]
    Origin,
    /// The answer was made in a frame of another site.
    #[error("the answer was made in a frame of another site")]
    Framed,
    /// The authenticator signed for another host.
    #[error("the authenticator signed for another host")]
    Host,
    /// The answer is not for this challenge, or of the other ceremony.
    #[error("the answer is not for this challenge")]
    Challenge,
    /// Nobody touched the key, or it did not verify who did.
    #[error("the key did not verify its person")]
    NotVerified,
    /// The signature.
    #[error("the signature is not the key's")]
    Signature,
    /// The counter went back: there may be two of this key.
    #[error("the counter of the key went back: there may be a copy of it")]
    Cloned,
    /// The key is not one of those that were asked for.
    #[error("the key is not one that was asked for")]
    NotAsked,
    /// The key says that it may leave its device, and did not before; or the other way round.
    #[error("the key changed its mind about leaving its device")]
    Backup,
    /// An algorithm that we do not accept.
    #[error("the algorithm of the key is not accepted")]
    Algorithm,
    /// The attestation certificate is that of another model than the one that signed.
    #[error("the attestation certificate is that of another model")]
    OtherModel,
    /// The attestation does not hold.
    #[error("the attestation of the key does not hold: {0}")]
    Attestation(String),
    /// What we kept cannot be read: another version of the program wrote it.
    #[error("what was kept of the ceremony or the key cannot be read: {0}")]
    Kept(#[source] serde_json::Error),
    /// The library gave up.
    #[error("the ceremony failed: {0}")]
    Failed(String),
}

impl From<WebauthnError> for CeremonyError {
    fn from(error: WebauthnError) -> Self {
        use WebauthnError as Of;
        match error {
            Of::InvalidRPOrigin => Self::Origin,
            Of::CredentialCrossOrigin => Self::Framed,
            Of::InvalidRPIDHash => Self::Host,
            Of::MismatchedChallenge | Of::InvalidClientDataType | Of::ChallengeNotFound => Self::Challenge,
            Of::UserNotVerified | Of::UserNotPresent => Self::NotVerified,
            Of::AuthenticationFailure | Of::SignatureInvalid => Self::Signature,
            Of::CredentialPossibleCompromise => Self::Cloned,
            Of::CredentialNotFound | Of::InvalidUserUniqueId | Of::CredentialExcludedFromRequest => {
                Self::NotAsked
            }
            Of::CredentialBackupEligibilityInconsistent | Of::CredentialMayNotBeHardwareBound => Self::Backup,
            Of::AttestationCertificateAAGUIDMismatch => Self::OtherModel,
            Of::CredentialAlteredAlgFromRequest
            | Of::CredentialInsecureCryptography
            | Of::COSEKeyInvalidAlgorithm
            | Of::COSEKeyEDUnsupported
            | Of::COSEKeyECDSAInvalidCurve => Self::Algorithm,
            Of::ParseCBORFailure(_)
            | Of::ParseJSONFailure(_)
            | Of::ParseNOMFailure
            | Of::ParseInsufficientBytesAvailable
            | Of::MissingAttestationCredentialData
            | Of::InvalidExtensions
            | Of::AuthenticatorDataMissingExtension
            | Of::COSEKeyInvalidCBORValue
            | Of::COSEKeyInvalidType
            | Of::COSEKeyECDSAXYInvalid
            | Of::COSEKeyRSANEInvalid
            | Of::EcdsaPointInvalid
            | Of::RsaParametersInvalid => Self::Malformed(error.to_string()),
            other => {
                // The names of the library: everything about attestations begins so.
                let name = format!("{other:?}");
                match name.starts_with("Attestation") || name.starts_with("Certificate") {
                    true => Self::Attestation(other.to_string()),
                    false => Self::Failed(other.to_string()),
                }
            }
        }
    }
}

/// A challenge for a page, and what has to be kept until its answer.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// For `navigator.credentials`, its byte strings in base64url.
    pub options: Value,
    /// To be kept, away from the page.
    pub state: Value,
}

/// Who registers a key.
#[derive(Debug, Clone)]
pub struct Registrant {
    /// The person; the key keeps it as its user handle.
    pub person: Uuid,
    /// What the browser lists the key under.
    pub name: String,
    /// What it says beside that.
    pub display_name: String,
    /// Credential ids of the keys that the person has.
    pub known: Vec<Vec<u8>>,
}

/// A key that was registered.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// What verifies it, in the form of the library.
    pub credential: Value,
    /// Its id.
    pub id: Vec<u8>,
    /// The model that it says it is; nil where it does not say.
    pub aaguid: Uuid,
    /// How often it says that it signed.
    pub counter: u32,
    /// Whether it may leave its device.
    pub backup_eligible: bool,
    /// Whether it has.
    pub backed_up: bool,
    /// Whether it verified its person.
    pub user_verified: bool,
    /// The certificates that attest its model, its own first (DER); none where nothing does.
    pub attestation: Option<Vec<Vec<u8>>>,
}

/// A key that has signed.
#[derive(Debug, Clone)]
pub struct Signed {
    /// What verifies it from now on.
    pub credential: Value,
    /// How often it says that it signed.
    pub counter: u32,
    /// Whether it has left its device.
    pub backed_up: bool,
    /// Whether it verified its person.
    pub user_verified: bool,
}

/// An answer of a browser to a sign-in, before anything of it is verified: it names what it is verified with.
#[derive(Debug, Clone)]
pub struct Assertion(PublicKeyCredential);

impl Assertion {
    /// Reads it.
    ///
    /// # Errors
    /// [`CeremonyError::Malformed`].
    pub fn read(answer: &Value) -> Result<Self, CeremonyError> {
        PublicKeyCredential::deserialize(answer)
            .map(Self)
            .map_err(|error| CeremonyError::Malformed(error.to_string()))
    }

    /// The key that it says it is of.
    pub fn credential_id(&self) -> &[u8] {
        self.0.get_credential_id()
    }

    /// The person whom the key says it was registered for.
    pub fn user_handle(&self) -> Option<Uuid> {
        self.0.get_user_unique_id().and_then(|bytes| Uuid::from_slice(bytes).ok())
    }

    /// The challenge that it says it answers (base64url); which it was is verified with the rest.
    pub fn challenge(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct ClientData {
            challenge: String,
        }
        let data: ClientData = serde_json::from_slice(&self.0.response.client_data_json).ok()?;
        Some(data.challenge)
    }

    /// Whether it names no person at all.
    pub fn names_nobody(&self) -> bool {
        self.0.get_user_unique_id().is_none_or(<[u8]>::is_empty)
    }
}

/// What is kept of a sign-in: never a key, which may change until the answer.
#[derive(Serialize, Deserialize)]
struct SignInState {
    challenge: DiscoverableAuthentication,
    /// The keys of the person who was named (base64url); none: the key says whose it is.
    asked: Option<Vec<String>>,
}

/// What is kept of a touch: never a key, which may change until the answer.
#[derive(Serialize, Deserialize)]
struct TouchState {
    challenge: AuthenticationState,
    /// The keys that were asked for (base64url).
    asked: Vec<String>,
}

/// The ceremonies of one relying party.
#[derive(Debug, Clone)]
pub struct Ceremonies {
    party: RelyingParty,
    safe: Webauthn,
    core: WebauthnCore,
}

impl Ceremonies {
    /// For the pages at `front`. The relying party id is exactly its host, the one origin exactly its own.
    ///
    /// # Errors
    /// [`CeremonyError::NoDomain`] where the host is a number.
    pub fn new(front: &Url, name: &str) -> Result<Self, CeremonyError> {
        Self::of(RelyingParty::alone(front), name)
    }

    /// For the pages of every origin of `party`. The relying party id is exactly its host; the origins exactly those.
    ///
    /// # Errors
    /// [`CeremonyError::NoDomain`] where the host is a number.
    pub fn of(party: RelyingParty, name: &str) -> Result<Self, CeremonyError> {
        let origin = party.origin();
        let host = origin.domain().ok_or_else(|| CeremonyError::NoDomain(origin.to_string()))?;
        let name = if name.is_empty() { host } else { name };
        let builder = WebauthnBuilder::new(host, origin)?.rp_name(name).timeout(BROWSER_WAITS);
        let safe = party.origins().skip(1).fold(builder, WebauthnBuilder::append_allowed_origin).build()?;
        let core = WebauthnCore::new_unsafe_experts_only(
            name,
            host,
            party.origins().cloned().collect(),
            BROWSER_WAITS,
            Some(false),
            Some(false),
        );
        Ok(Self { safe, core, party })
    }

    /// Whose they are, and who shares them.
    pub fn relying_party(&self) -> &RelyingParty {
        &self.party
    }

    /// Begins a registration (§7.1). The key has to verify its person, and to keep who that is: it signs in without a name
    /// being typed. A second factor need do neither. With `attestation` it is asked to prove its model.
    ///
    /// # Errors
    /// [`CeremonyError::Failed`], where the library refuses.
    pub fn begin_registration(
        &self,
        who: &Registrant,
        attestation: bool,
        second_factor: bool,
    ) -> Result<Challenge, CeremonyError> {
        let verification = match second_factor {
            true => UserVerificationPolicy::Discouraged_DO_NOT_USE,
            false => UserVerificationPolicy::Required,
        };
        let attestation = match attestation {
            true => AttestationConveyancePreference::Direct,
            false => AttestationConveyancePreference::None,
        };
        let builder = self
            .core
            .new_challenge_register_builder(who.person.as_bytes(), &who.name, &who.display_name)?
            .attestation(attestation)
            .user_verification_policy(verification)
            .require_resident_key(!second_factor)
            .exclude_credentials(Some(who.known.clone()));
        let (options, state) = self.core.generate_challenge_register(builder)?;
        Ok(Challenge { options: kept(&options.public_key)?, state: kept(&state)? })
    }

    /// Ends a registration: every check of §7.1 but those of the attestation's path and of keys that are known already.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn finish_registration(&self, answer: &Value, state: &Value) -> Result<NewCredential, CeremonyError> {
        let answer = RegisterPublicKeyCredential::deserialize(answer)
            .map_err(|error| CeremonyError::Malformed(error.to_string()))?;
        check_top_level(&answer.response.client_data_json)?;
        let state = RegistrationState::deserialize(state).map_err(CeremonyError::Kept)?;
        let credential = self.core.register_credential(&answer, &state, None)?;
        let attested = Attested::read(&answer)?;
        // A key that vouches for itself, or through nobody, proves no model.
        let is_attested = !matches!(
            credential.attestation.data,
            ParsedAttestationData::Self_
                | ParsedAttestationData::ECDAA
                | ParsedAttestationData::None
                | ParsedAttestationData::Uncertain
        );
        Ok(NewCredential {
            id: credential.cred_id.to_vec(),
            aaguid: attested.aaguid,
            counter: credential.counter,
            backup_eligible: credential.backup_eligible,
            backed_up: credential.backup_state,
            user_verified: credential.user_verified,
            attestation: is_attested.then_some(attested.chain),
            credential: kept(&credential)?,
        })
    }

    /// Begins a sign-in in which the key says whose it is.
    ///
    /// # Errors
    /// [`CeremonyError::Failed`], where the library refuses.
    pub fn begin_discoverable(&self) -> Result<Challenge, CeremonyError> {
        let (options, challenge) = self.safe.start_discoverable_authentication()?;
        let state = kept(&SignInState { challenge, asked: None })?;
        Ok(Challenge { options: kept(&options.public_key)?, state })
    }

    /// Begins a sign-in with one of the keys with these ids, of which some may not exist. How a key is reached is not said: it
    /// would tell those that exist from those that do not.
    ///
    /// # Errors
    /// [`CeremonyError::Failed`], where the library refuses.
    pub fn begin_named(&self, ids: &[Vec<u8>]) -> Result<Challenge, CeremonyError> {
        let (mut options, challenge) = self.safe.start_discoverable_authentication()?;
        options.public_key.allow_credentials = allowed(ids);
        let asked = ids.iter().map(|id| URL_SAFE_NO_PAD.encode(id)).collect();
        let state = kept(&SignInState { challenge, asked: Some(asked) })?;
        Ok(Challenge { options: kept(&options.public_key)?, state })
    }

    /// Begins the touch of one of the keys with these ids, none of which need verify its person.
    ///
    /// # Errors
    /// [`CeremonyError::Failed`], where the library refuses.
    pub fn begin_touch(&self, ids: &[Vec<u8>]) -> Result<Challenge, CeremonyError> {
        let verification = UserVerificationPolicy::Discouraged_DO_NOT_USE;
        let builder = self.core.new_challenge_authenticate_builder(Vec::new(), Some(verification))?;
        let (mut options, challenge) = self.core.generate_challenge_authenticate(builder)?;
        options.public_key.allow_credentials = allowed(ids);
        let asked = ids.iter().map(|id| URL_SAFE_NO_PAD.encode(id)).collect();
        let state = kept(&TouchState { challenge, asked })?;
        Ok(Challenge { options: kept(&options.public_key)?, state })
    }

    /// Ends the touch of this key, as it is kept now: every check of §7.2 but whose key it is.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn finish_touch(
        &self,
        answer: &Assertion,
        state: &Value,
        credential: &Value,
    ) -> Result<Signed, CeremonyError> {
        check_top_level(&answer.0.response.client_data_json)?;
        let TouchState { challenge, asked } = TouchState::deserialize(state).map_err(CeremonyError::Kept)?;
        if !asked.contains(&URL_SAFE_NO_PAD.encode(answer.credential_id())) {
            return Err(CeremonyError::NotAsked);
        }
        let key = Credential::deserialize(credential).map_err(CeremonyError::Kept)?;
        let result = self.core.authenticate_single_credential(&answer.0, &challenge, &key)?;
        let mut key = Passkey::from(key);
        key.update_credential(&result);
        Ok(Signed {
            credential: kept(&Credential::from(key))?,
            counter: result.counter(),
            backed_up: result.backup_state(),
            user_verified: result.user_verified(),
        })
    }

    /// Whether a sign-in names nobody beforehand.
    ///
    /// # Errors
    /// [`CeremonyError::Kept`].
    pub fn is_discoverable(state: &Value) -> Result<bool, CeremonyError> {
        let state = SignInState::deserialize(state).map_err(CeremonyError::Kept)?;
        Ok(state.asked.is_none())
    }

    /// Ends a sign-in with this key, as it is kept now: every check of §7.2 but whose key it is. Where there is no such key,
    /// another one stands in, so that the same checks fail in the same order.
    ///
    /// # Errors
    /// [`CeremonyError`]; without a key always one of them.
    pub fn finish_sign_in(
        &self,
        answer: &Assertion,
        state: &Value,
        credential: Option<&Value>,
    ) -> Result<Signed, CeremonyError> {
        // The library looks at this in a registration only.
        check_top_level(&answer.0.response.client_data_json)?;
        let SignInState { challenge, asked } =
            SignInState::deserialize(state).map_err(CeremonyError::Kept)?;
        let id = URL_SAFE_NO_PAD.encode(answer.credential_id());
        let is_asked = asked.is_none_or(|asked| asked.contains(&id));
        let mut key = match credential.filter(|_| is_asked) {
            Some(credential) => passkey(credential)?,
            None => stand_in(answer.credential_id())?,
        };
        let result = self.safe.finish_discoverable_authentication_v2(
            &answer.0,
            challenge,
            DiscoverableKey::from(&key),
        )?;
        if credential.is_none() || !is_asked {
            return Err(CeremonyError::NotAsked);
        }
        key.update_credential(&result);
        Ok(Signed {
            credential: kept(&Credential::from(key))?,
            counter: result.counter(),
            backed_up: result.backup_state(),
            user_verified: result.user_verified(),
        })
    }
}

/// Refuses what was made in a frame of another site (§7.1 and §7.2, `crossOrigin` and `topOrigin`): nobody may frame us.
fn check_top_level(client_data: &[u8]) -> Result<(), CeremonyError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ClientData {
        #[serde(default)]
        cross_origin: bool,
        top_origin: Option<String>,
    }
    let data: ClientData =
        serde_json::from_slice(client_data).map_err(|error| CeremonyError::Malformed(error.to_string()))?;
    match data.cross_origin || data.top_origin.is_some() {
        true => Err(CeremonyError::Framed),
        false => Ok(()),
    }
}

fn allowed(ids: &[Vec<u8>]) -> Vec<AllowCredentials> {
    ids.iter()
        .map(|id| AllowCredentials { type_: "public-key".into(), id: id.clone(), transports: None })
        .collect()
}

/// A key that nobody has: its private half is 1.
fn stand_in(id: &[u8]) -> Result<Passkey, CeremonyError> {
    const X: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    const Y: &str = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let point = |text: &str| Cbor::Bytes(hex::decode(text).unwrap_or_default());
    let members = [
        (1, Cbor::Integer(2)),
        (3, Cbor::Integer(-7)),
        (-1, Cbor::Integer(1)),
        (-2, point(X)),
        (-3, point(Y)),
    ];
    let members = members.into_iter().map(|(label, value)| (Cbor::Integer(label), value));
    Ok(Passkey::from(Credential {
        cred_id: id.to_vec(),
        cred: COSEKey::try_from(&Cbor::Map(members.collect()))?,
        counter: 0,
        transports: None,
        user_verified: true,
        backup_eligible: false,
        backup_state: false,
        registration_policy: UserVerificationPolicy::Required,
        extensions: RegisteredExtensions::none(),
        attestation: ParsedAttestation::default(),
        attestation_format: AttestationFormat::None,
    }))
}

fn kept(value: &impl Serialize) -> Result<Value, CeremonyError> {
    serde_json::to_value(value).map_err(CeremonyError::Kept)
}

fn passkey(credential: &Value) -> Result<Passkey, CeremonyError> {
    Credential::deserialize(credential).map(Passkey::from).map_err(CeremonyError::Kept)
}

/// What an authenticator sent beside the signature: the model that it named, and the certificates that attest it.
struct Attested {
    aaguid: Uuid,
    chain: Vec<Vec<u8>>,
}

impl Attested {
    /// Reads what the library has verified and keeps to itself (§6.5).
    fn read(answer: &RegisterPublicKeyCredential) -> Result<Self, CeremonyError> {
        let malformed = || CeremonyError::Malformed("no attestation object".into());
        let object = serde_cbor_2::from_slice::<Cbor>(&answer.response.attestation_object);
        let Ok(Cbor::Map(object)) = object else { return Err(malformed()) };
        let member = |name: &str| object.get(&Cbor::Text(name.to_owned()));
        let Some(Cbor::Bytes(data)) = member("authData") else { return Err(malformed()) };
        let data = AuthenticatorData::<Registration>::try_from(data.as_slice())?;
        let aaguid = data.acd.map(|attested| Uuid::from_bytes(attested.aaguid)).ok_or_else(malformed)?;
        let chain = match member("attStmt") {
            Some(Cbor::Map(statement)) => match statement.get(&Cbor::Text("x5c".to_owned())) {
                Some(Cbor::Array(chain)) => chain.iter().filter_map(bytes).collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        Ok(Self { aaguid, chain })
    }
}

fn bytes(value: &Cbor) -> Option<Vec<u8>> {
    match value {
        Cbor::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    }
}
