//! `sceau-agent card …`: readers and cards of this workstation.
//!
//! For whoever looks after a post: does the computer see the reader, does the reader see the card, whose card is it,
//! and what to send when something is wrong. Nothing on a card changes, and but for `login` no PIN is asked.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::card::driver::cps::Recognised;
use crate::card::driver::{Interface, PresentedCard, Reader, ReaderError, Readers, Slot};
use crate::clock::Time;

#[derive(Debug, Subcommand)]
pub(super) enum CardCommand {
    /// List the readers and the cards in them.
    List,
    /// Read the card: holder, number, type, validity, issuer, tries left of the PIN.
    Read {
        #[command(flatten)]
        which: Which,
        /// One JSON object instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Prove to a server, and to this terminal, who holds the card: asks for its PIN.
    Login(super::login::Login),
    /// Trace what is said to the card, for a bug report: without PIN, names or numbers.
    Report {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Name of the reader, or a part of it. Needed only where there are several cards.
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,
}

impl CardCommand {
    pub(super) fn run(self) -> ExitCode {
        let readers = Readers::default();
        let outcome = match self {
            Self::List => list(&readers),
            Self::Read { which, json } => {
                which.one_of(&readers).and_then(|reader| read(&readers, &reader, json))
            }
            // `AgentCli::run` has taken it: it needs more than a reader.
            Self::Login(_) => return ExitCode::FAILURE,
            Self::Report { which } => which.one_of(&readers).and_then(|reader| report(&readers, &reader)),
        };
        match outcome {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("sceau-agent: {} {error}", error.code());
                ExitCode::FAILURE
            }
        }
    }
}

impl Which {
    fn one_of(&self, readers: &Readers) -> Result<String, ReaderError> {
        let Some(wanted) = &self.reader else { return readers.only_card() };
        let names = readers.list()?.into_iter().map(|reader| reader.name).collect::<Vec<_>>();
        let exact = names.iter().find(|name| *name == wanted);
        exact
            .or_else(|| names.iter().find(|name| name.contains(wanted)))
            .cloned()
            .ok_or(ReaderError::ReaderGone)
    }
}

fn list(readers: &Readers) -> Result<String, ReaderError> {
    let readers = readers.list()?;
    if readers.is_empty() {
        return Err(ReaderError::NoReader);
    }
    Ok(readers.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn line(reader: &Reader) -> String {
    let slot = match &reader.slot {
        Slot::Empty => "no card".to_owned(),
        Slot::Mute => "a card that does not answer".to_owned(),
        Slot::Card { recognised, exclusive, .. } => {
            let card = match recognised {
                Recognised::As(generation, interface) => format!("{generation} card, {}", side(*interface)),
                Recognised::Unknown => "a card of another kind".to_owned(),
            };
            if *exclusive { format!("{card}, held by another program") } else { card }
        }
    };
    format!("{}: {slot}", reader.name)
}

fn side(interface: Interface) -> &'static str {
    match interface {
        Interface::Contact => "contact",
        Interface::Contactless => "contactless",
    }
}

/// What `card read --json` prints. The names are part of the program's interface.
#[derive(Debug, Serialize)]
struct CardData<'a> {
    id_nat: &'a str,
    family_name: Option<&'a str>,
    given_name: Option<&'a str>,
    card_number: Option<&'a str>,
    card_type: Option<&'static str>,
    /// The establishment on the card of somebody who works for one.
    organization: Option<&'a str>,
    organization_id: Option<&'a str>,
    generation: String,
    interface: &'static str,
    /// The eight digits of the chip's serial number file that are the chip's own; `null` where it has another form.
    chip: Option<String>,
    /// When the card was last updated from afar, as it says itself; `null` where it never was.
    updated: Option<&'a str>,
    not_after: Time,
    issuer: &'a str,
    /// `null` when the card does not say.
    tries_left: Option<u8>,
    /// Whether the PIN can be typed on the reader's own keys.
    pin_pad: bool,
}

impl<'a> CardData<'a> {
    fn of(card: &'a PresentedCard) -> Self {
        let certificate = &card.certificate;
        Self {
            id_nat: &certificate.id_nat,
            family_name: certificate.family_name.as_deref(),
            given_name: certificate.given_name.as_deref(),
            card_number: certificate.card_number.as_deref(),
            card_type: certificate.card_type.map(|kind| kind.name()),
            organization: certificate.organization.as_deref(),
            organization_id: certificate.organization_id.as_deref(),
            generation: card.generation.to_string(),
            interface: side(card.interface),
            chip: card.chip_number(),
            updated: card.updated.as_deref(),
            not_after: certificate.not_after,
            issuer: &certificate.issuer,
            tries_left: card.tries_left,
            pin_pad: card.has_pad,
        }
    }

    fn lines(&self) -> String {
        let not_said = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let tries = self.tries_left.map_or_else(|| "-".to_owned(), |tries| tries.to_string());
        let lines = [
            ("national identifier", self.id_nat.to_owned()),
            ("family name", not_said(self.family_name)),
            ("given name", not_said(self.given_name)),
            ("card number", not_said(self.card_number)),
            ("card type", not_said(self.card_type)),
            ("establishment", not_said(self.organization)),
            ("establishment id", not_said(self.organization_id)),
            ("generation", format!("{}, {}", self.generation, self.interface)),
            ("chip", not_said(self.chip.as_deref())),
            ("last update", not_said(self.updated)),
            ("valid until", self.not_after.format("%Y-%m-%d").to_string()),
            ("issuer", self.issuer.to_owned()),
            ("tries left", tries),
            ("keys on the reader", if self.pin_pad { "yes" } else { "no" }.to_owned()),
        ];
        lines.map(|(name, value)| format!("{name:<20} {value}")).join("\n")
    }
}

fn read(readers: &Readers, reader: &str, json: bool) -> Result<String, ReaderError> {
    let card = readers.read(reader)?;
    let data = CardData::of(&card);
    if !json {
        return Ok(data.lines());
    }
    serde_json::to_string_pretty(&data).map_err(|error| ReaderError::Service(error.to_string()))
}

fn report(readers: &Readers, reader: &str) -> Result<String, ReaderError> {
    let mut lines = vec![
        format!(
            "sceau-agent {}, {} {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
        format!("reader {}", without_serial(reader)),
    ];
    lines.extend(readers.report(reader)?);
    Ok(lines.join("\n"))
}

/// Some readers have their serial number in their name, in brackets.
fn without_serial(reader: &str) -> String {
    let mut kept = String::new();
    let mut depth = 0_usize;
    for character in reader.chars() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            other if depth == 0 => kept.push(other),
            _ => {}
        }
    }
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::without_serial;

    #[test]
    fn a_report_does_not_name_the_reader_by_its_number() {
        assert_eq!(without_serial("Gemalto PC Twin Reader (70D7E2EE) 00 00"), "Gemalto PC Twin Reader 00 00");
        assert_eq!(without_serial("ACME [CCID Interface] (123) 01 00"), "ACME 01 00");
        assert_eq!(without_serial("Virtual PCD 00 00"), "Virtual PCD 00 00");
    }
}
