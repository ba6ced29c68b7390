//! NIST's Public Key Interoperability Test Suite (PKITS) put to paths and revocation lists as a whole.
//!
//! Every authority and every list of the suite is installed at once, and each end-entity certificate judged. The suite
//! is not part of the project: it comes with PyPI's `cryptography_vectors`, which `make setup` unpacks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::anchors::Anchors;
use super::chain;
use super::crl::{CrlSet, RevocationPolicy};
use super::test_pki::now;

/// Certificates that the suite calls invalid and that are accepted all the same.
const ACCEPTED: [(&str, &str); 1] = [(
    "InvaliddeltaCRLTest4EE",
    "stands in a delta list only: full lists are used, whose own date bounds the delay",
)];

/// Beginnings of names of certificates that the suite calls valid and that are refused: never by accident, always on
/// the safe side, and none of it occurs with health professionals' cards.
const REFUSED: [(&str, &str); 23] = [
    ("ValidBasicSelfIssued", "list signed with another key than the certificate"),
    ("ValidDNnameConstraintsTest19", "list signed with another key than the certificate"),
    ("ValidSelfIssuedpathLenConstraintTest15", "list signed with another key than the certificate"),
    ("ValidSelfIssuedrequireExplicitPolicyTest6", "list signed with another key than the certificate"),
    ("ValidSeparateCertificateandCRLKeysTest19", "list signed with another key than the certificate"),
    ("ValidDSA", "DSA"),
    ("ValidIDPwithindirectCRL", "indirect list"),
    ("ValidcRLIssuer", "indirect list"),
    ("ValiddeltaCRLTest5", "taken off a full list by a delta list"),
    ("ValiddistributionPoint", "list of a distribution point that has a name instead of an address"),
    ("ValidonlySomeReasons", "lists for some reasons each"),
    ("ValidonlyContainsCACertsTest13", "an authority as end entity"),
    ("ValidpathLenConstraintTest8", "an authority as end entity"),
    ("ValidpathLenConstraintTest13", "longer path than cards have"),
    ("ValidpathLenConstraintTest14", "longer path than cards have"),
    ("ValidrequireExplicitPolicyTest", "longer path than cards have"),
    ("ValidSelfIssuedpathLenConstraintTest17", "longer path than cards have"),
    ("ValidSelfIssuedinhibitAnyPolicyTest", "policy constraints; longer path than cards have"),
    ("ValidSelfIssuedinhibitPolicyMappingTest", "policy mapping under an explicit policy"),
    ("ValidPolicyMappingTest", "policy mapping under an explicit policy"),
    ("ValidinhibitAnyPolicyTest2", "policy constraints"),
    ("ValidinhibitPolicyMappingTest2", "policy mapping under an explicit policy"),
    ("ValidinhibitPolicyMappingTest4", "policy mapping under an explicit policy"),
];

fn suite() -> PathBuf {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/pkits");
    assert!(place.join("certs").is_dir(), "the certificates of PKITS are missing: run 'make setup'");
    place
}

/// Verdict for each `Valid…EE` and `Invalid…EE` certificate: `None` is good.
fn verdicts() -> BTreeMap<String, Option<String>> {
    let suite = suite();
    let place = tempfile::tempdir().unwrap();
    let mut end_entities = Vec::new();
    for entry in fs::read_dir(suite.join("certs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name.ends_with("EE") && (name.starts_with("Valid") || name.starts_with("Invalid")) {
            end_entities.push((name, fs::read(&path).unwrap()));
        } else {
            fs::copy(&path, place.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let anchors = Anchors::load(place.path()).unwrap();
    let lists = CrlSet::load(&suite.join("crls"), &anchors, now());
    let policy = RevocationPolicy::default();
    let judge = |der: &[u8]| match chain::verify(&anchors, der, now()) {
        Err(error) => Some(error.to_string()),
        Ok(path) => lists.check(&path, &policy, now()).err().map(|error| error.to_string()),
    };
    end_entities.into_iter().map(|(name, der)| (name, judge(&der))).collect()
}

#[test]
fn what_the_suite_calls_invalid_is_refused() {
    let verdicts = verdicts();
    assert_eq!(verdicts.keys().filter(|name| name.starts_with("Invalid")).count(), 115);
    let accepted: Vec<&str> = verdicts
        .iter()
        .filter(|(name, verdict)| name.starts_with("Invalid") && verdict.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(accepted, ACCEPTED.map(|(name, _)| name));
}

#[test]
fn what_the_suite_calls_valid_is_accepted_but_for_what_cards_never_have() {
    let verdicts = verdicts();
    let refused: Vec<(&String, &String)> = verdicts
        .iter()
        .filter(|(name, _)| name.starts_with("Valid"))
        .filter_map(|(name, verdict)| verdict.as_ref().map(|reason| (name, reason)))
        .collect();
    for (name, reason) in &refused {
        assert!(REFUSED.iter().any(|(begin, _)| name.starts_with(begin)), "{name}: {reason}");
    }
    for (begin, why) in REFUSED {
        assert!(refused.iter().any(|(name, _)| name.starts_with(begin)), "{begin} is accepted now ({why})");
    }
}
