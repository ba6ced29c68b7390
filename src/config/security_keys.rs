//! `[security_keys]`: which security keys and passkeys are taken, and what each is worth.

use std::path::PathBuf;

use chrono::TimeDelta;
use url::Url;
use uuid::Uuid;

use super::card::CardAcr;
use super::reader::Section;
use super::server::origin;

/// Which security keys are taken.
#[derive(Debug, Clone)]
pub struct SecurityKeys {
    /// Whether there are any. They are offered where the address of the pages allows it.
    pub enabled: bool,
    /// The origin whose host keys are bound to; none: that of the pages.
    pub rp_origin: Option<Url>,
    /// The other origins whose pages may use them.
    pub related_origins: Vec<Url>,
    /// Whether a key has to prove its model.
    pub attestation: Attestation,
    /// Directory of the authorities of makers.
    pub attestation_anchors_dir: Option<PathBuf>,
    /// The metadata of models.
    pub metadata: Option<KeyMetadata>,
    /// Models that are taken, by AAGUID; empty: all that are not denied.
    pub allow: Vec<Uuid>,
    /// Models that are not.
    pub deny: Vec<Uuid>,
    /// Whether a passkey that may leave its device is taken.
    pub synced: bool,
    /// The level of a key that proves its model and stays in its device.
    pub attested_level: CardAcr,
    /// The certification that a model needs for that level, as the metadata writes it.
    pub attested_certification: Option<String>,
    /// The level of a key that says that it stays in its device, and proves nothing.
    pub device_bound_level: CardAcr,
    /// The level of a synchronised passkey.
    pub synced_level: CardAcr,
    /// Whether a key is taken that need not verify its person, and counts after a badge only.
    pub second_factor: bool,
    /// The level of a badge and such a key: never `eidas3`.
    pub second_factor_level: CardAcr,
    /// Rules for some of the people.
    pub populations: Vec<KeyPopulation>,
    /// How many keys one person may have.
    pub per_person: usize,
    /// For how long a key is good.
    pub life: TimeDelta,
}

/// Whether a key has to prove its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attestation {
    /// No: none is asked for.
    None,
    /// One is asked for; a key that proves nothing is taken, for what it is worth.
    Preferred,
    /// Yes.
    Required,
}

/// Rules for some of the people: what they state takes the place of the general ones.
#[derive(Debug, Clone)]
pub struct KeyPopulation {
    /// Codes of professions.
    pub professions: Vec<String>,
    /// Whether it holds everybody without a profession.
    pub employees: bool,
    /// Whether a key has to prove its model.
    pub attestation: Option<Attestation>,
    /// Models that are taken.
    pub allow: Option<Vec<Uuid>>,
    /// Models that are not.
    pub deny: Option<Vec<Uuid>>,
    /// Whether a passkey that may leave its device is taken.
    pub synced: Option<bool>,
    /// The level of a key that proves its model and stays in its device.
    pub attested_level: Option<CardAcr>,
    /// The certification that a model needs for that level.
    pub attested_certification: Option<String>,
    /// The level of a key that says that it stays in its device, and proves nothing.
    pub device_bound_level: Option<CardAcr>,
    /// The level of a synchronised passkey.
    pub synced_level: Option<CardAcr>,
    /// Whether a key is taken that counts after a badge only.
    pub second_factor: Option<bool>,
    /// The level of a badge and such a key.
    pub second_factor_level: Option<CardAcr>,
}

impl KeyPopulation {
    fn read(section: &mut Section<'_>) -> Self {
        let professions = section.list("professions", profession).unwrap_or_default();
        let employees = section.flag("employees").unwrap_or(false);
        if professions.is_empty() && !employees {
            section.refuse("professions", "names nobody: write codes of professions, or employees = true");
        }
        Self {
            professions,
            employees,
            attestation: section.text("attestation", attestation),
            allow: section.list("allow", model),
            deny: section.list("deny", model),
            synced: section.flag("synced"),
            attested_level: section.text("attested_level", CardAcr::parse),
            attested_certification: section.text("attested_certification", certification),
            device_bound_level: section.text("device_bound_level", CardAcr::parse),
            synced_level: section.text("synced_level", CardAcr::parse),
            second_factor: section.flag("second_factor"),
            second_factor_level: section.text("second_factor_level", second_factor_level),
        }
    }
}

/// What no hospital can answer for is no setting: two things that somebody has, and nothing that only they know.
fn second_factor_level(text: &str) -> Result<CardAcr, String> {
    match CardAcr::parse(text)? {
        CardAcr::Eidas3 => {
            Err("must be \"eidas1\" or \"eidas2\": a badge and a key are no card and PIN".to_owned())
        }
        level => Ok(level),
    }
}

fn profession(text: &str) -> Result<String, String> {
    match text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("must be codes of professions of two digits, such as \"60\" for nurses".to_owned()),
    }
}

/// The metadata of models (FIDO Metadata Service).
#[derive(Debug, Clone)]
pub struct KeyMetadata {
    /// Where it comes from.
    pub place: MetadataPlace,
    /// The file of the root that its signer leads to.
    pub anchor: PathBuf,
    /// The host name of its signer.
    pub signer: Option<String>,
    /// Whether keys are refused while it is missing or too old.
    pub refuses_stale: bool,
}

/// Where metadata comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataPlace {
    /// A file.
    File(PathBuf),
    /// An address.
    Address(String),
}

impl KeyMetadata {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let (file, address) = (section.path_of("metadata_file"), section.text("metadata_url", address));
        let anchor = section.path_of("metadata_anchor");
        let signer = section.text("metadata_signer", |text| Ok(text.to_owned()));
        let stale = |text: &str| match text {
            "warn" => Ok(false),
            "refuse" => Ok(true),
            _ => Err("must be \"warn\" or \"refuse\"".to_owned()),
        };
        let refuses_stale = section.text("metadata_stale", stale).unwrap_or(false);
        let place = match (file, address) {
            (Some(file), None) => MetadataPlace::File(file),
            (None, Some(address)) => MetadataPlace::Address(address),
            (None, None) => {
                let alone = [
                    ("metadata_anchor", anchor.is_some()),
                    ("metadata_signer", signer.is_some()),
                    ("metadata_stale", refuses_stale),
                ];
                for (key, _) in alone.into_iter().filter(|(_, is_there)| *is_there) {
                    section.refuse(key, "needs metadata_file or metadata_url");
                }
                return None;
            }
            (Some(_), Some(_)) => {
                section.refuse("metadata_url", "is one way, and metadata_file another: keep one");
                return None;
            }
        };
        let Some(anchor) = anchor else {
            section
                .refuse("metadata_anchor", "is missing: name the file of the root that signs the metadata");
            return None;
        };
        Some(Self { place, anchor, signer, refuses_stale })
    }
}

fn address(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text.to_owned()),
        _ => Err(format!("{text:?} must begin with http:// or https://")),
    }
}

fn certification(text: &str) -> Result<String, String> {
    let known = ["L1", "L1plus", "L2", "L2plus", "L3", "L3plus"];
    match known.contains(&text) {
        true => Ok(format!("FIDO_CERTIFIED_{text}")),
        false => Err("must be \"L1\", \"L1plus\", \"L2\", \"L2plus\", \"L3\" or \"L3plus\"".to_owned()),
    }
}

impl SecurityKeys {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let asked = section.text("attestation", attestation).unwrap_or(Attestation::None);
        let attestation_anchors_dir = section.path_of("attestation_anchors_dir");
        let metadata = KeyMetadata::read(section);
        if asked == Attestation::Required && attestation_anchors_dir.is_none() && metadata.is_none() {
            let why =
                "needs attestation_anchors_dir or metadata: without an authority no key proves anything";
            section.refuse("attestation", why);
        }
        let attested_certification = section.text("attested_certification", certification);
        if attested_certification.is_some() && metadata.is_none() {
            section.refuse("attested_certification", "needs metadata_file or metadata_url, which say it");
        }
        let populations = section.sections_of("populations", "security_keys.populations");
        let populations: Vec<_> =
            populations.into_iter().map(|(_, mut section)| KeyPopulation::read(&mut section)).collect();
        let proves = attestation_anchors_dir.is_some() || metadata.is_some();
        if !proves && populations.iter().any(|own| own.attestation == Some(Attestation::Required)) {
            section.refuse("populations", "ask for attestation: name attestation_anchors_dir or metadata");
        }
        let certified = populations.iter().any(|own| own.attested_certification.is_some());
        if metadata.is_none() && certified {
            let why = "ask for attested_certification: name metadata_file or metadata_url, which say it";
            section.refuse("populations", why);
        }
        let longest = TimeDelta::days(3 * 365);
        Self {
            enabled: section.flag("enabled").unwrap_or(true),
            rp_origin: section.text("rp_origin", origin),
            related_origins: section.list("related_origins", origin).unwrap_or_default(),
            attestation: asked,
            attestation_anchors_dir,
            metadata,
            populations,
            attested_certification,
            allow: section.list("allow", model).unwrap_or_default(),
            deny: section.list("deny", model).unwrap_or_default(),
            synced: section.flag("synced").unwrap_or(true),
            attested_level: section.text("attested_level", CardAcr::parse).unwrap_or(CardAcr::Eidas2),
            device_bound_level: section.text("device_bound_level", CardAcr::parse).unwrap_or(CardAcr::Eidas1),
            synced_level: section.text("synced_level", CardAcr::parse).unwrap_or(CardAcr::Eidas1),
            second_factor: section.flag("second_factor").unwrap_or(false),
            second_factor_level: section
                .text("second_factor_level", second_factor_level)
                .unwrap_or(CardAcr::Eidas1),
            per_person: section
                .number("per_person", 1..=50)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(10),
            life: section.span("life", TimeDelta::days(1)..=longest).unwrap_or(longest),
        }
    }
}

fn attestation(text: &str) -> Result<Attestation, String> {
    match text {
        "none" => Ok(Attestation::None),
        "preferred" => Ok(Attestation::Preferred),
        "required" => Ok(Attestation::Required),
        _ => Err("must be \"none\", \"preferred\" or \"required\"".to_owned()),
    }
}

/// The model of a key.
fn model(text: &str) -> Result<Uuid, String> {
    let example = "cb69481e-8ff7-4039-93ec-0a2729a154a8";
    Uuid::try_parse(text).map_err(|_| format!("must be the AAGUID of a model, such as {example:?}"))
}
