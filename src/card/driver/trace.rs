//! The trace of a bug report: what was said to the card and what it answered, without PIN, names or numbers.
//!
//! What may be seen is the exception. A command's data and answer are shown only where the command was made open
//! (selecting files, asking for attributes, choosing keys); of everything else, headers, lengths and status words. Of a
//! file, its structure is shown: tags and lengths, and the values that can hold no personal datum.

use std::fmt::Write;

use super::apdu::Response;
use super::error::ReaderError;
use super::tlv::{Tlv, objects};

/// Lines for a report, or nothing at all.
#[derive(Debug, Default)]
pub struct Trace(Option<Vec<String>>);

impl Trace {
    /// Keeps nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Keeps lines.
    #[must_use]
    pub fn on() -> Self {
        Self(Some(Vec::new()))
    }

    /// The lines kept.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.0.unwrap_or_default()
    }

    /// One command and its answer. `open` lets data be shown.
    pub(super) fn exchange(
        &mut self,
        name: &str,
        open: bool,
        command: &[u8],
        answer: &Result<Response, ReaderError>,
    ) {
        let Some(lines) = &mut self.0 else { return };
        let (header, body) = command.split_at(command.len().min(5));
        let shown = |data: &[u8]| match data.len() {
            0 => String::new(),
            _ if open => format!(" {}", hex::encode_upper(data)),
            length => format!(" [{length}]"),
        };
        let answer = match answer {
            Ok(response) => format!("{:?}{}", response.status, shown(&response.data)),
            Err(error) => error.code().to_owned(),
        };
        lines.push(format!("{name}: {}{} → {answer}", hex::encode_upper(header), shown(body)));
    }

    /// The structure of a file that was read.
    pub(super) fn file(&mut self, name: &str, content: &[u8]) {
        let Some(lines) = &mut self.0 else { return };
        lines.push(format!("{name}: {} bytes", content.len()));
        structure(content, 1, lines);
    }

    /// Anything that is known to hold no personal datum.
    pub fn note(&mut self, line: String) {
        if let Some(lines) = &mut self.0 {
            lines.push(line);
        }
    }
}

/// Deeper nesting than any file of a card has.
const MAX_DEPTH: usize = 12;

fn structure(data: &[u8], depth: usize, lines: &mut Vec<String>) {
    for object in objects(data) {
        let mut line = "  ".repeat(depth);
        let _infallible = write!(line, "{:02X} [{}]", object.tag, object.value.len());
        let nested = object.is_constructed() && depth < MAX_DEPTH;
        if !nested && is_harmless(&object) {
            let _infallible = write!(line, " {}", hex::encode_upper(object.value));
        }
        lines.push(line);
        if nested {
            structure(object.value, depth + 1, lines);
        }
    }
}

/// References, flags, algorithm and application identifiers, and paths. Never a text, a date or a longer number.
fn is_harmless(object: &Tlv) -> bool {
    match object.tag {
        // BOOLEAN, INTEGER, BIT STRING, ENUMERATED, and context tags that hold a reference or a length.
        0x01 | 0x02 | 0x03 | 0x0A | 0x80..=0x8F => object.value.len() <= 3,
        // OBJECT IDENTIFIER; application identifier; path of an application.
        0x06 | 0x4F | 0x51 => true,
        // An identifier of one byte, a fill byte, or a path from the root.
        0x04 => {
            object.value.len() <= 1 || (object.value.len() <= 8 && object.value.starts_with(&[0x3F, 0x00]))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::apdu::Status;
    use super::*;

    #[test]
    fn shows_lengths_unless_a_command_is_open() {
        let mut trace = Trace::on();
        let answer = Ok(Response { data: vec![0xAA; 3], status: Status::OK });
        trace.exchange("VERIFY", false, &[0x00, 0x20, 0x00, 0x01, 0x08, 0x31, 0x32, 0x33, 0x34], &answer);
        trace.exchange("SELECT", true, &[0x00, 0xA4, 0x09, 0x04, 0x02, 0x3F, 0x00], &answer);
        assert_eq!(
            trace.into_lines(),
            ["VERIFY: 0020000108 [4] → 9000 [3]", "SELECT: 00A4090402 3F00 → 9000 AAAAAA"]
        );
    }

    #[test]
    fn shows_of_a_file_what_can_hold_no_personal_datum() {
        let file = [
            0x30, 0x19, 0x0C, 0x05, b'J', b'e', b'a', b'n', b'n', 0x02, 0x01, 0x82, 0x04, 0x06, 0x3F, 0x00,
            0x00, 0x01, 0x70, 0x01, 0x5A, 0x02, 0x12, 0x34, 0x02, 0x01, 0x07,
        ];
        let mut trace = Trace::on();
        trace.file("a file", &file);
        assert_eq!(
            trace.into_lines(),
            [
                "a file: 27 bytes",
                "  30 [25]",
                "    0C [5]",
                "    02 [1] 82",
                "    04 [6] 3F0000017001",
                "    5A [2]",
                "    02 [1] 07"
            ]
        );
    }

    #[test]
    fn keeps_nothing_when_it_is_off() {
        let mut trace = Trace::off();
        trace.file("a file", &[0x5A, 0x01, 0x00]);
        assert!(trace.into_lines().is_empty());
    }
}
