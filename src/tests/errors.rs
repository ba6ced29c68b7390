//! The list of errors is complete: what a program can say stands in `docs/errors.md`, and nothing else does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::sources::{files, root, rust};

/// The prefixes of codes, one per area.
const AREAS: [&str; 22] = [
    "AGENT", "AUDIT", "CARD", "CERT", "CIBA", "CONF", "DEMO", "DESK", "DIR", "KEY", "MAIL", "MEANS", "OIDC",
    "PERSON", "PHONE", "READER", "SANDBOX", "SESSION", "STORE", "UPSTREAM", "WEB", "WS",
];

/// The codes in a text, such as `CARD-012`.
fn codes(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    let words = text.split(|c: char| !is_part(c));
    let is_code = |word: &&str| {
        word.split_once('-').is_some_and(|(area, number)| {
            AREAS.contains(&area) && number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit())
        })
    };
    words.filter(is_code).map(str::to_owned).collect()
}

/// The rows of `docs/errors.md`: code and the rest of the row.
fn rows() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("| ")) {
        let Some((code, rest)) = line.split_once(" | ") else { continue };
        if codes(code).contains(code) {
            let before = rows.insert(code.to_owned(), rest.to_owned());
            assert!(before.is_none(), "{code} stands in docs/errors.md twice");
        }
    }
    assert!(rows.len() > 50, "docs/errors.md was not understood");
    rows
}

#[test]
fn every_code_of_the_sources_is_listed_and_every_listed_code_is_in_use() {
    let mut used: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |file: &std::path::Path, text: &str| {
        for code in codes(text) {
            used.entry(code).or_insert_with(|| file.strip_prefix(root()).unwrap().display().to_string());
        }
    };
    for source in rust() {
        add(&source.file, &source.text);
    }
    for file in files(&root().join("src/web"), &["html", "js"]) {
        add(&file, &fs::read_to_string(&file).unwrap());
    }
    let rows = rows();
    let missing: Vec<_> = used.iter().filter(|(code, _)| !rows.contains_key(*code)).collect();
    let unused: Vec<_> = rows.keys().filter(|code| !used.contains_key(*code)).collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
    assert!(unused.is_empty(), "in docs/errors.md, and nothing says them: {unused:?}");
}

#[test]
fn every_row_says_what_happened_and_what_to_do() {
    for (code, rest) in rows() {
        let cells: Vec<_> = rest.trim_end_matches('|').split(" | ").map(str::trim).collect();
        assert!(
            (2..=3).contains(&cells.len()) && cells.iter().all(|cell| !cell.is_empty()),
            "{code}: {rest}"
        );
    }
}

#[test]
fn every_code_that_documents_mention_is_listed() {
    let rows = rows();
    let mut documents = files(&root().join("docs"), &["md"]);
    documents.push(root().join("README.md"));
    documents.extend(files(&root().join("certs"), &["md"]));
    for document in documents {
        let unknown: Vec<_> = codes(&fs::read_to_string(&document).unwrap())
            .into_iter()
            .filter(|code| !rows.contains_key(code))
            .collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", document.display());
    }
}
