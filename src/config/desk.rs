//! `[desk]`: what whoever has a role here has to prove.

use super::card::CardAcr;
use super::reader::Section;

/// What a role asks for.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The lowest level of the sign-in of whoever uses a role.
    pub level: CardAcr,
}

impl Desk {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self { level: section.text("level", CardAcr::parse).unwrap_or(CardAcr::Eidas2) }
    }
}
