//! NIST's Public Key Interoperability Test Suite (PKITS) put to paths and revocation lists as a whole.
//!
//! Every authority and every list of the suite is installed at once, and each end-entity certificate judged. The suite
//! is not part of the project: it comes with PyPI's `cryptography_vectors`, which `make setup` unpacks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::anchors::Anchors;
use super::chain;
use super::crl::CrlSet;
use super::ocsp::{Answers, OcspSettings};
use super::revocation::{Fallback, judge};
use super::test_pki::now;

/// Section 4.8 names its certificates after what they hold. These are to be refused even if any policy will do, because
/// an authority on the path asks for an explicit one and the certificates share none.
const WITHOUT_COMMON_POLICY: [&str; 6] = [
    "DifferentPoliciesTest4EE",
    "DifferentPoliciesTest5EE",
    "DifferentPoliciesTest7EE",
    "DifferentPoliciesTest8EE",
    "DifferentPoliciesTest9EE",
    "DifferentPoliciesTest12EE",
];

fn suite() -> PathBuf {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/pkits");
    assert!(place.join("certs").is_dir(), "the certificates of PKITS are missing: run 'make setup'");
    place
}

/// Verdict for each end-entity certificate: `None` is good.
fn verdicts() -> BTreeMap<String, Option<String>> {
    let suite = suite();
    let place = tempfile::tempdir().unwrap();
    let mut end_entities = Vec::new();
    for entry in fs::read_dir(suite.join("certs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name.ends_with("EE") {
            end_entities.push((name, fs::read(&path).unwrap()));
        } else {
            fs::copy(&path, place.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let anchors = Anchors::load(place.path()).unwrap();
    let lists = CrlSet::load(&suite.join("crls"), &anchors, now());
    let answers = Answers::new(OcspSettings::default());
    let verdict = |der: &[u8]| match chain::verify(&anchors, der, now()) {
        Err(error) => Some(error.to_string()),
        Ok(path) => {
            let judged = judge(&lists, &answers, &path, Fallback::Refuse, now());
            judged.err().map(|error| error.to_string())
        }
    };
    end_entities.into_iter().map(|(name, der)| (name, verdict(&der))).collect()
}

fn is_to_be_refused(name: &str) -> bool {
    name.starts_with("Invalid") || WITHOUT_COMMON_POLICY.contains(&name)
}

/// The beginnings of names in the table of `docs/specifications.md`: what is refused although the suite would have it.
fn table() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/specifications.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("### NIST PKITS").nth(1).expect("the section on PKITS");
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

#[test]
fn what_the_suite_calls_invalid_is_refused() {
    let verdicts = verdicts();
    assert_eq!(verdicts.len(), 223);
    assert_eq!(verdicts.keys().filter(|name| is_to_be_refused(name)).count(), 121);
    let accepted: Vec<_> =
        verdicts.iter().filter(|(name, verdict)| is_to_be_refused(name) && verdict.is_none()).collect();
    assert!(accepted.is_empty(), "{accepted:?}");
}

#[test]
fn what_the_suite_calls_valid_is_accepted_but_for_what_the_table_says() {
    let (verdicts, table) = (verdicts(), table());
    let refused: BTreeMap<&String, &String> = verdicts
        .iter()
        .filter(|(name, _)| !is_to_be_refused(name))
        .filter_map(|(name, verdict)| verdict.as_ref().map(|reason| (name, reason)))
        .collect();
    for (name, reason) in &refused {
        assert!(table.iter().any(|begin| name.starts_with(begin)), "{name}: {reason}");
    }
    for begin in &table {
        let is_used = refused.keys().any(|name| name.starts_with(begin));
        assert!(is_used, "{begin} is accepted now: take its row out of docs/specifications.md");
    }
}
