//! Secrets are compared in constant time, by one function.

use super::sources::rust;

/// Types whose values are secret: they wipe themselves, and print nothing.
const SECRET_TYPES: [&str; 4] = ["Secret", "SecretString", "SecretBox", "Zeroizing"];

/// The items that derive `PartialEq`: their text from the attribute to their end.
fn comparable(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("#[derive(").filter_map(|(at, _)| {
        let item = &text[at..];
        let (traits, rest) = item.split_once(")]")?;
        let is_compared = traits.contains("PartialEq");
        // A tuple struct ends with `;`, everything else with a brace at the margin.
        let end = rest.find("\n}").unwrap_or(rest.len()).min(rest.find(";\n").unwrap_or(rest.len()));
        is_compared.then(|| &rest[..end])
    })
}

/// Whether a type stands in this text as a word of its own.
fn names(text: &str, name: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|word| word == name)
}

/// A field of an item that holds a secret.
fn secret_field(item: &str) -> Option<&str> {
    item.lines().filter(|line| line.contains(':') || line.contains("struct ")).find(|line| {
        SECRET_TYPES.iter().any(|name| names(line.split_once(':').map_or(line, |(_, of)| of), name))
    })
}

#[test]
fn no_type_that_holds_a_secret_derives_a_comparison() {
    assert!(
        comparable("#[derive(Debug, PartialEq)]\npub struct A(Secret);\n")
            .any(|item| secret_field(item).is_some())
    );
    let inner = "#[derive(PartialEq)]\nstruct A {\n    a: Option<SecretString>,\n}\n";
    assert!(comparable(inner).any(|item| secret_field(item).is_some()));
    for source in rust() {
        for item in comparable(&source.text) {
            assert_eq!(secret_field(item), None, "{}", source.file.display());
        }
    }
}

/// `==` on what a secret was unwrapped to, or on a hash of one.
#[test]
fn no_secret_and_no_hash_of_one_is_compared_by_an_operator() {
    let is_secret = |side: &str| {
        let side = side.trim();
        ["expose()", "expose_secret()", "_hash", "_hash()", "secret_hash", "hash.as_slice()"]
            .iter()
            .any(|name| side.ends_with(name))
    };
    let mut compared = 0;
    // The heads of the audit's chain are public: they are printed for whoever checks it.
    for source in rust().into_iter().filter(|source| source.module != "audit::chain") {
        for line in source.text.lines() {
            for operator in [" == ", " != "] {
                let Some((before, after)) = line.split_once(operator) else { continue };
                let end = after.find([' ', ',', ';', '{']).unwrap_or(after.len());
                let after = after[..end].trim_end_matches([')', '?']);
                assert!(
                    !is_secret(before) && !is_secret(after) && !is_secret(&format!("{after})")),
                    "{}: {line}",
                    source.file.display()
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "only {compared} comparisons were found");
}
