//! `[security_keys]`: which security keys and passkeys are taken, and what each is worth.

use std::path::PathBuf;

use chrono::TimeDelta;
use uuid::Uuid;

use super::card::CardAcr;
use super::reader::Section;

/// Which security keys are taken.
#[derive(Debug, Clone)]
pub struct SecurityKeys {
    /// Whether there are any. They are offered where the address of the pages allows it.
    pub enabled: bool,
    /// Whether a key has to prove its model.
    pub attestation: Attestation,
    /// Directory of the authorities of makers.
    pub attestation_anchors_dir: Option<PathBuf>,
    /// Models that are taken, by AAGUID; empty: all that are not denied.
    pub allow: Vec<Uuid>,
    /// Models that are not.
    pub deny: Vec<Uuid>,
    /// Whether a passkey that may leave its device is taken.
    pub synced: bool,
    /// The level of a key that proves its model and stays in its device.
    pub attested_level: CardAcr,
    /// The level of a key that says that it stays in its device, and proves nothing.
    pub device_bound_level: CardAcr,
    /// The level of a synchronised passkey.
    pub synced_level: CardAcr,
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

impl SecurityKeys {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let asked = section.text("attestation", attestation).unwrap_or(Attestation::None);
        let attestation_anchors_dir = section.path_of("attestation_anchors_dir");
        if asked == Attestation::Required && attestation_anchors_dir.is_none() {
            section.refuse(
                "attestation",
                "needs attestation_anchors_dir: without an authority no key proves anything",
            );
        }
        let longest = TimeDelta::days(3 * 365);
        Self {
            enabled: section.flag("enabled").unwrap_or(true),
            attestation: asked,
            attestation_anchors_dir,
            allow: section.list("allow", model).unwrap_or_default(),
            deny: section.list("deny", model).unwrap_or_default(),
            synced: section.flag("synced").unwrap_or(true),
            attested_level: section.text("attested_level", CardAcr::parse).unwrap_or(CardAcr::Eidas2),
            device_bound_level: section.text("device_bound_level", CardAcr::parse).unwrap_or(CardAcr::Eidas1),
            synced_level: section.text("synced_level", CardAcr::parse).unwrap_or(CardAcr::Eidas1),
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
