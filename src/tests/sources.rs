//! The project's own sources, for tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file of the library, without its tests.
pub(super) struct Source {
    /// `card::driver::reader`
    pub(super) module: String,
    pub(super) file: PathBuf,
    /// Comments are blank lines.
    pub(super) text: String,
}

/// The directory of the package.
pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` that ends in one of `extensions`, in order.
pub(super) fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|own| extensions.iter().any(|extension| own == *extension)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every Rust file of the library. Files and folders of tests, and what stands below `#[cfg(test)]`, are left out.
pub(super) fn rust() -> Vec<Source> {
    let src = root().join("src");
    let mut sources = Vec::new();
    for file in files(&src, &["rs"]) {
        let relative = file.strip_prefix(&src).unwrap().with_extension("");
        let parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
        let is_test = |part: &&str| ["tests", "testing"].contains(part) || part.ends_with("_tests");
        if parts.iter().any(is_test) || ["lib", "main", "bin", "benches"].contains(&parts[0]) {
            continue;
        }
        let module: Vec<_> = parts.into_iter().filter(|part| *part != "mod").collect();
        let text = without_tests(&fs::read_to_string(&file).unwrap());
        sources.push(Source { module: module.join("::"), file: file.clone(), text });
    }
    assert!(sources.len() > 100, "the sources were not found");
    sources
}

fn without_tests(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let begins_tests = line.trim() == "#[cfg(test)]"
            && lines.peek().is_some_and(|next| next.contains("mod ") && next.trim_end().ends_with('{'));
        if begins_tests {
            break;
        }
        kept.push(if line.trim_start().starts_with("//") { "" } else { line });
    }
    kept.join("\n")
}
