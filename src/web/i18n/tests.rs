use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use fluent_bundle::FluentResource;

use super::*;

/// Message and attribute ids of a file, each with its source text.
fn entries(source: &str) -> BTreeMap<String, String> {
    FluentResource::try_new(source.to_owned()).unwrap_or_else(|(_, flaws)| panic!("syntax: {flaws:?}"));
    let mut found = BTreeMap::new();
    let mut current = String::new();
    let mut attribute: Option<String> = None;
    for line in source.lines().filter(|line| !line.starts_with('#')) {
        let trimmed = line.trim_start();
        let key = if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let (id, _) = line.split_once(" =").expect("a message");
            current = id.to_owned();
            attribute = None;
            current.clone()
        } else if let Some((name, _)) = trimmed.strip_prefix('.').and_then(|rest| rest.split_once(" =")) {
            attribute = Some(format!("{current}.{name}"));
            format!("{current}.{name}")
        } else {
            attribute.clone().unwrap_or_else(|| current.clone())
        };
        if key.is_empty() {
            continue;
        }
        let is_head = !found.contains_key(&key);
        let text: &mut String = found.entry(key.clone()).or_default();
        let body = if is_head { line.split_once(" =").map_or("", |(_, body)| body) } else { trimmed };
        text.push_str(body);
        text.push('\n');
    }
    found
}

/// Every source file of the library whose text can name a text.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder of the source tree") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "html") {
                let text = fs::read_to_string(&path).expect("a text file");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    // The configuration's reader has a method of that name too.
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    found.retain(|(path, _)| !path.ends_with("i18n/tests.rs") && !path.starts_with(&config));
    found
}

fn used() -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (_, text) in sources() {
        let text = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for call in [".text(\"", ".text_with(\"", ".text_count(\""] {
            // A call may be broken over lines.
            let flat =
                text.replace("(\n", "(").split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(");
            used.extend(
                flat.split(call).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned),
            );
        }
    }
    used
}

#[test]
fn every_text_exists_in_both_languages() {
    let french: BTreeSet<_> = entries(FRENCH).into_keys().collect();
    let english: BTreeSet<_> = entries(ENGLISH).into_keys().collect();
    let only_one: Vec<_> = french.symmetric_difference(&english).collect();
    assert!(only_one.is_empty(), "in one language only: {only_one:?}");
}

#[test]
fn both_languages_take_the_same_values() {
    let places = |text: &str| {
        text.split("{ $")
            .skip(1)
            .filter_map(|rest| rest.split([' ', '}']).next())
            .map(str::to_owned)
            .collect()
    };
    let english = entries(ENGLISH);
    for (id, text) in entries(FRENCH) {
        let (fr, en): (BTreeSet<String>, BTreeSet<String>) = (places(&text), places(&english[&id]));
        assert_eq!(fr, en, "{id}");
    }
}

#[test]
fn every_text_used_exists() {
    let known: BTreeSet<_> = entries(FRENCH).into_keys().collect();
    let missing: Vec<_> = used().into_iter().filter(|id| !known.contains(id)).collect();
    assert!(missing.is_empty(), "used, but in no language: {missing:?}");
}

#[test]
fn every_text_is_used() {
    let used = used();
    let idle: Vec<_> =
        entries(FRENCH).into_keys().filter(|id| !id.starts_with("error-") && !used.contains(id)).collect();
    assert!(idle.is_empty(), "never used: {idle:?}");
}

#[test]
fn every_error_says_what_to_do_and_is_listed() {
    let listed =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md")).unwrap_or_default();
    let all = entries(FRENCH);
    for id in all
        .keys()
        .filter_map(|id| id.strip_prefix("error-"))
        .filter(|id| id.contains('-') && !id.contains('.'))
    {
        assert!(all.contains_key(&format!("error-{id}.action")), "error-{id} lacks .action");
        assert!(listed.contains(&format!("| {id} |")), "{id} is not listed in docs/errors.md");
    }
}

#[test]
fn french_is_typeset_as_french() {
    for (id, text) in entries(FRENCH) {
        // Selectors and places are syntax, not text.
        let text = text.lines().filter(|l| !l.contains("->")).collect::<Vec<_>>().join("\n");
        for pair in [" ;", " !", " ?", " »", "« ", " :"] {
            assert!(!text.contains(pair), "{id}: an ordinary space in {pair:?}: {text}");
        }
        for word in ["'", "...", "oe"] {
            let excused = word == "oe" && text.contains("coe");
            assert!(!text.contains(word) || excused, "{id}: {word:?} in {text}");
        }
        for mark in ['?', '!', ';'] {
            let mut before = None;
            for c in text.chars() {
                assert!(
                    c != mark || matches!(before, Some('\u{202f}' | '\u{a0}')),
                    "{id}: {mark:?} without a space"
                );
                before = Some(c);
            }
        }
    }
}

#[test]
fn values_are_put_in_and_plurals_agree() {
    let texts = Language::French.texts();
    assert_eq!(texts.text_with("sign-in-towards", &[("name", "<b>")]), "pour accéder à <b>");
    assert_eq!(texts.text("no-such-text"), "no-such-text");
    assert_eq!(texts.error("NONE-999", &[]), None);
}
