//! A security key and the browser it is plugged into, in software: everything that either can say can be said wrongly.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde_cbor_2::Value as Cbor;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::crypto::digest::sha256;

/// A key, as it was made for one person.
#[derive(Clone)]
pub(in crate::tests) struct SoftKey {
    pub(in crate::tests) id: Vec<u8>,
    pub(in crate::tests) private: PKey<Private>,
    pub(in crate::tests) aaguid: Uuid,
    pub(in crate::tests) counter: u32,
    /// Whose it says it is.
    pub(in crate::tests) user: Option<Vec<u8>>,
    pub(in crate::tests) user_present: bool,
    pub(in crate::tests) user_verified: bool,
    pub(in crate::tests) backup_eligible: bool,
    pub(in crate::tests) backed_up: bool,
    /// What signs for its model: its key, and certificates, its own first (DER); without any, the key vouches for itself.
    pub(in crate::tests) attestation: Option<(PKey<Private>, Vec<Vec<u8>>)>,
    /// The page that the browser shows, and the host that the key signs for.
    pub(in crate::tests) origin: String,
    pub(in crate::tests) host: String,
    pub(in crate::tests) cross_origin: bool,
}

impl SoftKey {
    pub(in crate::tests) fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let mut id = vec![0; 32];
        openssl::rand::rand_bytes(&mut id).unwrap();
        Self {
            id,
            private: PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap(),
            aaguid: Uuid::from_u128(7),
            counter: 1,
            user: None,
            user_present: true,
            user_verified: true,
            backup_eligible: false,
            backed_up: false,
            attestation: None,
            origin: "http://localhost:8080".into(),
            host: "localhost".into(),
            cross_origin: false,
        }
    }

    /// What the browser hands over after `navigator.credentials.create`.
    pub(in crate::tests) fn create(&mut self, options: &Value) -> Value {
        self.user = Some(URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap());
        let client_data = self.client_data("webauthn.create", options);
        let mut data = self.authenticator_data(0x40);
        data.extend(self.aaguid.as_bytes());
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend(serde_cbor_2::to_vec(&self.cose()).unwrap());
        let (format, statement) = match &self.attestation {
            None => ("none", BTreeMap::new()),
            Some((key, chain)) => {
                let signature = sign(key, &[data.clone(), sha256(&client_data).to_vec()].concat());
                let statement = [(text("alg"), Cbor::Integer(-7)), (text("sig"), Cbor::Bytes(signature))];
                let chain: Vec<_> = chain.iter().cloned().map(Cbor::Bytes).collect();
                let chain = (!chain.is_empty()).then_some((text("x5c"), Cbor::Array(chain)));
                ("packed", statement.into_iter().chain(chain).collect())
            }
        };
        let object = [
            (text("fmt"), text(format)),
            (text("attStmt"), Cbor::Map(statement)),
            (text("authData"), Cbor::Bytes(data)),
        ];
        let object = serde_cbor_2::to_vec(&Cbor::Map(object.into_iter().collect())).unwrap();
        json!({
            "id": encoded(&self.id), "rawId": encoded(&self.id), "type": "public-key",
            "response": {"attestationObject": encoded(&object), "clientDataJSON": encoded(&client_data)},
            "clientExtensionResults": {},
        })
    }

    /// What the browser hands over after `navigator.credentials.get`.
    pub(in crate::tests) fn get(&mut self, options: &Value) -> Value {
        self.counter += 1;
        let client_data = self.client_data("webauthn.get", options);
        let data = self.authenticator_data(0);
        let signature = sign(&self.private, &[data.clone(), sha256(&client_data).to_vec()].concat());
        json!({
            "id": encoded(&self.id), "rawId": encoded(&self.id), "type": "public-key",
            "response": {
                "authenticatorData": encoded(&data),
                "clientDataJSON": encoded(&client_data),
                "signature": encoded(&signature),
                "userHandle": self.user.as_deref().map(encoded),
            },
            "clientExtensionResults": {},
        })
    }

    fn client_data(&self, ceremony: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": ceremony, "challenge": options["challenge"], "origin": self.origin,
            "crossOrigin": self.cross_origin,
        });
        serde_json::to_vec(&data).unwrap()
    }

    /// §6.1: hash of the host, flags, counter.
    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flags
            | flag(self.user_present, 0x01)
            | flag(self.user_verified, 0x04)
            | flag(self.backup_eligible, 0x08)
            | flag(self.backed_up, 0x10);
        [&sha256(self.host.as_bytes())[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// RFC 9053 §7.1.1.
    fn cose(&self) -> Cbor {
        let key = self.private.ec_key().unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let mut context = BigNumContext::new().unwrap();
        key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
        let members = [
            (1, Cbor::Integer(2)),
            (3, Cbor::Integer(-7)),
            (-1, Cbor::Integer(1)),
            (-2, Cbor::Bytes(x.to_vec_padded(32).unwrap())),
            (-3, Cbor::Bytes(y.to_vec_padded(32).unwrap())),
        ];
        Cbor::Map(members.into_iter().map(|(label, value)| (Cbor::Integer(label), value)).collect())
    }
}

fn sign(key: &PKey<Private>, message: &[u8]) -> Vec<u8> {
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    signer.sign_oneshot_to_vec(message).unwrap()
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn text(text: &str) -> Cbor {
    Cbor::Text(text.to_owned())
}
