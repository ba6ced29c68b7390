use std::time::Duration;

use openssl::pkey::PKey;
use proptest::prelude::*;
use sceau_certs::certificate::Hash;
use sceau_certs::crl::{CrlTemplate, Revocation};
use sceau_certs::extension::{
    CRL_NUMBER, DELTA_CRL_INDICATOR, Extension, FRESHEST_CRL, ISSUING_DISTRIBUTION_POINT,
};
use sceau_certs::{Authority, der};

use super::*;
use crate::crypto::x509::chain;
use crate::crypto::x509::ocsp::{Answers, OcspSettings};
use crate::crypto::x509::revocation::{self, Fallback, RevocationEvidence};
use crate::crypto::x509::test_pki::{anchors, authentication, card, now, pki};

/// A directory of lists, and the set read from it.
struct Place {
    dir: tempfile::TempDir,
    set: CrlSet,
}

impl Place {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let set = CrlSet::load(dir.path(), &anchors(), now());
        Self { dir, set }
    }

    /// Replaces a file by renaming, with a time of its own, and refreshes.
    fn replace(&self, name: &str, content: &[u8], age: u64) {
        let partial = self.dir.path().join("partial");
        fs::write(&partial, content).unwrap();
        let file = fs::File::options().write(true).open(&partial).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + age)).unwrap();
        fs::rename(partial, self.dir.path().join(name)).unwrap();
        assert!(self.set.refresh(now()));
    }

    fn check(
        &self,
        name: &str,
        fallback: Fallback,
        at: DateTime<Utc>,
    ) -> Result<RevocationEvidence, &'static str> {
        let path = chain::verify(&anchors(), &authentication(name), now()).unwrap();
        let answers = Answers::new(OcspSettings::default());
        revocation::judge(&self.set, &answers, &path, fallback, at).map_err(|error| error.code())
    }

    fn of(&self, name: &str) -> Result<RevocationEvidence, &'static str> {
        self.check(name, Fallback::Refuse, now())
    }

    fn fault(&self) -> String {
        self.set.status().first().and_then(|status| status.fault.clone()).unwrap_or_default()
    }
}

fn persons() -> &'static [u8] {
    &pki().crls.persons
}

fn template() -> CrlTemplate {
    CrlTemplate::new(1, now(), now() + TimeDelta::days(7))
}

fn revocation_of(name: &str) -> Revocation {
    let serial = card(name).authentication.certificate.serial_number().to_bn().unwrap().to_vec();
    Revocation { serial, at: now(), reason: Some(1) }
}

fn issue(template: &CrlTemplate) -> Vec<u8> {
    pki().persons.issue_crl(template).unwrap()
}

#[test]
fn the_revoked_card_is_refused_and_the_others_are_not() {
    let place = Place::with(&[("persons.crl", persons())]);
    assert_eq!(place.of("good"), Ok(RevocationEvidence::Good { as_of: now() }));
    assert_eq!(place.of("nurse"), Ok(RevocationEvidence::Good { as_of: now() }));
    assert_eq!(place.of("revoked"), Err("CERT-005"));
    let status = place.set.status();
    let list = status[0].list.as_ref().unwrap();
    assert_eq!((list.entries, list.issuer.as_str()), (2, "TEST AC IGC-SANTE FORT PERSONNES"));
}

#[test]
fn pem_is_read_as_well() {
    let pem = openssl::x509::X509Crl::from_der(persons()).unwrap().to_pem().unwrap();
    assert_eq!(Place::with(&[("persons.crl", &pem)]).of("revoked"), Err("CERT-005"));
}

#[test]
fn an_empty_list_revokes_nobody() {
    let place = Place::with(&[("persons.crl", &issue(&template()))]);
    assert!(place.of("revoked").is_ok());
    assert_eq!(place.set.status()[0].list.as_ref().unwrap().entries, 0);
}

/// Deleting the file must not let everybody in.
#[test]
fn a_missing_list_refuses_unless_the_policy_says_otherwise() {
    let place = Place::with(&[]);
    assert_eq!(place.of("good"), Err("CERT-010"));
    assert_eq!(place.check("good", Fallback::Accept, now()), Ok(RevocationEvidence::Unchecked));
    for lenient in [Fallback::Younger(TimeDelta::days(30)), Fallback::Overdue(TimeDelta::days(7))] {
        assert_eq!(place.check("good", lenient, now()), Err("CERT-010"), "there never was a good list");
    }
    let root_only = Place::with(&[("root.crl", &pki().crls.root)]);
    assert_eq!(root_only.of("good"), Err("CERT-010"), "the list of another authority says nothing");
    let nowhere = CrlSet::load(Path::new("/nonexistent/crl"), &anchors(), now());
    assert_eq!(nowhere.status(), []);
}

/// Keeping the list from being renewed must not keep a stolen card alive for ever.
#[test]
fn an_old_list_refuses_after_the_grace_of_the_policy() {
    let place = Place::with(&[("persons.crl", persons())]);
    let at = |days| now() + TimeDelta::days(days);
    let stale = Ok(RevocationEvidence::Stale { as_of: now() });
    assert_eq!(place.check("good", Fallback::Refuse, at(8)), Err("CERT-011"));
    let overdue = Fallback::Overdue(TimeDelta::days(2));
    assert_eq!(place.check("good", overdue, at(8)), stale);
    assert_eq!(place.check("good", overdue, at(10)), Err("CERT-011"));
    let younger = Fallback::Younger(TimeDelta::days(9));
    assert_eq!(place.check("good", younger, at(8)), stale);
    assert_eq!(place.check("good", younger, at(9)), Err("CERT-011"), "its age counts, not its end");
    let short = Fallback::Younger(TimeDelta::days(1));
    assert!(place.check("good", short, at(6)).is_ok(), "a list in its time is good whatever its age");
    assert_eq!(place.check("good", Fallback::Accept, at(300)), stale);
    for fallback in [younger, overdue, Fallback::Accept] {
        let verdict = place.check("revoked", fallback, at(300));
        assert_eq!(verdict, Err("CERT-005"), "who was revoked stays revoked");
    }
}

#[test]
fn a_list_without_next_update_ages_all_the_same() {
    let place = Place::with(&[("persons.crl", &issue(&CrlTemplate { next_update: None, ..template() }))]);
    assert!(place.of("good").is_ok());
    assert_eq!(place.check("good", Fallback::Refuse, now() + TimeDelta::days(8)), Err("CERT-011"));
}

#[test]
fn lists_that_cannot_be_trusted_are_reported_and_not_used() {
    let impostor = Authority {
        certificate: pki().persons.certificate.clone(),
        key: card("nurse").authentication.key.clone(),
    };
    let stranger = Authority {
        certificate: pki().organisations.certificate.clone(),
        key: pki().organisations.key.clone(),
    };
    let as_card = Authority {
        certificate: card("nurse").authentication.certificate.clone(),
        key: card("nurse").authentication.key.clone(),
    };
    let with = |extension| issue(&CrlTemplate { extra_extensions: vec![extension], ..template() });
    let point =
        |content: Vec<u8>| with(Extension::critical(ISSUING_DISTRIBUTION_POINT, der::sequence(&[content])));
    let mut tail = persons().to_vec();
    tail.push(0);
    let mut flipped = persons().to_vec();
    let place = flipped.len() - 400;
    flipped[place] ^= 1;
    for (what, content, expected) in [
        ("forged", impostor.issue_crl(&template()).unwrap(), "not signed by the authority"),
        ("flipped", flipped, ""),
        ("of a stranger", stranger.issue_crl(&template()).unwrap(), "not an installed authority"),
        ("of a card holder", as_card.issue_crl(&template()).unwrap(), "not an installed authority"),
        ("SHA-1", issue(&CrlTemplate { hash: Hash::Sha1, ..template() }), "too weak"),
        (
            "future",
            issue(&CrlTemplate { this_update: now() + TimeDelta::hours(1), ..template() }),
            "in the future",
        ),
        ("delta of nothing", with(Extension::critical(DELTA_CRL_INDICATOR, der::null())), "extensions"),
        ("negative base", with(Extension::critical(DELTA_CRL_INDICATOR, vec![2, 1, 0xFF])), "extensions"),
        (
            "unknown critical",
            with(Extension::critical(&[1, 3, 6, 1, 4, 1, 99999, 7], der::null())),
            "not understood",
        ),
        ("twice", with(Extension::new(CRL_NUMBER, der::integer(2))), "extension twice"),
        ("indirect", point(der::context_primitive(4, &[0xFF])), "indirect"),
        ("some reasons", point(der::context_primitive(3, &[6, 0x40])), "some reasons"),
        ("no name", point(der::context(0, &der::context(0, &[]))), "without a name"),
        ("no point", point(der::context(0, &[])), "without a name"),
        ("unknown member", point(der::context_primitive(6, &[0xFF])), "issuing distribution point"),
        ("foreign member", point(der::boolean(true)), "issuing distribution point"),
        ("attributes", point(der::context_primitive(5, &[0xFF])), "attribute certificates"),
        ("tail", tail, "length does not match"),
        ("cut", persons()[..persons().len() - 1].to_vec(), "not a revocation list"),
        ("empty", Vec::new(), "empty"),
        ("a page of a portal", b"<html>Please log in</html>".to_vec(), "not a revocation list"),
        ("a certificate", pki().persons.certificate.to_der().unwrap(), "not a revocation list"),
        ("bad PEM", b"-----BEGIN X509 CRL-----\n@@@\n".to_vec(), "PEM"),
    ] {
        let place = Place::with(&[("persons.crl", &content)]);
        assert_eq!(place.of("good"), Err("CERT-010"), "{what}");
        assert!(!place.fault().is_empty() && place.fault().contains(expected), "{what}: {}", place.fault());
    }
}

/// RFC 5280 §5.3.3: an entry of an indirect list names another issuer for itself and all that follow.
#[test]
fn an_entry_with_a_critical_extension_forbids_the_list() {
    let entry = |extension: Extension| {
        let serial = der::unsigned(&[1, 2, 3]);
        der::sequence(&[serial, der::time(now()), der::sequence(&[extension.to_der()])])
    };
    let content = |entry: Vec<u8>| entry[2..].to_vec();
    let critical = Extension::critical(&[2, 5, 29, 29], der::sequence(&[]));
    let plain = Extension::new(&[2, 5, 29, 29], der::sequence(&[]));
    assert!(matches!(list::Entry::read(&content(entry(critical)), 0), Err(ListFault::Critical(_))));
    assert_eq!(list::Entry::read(&content(entry(plain)), 0).unwrap().serial[18..], [1, 2, 3]);
}

/// A list that covers certificates of other distribution points only would let a revoked card pass.
#[test]
fn a_list_counts_only_for_what_it_covers() {
    let scoped = |parts: Vec<Vec<u8>>| {
        let point = Extension::critical(ISSUING_DISTRIBUTION_POINT, der::sequence(&parts));
        issue(&CrlTemplate { extra_extensions: vec![point], ..template() }.revoke(revocation_of("good")))
    };
    let at =
        |address: &str| der::context(0, &der::context(0, &der::context_primitive(6, address.as_bytes())));
    let here = at("http://igc-sante.esante.gouv.fr/CRL/ACI-FO-PP-TEST.crl");
    let elsewhere = at("http://igc-sante.esante.gouv.fr/CRL/other.crl");
    let only_users = der::context_primitive(1, &[0xFF]);
    let only_authorities = der::context_primitive(2, &[0xFF]);
    for (list, expected) in [
        (scoped(vec![only_users]), Err("CERT-005")),
        (scoped(vec![here]), Err("CERT-005")),
        (scoped(vec![elsewhere]), Err("CERT-010")),
        // A name below the issuer's that no card carries.
        (
            scoped(vec![der::context(
                0,
                &der::context(1, &der::sequence(&[der::oid(&[2, 5, 4, 3]), der::utf8("X")])),
            )]),
            Err("CERT-010"),
        ),
        (scoped(vec![only_authorities]), Err("CERT-010")),
    ] {
        assert_eq!(Place::with(&[("persons.crl", &list)]).of("good"), expected);
    }
}

/// A delta list, number `number`, of what has changed since the full list number `base`.
fn delta(number: u64, base: u64, entries: Vec<Revocation>) -> Vec<u8> {
    let this_update = now() + TimeDelta::minutes(1);
    let indicator = Extension::delta_indicator(base);
    issue(&CrlTemplate {
        number,
        this_update,
        extra_extensions: vec![indicator],
        revoked: entries,
        ..CrlTemplate::new(number, this_update, now() + TimeDelta::days(1))
    })
}

#[test]
fn a_delta_list_revokes_and_takes_off_what_the_full_list_holds() {
    let full = issue(&CrlTemplate::new(5, now(), now() + TimeDelta::days(7)).revoke(revocation_of("nurse")));
    let removal = Revocation { reason: Some(8), ..revocation_of("nurse") };
    let update = delta(7, 5, vec![revocation_of("good"), removal]);
    let place = Place::with(&[("full.crl", &full), ("delta.crl", &update)]);
    assert_eq!(place.of("good"), Err("CERT-005"));
    let as_of = now() + TimeDelta::minutes(1);
    assert_eq!(place.of("nurse"), Ok(RevocationEvidence::Good { as_of }));
    assert_eq!(place.of("employee"), Ok(RevocationEvidence::Good { as_of }));
    let serial = |name: &str| revocation_of(name).serial;
    let issuer = issuer_id(&pki().persons.certificate).unwrap();
    assert!(place.set.revokes(&issuer, &serial("good")));
    assert!(!place.set.revokes(&issuer, &serial("nurse")));
    // Without the full list the delta says nothing of the others, so nobody is let in by it.
    let alone = Place::with(&[("delta.crl", &update)]);
    assert_eq!(alone.of("employee"), Err("CERT-010"));
    assert!(alone.set.status()[0].list.as_ref().unwrap().is_delta);
}

/// RFC 5280 §5.2.4: a delta list that starts later than the full list at hand leaves out what happened between.
#[test]
fn a_delta_list_counts_only_with_the_full_list_that_it_changes() {
    let full = |number| {
        issue(&CrlTemplate::new(number, now(), now() + TimeDelta::days(7)).revoke(revocation_of("nurse")))
    };
    let removal = || vec![Revocation { reason: Some(8), ..revocation_of("nurse") }];
    for (number, update, expected) in [
        (5, delta(7, 5, removal()), Ok(())),
        (6, delta(7, 5, removal()), Ok(())),
        (4, delta(7, 5, removal()), Err("CERT-005")),
        (7, delta(7, 5, removal()), Err("CERT-005")),
        (8, delta(7, 5, removal()), Err("CERT-005")),
    ] {
        let place = Place::with(&[("full.crl", &full(number)), ("delta.crl", &update)]);
        assert_eq!(place.of("nurse").map(|_| ()), expected, "full list {number}");
    }
    let other_scope =
        Extension::issuing_distribution_point("http://igc-sante.esante.gouv.fr/CRL/ACI-FO-PP-TEST.crl");
    let template = CrlTemplate {
        extra_extensions: vec![Extension::delta_indicator(5), other_scope],
        revoked: removal(),
        ..CrlTemplate::new(7, now(), now() + TimeDelta::days(1))
    };
    let place = Place::with(&[("full.crl", &full(5)), ("delta.crl", &issue(&template))]);
    assert_eq!(place.of("nurse"), Err("CERT-005"), "of another scope");
}

/// A BOOLEAN without its byte, before the signature is looked at: found by fuzzing.
#[test]
fn an_empty_boolean_in_an_entry_is_no_panic() {
    let entry = |kind: &[u8], boolean: &[u8]| {
        let extension = [kind, boolean, &[0x04, 0x03, 0x0A, 0x01, 0x01]].concat();
        let extensions = der::tlv(0x30, &der::tlv(0x30, &extension));
        list::Entry::read(
            &[&[0x02, 0x01, 0x07], &der::tlv(0x17, b"261121120000Z")[..], &extensions].concat(),
            0,
        )
    };
    let (reason, unknown) = ([0x06, 0x03, 0x55, 0x1D, 0x15], [0x06, 0x03, 0x55, 0x1D, 0x7F]);
    for boolean in [&[][..], &[0x01, 0x00], &[0x01, 0x01, 0x00], &[0x01, 0x01, 0xFF]] {
        assert!(entry(&reason, boolean).is_ok(), "{boolean:?}");
    }
    assert!(entry(&unknown, &[0x01, 0x01, 0x00]).is_ok());
    for critical in [&[0x01, 0x00][..], &[0x01, 0x01, 0xFF], &[0x01, 0x01, 0x01]] {
        assert!(matches!(entry(&unknown, critical), Err(ListFault::Critical(_))), "{critical:?}");
    }
}

/// `removeFromCRL` has no meaning in a full list (§5.3.1): whoever could slip it in must not free a card.
#[test]
fn in_a_full_list_nothing_is_taken_off() {
    let removal = Revocation { reason: Some(8), ..revocation_of("good") };
    let place = Place::with(&[("full.crl", &issue(&template().revoke(removal)))]);
    assert_eq!(place.of("good"), Err("CERT-005"));
}

#[test]
fn what_was_accepted_before_is_found_by_issuer_and_serial() {
    let place = Place::with(&[("persons.crl", persons())]);
    let issuer = issuer_id(&pki().persons.certificate).unwrap();
    let serial = |name: &str| revocation_of(name).serial;
    assert!(place.set.revokes(&issuer, &serial("revoked")));
    assert!(!place.set.revokes(&issuer, &serial("good")));
    let root = issuer_id(&pki().root.certificate).unwrap();
    assert!(!place.set.revokes(&root, &serial("revoked")), "the same number of another authority");
    // Once the authority itself is revoked, all of its cards are.
    let authority = pki().persons.certificate.serial_number().to_bn().unwrap().to_vec();
    let list = template().revoke(Revocation { serial: authority, at: now(), reason: Some(2) });
    let list = pki().root.issue_crl(&list).unwrap();
    let place = Place::with(&[("persons.crl", persons()), ("root.crl", &list)]);
    assert!(place.set.revokes(&issuer, &serial("good")));
}

/// The certificates of IGC-Santé name an LDAP directory as well.
#[test]
fn addresses_come_from_authorities_lists_and_cards_and_are_http() {
    let freshest =
        Extension::distribution_points(FRESHEST_CRL, &["ldap://x/y", "http://igc.example/delta.crl"]);
    let list = issue(&CrlTemplate { extra_extensions: vec![freshest], ..template() });
    let place = Place::with(&[("persons.crl", &list)]);
    let root = issuer_id(&pki().root.certificate).unwrap();
    let issuer = issuer_id(&pki().persons.certificate).unwrap();
    let source = |address: &str, issuer| Source { address: address.into(), issuer: Some(issuer) };
    let expected = BTreeSet::from([
        source("http://igc-sante.esante.gouv.fr/CRL/ACR-FO-TEST.crl", root),
        source("http://igc.example/delta.crl", issuer),
    ]);
    assert_eq!(place.set.sources(), expected);
    let path = chain::verify(&anchors(), &authentication("good"), now()).unwrap();
    let expected = BTreeSet::from([source("http://igc-sante.esante.gouv.fr/CRL/ACI-FO-PP-TEST.crl", issuer)]);
    assert_eq!(place.set.sources_of(&path).unwrap(), expected);
}

#[test]
fn a_revoked_authority_takes_its_cards_with_it() {
    let serial = pki().persons.certificate.serial_number().to_bn().unwrap().to_vec();
    let list = template().revoke(Revocation { serial, at: now(), reason: Some(2) });
    let list = pki().root.issue_crl(&list).unwrap();
    let place = Place::with(&[("persons.crl", persons()), ("root.crl", &list)]);
    assert_eq!(place.of("good"), Err("CERT-004"));
    let place = Place::with(&[("persons.crl", persons()), ("root.crl", &pki().crls.root)]);
    assert!(place.of("good").is_ok());
}

#[test]
fn a_new_list_is_noticed_and_an_unchanged_one_is_not_read_again() {
    let place = Place::with(&[("persons.crl", persons())]);
    assert!(!place.set.refresh(now()));
    let new = CrlTemplate { this_update: now() + TimeDelta::seconds(1), ..template() };
    place.replace("persons.crl", &issue(&new.revoke(revocation_of("good"))), 1);
    assert_eq!(place.of("good"), Err("CERT-005"));
    assert!(place.of("revoked").is_ok());
    assert!(!place.set.refresh(now()));
    fs::remove_file(place.dir.path().join("persons.crl")).unwrap();
    assert!(place.set.refresh(now()));
    assert_eq!(place.of("good"), Err("CERT-010"));
}

/// An attacker in the download path plays back last week's list, or lets the download break.
#[test]
fn a_bad_or_older_file_does_not_replace_the_list_in_use() {
    let place = Place::with(&[("persons.crl", persons())]);
    let older = CrlTemplate { this_update: now() - TimeDelta::days(1), ..template() };
    place.replace("persons.crl", &issue(&older), 1);
    assert_eq!(place.of("revoked"), Err("CERT-005"));
    assert!(place.fault().contains("is older"), "{}", place.fault());
    place.replace("persons.crl", &persons()[..300], 2);
    assert_eq!(place.of("revoked"), Err("CERT-005"));
    assert!(!place.fault().is_empty());
    let newer = CrlTemplate { this_update: now() + TimeDelta::seconds(1), ..template() };
    place.replace("persons.crl", &issue(&newer), 3);
    assert!(place.of("revoked").is_ok());
    assert_eq!(place.fault(), "");
}

#[test]
fn of_two_lists_the_newer_counts() {
    let older = CrlTemplate { this_update: now() - TimeDelta::days(1), ..template() };
    let place =
        Place::with(&[("a.crl", persons()), ("b.crl", &issue(&older.clone().revoke(revocation_of("good"))))]);
    assert!(place.of("good").is_ok());
    assert_eq!(place.of("revoked"), Err("CERT-005"));
}

#[test]
fn lists_signed_on_a_curve_are_read() {
    let curve = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(openssl::ec::EcKey::generate(&curve).unwrap()).unwrap();
    let name = sceau_certs::name::Name::authority("TEST AC COURBE");
    let authority =
        Authority::root(name, key, now() - TimeDelta::days(1), now() + TimeDelta::days(1)).unwrap();
    let list = authority.issue_crl(&template().revoke(revocation_of("good"))).unwrap();
    let length = list.len() as u64;
    let read =
        RevocationList::read(list.as_slice(), length, std::slice::from_ref(&authority.certificate)).unwrap();
    assert_eq!(read.len(), 1);
}

#[test]
fn serials_are_compared_as_numbers() {
    assert_eq!(serial(&[0, 0, 1]), serial(&[1]));
    assert_ne!(serial(&[1, 0]), serial(&[1]));
    assert_ne!(serial(&[0xFF]), serial(&[0, 0xFF]), "-1 is not 255");
    assert_eq!(serial(&[0xFF, 0xFF]), serial(&[0xFF]));
    assert!(serial(&[1; 21]).is_some());
    assert!(serial(&[1; 22]).is_none());
    assert!(serial(&[]).is_none());
}

proptest! {
    /// No change of a signed list is believed: where it is not the list any more, it is a fault.
    #[test]
    fn mutated_lists_are_refused(place in any::<prop::sample::Index>(), change in 1_u8..) {
        let mut list = persons().to_vec();
        let place = place.index(list.len());
        list[place] ^= change;
        let length = list.len() as u64;
        let authorities = [pki().persons.certificate.clone()];
        prop_assert!(RevocationList::read(list.as_slice(), length, &authorities).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(RevocationList::read(bytes.as_slice(), bytes.len() as u64, &[]).is_err());
    }

    /// What a genuine authority signs may be broken all the same.
    #[test]
    fn extensions_of_any_content_never_panic(
        value in prop::collection::vec(any::<u8>(), 0..60),
        which in 0_usize..4,
        critical in any::<bool>(),
    ) {
        let kind: der::Oid =
            [ISSUING_DISTRIBUTION_POINT, DELTA_CRL_INDICATOR, FRESHEST_CRL, &[2, 5, 29, 99]][which];
        let extension = Extension { kind, critical, value };
        let list = issue(&CrlTemplate { extra_extensions: vec![extension], ..template() });
        let _ = inspect(&list, &[pki().persons.certificate.clone()]);
    }

    #[test]
    fn entries_of_any_content_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = list::Entry::read(&bytes, 0);
    }

    /// Lengths that lie must not make us allocate or read what is not there.
    #[test]
    fn lying_lengths_never_panic(place in 0_usize..60, value in any::<u8>()) {
        let mut list = persons().to_vec();
        list[place] = value;
        let _ = RevocationList::read(list.as_slice(), list.len() as u64, &[]);
    }
}
