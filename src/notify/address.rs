//! A mail address, as a person types it.

use lettre::Address;

/// The longest address that a mail server takes (RFC 5321 §4.5.3.1.3, without the angle brackets).
const LONGEST: usize = 254;

/// What was typed is no address that mail can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no mail address, such as prenom.nom@hopital.example")]
pub struct NoAddress;

impl NoAddress {
    /// The stable code of `docs/errors.md`.
    pub fn code(self) -> &'static str {
        "MAIL-010"
    }
}

/// The address in what was typed: one, of a host with a dot in its name, in ASCII, since few mail servers take more.
///
/// # Errors
/// [`NoAddress`].
pub fn parse(typed: &str) -> Result<String, NoAddress> {
    let typed = typed.trim();
    let is_plain = typed.len() <= LONGEST && typed.chars().all(|c| c.is_ascii_graphic());
    // What quotes and routes can hide: a second recipient, a command.
    let has_none_of = !typed.contains(['"', '<', '>', '(', ')', ',', ';', ':', '\\', '[', ']']);
    let address: Address = typed.parse().map_err(|_| NoAddress)?;
    let has_dot = address.domain().contains('.');
    match is_plain && has_none_of && has_dot {
        true => Ok(format!("{}@{}", address.user(), address.domain().to_ascii_lowercase())),
        false => Err(NoAddress),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_taken_and_nothing_that_hides_more() {
        assert_eq!(parse(" Prenom.Nom+x@CHU.example ").unwrap(), "Prenom.Nom+x@chu.example");
        for wrong in [
            "",
            "nom",
            "nom@",
            "@chu.example",
            "nom@localhost",
            "nom@chu.example, autre@chu.example",
            "Nom <nom@chu.example>",
            "nom@chu.example\r\nBcc: autre@chu.example",
            "nom\r\nRCPT TO:<autre@chu.example>@chu.example",
            "\"nom\"@chu.example",
            "nom@[127.0.0.1]",
            "nom @chu.example",
            "nöm@chu.example",
            &format!("{}@chu.example", "n".repeat(250)),
        ] {
            assert_eq!(parse(wrong), Err(NoAddress), "{wrong:?}");
        }
    }
}
