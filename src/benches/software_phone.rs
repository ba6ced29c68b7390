//! A phone in software: its passkey and the key of its installation, as the protocol of docs/phone.md asks for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::Private;
use sceau::clock::{Clock as _, SystemClock};
use sceau::crypto::digest::sha256;
use serde_json::{Value, json};

use super::Failure;

/// Credential identifiers of the software phone have this many bytes.
const ID_LEN: usize = 32;

/// A phone.
pub struct SoftwarePhone {
    /// The origin of the server.
    server: String,
    credential: Vec<u8>,
    passkey: EcKey<Private>,
    installation: EcKey<Private>,
    user: Option<String>,
    counter: u32,
    /// Its key in the registry, once it is paired.
    pub id: Option<String>,
}

impl SoftwarePhone {
    /// A new one, for the server at this origin.
    pub fn new(server: &str) -> Result<Self, Failure> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let mut credential = vec![0; ID_LEN];
        openssl::rand::rand_bytes(&mut credential)?;
        Ok(Self {
            server: server.to_owned(),
            credential,
            passkey: EcKey::generate(&group)?,
            installation: EcKey::generate(&group)?,
            user: None,
            counter: 0,
            id: None,
        })
    }

    /// The identifier of its passkey, in base64url.
    pub fn credential(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.credential)
    }

    /// What it brings to be paired.
    pub fn brings(&mut self, taken: &Value) -> Result<Value, Failure> {
        let options = taken.get("options").ok_or("no options")?;
        let user = options.pointer("/user/id").and_then(Value::as_str).ok_or("no user")?;
        self.user = Some(user.to_owned());
        let client_data = self.client_data("webauthn.create", options);
        let mut data = self.authenticator_data(0x45);
        data.extend([0; 16]);
        data.extend([0, u8::try_from(ID_LEN)?]);
        data.extend(&self.credential);
        // RFC 9053 §7.1.1: a map of kind, algorithm, curve and the two coordinates.
        let (x, y) = coordinates(&self.passkey)?;
        data.extend([0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(x);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(y);
        // Web Authentication §8.7: no attestation.
        let mut object = b"\xA3\x63fmt\x64none\x67attStmt\xA0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len())?);
        object.extend(data);
        let credential = json!({
            "id": self.credential(), "rawId": self.credential(), "type": "public-key",
            "response": {
                "attestationObject": URL_SAFE_NO_PAD.encode(object),
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            },
            "clientExtensionResults": {},
        });
        let (x, y) = coordinates(&self.installation)?;
        let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        let proof = json!({"aud": self.server, "handle": taken.get("handle"), "jwk": jwk});
        Ok(json!({
            "handle": taken.get("handle"),
            "credential": credential,
            "installation": self.signed("sceau-phone-pairing+jwt", &proof)?,
            "label": "Téléphone du banc d'essai",
        }))
    }

    /// What it asks with, for the code that it scanned.
    pub fn asks(&self, code: &str) -> Result<Value, Failure> {
        let iat = SystemClock.now().timestamp();
        let claims = json!({"aud": self.server, "iat": iat, "code": code});
        Ok(json!({"message": self.signed("sceau-phone-ask+jwt", &claims)?}))
    }

    /// What it answers with, once its person approved what was shown.
    pub fn approves(&mut self, shown: &Value) -> Result<Value, Failure> {
        let context = shown.get("context").and_then(Value::as_str).ok_or("no context")?;
        let options = shown.get("options").ok_or("no options")?;
        let claims = json!({
            "aud": self.server, "question": shown.get("question"), "decision": "approve",
            "context": URL_SAFE_NO_PAD.encode(sha256(context.as_bytes())),
            "challenge": options.get("challenge"),
        });
        let message = self.signed("sceau-phone-answer+jwt", &claims)?;
        self.counter += 1;
        let client_data = self.client_data("webauthn.get", options);
        let data = self.authenticator_data(0x05);
        let signed = sha256(&[data.as_slice(), &sha256(&client_data)].concat());
        let signature = EcdsaSig::sign(&signed, &self.passkey)?.to_der()?;
        let credential = json!({
            "id": self.credential(), "rawId": self.credential(), "type": "public-key",
            "response": {
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "signature": URL_SAFE_NO_PAD.encode(signature),
                "userHandle": self.user,
            },
            "clientExtensionResults": {},
        });
        Ok(json!({"message": message, "handle": shown.get("handle"), "credential": credential}))
    }

    fn client_data(&self, ceremony: &str, options: &Value) -> Vec<u8> {
        let challenge = options.get("challenge");
        json!({"type": ceremony, "challenge": challenge, "origin": self.server, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    /// Web Authentication §6.1: hash of the host, flags, counter.
    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        [&sha256(b"localhost")[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// A message of its installation (JWS, ES256).
    fn signed(&self, typ: &str, claims: &Value) -> Result<String, Failure> {
        let header = match &self.id {
            Some(id) => json!({"alg": "ES256", "typ": typ, "kid": id}),
            None => json!({"alg": "ES256", "typ": typ}),
        };
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = format!("{header}.{claims}");
        let signature = EcdsaSig::sign(&sha256(text.as_bytes()), &self.installation)?;
        let both = [signature.r().to_vec_padded(32)?, signature.s().to_vec_padded(32)?].concat();
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(both)))
    }
}

fn coordinates(key: &EcKey<Private>) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let (mut x, mut y, mut context) = (BigNum::new()?, BigNum::new()?, BigNumContext::new()?);
    key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context)?;
    Ok((x.to_vec_padded(32)?, y.to_vec_padded(32)?))
}
