//! A token of an HSM, by PKCS#11.

use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use josekit::JoseError;
use josekit::jws::{ES256, EdDSA, JwsAlgorithm, JwsSigner, PS256, RS256};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey};
use openssl::rsa::Rsa;
use secrecy::SecretString;

use super::{HsmError, HsmSettings};
use crate::crypto::digest::sha256;
use crate::crypto::keys::{Algorithm, KeyError, PublicKey};

/// The most signatures at once: modules have few sessions.
const MAX_SESSIONS: usize = 8;
/// What the keys are called in the module.
const LABEL: &str = "sceau";

impl From<Error> for HsmError {
    fn from(error: Error) -> Self {
        match &error {
            Error::Pkcs11(RvError::PinIncorrect | RvError::PinLocked | RvError::PinInvalid, _) => {
                Self::Pin(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// A token of a hardware security module.
pub struct Hsm {
    pkcs11: Pkcs11,
    slot: Slot,
    pin: SecretString,
    sessions: Mutex<Sessions>,
    returned: Condvar,
}

#[derive(Default)]
struct Sessions {
    idle: Vec<Session>,
    lent: usize,
}

impl Hsm {
    /// Loads the module, finds the token and signs in, so that a wrong PIN is known at the start.
    ///
    /// # Errors
    /// [`HsmError`].
    pub fn open(settings: &HsmSettings) -> Result<Arc<Self>, HsmError> {
        let module = |error: Error| HsmError::Module {
            path: settings.module.display().to_string(),
            cause: error.to_string(),
        };
        let pkcs11 = load(&settings.module).map_err(module)?;
        let slot = pkcs11
            .get_slots_with_initialized_token()?
            .into_iter()
            .find(|slot| pkcs11.get_token_info(*slot).is_ok_and(|token| token.label() == settings.token))
            .ok_or_else(|| HsmError::NoToken(settings.token.clone()))?;
        let (pin, sessions, returned) = (settings.pin.clone(), Mutex::default(), Condvar::new());
        let hsm = Arc::new(Self { pkcs11, slot, pin, sessions, returned });
        hsm.with_session(|_| Ok(()))?;
        Ok(hsm)
    }

    /// Makes a key pair in the token, which is named after its thumbprint there, and yields its public half
    /// (SubjectPublicKeyInfo). The private half cannot be read.
    ///
    /// # Errors
    /// [`KeyError::Hsm`].
    pub fn generate(&self, algorithm: Algorithm) -> Result<Vec<u8>, KeyError> {
        let (mechanism, parameters) = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => (
                Mechanism::RsaPkcsKeyPairGen,
                vec![Attribute::ModulusBits(2048.into()), Attribute::PublicExponent(vec![1, 0, 1])],
            ),
            // The names of the curves in DER: prime256v1 by its number, edwards25519 by its name (PKCS#11 3.0 §2.3.10).
            Algorithm::Es256 => (
                Mechanism::EccKeyPairGen,
                vec![Attribute::EcParams(vec![6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7])],
            ),
            Algorithm::EdDsa => (
                Mechanism::EccEdwardsKeyPairGen,
                vec![Attribute::EcParams([&[0x13, 12][..], b"edwards25519"].concat())],
            ),
        };
        let label = || Attribute::Label(format!("{LABEL} {}", algorithm.name()).into_bytes());
        let mut public =
            vec![Attribute::Token(true), Attribute::Private(false), Attribute::Verify(true), label()];
        public.extend(parameters);
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            label(),
        ];
        let made = self.with_session(|session| {
            let (public, private) = session.generate_key_pair(&mechanism, &public, &private)?;
            Ok((public, private, public_attributes(session, public, algorithm)?))
        })?;
        let (public, private, attributes) = made;
        let spki = spki(algorithm, &attributes)?;
        let id = Attribute::Id(PublicKey::from_spki(&spki)?.thumbprint().as_bytes().to_vec());
        self.with_session(|session| {
            session.update_attributes(public, std::slice::from_ref(&id))?;
            session.update_attributes(private, std::slice::from_ref(&id))
        })?;
        Ok(spki)
    }

    /// What signs with the private key named `kid`.
    pub(in crate::crypto) fn signer(self: Arc<Self>, kid: &str, algorithm: Algorithm) -> Box<dyn JwsSigner> {
        Box::new(HsmSigner { hsm: self, kid: kid.to_owned(), algorithm })
    }

    /// Signs with the private key named `kid`. Blocks.
    fn sign(&self, kid: &str, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        let digest;
        let (mechanism, input) = match algorithm {
            Algorithm::Rs256 => (Mechanism::Sha256RsaPkcs, message),
            Algorithm::Ps256 => {
                let parameters = PkcsPssParams {
                    hash_alg: MechanismType::SHA256,
                    mgf: PkcsMgfType::MGF1_SHA256,
                    s_len: 32.into(),
                };
                (Mechanism::Sha256RsaPkcsPss(parameters), message)
            }
            // Not every module hashes for ECDSA.
            Algorithm::Es256 => {
                digest = sha256(message);
                (Mechanism::Ecdsa, digest.as_slice())
            }
            Algorithm::EdDsa => (Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), message),
        };
        let named = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(kid.as_bytes().to_vec())];
        let signature = self.with_session(|session| match session.find_objects(&named)?.first() {
            Some(key) => session.sign(&mechanism, *key, input).map(Some),
            None => Ok(None),
        })?;
        signature.ok_or_else(|| HsmError::NoKey(kid.to_owned()))
    }

    /// Runs `work` in a session that is signed in, waiting for one where all are lent. A session that failed is not used
    /// again; where it was an old one, the work is tried once more in a new one, since modules forget them.
    fn with_session<T>(&self, work: impl Fn(&Session) -> Result<T, Error>) -> Result<T, HsmError> {
        let idle = self.borrow();
        let was_idle = idle.is_some();
        let done = idle.map_or_else(|| self.begin(), Ok).and_then(|session| Ok((work(&session)?, session)));
        let done = match done {
            Err(_) if was_idle => {
                let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
                let forgotten = std::mem::take(&mut sessions.idle);
                drop(sessions);
                drop(forgotten);
                self.begin().and_then(|session| Ok((work(&session)?, session)))
            }
            done => done,
        };
        let (done, session) = match done {
            Ok((done, session)) => (Ok(done), Some(session)),
            Err(error) => (Err(error.into()), None),
        };
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.lent -= 1;
        sessions.idle.extend(session);
        drop(sessions);
        self.returned.notify_one();
        done
    }

    fn borrow(&self) -> Option<Session> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = self
            .returned
            .wait_while(sessions, |sessions| sessions.lent >= MAX_SESSIONS)
            .unwrap_or_else(PoisonError::into_inner);
        sessions.lent += 1;
        sessions.idle.pop()
    }

    fn begin(&self) -> Result<Session, Error> {
        let session = self.pkcs11.open_rw_session(self.slot)?;
        match session.login(UserType::User, Some(&self.pin)) {
            // Whoever signs in once signs in all sessions of the program.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(error),
        }
    }
}

/// One library can be started once in a program; whoever comes second uses it as it is.
fn load(module: &Path) -> Result<Pkcs11, Error> {
    let pkcs11 = Pkcs11::new(module)?;
    match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(pkcs11),
        Err(error) => Err(error),
    }
}

fn public_attributes(
    session: &Session,
    public: ObjectHandle,
    algorithm: Algorithm,
) -> Result<Vec<Attribute>, Error> {
    let wanted: &[AttributeType] = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => &[AttributeType::Modulus, AttributeType::PublicExponent],
        Algorithm::Es256 | Algorithm::EdDsa => &[AttributeType::EcPoint],
    };
    session.get_attributes(public, wanted)
}

fn spki(algorithm: Algorithm, attributes: &[Attribute]) -> Result<Vec<u8>, KeyError> {
    let key = match (algorithm, attributes) {
        (
            Algorithm::Rs256 | Algorithm::Ps256,
            [Attribute::Modulus(modulus), Attribute::PublicExponent(exponent)],
        ) => {
            let (n, e) = (BigNum::from_slice(modulus)?, BigNum::from_slice(exponent)?);
            PKey::from_rsa(Rsa::from_public_components(n, e)?)?
        }
        (Algorithm::Es256, [Attribute::EcPoint(point)]) => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            let mut context = openssl::bn::BigNumContext::new()?;
            let point = EcPoint::from_bytes(&group, octets(point, 65)?, &mut context)?;
            PKey::from_ec_key(EcKey::from_public_key(&group, &point)?)?
        }
        (Algorithm::EdDsa, [Attribute::EcPoint(point)]) => {
            PKey::public_key_from_raw_bytes(octets(point, 32)?, Id::ED25519)?
        }
        _ => return Err(KeyError::Unsupported),
    };
    Ok(key.public_key_to_der()?)
}

/// The point within a DER octet string; some modules leave the wrapping out.
fn octets(point: &[u8], len: usize) -> Result<&[u8], KeyError> {
    let within = match point {
        [4, found, rest @ ..] if usize::from(*found) == len && rest.len() == len => rest,
        _ => point,
    };
    if within.len() == len { Ok(within) } else { Err(KeyError::Point) }
}

impl Debug for Hsm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hsm({:?})", self.slot)
    }
}

/// Signs in the module, for josekit.
#[derive(Debug, Clone)]
struct HsmSigner {
    hsm: Arc<Hsm>,
    kid: String,
    algorithm: Algorithm,
}

impl JwsSigner for HsmSigner {
    fn algorithm(&self) -> &dyn JwsAlgorithm {
        match self.algorithm {
            Algorithm::Rs256 => &RS256,
            Algorithm::Ps256 => &PS256,
            Algorithm::Es256 => &ES256,
            Algorithm::EdDsa => &EdDSA,
        }
    }

    fn key_id(&self) -> Option<&str> {
        None
    }

    fn signature_len(&self) -> usize {
        match self.algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => 256,
            Algorithm::Es256 | Algorithm::EdDsa => 64,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        let sign = || self.hsm.sign(&self.kid, self.algorithm, message);
        let signed = match tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            // The runtime's other work moves to another thread meanwhile.
            Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(sign),
            _ => sign(),
        };
        signed.map_err(|error| JoseError::InvalidSignature(error.into()))
    }

    fn box_clone(&self) -> Box<dyn JwsSigner> {
        Box::new(self.clone())
    }
}
