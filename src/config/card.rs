//! `[card]`: which cards are accepted, where their revocation is learnt, and what happens while it is not known.

use std::path::PathBuf;

use chrono::TimeDelta;
use url::Url;

use super::card_tls::CardTls;
use super::reader::{Section, parse_span};
use super::server::Server;

/// Which cards are accepted.
#[derive(Debug, Clone)]
pub struct Card {
    /// Directory of the authorities (PEM, one per file). Without it nobody signs in with a card.
    pub anchors_dir: Option<PathBuf>,
    /// Directory of the revocation lists (DER or PEM, `.crl`).
    pub crl_dir: Option<PathBuf>,
    /// Whether lists are fetched by HTTP. Without it, something else has to put them there.
    pub crl_fetch: bool,
    /// Addresses of lists, beside those that authorities and cards name.
    pub crl_urls: Vec<String>,
    /// How often each list is asked for at least.
    pub crl_refresh: TimeDelta,
    /// Whether responders are asked about the cards that are shown (OCSP).
    pub ocsp: bool,
    /// The responder to ask instead of the one that the card names.
    pub ocsp_url: Option<String>,
    /// How long an answer counts at most.
    pub ocsp_max_age: TimeDelta,
    /// Whether test cards are accepted. Never on a server with real patients.
    pub accept_test_cards: bool,
    /// What the authentication context (`acr`) says of a card: PSC's own answer is `eidas1` for every means.
    pub acr: Option<CardAcr>,
    /// The oldest workstation program that is served, as `major.minor.patch`.
    pub minimum_agent_version: Option<String>,
    /// What to do with a card while neither list nor responder has an answer in its time.
    pub fallback: CardFallback,
    /// Types of card that may sign in.
    pub types: Vec<CardType>,
    /// Whether the certificate of a sign-in has to be one for smart card logon too.
    pub require_smartcard_logon: bool,
    /// Certificate policies (dotted), one of which a card must have; empty: any.
    pub certificate_policies: Vec<String>,
    /// How often the directories are read again.
    pub reload: TimeDelta,
    /// The host that asks browsers for the card's certificate; none unless configured.
    pub tls: Option<CardTls>,
}

/// A type of card, by the name that is printed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardType {
    /// Health professional.
    Cps,
    /// Professional in training.
    Cpf,
    /// Staff of an establishment, its director (CDE) included.
    Cpe,
    /// Authorised staff, their director (CDA) included.
    Cpa,
}

impl CardType {
    const ALL: [(&'static str, Self); 4] =
        [("CPS", Self::Cps), ("CPF", Self::Cpf), ("CPE", Self::Cpe), ("CPA", Self::Cpa)];

    fn parse(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|(name, _)| *name == text);
        known.map(|(_, kind)| kind).ok_or_else(|| "must be \"CPS\", \"CPF\", \"CPE\" or \"CPA\"".to_owned())
    }
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

/// What to do while neither list nor responder has an answer in its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fallback {
    /// Refuse the card.
    #[default]
    Refuse,
    /// Accept it while the last good list or answer is younger than this.
    Younger(TimeDelta),
    /// Accept it for so long after the list should have been replaced.
    Overdue(TimeDelta),
    /// Accept it whatever is missing.
    Accept,
}

/// The rule of each kind of card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CardFallback {
    /// Of kinds without one of their own.
    pub all: Fallback,
    /// Health professionals.
    pub cps: Option<Fallback>,
    /// Professionals in training.
    pub cpf: Option<Fallback>,
    /// Staff of an establishment.
    pub cpe: Option<Fallback>,
    /// Authorised staff.
    pub cpa: Option<Fallback>,
}

impl CardFallback {
    fn read(section: &mut Section<'_>) -> Self {
        let all = section.text("revocation_fallback", fallback);
        let required = section.flag("revocation_required").unwrap_or(true);
        let grace = section
            .span("revocation_grace", TimeDelta::zero()..=TimeDelta::days(7))
            .unwrap_or(TimeDelta::zero());
        if all.is_some() && (!required || !grace.is_zero()) {
            section.refuse(
                "revocation_fallback",
                "takes the place of revocation_required and revocation_grace: remove these",
            );
        }
        let older = match (required, grace) {
            (false, _) => Fallback::Accept,
            (true, grace) if grace.is_zero() => Fallback::Refuse,
            (true, grace) => Fallback::Overdue(grace),
        };
        Self {
            all: all.unwrap_or(older),
            cps: section.text("revocation_fallback_cps", fallback),
            cpf: section.text("revocation_fallback_cpf", fallback),
            cpe: section.text("revocation_fallback_cpe", fallback),
            cpa: section.text("revocation_fallback_cpa", fallback),
        }
    }
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
        let (minute, hour) = (TimeDelta::minutes(1), TimeDelta::hours(1));
        let reload = TimeDelta::seconds(10)..=TimeDelta::hours(1);
        let tls =
            section.section("tls", "card.tls").and_then(|mut section| CardTls::read(&mut section, server));
        let require_smartcard_logon = section.flag("require_smartcard_logon").unwrap_or(true);
        if tls.is_some() && !require_smartcard_logon {
            // Here nobody but the certificate says which side of the card answered.
            section.refuse(
                "require_smartcard_logon",
                "must be true where [card.tls] stands: a card's contactless key, which no PIN protects, would pass for \
                 the card with its PIN",
            );
        }
        Self {
            anchors_dir: section.path_of("anchors_dir"),
            crl_dir: section.path_of("crl_dir"),
            crl_fetch: section.flag("crl_fetch").unwrap_or(true),
            crl_urls: section.list("crl_urls", published).unwrap_or_default(),
            crl_refresh: section.span("crl_refresh", minute * 5..=hour * 24).unwrap_or(hour),
            ocsp: section.flag("ocsp").unwrap_or(true),
            ocsp_url: section.text("ocsp_url", published),
            ocsp_max_age: section.span("ocsp_max_age", minute * 10..=hour * 168).unwrap_or(hour * 24),
            accept_test_cards: section.flag("accept_test_cards").unwrap_or(false),
            acr: section.text("acr", CardAcr::parse),
            minimum_agent_version: section.text("minimum_agent_version", version),
            fallback: CardFallback::read(section),
            types: section
                .list("types", CardType::parse)
                .unwrap_or_else(|| CardType::ALL.map(|(_, kind)| kind).to_vec()),
            require_smartcard_logon,
            certificate_policies: section.list("certificate_policies", oid).unwrap_or_default(),
            reload: section.span("reload", reload).unwrap_or(TimeDelta::seconds(30)),
            tls,
        }
    }
}

fn oid(text: &str) -> Result<String, String> {
    if text.split('.').count() < 2 || !text.split('.').all(|arc| arc.parse::<u64>().is_ok()) {
        return Err(format!("{text:?} is no object identifier; write numbers with dots, \"1.2.250.1.71.4\""));
    }
    Ok(text.to_owned())
}

/// `"refuse"`, or the age that is still accepted.
pub(super) fn fallback(text: &str) -> Result<Fallback, String> {
    if text == "refuse" {
        return Ok(Fallback::Refuse);
    }
    match parse_span(text) {
        Some(age) if (TimeDelta::hours(1)..=TimeDelta::days(30)).contains(&age) => Ok(Fallback::Younger(age)),
        _ => {
            Err("must be \"refuse\", or how old the last good list may be, from \"1 h\" to \"30 d\""
                .to_owned())
        }
    }
}

/// Authorities publish by plain HTTP: what is found there carries its own signature.
fn published(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text.to_owned()),
        _ => Err(format!("{text:?} must begin with http:// or https://")),
    }
}
