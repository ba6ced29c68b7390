//! What the documents say of the project is true of it: the commands they show are understood, the tests, files and
//! documents they name are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

use super::sources::{files, root};
use crate::cli::{agent::AgentCli, server::ServerCli};

/// Every document, with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = files(&root().join("docs"), &["md"]);
    for folder in ["certs", "config", "hw-tests"] {
        let below = files(&root().join(folder), &["md"]);
        found.extend(below.into_iter().filter(|path| !path.iter().any(|part| part == "target")));
    }
    found.extend([root().join("README.md"), root().join("CHANGELOG.md")]);
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// What stands between single backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2)).collect()
}

/// The commands in indented blocks, comments and continued lines removed.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix("    "));
    let lines = lines.map(|line| line.split("  #").next().unwrap_or_default().trim());
    let lines = lines.map(|line| line.strip_prefix("sudo -u sceau ").unwrap_or(line));
    lines
        .filter(|line| line.starts_with("sceau ") || line.starts_with("sceau-agent "))
        .filter(|line| !line.contains('…'))
        .map(str::to_owned)
        .collect()
}

/// As a shell splits it, as far as documents need it.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut in_quotes = false;
    for c in command.chars() {
        match c {
            '"' => in_quotes = !in_quotes,
            ' ' if !in_quotes => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

#[test]
fn the_commands_of_the_documents_are_understood() {
    let mut count = 0;
    for (path, text) in documents() {
        for command in commands(&text) {
            let words = words(&command);
            let program = if words[0] == "sceau" { ServerCli::command() } else { AgentCli::command() };
            if let Err(error) = program.try_get_matches_from(&words) {
                let is_help = matches!(
                    error.kind(),
                    clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion
                );
                assert!(is_help, "{}: {command}\n{error}", path.display());
            }
            count += 1;
        }
    }
    assert!(count > 20, "only {count} commands were found");
}

#[test]
fn the_tests_that_documents_name_exist() {
    let (mut functions, mut texts) = (BTreeSet::new(), BTreeSet::new());
    for folder in ["src", "certs/src", "hw-tests/src", "hw-tests/tests"] {
        for file in files(&root().join(folder), &["rs"]) {
            let text = fs::read_to_string(&file).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
                Some(rest[..end].to_owned())
            });
            functions.extend(names);
            // Names of figures and members of answers look like tests.
            texts.extend(text.split('"').filter(|text| text.contains('_')).map(str::to_owned));
        }
    }
    let is_name = |text: &&str| {
        text.matches('_').count() >= 3
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    for (path, text) in documents() {
        let exists = |name: &&str| {
            functions.contains(*name)
                || texts.contains(*name)
                || texts.contains(name.trim_start_matches("sceau_"))
        };
        let missing: Vec<_> =
            quoted(&text).into_iter().filter(is_name).filter(|name| !exists(name)).collect();
        assert!(missing.is_empty(), "{} names what does not exist: {missing:?}", path.display());
    }
}

#[test]
fn the_files_and_documents_that_documents_name_exist() {
    for (path, text) in documents() {
        let folder = path.parent().unwrap();
        for place in quoted(&text) {
            let tops = ["src/", "docs/", "certs/", "config/", "hw-tests/"];
            let is_path = tops.iter().any(|top| place.starts_with(top))
                && !place.contains(['*', '<', ' ', '{'])
                // Those that a document of another folder means from there.
                && !folder.join(place).exists();
            assert!(!is_path || root().join(place).exists(), "{}: {place}", path.display());
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let is_ours = !target.is_empty() && !target.contains("://") && is_document(Path::new(target));
            assert!(!is_ours || folder.join(target).exists(), "{}: {link}", path.display());
        }
    }
}

/// Pictures are looked at by people.
fn is_document(path: &Path) -> bool {
    path.extension().is_none_or(|extension| extension != "png")
}
