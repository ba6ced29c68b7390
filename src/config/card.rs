//! `[card]`: which cards are accepted, and how fresh their revocation list must be.

use std::path::PathBuf;

use chrono::TimeDelta;

use super::card_tls::CardTls;
use super::reader::Section;
use super::server::Server;

/// Which cards are accepted.
#[derive(Debug, Clone)]
pub struct Card {
    /// Directory of the authorities (PEM, one per file). Without it nobody signs in with a card.
    pub anchors_dir: Option<PathBuf>,
    /// Directory of the revocation lists (DER or PEM, `.crl`), renewed from outside.
    pub crl_dir: Option<PathBuf>,
    /// Whether test cards are accepted. Never on a server with real patients.
    pub accept_test_cards: bool,
    /// What the authentication context (`acr`) says of a card: PSC's own answer is `eidas1` for every means.
    pub acr: Option<CardAcr>,
    /// The oldest workstation program that is served, as `major.minor.patch`.
    pub minimum_agent_version: Option<String>,
    /// Whether a card is refused when its revocation list is missing or too old.
    pub revocation_required: bool,
    /// How long a revocation list counts beyond its own end, for when the network is down.
    pub revocation_grace: TimeDelta,
    /// Certificate policies (dotted), one of which a card must have; empty: any.
    pub certificate_policies: Vec<String>,
    /// How often the directories are read again.
    pub reload: TimeDelta,
    /// The host that asks browsers for the card's certificate; none unless configured.
    pub tls: Option<CardTls>,
}

/// A level that relying parties are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardAcr {
    /// Low.
    Eidas1,
    /// Substantial.
    Eidas2,
    /// High.
    Eidas3,
}

impl CardAcr {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "eidas1" => Ok(Self::Eidas1),
            "eidas2" => Ok(Self::Eidas2),
            "eidas3" => Ok(Self::Eidas3),
            _ => Err("must be \"eidas1\", \"eidas2\" or \"eidas3\"".to_owned()),
        }
    }
}

impl Card {
    pub(super) fn read(section: &mut Section<'_>, server: Option<&Server>) -> Self {
        let version = |text: &str| {
            let parts: Vec<_> = text.split('.').collect();
            if parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok()) {
                Ok(text.to_owned())
            } else {
                Err("must be three numbers, such as \"0.1.0\"".to_owned())
            }
        };
        let reload = TimeDelta::seconds(10)..=TimeDelta::hours(1);
        Self {
            anchors_dir: section.path_of("anchors_dir"),
            crl_dir: section.path_of("crl_dir"),
            accept_test_cards: section.flag("accept_test_cards").unwrap_or(false),
            acr: section.text("acr", CardAcr::parse),
            minimum_agent_version: section.text("minimum_agent_version", version),
            revocation_required: section.flag("revocation_required").unwrap_or(true),
            revocation_grace: section
                .span("revocation_grace", TimeDelta::zero()..=TimeDelta::days(7))
                .unwrap_or(TimeDelta::zero()),
            certificate_policies: section.list("certificate_policies", oid).unwrap_or_default(),
            reload: section.span("reload", reload).unwrap_or(TimeDelta::minutes(1)),
            tls: section
                .section("tls", "card.tls")
                .and_then(|mut section| CardTls::read(&mut section, server)),
        }
    }
}

fn oid(text: &str) -> Result<String, String> {
    if text.split('.').count() < 2 || !text.split('.').all(|arc| arc.parse::<u64>().is_ok()) {
        return Err(format!("{text:?} is no object identifier; write numbers with dots, \"1.2.250.1.71.4\""));
    }
    Ok(text.to_owned())
}
