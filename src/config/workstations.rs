//! `[workstations]`: how computers of the hospital prove that they are.

use std::path::PathBuf;

use super::card::Card;
use super::reader::Section;

/// How computers prove that they are the hospital's.
#[derive(Debug, Clone, Default)]
pub struct Workstations {
    /// The authority of machine certificates; none unless configured.
    pub machine_certificates: Option<MachineCertificates>,
}

/// Where the hospital's own authority of machine certificates is.
#[derive(Debug, Clone)]
pub struct MachineCertificates {
    /// Directory of its certificates (PEM, one per file). Never that of the authorities of cards.
    pub anchors_dir: PathBuf,
    /// Directory of its revocation lists. With it, a certificate without a list in its time is refused.
    pub crl_dir: Option<PathBuf>,
}

impl Workstations {
    pub(super) fn read(section: &mut Section<'_>, card: &Card) -> Self {
        let machine_certificates = section
            .section("machine_certificates", "workstations.machine_certificates")
            .and_then(|mut section| MachineCertificates::read(&mut section, card));
        Self { machine_certificates }
    }
}

impl MachineCertificates {
    fn read(section: &mut Section<'_>, card: &Card) -> Option<Self> {
        let anchors_dir = section.path_of("anchors_dir");
        let crl_dir = section.path_of("crl_dir");
        if anchors_dir.is_none() {
            section.refuse("anchors_dir", "must be there: the directory of the authority of your computers");
        }
        if anchors_dir.is_some() && anchors_dir == card.anchors_dir {
            section.refuse(
                "anchors_dir",
                "must not be card.anchors_dir: whoever has a card would pass for a computer of yours",
            );
            return None;
        }
        Some(Self { anchors_dir: anchors_dir?, crl_dir })
    }
}
