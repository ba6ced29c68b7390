//! The FIDO Metadata Service: what is known of models of security keys, by a document that is signed (FIDO Metadata
//! Service 3.0 and 3.1, §3.1).
//!
//! A hospital gets from it the makers' authorities of each model, the level at which it was certified, and that a model
//! was withdrawn or broken: such a key registers and signs in no more. The document comes from a file or an address that
//! the configuration names, and counts where it is signed by a certificate that leads to the configured root, is for the
//! configured name and in its time by our clock. Its number never goes back, so that nobody brings an old one again.
//!
//! Only what is used is read; members that are unknown are ignored, as the specification asks. Entries without an AAGUID
//! (U2F, UAF) are none of ours. Whether the signer's certificate was revoked is not looked up.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use crate::clock::Time;
use crate::crypto::jose::{self, Expected, JwsError};
use crate::crypto::keys::Algorithm;
use crate::crypto::x509::chain::ChainError;
use crate::crypto::x509::foreign::Roots;
use crate::crypto::x509::names::Names;

/// The longest document that is read: that of the FIDO Alliance has some nine million bytes.
pub const LARGEST: usize = 48 * 1024 * 1024;
/// Who signs the document of the FIDO Alliance. Its root issues certificates for anybody: the name is what counts.
pub const FIDO_ALLIANCE: &str = "mds.fidoalliance.org";

/// Why a document is not taken.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// It is not signed as it says.
    #[error("the signature of the metadata: {0}")]
    Signature(#[from] JwsError),
    /// Its signer leads to another root, or to none.
    #[error("the signer of the metadata: {0}")]
    Signer(#[from] ChainError),
    /// Its signer has another name.
    #[error("the metadata is not signed by {0}")]
    Name(String),
    /// It is older than what is there.
    #[error("the metadata has number {new}, and number {kept} was there before")]
    Older {
        /// Its number.
        new: i64,
        /// The number of what is there.
        kept: i64,
    },
    /// It says something else than metadata does.
    #[error("the metadata cannot be read: {0}")]
    Unreadable(String),
    /// It is not to be had.
    #[error("the metadata cannot be had: {0}")]
    Unavailable(String),
}

impl MetadataError {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Signature(_) => "KEY-033",
            Self::Signer(ChainError::Expired | ChainError::NotYetValid) => "KEY-035",
            Self::Signer(_) => "KEY-034",
            Self::Name(_) => "KEY-036",
            Self::Older { .. } => "KEY-037",
            Self::Unreadable(_) => "KEY-038",
            Self::Unavailable(_) => "KEY-039",
        }
    }
}

/// Who publishes the metadata.
#[derive(Debug, Clone)]
pub struct Publisher {
    /// The root that its certificates lead to.
    pub root: Roots,
    /// The host name in its certificate.
    pub name: String,
}

impl Publisher {
    /// What tells publishers apart: the name, and the root.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{} {}", self.name.to_ascii_lowercase(), hex::encode(self.root.digest()))
    }
}

/// How a model was certified, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certification {
    /// Level 1.
    L1,
    /// Level 1+.
    L1Plus,
    /// Level 2.
    L2,
    /// Level 2+.
    L2Plus,
    /// Level 3.
    L3,
    /// Level 3+.
    L3Plus,
}

impl Certification {
    /// Each with its name in the metadata; a model of before there were levels has the first.
    pub const ALL: [(&'static str, Self); 7] = [
        ("FIDO_CERTIFIED", Self::L1),
        ("FIDO_CERTIFIED_L1", Self::L1),
        ("FIDO_CERTIFIED_L1plus", Self::L1Plus),
        ("FIDO_CERTIFIED_L2", Self::L2),
        ("FIDO_CERTIFIED_L2plus", Self::L2Plus),
        ("FIDO_CERTIFIED_L3", Self::L3),
        ("FIDO_CERTIFIED_L3plus", Self::L3Plus),
    ];

    /// By its name in the metadata.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, level)| level)
    }
}

/// What makes a model unfit (§3.1.4): whoever has one may be somebody else than its person, or the key a copy.
const BROKEN: [&str; 5] = [
    "REVOKED",
    "USER_VERIFICATION_BYPASS",
    "ATTESTATION_KEY_COMPROMISE",
    "USER_KEY_REMOTE_COMPROMISE",
    "USER_KEY_PHYSICAL_COMPROMISE",
];

/// What the metadata says of a model today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listed {
    /// It is withdrawn or broken; the word of the metadata.
    pub broken: Option<&'static str>,
    /// At which level it is certified.
    pub certification: Option<Certification>,
}

/// The metadata of all models.
#[derive(Debug)]
pub struct Metadata {
    /// It goes up with each publication.
    pub number: i64,
    /// When the next one is due.
    pub next_update: NaiveDate,
    models: BTreeMap<Uuid, Model>,
}

#[derive(Debug)]
struct Model {
    roots: Roots,
    reports: Vec<Report>,
}

impl Metadata {
    /// Verifies and reads a document, as of `now`.
    ///
    /// # Errors
    /// [`MetadataError`].
    pub fn read(document: &str, publisher: &Publisher, now: Time) -> Result<Self, MetadataError> {
        let expected =
            Expected { typ: None, algorithms: &[Algorithm::Rs256, Algorithm::Es256], max_len: LARGEST };
        let payload = jose::verify_with_certificates(document.trim_ascii(), expected, |chain| {
            publisher.root.vouch(chain, now)?;
            let names = chain.first().and_then(|signer| Names::read(signer).ok());
            match names.is_some_and(|names| names.has_dns(&publisher.name)) {
                true => Ok(()),
                false => Err(MetadataError::Name(publisher.name.clone())),
            }
        })?;
        let payload: Payload =
            serde_json::from_slice(&payload).map_err(|error| MetadataError::Unreadable(error.to_string()))?;
        let models = payload.entries.into_iter().filter_map(|entry| {
            let roots = entry.metadata_statement.unwrap_or_default().attestation_root_certificates;
            let roots: Vec<_> = roots.iter().filter_map(|text| certificate(text)).collect();
            Some((entry.aaguid?, Model { roots: Roots::of(&roots), reports: entry.status_reports }))
        });
        Ok(Self { number: payload.no, next_update: payload.next_update, models: models.collect() })
    }

    /// How many models it names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether it names none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// The end of the day by which the next one should be there.
    #[must_use]
    pub fn until(&self) -> Time {
        self.next_update.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::days(1)
    }

    /// The authorities of a model.
    #[must_use]
    pub fn roots(&self, model: Uuid) -> Option<&Roots> {
        self.models.get(&model).map(|model| &model.roots)
    }

    /// What is said of a model as of `now`. A report of the future does not count yet; one without a date does. That a
    /// model was broken once is not undone by a later report: which of its keys were mended cannot be seen.
    #[must_use]
    pub fn listed(&self, model: Uuid, now: Time) -> Listed {
        let mut listed = Listed::default();
        let Some(model) = self.models.get(&model) else { return listed };
        let today = now.date_naive();
        for report in
            model.reports.iter().filter(|report| report.effective_date.is_none_or(|day| day <= today))
        {
            let word = report.status.as_str();
            listed.broken = listed.broken.or_else(|| BROKEN.into_iter().find(|broken| *broken == word));
            match Certification::of(word) {
                Some(level) => listed.certification = listed.certification.max(Some(level)),
                None if word == "NOT_FIDO_CERTIFIED" => listed.certification = None,
                None => {}
            }
        }
        listed
    }
}

/// The payload (§3.1.6), as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    no: i64,
    #[serde(deserialize_with = "day")]
    next_update: NaiveDate,
    entries: Vec<Entry>,
}

/// One model (§3.1.1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    aaguid: Option<Uuid>,
    metadata_statement: Option<Statement>,
    #[serde(default)]
    status_reports: Vec<Report>,
}

/// FIDO Metadata Statement §4.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(default)]
    attestation_root_certificates: Vec<String>,
}

/// §3.1.3.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    status: String,
    #[serde(default, deserialize_with = "some_day")]
    effective_date: Option<NaiveDate>,
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    let text = String::deserialize(deserializer)?;
    NaiveDate::parse_from_str(&text, "%Y-%m-%d").map_err(serde::de::Error::custom)
}

fn some_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    day(deserializer).map(Some)
}

/// Base64 of DER; older statements broke it into lines.
fn certificate(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use sceau_certs::Authority;
    use sceau_certs::extension::Extension;
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::crypto::keys::SigningKey;
    use crate::webauthn::attestation::tests::{maker, template};

    pub(crate) const MODEL: Uuid = Uuid::from_u128(7);

    /// A publisher of metadata, its certificate by an authority of its own.
    pub(crate) struct Service {
        pub(crate) authority: Authority,
        key: SigningKey,
        chain: Vec<String>,
    }

    impl Service {
        pub(crate) fn new() -> Self {
            Self::signing_with(maker("Racine"), |template| template)
        }

        fn signing_with(
            authority: Authority,
            change: impl FnOnce(sceau_certs::Template) -> sceau_certs::Template,
        ) -> Self {
            let key = SigningKey::generate(Algorithm::Es256).unwrap();
            let public = openssl::pkey::PKey::public_key_from_der(&key.public().to_spki().unwrap()).unwrap();
            let template = change(template(None).with(Extension::hosts(&["metadata.example"])));
            let certificate = authority.issue_unchecked(&template, &public).unwrap();
            Self { authority, key, chain: vec![STANDARD.encode(certificate)] }
        }

        pub(crate) fn publisher(&self) -> Publisher {
            let root = Roots::of(&[self.authority.certificate.to_der().unwrap()]);
            Publisher { root, name: "metadata.example".into() }
        }

        pub(crate) fn publish(&self, payload: &Value) -> String {
            let header = json!({"alg": "ES256", "typ": "JWT", "x5c": self.chain});
            jose::forge(&self.key, &header, payload)
        }
    }

    /// A publication that says this of [`MODEL`].
    pub(crate) fn payload(number: i64, next_update: &str, roots: &[&Authority], statuses: &[&str]) -> Value {
        let roots: Vec<_> =
            roots.iter().map(|root| STANDARD.encode(root.certificate.to_der().unwrap())).collect();
        let reports: Vec<_> =
            statuses.iter().map(|status| json!({"status": status, "effectiveDate": "2026-01-01"})).collect();
        json!({
            "legalHeader": "x", "no": number, "nextUpdate": next_update,
            "entries": [
                {"aaid": "4e4e#4005", "statusReports": [{"status": "REVOKED"}]},
                {"aaguid": MODEL, "statusReports": reports, "timeOfLastStatusChange": "2026-01-01",
                 "metadataStatement": {"attestationRootCertificates": roots, "upv": [{"major": 1, "minor": 0}]}},
            ],
        })
    }

    fn now() -> Time {
        MockClock::default().now()
    }

    fn code(service: &Service, document: &str) -> &'static str {
        let read = Metadata::read(document, &service.publisher(), now());
        read.map_or_else(|error| error.code(), |_| "good")
    }

    #[test]
    fn a_document_of_the_publisher_is_read() {
        let (service, ours) = (Service::new(), maker("A"));
        let document = service.publish(&payload(7, "2026-12-01", &[&ours], &["FIDO_CERTIFIED_L2"]));
        let read = Metadata::read(&format!("{document}\n"), &service.publisher(), now()).unwrap();
        assert_eq!((read.number, read.len()), (7, 1));
        assert_eq!(read.until().to_rfc3339(), "2026-12-02T00:00:00+00:00");
        assert!(read.roots(MODEL).is_some_and(|roots| !roots.is_empty()));
        let certified = Listed { broken: None, certification: Some(Certification::L2) };
        assert_eq!(read.listed(MODEL, now()), certified);
        assert_eq!(read.listed(Uuid::nil(), now()), Listed::default());
    }

    #[test]
    fn what_anybody_else_signed_or_changed_is_refused() {
        let service = Service::new();
        let said = payload(7, "2026-12-01", &[], &["FIDO_CERTIFIED_L2"]);
        let document = service.publish(&said);
        // Another root, with the same names; and the root of another brought along.
        let other = Service::new();
        assert_eq!(code(&service, &other.publish(&said)), "KEY-034");
        let brought = STANDARD.encode(other.authority.certificate.to_der().unwrap());
        let brought = Service { chain: [other.chain.clone(), vec![brought]].concat(), ..other };
        assert_eq!(code(&service, &brought.publish(&said)), "KEY-034");
        // The same root, for somebody else.
        let elsewhere = Service::signing_with(maker("Racine"), |template| {
            template
                .without(sceau_certs::extension::SUBJECT_ALT_NAME)
                .with(Extension::hosts(&["www.example"]))
        });
        assert_eq!(code(&elsewhere, &elsewhere.publish(&said)), "KEY-036");
        // Its genuine certificate before another key.
        let forged = Service { chain: service.chain.clone(), ..Service::new() };
        assert_eq!(code(&service, &forged.publish(&said)), "KEY-033");
        // A payload of one's own behind its signature; no certificate; one that is none; another algorithm.
        let parts: Vec<_> = document.split('.').collect();
        let own = jose::base64url::encode(payload(8, "2030-01-01", &[], &[]).to_string());
        assert_eq!(code(&service, &format!("{}.{own}.{}", parts[0], parts[2])), "KEY-033");
        let bare = |header: Value| jose::forge(&service.key, &header, &said);
        assert_eq!(code(&service, &bare(json!({"alg": "ES256"}))), "KEY-033");
        assert_eq!(code(&service, &bare(json!({"alg": "ES256", "x5c": []}))), "KEY-033");
        assert_eq!(code(&service, &bare(json!({"alg": "ES256", "x5c": ["%"]}))), "KEY-033");
        assert_eq!(code(&service, &bare(json!({"alg": "ES256", "x5c": ["AAAA"]}))), "KEY-034");
        let none = bare(json!({"alg": "none", "x5c": service.chain}));
        assert_eq!(code(&service, &none), "KEY-033");
        assert_eq!(code(&service, ""), "KEY-033");
        assert_eq!(code(&service, &service.publish(&json!({"no": "x"}))), "KEY-038");
        assert_eq!(code(&service, &document), "good");
    }

    #[test]
    fn a_signer_counts_in_its_time() {
        let day = TimeDelta::days(1);
        let said = payload(7, "2026-12-01", &[], &[]);
        for (from, until) in [(-day * 3, -day), (day, day * 3)] {
            let service = Service::signing_with(maker("Racine"), |template| sceau_certs::Template {
                not_before: now() + from,
                not_after: now() + until,
                ..template
            });
            assert_eq!(code(&service, &service.publish(&said)), "KEY-035");
        }
    }

    #[test]
    fn a_model_that_was_broken_stays_so_and_one_that_will_be_is_not_yet() {
        let service = Service::new();
        let listed = |reports: Value| {
            let mut said = payload(1, "2026-12-01", &[], &[]);
            said["entries"][1]["statusReports"] = reports;
            let read = Metadata::read(&service.publish(&said), &service.publisher(), now()).unwrap();
            read.listed(MODEL, now())
        };
        for broken in BROKEN {
            let reports =
                json!([{"status": "FIDO_CERTIFIED"}, {"status": broken}, {"status": "UPDATE_AVAILABLE"}]);
            assert_eq!(listed(reports).broken, Some(broken));
        }
        let tomorrow = json!([{"status": "REVOKED", "effectiveDate": "2026-11-22"}]);
        assert_eq!(listed(tomorrow), Listed::default());
        let today = json!([{"status": "REVOKED", "effectiveDate": "2026-11-21"}]);
        assert_eq!(listed(today).broken, Some("REVOKED"));
        let certification = |words: &[&str]| {
            listed(words.iter().map(|word| json!({"status": word})).collect::<Value>()).certification
        };
        assert_eq!(certification(&["SELF_ASSERTION_SUBMITTED"]), None);
        assert_eq!(certification(&["FIDO_CERTIFIED_L2", "FIDO_CERTIFIED_L1"]), Some(Certification::L2));
        assert_eq!(certification(&["FIDO_CERTIFIED_L2", "NOT_FIDO_CERTIFIED"]), None);
        assert_eq!(certification(&["SOMETHING_NEW"]), None);
    }
}
