//! `[establishment]`: who runs this installation.

use super::reader::Section;

/// The establishment.
#[derive(Debug, Clone, Default)]
pub struct Establishment {
    /// Its name as its people know it, on top of the pages; empty where none is set.
    pub name: String,
    /// FINESS numbers, legal and geographic (nine characters).
    pub finess: Vec<String>,
    /// SIRET numbers (fourteen digits).
    pub siret: Vec<String>,
}

impl Establishment {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            name: section.text("name", name).unwrap_or_default(),
            finess: section.list("finess", finess).unwrap_or_default(),
            siret: section.list("siret", siret).unwrap_or_default(),
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err("must be a name of at most 100 characters".into());
    }
    Ok(text.trim().to_owned())
}

fn finess(text: &str) -> Result<String, String> {
    // Corsica's departments have a letter: 2A, 2B.
    if text.len() != 9 || !text.chars().all(|c| c.is_ascii_digit() || c == 'A' || c == 'B') {
        return Err(format!("{text:?} is no FINESS number: it has nine characters"));
    }
    Ok(text.to_owned())
}

fn siret(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect();
    if digits.len() != 14 || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("{text:?} is no SIRET number: it has fourteen digits"));
    }
    Ok(digits)
}
