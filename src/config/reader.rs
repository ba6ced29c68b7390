//! Reading a TOML document key by key, and remembering every fault with its line.
//!
//! The sections take the keys they know; what is left over at the end is unknown and refused. A faulty value is
//! reported and replaced by its default, so that one run finds all faults; the document is refused all the same.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use chrono::TimeDelta;
use secrecy::SecretString;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing that is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// From 1; 0 where the fault is the file as a whole.
    pub line: usize,
    /// `section.key`; empty where there is none.
    pub key: String,
    /// The cause.
    pub kind: FaultKind,
}

/// Why a line cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The file cannot be read.
    #[error("the file cannot be read ({0}); create it, or name another with --config")]
    Unreadable(String),
    /// Not TOML.
    #[error("this is not TOML: {0}")]
    Syntax(String),
    /// A key or section that this version does not know.
    #[error("is unknown; {0}")]
    Unknown(String),
    /// A key without which nothing works.
    #[error("is missing; {0}")]
    Missing(&'static str),
    /// Text where a number is meant, …
    #[error("must be {expected}, not {found}")]
    Type {
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Of the right type, but not acceptable.
    #[error("{0}")]
    Value(String),
    /// Written for another version of the program.
    #[error("is {found}, but this program reads version {known}; see CHANGELOG.md for what to change")]
    Version {
        /// What the file says.
        found: u64,
        /// What this program reads.
        known: u64,
    },
    /// The file of a secret cannot be read.
    #[error("names the file {path}, which cannot be read: {why}")]
    SecretFile {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The secret stands in the file and in a file of its own.
    #[error("and {0}_file are both there; keep one of them")]
    Twice(String),
}

impl Fault {
    pub(super) fn unreadable(error: &std::io::Error) -> Self {
        Self { line: 0, key: String::new(), kind: FaultKind::Unreadable(error.to_string()) }
    }

    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self.kind {
            FaultKind::Unreadable(_) => "CONF-001",
            FaultKind::Syntax(_) => "CONF-002",
            FaultKind::Unknown(_) => "CONF-003",
            FaultKind::Missing(_) => "CONF-004",
            FaultKind::Type { .. } => "CONF-005",
            FaultKind::Value(_) => "CONF-006",
            FaultKind::Version { .. } => "CONF-007",
            FaultKind::SecretFile { .. } => "CONF-008",
            FaultKind::Twice(_) => "CONF-009",
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, "{} ", self.key)?;
        }
        write!(f, "{} ({})", self.kind, self.code())
    }
}

/// What all sections of one file share.
#[derive(Debug)]
struct Shared<'a> {
    source: &'a str,
    directory: PathBuf,
    faults: RefCell<Vec<Fault>>,
}

impl Shared<'_> {
    fn report(&self, offset: usize, key: String, kind: FaultKind) {
        let before = self.source.get(..offset).unwrap_or_default();
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        self.faults.borrow_mut().push(Fault { line, key, kind });
    }
}

/// A whole file.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    table: DeTable<'a>,
    known: BTreeSet<&'static str>,
    shared: Rc<Shared<'a>>,
}

impl<'a> Document<'a> {
    /// Reads the syntax. Its faults stand alone: what they hide is not worth guessing.
    pub(crate) fn parse(source: &'a str, path: &Path) -> Result<Self, Vec<Fault>> {
        let (table, errors) = DeTable::parse_recoverable(source);
        let directory = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let shared = Rc::new(Shared { source, directory, faults: RefCell::default() });
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            shared.report(offset, String::new(), FaultKind::Syntax(error.message().to_owned()));
        }
        let faults = shared.faults.take();
        if faults.is_empty() {
            Ok(Self { table: table.into_inner(), known: BTreeSet::new(), shared })
        } else {
            Err(faults)
        }
    }

    /// Refuses a file that says another version; one that says none is of this one.
    pub(crate) fn check_version(&mut self, known: u64) {
        let mut top = Section {
            name: String::new(),
            table: DeTable::new(),
            offset: 0,
            known: BTreeSet::new(),
            shared: Rc::clone(&self.shared),
        };
        if let Some((key, value)) = self.table.remove_entry("config_version") {
            let offset = key.span().start;
            top.table.insert(key, value);
            if let Some(found) = top.number("config_version", 0..=u64::MAX)
                && found != known
            {
                self.shared.report(offset, "config_version".into(), FaultKind::Version { found, known });
            }
        }
        self.known.insert("config_version");
    }

    /// The section `[name]`; an empty one where the file has none.
    pub(crate) fn section(&mut self, name: &'static str) -> Section<'a> {
        self.optional_section(name).unwrap_or_else(|| Section {
            name: name.to_owned(),
            table: DeTable::new(),
            offset: self.shared.source.len(),
            known: BTreeSet::new(),
            shared: Rc::clone(&self.shared),
        })
    }

    pub(crate) fn optional_section(&mut self, name: &'static str) -> Option<Section<'a>> {
        self.known.insert(name);
        let (key, value) = self.table.remove_entry(name)?;
        let offset = key.span().start;
        Section::of(name.to_owned(), value.into_inner(), offset, &self.shared)
    }

    /// The sections `[name.…]`, each with its own last word, by which it is known.
    pub(crate) fn sections_of(&mut self, name: &'static str) -> Vec<(String, Section<'a>)> {
        let Some(mut all) = self.optional_section(name) else { return Vec::new() };
        let named = std::mem::take(&mut all.table).into_iter();
        named
            .filter_map(|(key, value)| {
                let (offset, word) = (key.span().start, key.into_inner().into_owned());
                let path = format!("{name}.{word}");
                Some((word, Section::of(path, value.into_inner(), offset, &self.shared)?))
            })
            .collect()
    }

    /// Reports what nobody asked for, and yields all faults in the order of their lines.
    pub(crate) fn finish(self) -> Vec<Fault> {
        for (key, _) in self.table.iter() {
            let advice = advice(key.get_ref(), &self.known);
            self.shared.report(key.span().start, key.get_ref().to_string(), FaultKind::Unknown(advice));
        }
        let mut faults = self.shared.faults.take();
        faults.sort_by_key(|fault| fault.line);
        faults
    }
}

/// One section. When it is dropped, the keys that were not taken are reported.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    name: String,
    table: DeTable<'a>,
    offset: usize,
    known: BTreeSet<&'static str>,
    shared: Rc<Shared<'a>>,
}

impl<'a> Section<'a> {
    fn of(name: String, value: DeValue<'a>, offset: usize, shared: &Rc<Shared<'a>>) -> Option<Self> {
        match value {
            DeValue::Table(table) => {
                Some(Self { name, table, offset, known: BTreeSet::new(), shared: Rc::clone(shared) })
            }
            other => {
                let kind = FaultKind::Type { expected: "a section, written [name]", found: other.type_str() };
                shared.report(offset, name, kind);
                None
            }
        }
    }

    /// A text that `parse` understands; its error says what to write instead.
    pub(crate) fn text<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let text = self.expect_text(key, &value)?;
        parse(text).map_err(|why| self.report(key, &value, FaultKind::Value(why))).ok()
    }

    /// As [`text`](Self::text), reported where it is missing.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        advice: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.known.insert(key);
            self.shared.report(self.offset, self.path(key), FaultKind::Missing(advice));
            return None;
        }
        self.text(key, parse)
    }

    /// A list of texts; one text alone stands for a list of one.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let value = self.take(key)?;
        self.list_of(key, &value, &parse)
    }

    fn list_of<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'a>>,
        parse: &impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            DeValue::String(_) => vec![value],
            other => {
                let kind = FaultKind::Type { expected: "a list of texts", found: other.type_str() };
                self.report(key, value, kind);
                return None;
            }
        };
        let mut parsed = Vec::new();
        for item in items {
            let Some(text) = self.expect_text(key, item) else { continue };
            match parse(text) {
                Ok(item) => parsed.push(item),
                Err(why) => self.report(key, item, FaultKind::Value(why)),
            }
        }
        Some(parsed)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        let DeValue::Boolean(flag) = value.get_ref() else {
            let kind = FaultKind::Type { expected: "true or false", found: value.get_ref().type_str() };
            self.report(key, &value, kind);
            return None;
        };
        Some(*flag)
    }

    /// A whole number in `range`.
    pub(crate) fn number(&mut self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            let kind = FaultKind::Type { expected: "a whole number", found: value.get_ref().type_str() };
            self.report(key, &value, kind);
            return None;
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let why = format!("must be between {} and {}", range.start(), range.end());
                self.report(key, &value, FaultKind::Value(why));
                None
            }
        }
    }

    /// A time span, `"120 s"`, `"30 min"`, `"4 h"`, `"90 d"`, in `range`.
    pub(crate) fn span(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<TimeDelta>,
    ) -> Option<TimeDelta> {
        self.text(key, |text| span_within(text, &range))
    }

    /// As [`span`](Self::span); `Some(None)` for `"off"`.
    pub(crate) fn span_or_off(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<TimeDelta>,
    ) -> Option<Option<TimeDelta>> {
        self.text(key, |text| match text {
            "off" => Ok(None),
            text => span_within(text, &range).map(Some),
        })
    }

    /// A path; a relative one is meant from the directory of the configuration.
    pub(crate) fn path_of(&mut self, key: &'static str) -> Option<PathBuf> {
        let directory = self.shared.directory.clone();
        self.text(key, |text| {
            if text.is_empty() { Err("must not be empty".into()) } else { Ok(directory.join(text)) }
        })
    }

    /// A secret: the key itself, or `key_file` with the file that holds it. A relative file is looked for in
    /// systemd's `$CREDENTIALS_DIRECTORY` first.
    pub(crate) fn secret(&mut self, key: &'static str, key_file: &'static str) -> Option<SecretString> {
        let file = self.take(key_file);
        let value = self.take(key);
        if let (Some(value), Some(_)) = (&value, &file) {
            self.report(key, value, FaultKind::Twice(key.to_owned()));
            return None;
        }
        if let Some(value) = value {
            return self.expect_text(key, &value).map(SecretString::from);
        }
        let file = file?;
        let name = PathBuf::from(self.expect_text(key_file, &file)?);
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
            .map(|directory| Path::new(&directory).join(&name))
            .filter(|path| name.is_relative() && path.exists());
        let path = credential.unwrap_or_else(|| self.shared.directory.join(&name));
        match std::fs::read_to_string(&path) {
            // Editors end files with a line end; no secret does.
            Ok(secret) => Some(SecretString::from(secret.trim_end_matches(['\r', '\n']))),
            Err(error) => {
                let kind = FaultKind::SecretFile { path: path.display().to_string(), why: error.to_string() };
                self.report(key_file, &file, kind);
                None
            }
        }
    }

    /// The section `[name]` below this one, where `key` is the last part of `name`.
    pub(crate) fn section(&mut self, key: &'static str, name: &'static str) -> Option<Section<'a>> {
        self.known.insert(key);
        let (written, value) = self.table.remove_entry(key)?;
        let offset = written.span().start;
        Section::of(name.to_owned(), value.into_inner(), offset, &self.shared)
    }

    /// The sections `[name.…]` below this one, where `key` is the last part of `name`, each with its own last word.
    pub(crate) fn sections_of(
        &mut self,
        key: &'static str,
        name: &'static str,
    ) -> Vec<(String, Section<'a>)> {
        let Some(mut all) = self.section(key, name) else { return Vec::new() };
        let named = std::mem::take(&mut all.table).into_iter();
        named
            .filter_map(|(key, value)| {
                let (offset, word) = (key.span().start, key.into_inner().into_owned());
                let path = format!("{name}.{word}");
                Some((word, Section::of(path, value.into_inner(), offset, &all.shared)?))
            })
            .collect()
    }

    /// The section of that name below this one, whose keys are the reader's to choose: each with its list of texts.
    pub(crate) fn lists<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<(String, Vec<T>)> {
        self.known.insert(key);
        let Some((written, value)) = self.table.remove_entry(key) else { return Vec::new() };
        let (offset, name) = (written.span().start, self.path(key));
        let Some(mut all) = Section::of(name, value.into_inner(), offset, &self.shared) else {
            return Vec::new();
        };
        let named = std::mem::take(&mut all.table).into_iter();
        named
            .map(|(word, value)| {
                let word = word.into_inner().into_owned();
                let list = all.list_of(&word, &value, &parse);
                (word, list.unwrap_or_default())
            })
            .collect()
    }

    /// Whether the key is there, not taken yet.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reports that a value, right in itself, does not go with the others.
    pub(crate) fn refuse(&self, key: &'static str, why: impl Into<String>) {
        self.shared.report(self.offset, self.path(key), FaultKind::Value(why.into()));
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'a>>> {
        self.known.insert(key);
        self.table.remove(key)
    }

    fn expect_text<'v>(&self, key: &str, value: &'v Spanned<DeValue<'a>>) -> Option<&'v str> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(text);
        }
        let kind = FaultKind::Type { expected: "a text in quotes", found: value.get_ref().type_str() };
        self.report(key, value, kind);
        None
    }

    fn report(&self, key: &str, value: &Spanned<DeValue<'a>>, kind: FaultKind) {
        self.shared.report(value.span().start, self.path(key), kind);
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for (key, _) in self.table.iter() {
            let kind = FaultKind::Unknown(advice(key.get_ref(), &self.known));
            self.shared.report(key.span().start, self.path(key.get_ref()), kind);
        }
    }
}

/// Helps with a typing error: the nearest known key, or all of them.
fn advice(found: &str, known: &BTreeSet<&'static str>) -> String {
    let nearest = known.iter().map(|name| (distance(found, name), *name)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + name.len() / 5 => format!("did you mean {name:?}?"),
        _ => format!("known are: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.windows(2)) {
            let &[diagonal, up] = above else { continue };
            left = (diagonal + usize::from(from != *to)).min(up + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

pub(super) fn span_within(
    text: &str,
    range: &std::ops::RangeInclusive<TimeDelta>,
) -> Result<TimeDelta, String> {
    let span =
        parse_span(text).ok_or("must be a number with s, min, h or d, such as \"30 min\"".to_owned())?;
    if range.contains(&span) {
        Ok(span)
    } else {
        Err(format!("must be between {} and {}", written_span(*range.start()), written_span(*range.end())))
    }
}

pub(super) fn parse_span(text: &str) -> Option<TimeDelta> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().ok()?;
    match unit.trim() {
        "s" => TimeDelta::try_seconds(number),
        "min" => TimeDelta::try_minutes(number),
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number),
        _ => None,
    }
}

fn written_span(span: TimeDelta) -> String {
    let seconds = span.num_seconds();
    for (size, unit) in [(86_400, "d"), (3_600, "h"), (60, "min")] {
        if seconds >= size && seconds % size == 0 {
            return format!("{} {unit}", seconds / size);
        }
    }
    format!("{seconds} s")
}
