//! The extraction `PS_LibreAcces_Personne_activite`, line by line.
//!
//! The format, from what ANS publishes: UTF-8, one header line, values separated by `|`, no quoting whatsoever (names
//! hold quotation marks and apostrophes). Columns are found by their names, so that new ones may come; a byte order
//! mark, CR LF and a `|` at the end of lines are tolerated, since earlier extractions had them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use super::super::identifier::NationalId;
use super::super::model::{Activity, Practice, Row, Skill};
use super::error::ImportError;

/// Real lines have a few hundred bytes.
const LONGEST_LINE: usize = 16 * 1024;
const BUFFER: usize = 256 * 1024;

/// The columns that describe the person and the practice, in the order of [`Columns::person`].
const PERSON: [&str; 9] = [
    "Identification nationale PP",
    "Code civilité",
    "Code civilité d'exercice",
    "Nom d'exercice",
    "Prénom d'exercice",
    "Code profession",
    "Code catégorie professionnelle",
    "Code type savoir-faire",
    "Code savoir-faire",
];
/// Columns that came late: extractions of before 2024 lack them.
const OPTIONAL: [&str; 2] = ["Code rôle", "Code genre activité"];

/// Why one line cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not UTF-8.
    Encoding,
    /// A null character.
    Null,
    /// Fewer values than columns.
    TooFew,
    /// More values than columns.
    TooMany,
    /// No identifier, or one that no identifier looks like.
    Identifier,
    /// Far longer than any line.
    TooLong,
    /// The person has more activities than anybody.
    TooManyActivities,
}

impl Reason {
    /// In words.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Encoding => "not in UTF-8",
            Self::Null => "holds a null character",
            Self::TooFew => "fewer values than the header has columns",
            Self::TooMany => "more values than the header has columns",
            Self::Identifier => "no usable \"Identification nationale PP\"",
            Self::TooLong => "longer than any line of the directory",
            Self::TooManyActivities => "more activities than anybody has",
        }
    }
}

/// Where the columns stand.
#[derive(Debug)]
struct Columns {
    person: [usize; PERSON.len()],
    activity: Vec<Option<usize>>,
    /// Columns with a name.
    count: usize,
    /// The header ends with `|`: then every line does.
    trailing: bool,
}

/// An extraction that is being read.
pub struct Extraction {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    columns: Columns,
    buffer: Vec<u8>,
    line: u64,
    size: u64,
    bytes: u64,
}

impl std::fmt::Debug for Extraction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extraction")
            .field("path", &self.path)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// A line of the extraction.
pub struct Line {
    /// Its number, from 1; the header is line 1.
    pub number: u64,
    /// What it says, or why it cannot be used.
    pub content: Result<(NationalId, Row), Reason>,
}

impl Extraction {
    /// Opens the file and reads its header.
    ///
    /// # Errors
    /// [`ImportError`]: it cannot be read, or it is another file.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let open = |error| ImportError::Open { file: path.to_owned(), error };
        let file = File::open(path).map_err(open)?;
        let size = file.metadata().map_err(open)?.len();
        Self::of(path, size, file)
    }

    /// Reads the header of an extraction of `size` bytes that is called `path`.
    ///
    /// # Errors
    /// [`ImportError`]: it cannot be read, or it is another file.
    pub fn of(path: &Path, size: u64, bytes: impl Read + Send + 'static) -> Result<Self, ImportError> {
        let open = |error| ImportError::Open { file: path.to_owned(), error };
        let mut reader = BufReader::with_capacity(BUFFER, Box::new(bytes) as Box<dyn Read + Send>);
        let mut buffer = Vec::with_capacity(LONGEST_LINE);
        (&mut reader).take(LONGEST_LINE as u64).read_until(b'\n', &mut buffer).map_err(open)?;
        let columns = Columns::of_header(path, &buffer)?;
        let bytes = buffer.len() as u64;
        Ok(Self { path: path.to_owned(), reader, columns, buffer, line: 1, size, bytes })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How much of it was read, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; none at the end.
    ///
    /// # Errors
    /// [`ImportError::Read`]; [`ImportError::Cut`] where the last line is not whole.
    pub fn next_line(&mut self) -> Result<Option<Line>, ImportError> {
        let failed = |error| ImportError::Read { file: self.path.clone(), line: self.line, error };
        self.buffer.clear();
        let limit = LONGEST_LINE as u64;
        let mut count = (&mut self.reader).take(limit).read_until(b'\n', &mut self.buffer).map_err(failed)?;
        if count == 0 {
            return Ok(None);
        }
        let mut ended = self.buffer.last() == Some(&b'\n');
        let too_long = !ended && count == LONGEST_LINE;
        if too_long {
            count += self.reader.skip_until(b'\n').map_err(failed)?;
            ended = true;
        }
        self.line += 1;
        self.bytes += count as u64;
        let content =
            if too_long { Err(Reason::TooLong) } else { self.columns.row(without_end(&self.buffer)) };
        // Nothing follows a line without an end: if it is not whole, the file was cut there.
        let whole = ended
            || (!matches!(content, Err(Reason::TooFew | Reason::Encoding))
                && (!self.columns.trailing || self.buffer.last() == Some(&b'|')));
        if !whole {
            return Err(ImportError::Cut { file: self.path.clone(), line: self.line });
        }
        Ok(Some(Line { number: self.line, content }))
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl Columns {
    fn of_header(path: &Path, line: &[u8]) -> Result<Self, ImportError> {
        let file = || path.to_owned();
        if line.starts_with(b"PK\x03\x04") || line.starts_with(b"\x1f\x8b") {
            return Err(ImportError::Archive { file: file() });
        }
        let line = without_end(line);
        let Ok(text) = str::from_utf8(line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)) else {
            // A directory in another encoding, or no text at all.
            let known = line.windows(14).any(|window| window == b"Identification");
            let utf_16 = line.starts_with(b"\xFF\xFE") || line.starts_with(b"\xFE\xFF");
            return Err(if known || utf_16 {
                ImportError::Encoding { file: file() }
            } else {
                ImportError::Header { file: file(), hint: "" }
            });
        };
        let mut names: Vec<String> = text.split('|').map(|name| name.trim().replace('’', "'")).collect();
        let trailing = names.last().is_some_and(String::is_empty);
        if trailing {
            names.pop();
        }
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        let mut missing = Vec::new();
        let mut required = |wanted: &'static str| {
            place(wanted).unwrap_or_else(|| {
                missing.push(wanted);
                usize::MAX
            })
        };
        let person = PERSON.map(&mut required);
        let activity: Vec<_> = Activity::COLUMNS
            .iter()
            .map(|wanted| if OPTIONAL.contains(wanted) { place(wanted) } else { Some(required(wanted)) })
            .collect();
        if missing.len() * 2 > PERSON.len() + activity.len() {
            let hint = if text.contains("Code type diplôme obtenu") {
                "; it looks like PS_LibreAcces_Dipl_AutExerc"
            } else if place("Code savoir-faire").is_some() {
                "; it looks like PS_LibreAcces_SavoirFaire"
            } else if text.contains("Type de BAL") {
                "; it looks like Extraction_Correspondance_MSSante"
            } else if text.contains(';') {
                "; it is separated by ;"
            } else {
                ""
            };
            return Err(ImportError::Header { file: file(), hint });
        }
        if !missing.is_empty() {
            return Err(ImportError::Columns { file: file(), columns: missing });
        }
        Ok(Self { person, activity, count: names.len(), trailing })
    }

    fn row(&self, line: &[u8]) -> Result<(NationalId, Row), Reason> {
        let text = str::from_utf8(line).map_err(|_| Reason::Encoding)?;
        if text.contains('\0') {
            return Err(Reason::Null);
        }
        let mut values = Vec::with_capacity(self.count + 1);
        values.extend(text.split('|'));
        if values.len() == self.count + 1 && values.last().is_some_and(|value| value.is_empty()) {
            values.pop();
        }
        match values.len().cmp(&self.count) {
            std::cmp::Ordering::Less => return Err(Reason::TooFew),
            std::cmp::Ordering::Greater => return Err(Reason::TooMany),
            std::cmp::Ordering::Equal => {}
        }
        let value = |place: usize| values.get(place).copied().unwrap_or_default();
        let [
            id,
            civility,
            practice_civility,
            family_name,
            given_name,
            profession,
            category,
            skill_type,
            skill,
        ] = self.person.map(value);
        let id = NationalId::of_source(id).ok_or(Reason::Identifier)?;
        let practice = Practice {
            profession: profession.to_owned(),
            category: category.to_owned(),
            civility: practice_civility.to_owned(),
            family_name: family_name.to_owned(),
            given_name: given_name.to_owned(),
            ..Practice::default()
        };
        let activity =
            Activity::from_values(self.activity.iter().map(|place| place.map(value).unwrap_or_default()));
        let skill = Skill(skill_type.to_owned(), skill.to_owned());
        Ok((id, Row { civility: civility.to_owned(), practice, skill, activity }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::synthetic::{self, Sample};

    /// A small extraction that is right.
    fn sample() -> Vec<u8> {
        let mut text = Vec::new();
        synthetic::write(Sample { people: 5, bad_every: 2, without_last: 0 }, &mut text).unwrap();
        text
    }

    /// Reads to the end; how many lines there were.
    fn lines(bytes: Vec<u8>) -> Option<usize> {
        let mut file =
            Extraction::of(Path::new("x"), bytes.len() as u64, std::io::Cursor::new(bytes)).ok()?;
        let mut count = 0;
        while let Ok(Some(_)) = file.next_line() {
            count += 1;
        }
        Some(count)
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            lines(bytes);
        }

        /// A damaged file is read to its end: no more lines than it has line ends.
        #[test]
        fn a_damaged_file_has_no_more_lines_than_before(
            places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        ) {
            let mut bytes = sample();
            for (place, byte) in places {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
            prop_assert!(lines(bytes).is_none_or(|count| count <= ends));
        }
    }
}
