//! Which module may use which: the two blocks of `docs/architecture.md` and the sources say the same.
//!
//! Tests may use what they like: a file or folder called `tests`, a file ending in `_tests.rs`, and what stands below
//! `#[cfg(test)]` is not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::sources::{Source, root, rust};

/// A place in the sources that names another module.
#[derive(Debug)]
struct Use {
    /// Without `crate::`: `crypto::jose::sign`.
    name: String,
    /// File and line.
    place: String,
}

/// The lines of the block ```` ```name ```` of the architecture.
fn block(name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let opening = format!("```{name}");
    let lines = text.lines().skip_while(|line| *line != opening).skip(1);
    let lines: Vec<_> = lines.take_while(|line| *line != "```").map(str::to_owned).collect();
    assert!(!lines.is_empty(), "docs/architecture.md has no block {opening}");
    lines
}

/// Every `crate::…` of a source, with groups in braces taken apart.
fn uses(file: &Path, text: &str) -> Vec<Use> {
    let mut found = Vec::new();
    for (at, opening) in text.match_indices("crate::") {
        if text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let line = text[..at].matches('\n').count() + 1;
        let place = format!("{}:{line}", file.strip_prefix(root()).unwrap().display());
        for name in names(&text[at + opening.len()..]) {
            found.push(Use { name, place: place.clone() });
        }
    }
    found
}

/// `a::{b, c::d}` → `a::b`, `a::c::d`.
fn names(text: &str) -> Vec<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let (prefix, rest) = text.split_at(end);
    let Some(group) = rest.strip_prefix('{').filter(|_| prefix.is_empty() || prefix.ends_with("::")) else {
        return vec![prefix.trim_end_matches(':').to_owned()];
    };
    let mut all = Vec::new();
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let item = group[begin..at].trim();
                if !item.is_empty() {
                    all.extend(names(item).into_iter().map(|name| format!("{prefix}{name}")));
                }
                if c == '}' {
                    break;
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
    all
}

/// Whether `name` is `whole`, or something within it.
fn is_within(name: &str, whole: &str) -> bool {
    name == whole || name.strip_prefix(whole).is_some_and(|rest| rest.starts_with("::"))
}

#[test]
fn every_use_is_drawn_in_the_architecture() {
    let mut allowed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in block("directions") {
        let (module, targets) = line.split_once("->").expect("module -> what it may use");
        let targets = targets.split_whitespace().map(str::to_owned).collect();
        assert!(allowed.insert(module.trim().to_owned(), targets).is_none(), "{module} stands there twice");
    }
    let modules: BTreeSet<_> = allowed.keys().cloned().collect();
    let mut faults = Vec::new();
    for Source { module, file, text } in rust() {
        let top = module.split("::").next().unwrap_or_default().to_owned();
        let Some(targets) = allowed.get(&top) else {
            faults.push(format!("{}: the module {top} is not drawn", file.display()));
            continue;
        };
        for used in uses(&file, &text) {
            let target = used.name.split("::").next().unwrap_or_default();
            // Macros stand at the root; a module's own parts are its own business.
            if target == top || !modules.contains(target) {
                continue;
            }
            if !targets.iter().any(|allowed| allowed == "*" || is_within(&used.name, allowed)) {
                faults.push(format!("{}: {top} may not use {}", used.place, used.name));
            }
        }
    }
    assert!(faults.is_empty(), "not drawn in docs/architecture.md:\n{}", faults.join("\n"));
}

#[test]
fn names_of_other_crates_stay_where_they_belong() {
    let mut faults = Vec::new();
    let sources = rust();
    for line in block("names") {
        let (what, owners) = line.rsplit_once("  ").map_or((line.as_str(), ""), |(what, rest)| (what, rest));
        // `name`, or `name in a b` where only those modules are looked at. Owners stand behind two spaces.
        let (name, only) = what.trim().split_once(" in ").unwrap_or((what.trim(), ""));
        let only: Vec<_> = only.split_whitespace().collect();
        let owners: Vec<_> =
            if owners.trim().is_empty() { Vec::new() } else { owners.split_whitespace().collect() };
        for Source { module, file, text } in &sources {
            let looked_at = only.is_empty() || only.iter().any(|part| is_within(module, part));
            if !looked_at || owners.iter().any(|owner| is_within(module, owner)) {
                continue;
            }
            for (number, line) in text.lines().enumerate() {
                if mentions(line, name) {
                    faults.push(format!("{}:{}: {name} is for {owners:?} only", file.display(), number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether the line names the crate or path, as a word of its own.
fn mentions(line: &str, name: &str) -> bool {
    let path = name.trim_end_matches("::");
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + path.len()..];
        let is_word =
            !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '"' | '.' | '-' | '`'));
        let ends = !after.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_');
        // A path stands for everything that begins so; a crate has to be named as one.
        let is_path = name.contains("::");
        is_word && (is_path || ends && (after.starts_with("::") || line.trim_start().starts_with("use ")))
    })
}

#[test]
fn groups_are_taken_apart() {
    assert_eq!(names("a::{b, c::{d, e}};"), ["a::b", "a::c::d", "a::c::e"]);
    assert_eq!(names("{clock, ids::Random};"), ["clock", "ids::Random"]);
    assert_eq!(names("store::Db>"), ["store::Db"]);
    assert_eq!(names("keyring::{Keyring,\n    rotate,\n};"), ["keyring::Keyring", "keyring::rotate"]);
    assert!(mentions("use openssl::x509::X509;", "openssl"));
    assert!(!mentions("tokio_openssl::SslStream", "openssl"));
    assert!(!mentions("let x = \"openssl\";", "openssl"));
}
