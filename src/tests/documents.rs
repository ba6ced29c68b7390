//! What the documents say of the project is true of it: the commands they show are understood, the tests, files and
//! documents they name are there.

use std::collections::{BTreeMap, BTreeSet};
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

/// That each sub-command and each option that a sentence names is there; values may be missing.
fn named_command(sentence: &str) -> Result<(), String> {
    let mut words = sentence.split_whitespace();
    let mut command = if words.next() == Some("sceau") { ServerCli::command() } else { AgentCli::command() };
    command.build();
    for word in words {
        let is_name = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        if let Some(option) = word.strip_prefix("--").filter(|option| !option.is_empty()) {
            let name = option.split('=').next();
            if !command.get_arguments().any(|argument| argument.get_long() == name) {
                return Err(format!("`{}` has no {word}", command.get_name()));
            }
        } else if command.has_subcommands() && is_name {
            let found = command.find_subcommand(word).cloned();
            command = found.ok_or_else(|| format!("`{}` has no {word}", command.get_name()))?;
        }
    }
    Ok(())
}

#[test]
fn the_commands_that_sentences_name_exist() {
    assert!(named_command("sceau means show").is_err() && named_command("sceau keys list --loud").is_err());
    let mut count = 0;
    for (path, text) in documents() {
        let of_ours = |text: &&str| text.starts_with("sceau ") || text.starts_with("sceau-agent ");
        for sentence in quoted(&text).into_iter().filter(of_ours) {
            let known = named_command(sentence);
            assert!(known.is_ok(), "{}: `{sentence}`: {}", path.display(), known.unwrap_err());
            count += 1;
        }
    }
    assert!(count > 50, "only {count} commands were found");
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

/// The tests of a source file.
fn tests_of(text: &str) -> BTreeSet<String> {
    let attributes = text.match_indices("#[").filter_map(|(at, _)| {
        let rest = &text[at..];
        let is_test = rest.starts_with("#[test]") || rest.starts_with("#[tokio::test");
        // Attributes and comments may stand between; `proptest!` writes the first of these itself.
        let (_, named) = rest.split_once("fn ").filter(|_| is_test)?;
        let end = named.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        Some(named[..end].to_owned())
    });
    attributes.collect()
}

/// Every source file with tests: its path below the package, and their names.
fn tested() -> Vec<(String, BTreeSet<String>)> {
    let mut found = Vec::new();
    for folder in ["src", "certs/src", "hw-tests/src", "hw-tests/tests"] {
        for file in files(&root().join(folder), &["rs"]) {
            let path = file.strip_prefix(root()).unwrap().display().to_string();
            found.push((path, tests_of(&fs::read_to_string(&file).unwrap())));
        }
    }
    found
}

/// Whether `place` as a document writes it is that file: its end, or a folder that it stands in.
fn is_in(place: &str, path: &str) -> bool {
    let path = format!("/{path}");
    if place.ends_with('/') {
        path.contains(&format!("/{place}"))
    } else {
        path.ends_with(&format!("/{place}"))
    }
}

/// What is wrong with a row: each name is a test, of the file that stands before it where one does. And how many it
/// names.
fn check_row(cell: &str, tested: &[(String, BTreeSet<String>)]) -> (Vec<String>, usize) {
    let (mut faults, mut count) = (Vec::new(), 0);
    for part in cell.split("; ") {
        let mut place = None;
        for name in quoted(part) {
            if name.ends_with(".rs") || name.ends_with('/') {
                place = Some(name);
                if !tested.iter().any(|(path, _)| is_in(name, path)) {
                    faults.push(format!("there is no {name}"));
                }
                continue;
            }
            let is_name = name.matches('_').count() >= 2
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if !is_name {
                continue;
            }
            let homes: Vec<_> = tested.iter().filter(|(_, tests)| tests.contains(name)).collect();
            if homes.is_empty() {
                faults.push(format!("{name} is no test"));
            } else if let Some(place) = place
                && !homes.iter().any(|(path, _)| is_in(place, path))
            {
                faults.push(format!("{name} is a test, and not of {place}"));
            }
            count += 1;
        }
    }
    (faults, count)
}

/// The last column of the tables that say what proves a defence or a clause.
#[test]
fn what_a_table_calls_a_test_is_a_test_of_that_file() {
    let (tested, mut faults) = (tested(), Vec::new());
    for (document, heads, least) in [
        ("docs/threat-model.md", &["Tried in", "Test"][..], 250),
        ("docs/specifications.md", &["Test"][..], 60),
    ] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let (mut is_list, mut count) = (false, 0);
        for (number, line) in text.lines().enumerate() {
            let Some(row) = line.strip_prefix("| ") else {
                is_list &= line.starts_with("|-");
                continue;
            };
            let cells: Vec<_> = row.trim_end_matches('|').split(" | ").map(str::trim).collect();
            let last = *cells.last().unwrap();
            if heads.contains(&last) {
                is_list = true;
            } else if is_list {
                let at = format!("{document}:{}", number + 1);
                let (of_row, tests) = check_row(last, &tested);
                count += tests;
                faults.extend(of_row.into_iter().map(|fault| format!("{at}: {fault}")));
                // Files and folders are enough for what has a whole one.
                if !last.contains(['`', ']']) && !row.contains("not ") && !last.starts_with("the same") {
                    faults.push(format!("{at} names no test"));
                }
            }
        }
        assert!(count >= least, "only {count} tests were found in {document}");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
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

/// Whoever begins with the README comes to every document by links.
#[test]
fn every_document_is_found_from_the_readme() {
    let texts: BTreeMap<PathBuf, String> =
        documents().into_iter().map(|(path, text)| (path.canonicalize().unwrap(), text)).collect();
    let (mut found, mut ahead) = (BTreeSet::new(), vec![root().join("README.md").canonicalize().unwrap()]);
    while let Some(path) = ahead.pop() {
        let Some(text) = texts.get(&path).filter(|_| found.insert(path.clone())) else { continue };
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        ahead.extend(links.filter_map(|link| path.parent().unwrap().join(link).canonicalize().ok()));
    }
    let lost: Vec<_> = texts.keys().filter(|path| !found.contains(*path)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

/// Pictures are looked at by people.
fn is_document(path: &Path) -> bool {
    path.extension().is_none_or(|extension| extension != "png")
}
