//! Answers made by hand, so that they can be wrong in every way; and a responder on loopback that gives them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha1;
use openssl::sign::Signer;
use openssl::x509::X509;
use sceau_certs::{der, responder_template};

use crate::crypto::x509::test_pki::{card, now, pki};

/// What a certificate is said to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said {
    Good,
    Revoked(Option<u8>),
    Unknown,
}

/// An answer; the default is a good one, for the card `good`, by the authority's responder.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) about: X509,
    pub(crate) said: Said,
    pub(crate) this_update: DateTime<Utc>,
    pub(crate) next_update: Option<DateTime<Utc>>,
    /// Name it by name rather than by key.
    pub(crate) by_name: bool,
    pub(crate) signer: X509,
    pub(crate) key: PKey<Private>,
    /// Sent along.
    pub(crate) certificates: Vec<X509>,
    /// How often the one answer stands in the response.
    pub(crate) times: usize,
    pub(crate) sha1: bool,
    pub(crate) extensions: Vec<Vec<u8>>,
    pub(crate) hash_with_sha256: bool,
}

impl Template {
    pub(crate) fn about(name: &str) -> Self {
        let responder = pki().responder.as_ref().unwrap();
        Self {
            about: card(name).authentication.certificate.clone(),
            said: Said::Good,
            this_update: now(),
            next_update: Some(now() + TimeDelta::hours(12)),
            by_name: false,
            signer: responder.certificate.clone(),
            key: responder.key.clone(),
            certificates: vec![responder.certificate.clone()],
            times: 1,
            sha1: false,
            extensions: Vec::new(),
            hash_with_sha256: false,
        }
    }

    /// Signed by the authority itself.
    pub(crate) fn by_authority(self) -> Self {
        let persons = &pki().persons;
        Self {
            signer: persons.certificate.clone(),
            key: persons.key.clone(),
            certificates: Vec::new(),
            ..self
        }
    }

    /// Signed by a responder with a certificate that says whatever the test wants, issued by `issuer`.
    pub(crate) fn by(
        self,
        issuer: &sceau_certs::Authority,
        change: impl FnOnce(sceau_certs::Template) -> sceau_certs::Template,
    ) -> Self {
        let key = card("nurse").signature.key.clone();
        let der = issuer.issue_unchecked(&change(responder_template(now())), &key).unwrap();
        let signer = X509::from_der(&der).unwrap();
        Self { certificates: vec![signer.clone()], signer, key, ..self }
    }

    /// `OCSPResponse`, DER.
    pub(crate) fn to_der(&self) -> Vec<u8> {
        let generalized = |at: DateTime<Utc>| der::generalized_time(at);
        let key_bits = |certificate: &X509| {
            let info = certificate.public_key().unwrap().public_key_to_der().unwrap();
            let (_, info) = x509_parser::x509::SubjectPublicKeyInfo::from_der(&info).unwrap();
            info.subject_public_key.data.to_vec()
        };
        use x509_parser::prelude::FromDer as _;
        let issuer = &pki().persons.certificate;
        let (name, key) = (issuer.subject_name().to_der().unwrap(), key_bits(issuer));
        let (algorithm, name, key) = if self.hash_with_sha256 {
            let hash = |bytes: &[u8]| openssl::sha::sha256(bytes).to_vec();
            (der::oid(&[2, 16, 840, 1, 101, 3, 4, 2, 1]), hash(&name), hash(&key))
        } else {
            (der::oid(&[1, 3, 14, 3, 2, 26]), sha1(&name).to_vec(), sha1(&key).to_vec())
        };
        let serial = self.about.serial_number().to_bn().unwrap().to_vec();
        let id = der::sequence(&[
            der::sequence(&[algorithm, der::null()]),
            der::octets(&name),
            der::octets(&key),
            der::unsigned(&serial),
        ]);
        let status = match self.said {
            Said::Good => der::context_primitive(0, &[]),
            Said::Revoked(reason) => {
                let reason = reason.map(|reason| der::context(0, &der::tlv(0x0A, &[reason])));
                let at = generalized(self.this_update - TimeDelta::days(1));
                der::context(1, &[at, reason.unwrap_or_default()].concat())
            }
            Said::Unknown => der::context_primitive(2, &[]),
        };
        let mut single = vec![id, status, generalized(self.this_update)];
        single.extend(self.next_update.map(|next| der::context(0, &generalized(next))));
        if !self.extensions.is_empty() {
            single.push(der::context(1, &der::sequence(&self.extensions)));
        }
        let singles = vec![der::sequence(&single); self.times];
        let responder = if self.by_name {
            der::context(1, &self.signer.subject_name().to_der().unwrap())
        } else {
            der::context(2, &der::octets(&sha1(&key_bits(&self.signer))))
        };
        let data = der::sequence(&[responder, generalized(self.this_update), der::sequence(&singles)]);
        let (digest, oid): (_, der::Oid) = if self.sha1 {
            (MessageDigest::sha1(), &[1, 2, 840, 113549, 1, 1, 5])
        } else {
            (MessageDigest::sha256(), &[1, 2, 840, 113549, 1, 1, 11])
        };
        let mut signer = Signer::new(digest, &self.key).unwrap();
        let signature = signer.sign_oneshot_to_vec(&data).unwrap();
        let mut basic = vec![data, der::sequence(&[der::oid(oid), der::null()]), der::bits(&signature)];
        if !self.certificates.is_empty() {
            let list: Vec<_> = self.certificates.iter().map(|one| one.to_der().unwrap()).collect();
            basic.push(der::context(0, &der::sequence(&list)));
        }
        let basic = der::sequence(&basic);
        let kind = der::oid(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 1]);
        let bytes = der::context(0, &der::sequence(&[kind, der::octets(&basic)]));
        der::sequence(&[der::tlv(0x0A, &[0]), bytes])
    }
}

/// An `OCSPResponse` that is no answer.
pub(crate) fn refusal(status: u8) -> Vec<u8> {
    der::sequence(&[der::tlv(0x0A, &[status])])
}

/// What a responder does with a question.
#[derive(Clone)]
pub(crate) enum Behaviour {
    Answer(Vec<u8>),
    Status(StatusCode),
    /// Never answers.
    Slow,
}

/// A responder on loopback; ends with the test's runtime.
pub(crate) struct Responder {
    pub(crate) address: String,
    behaviour: Arc<Mutex<(Behaviour, usize)>>,
}

impl Responder {
    pub(crate) async fn open(behaviour: Behaviour) -> Self {
        let behaviour = Arc::new(Mutex::new((behaviour, 0)));
        let shared = Arc::clone(&behaviour);
        let answer = async move |_question: Bytes| {
            let behaviour = {
                let mut shared = shared.lock().unwrap();
                shared.1 += 1;
                shared.0.clone()
            };
            match behaviour {
                Behaviour::Answer(der) => (StatusCode::OK, der),
                Behaviour::Status(status) => (status, Vec::new()),
                Behaviour::Slow => std::future::pending().await,
            }
        };
        let router = Router::new().fallback(axum::routing::post(move |body| {
            let answer = answer.clone();
            async move { answer(body).await }
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/ocsp", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, behaviour }
    }

    pub(crate) fn now_does(&self, behaviour: Behaviour) {
        self.behaviour.lock().unwrap().0 = behaviour;
    }

    /// How many questions it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.behaviour.lock().unwrap().1
    }
}
