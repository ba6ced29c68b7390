//! `[security_keys]`: which security keys and passkeys are taken, and what each is worth.

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
    pub attestation_required: bool,
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

impl SecurityKeys {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let attestation = |text: &str| match text {
            "none" => Ok(false),
            "required" => Ok(true),
            _ => Err("must be \"none\" or \"required\"".to_owned()),
        };
        let longest = TimeDelta::days(3 * 365);
        Self {
            enabled: section.flag("enabled").unwrap_or(true),
            attestation_required: section.text("attestation", attestation).unwrap_or(false),
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

/// The model of a key.
fn model(text: &str) -> Result<Uuid, String> {
    let example = "cb69481e-8ff7-4039-93ec-0a2729a154a8";
    Uuid::try_parse(text).map_err(|_| format!("must be the AAGUID of a model, such as {example:?}"))
}
