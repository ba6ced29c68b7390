//! `sceau-agent card …` as a technician runs it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sceau_hw_tests::identity;
use sceau_hw_tests::isolation::{SOCKET_VARIABLE, isolated};
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::{Profile, SoftCard};

use crate::fixture::{self, card};

/// The agent stands beside the test program: `cargo test --workspace` has built it.
fn agent() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(std::path::Path::parent).unwrap().join("sceau-agent");
    assert!(path.exists(), "{} is missing: run `cargo build --workspace`, or `make test`", path.display());
    path
}

fn run(arguments: &[&str]) -> (bool, String, String) {
    said(Command::new(agent()).arg("card").args(arguments))
}

fn said(command: &mut Command) -> (bool, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn list_names_readers_and_cards() {
    isolated(|| {
        let (success, _, error) = run(&["list"]);
        assert!(!success && error.contains("READER-001"), "{error}");

        let pcscd = Pcscd::start("Sceau test").unwrap();
        let _inserted = pcscd.insert(1, card("good")).unwrap();
        let (success, listed, _) = run(&["list"]);
        assert!(success);
        let expected = format!("{}: no card\n{}: CPS3 card, contact\n", pcscd.reader(0), pcscd.reader(1));
        assert_eq!(listed, expected);
    });
}

#[test]
fn read_says_whose_card_it_is() {
    isolated(|| {
        let pcscd = Pcscd::start("Sceau test").unwrap();
        let (success, _, error) = run(&["read"]);
        assert!(!success && error.contains("READER-003"), "{error}");

        let _doctor = pcscd.insert(0, card("good")).unwrap();
        let (success, read, _) = run(&["read", "--json"]);
        assert!(success);
        let read: serde_json::Value = serde_json::from_str(&read).unwrap();
        assert!(read["not_after"].as_str().unwrap().ends_with('Z'));
        let expected = serde_json::json!({
            "id_nat": "899700366240",
            "family_name": "DOC0036624",
            "given_name": "KIT",
            "card_number": "2800300010",
            "card_type": "CPS",
            "organization": null,
            "organization_id": null,
            "generation": "CPS3",
            "interface": "contact",
            "chip": "00300010",
            "updated": null,
            "not_after": read["not_after"],
            "issuer": "TEST AC IGC-SANTE FORT PERSONNES",
            "tries_left": 3,
            "pin_pad": false,
        });
        assert_eq!(read, expected);
        let (_, lines, _) = run(&["read"]);
        assert!(lines.contains("899700366240") && lines.contains("tries left"), "{lines}");

        let _nurse = pcscd.insert(1, card("nurse")).unwrap();
        let (success, _, error) = run(&["read"]);
        assert!(!success && error.contains("READER-019"), "{error}");
        let (_, read, _) = run(&["read", "--reader", "00 01"]);
        assert!(read.contains("899700300017"), "{read}");
    });
}

/// From the certificate that an authority issues, by way of card and reader, to what is shown.
#[test]
fn read_knows_every_card_of_the_family() {
    isolated(|| {
        for (name, id_nat, card_type, organization) in [
            ("student", "899700300058", "CPF", serde_json::Value::Null),
            ("employee", "30B0168811/CPET00001", "CPE", "10B0168811".into()),
            ("director", "30B0168811/CDET00001", "CPE", "10B0168811".into()),
            ("employee-siren", "4123456782/CPET00002", "CPE", "2123456782".into()),
            ("authorised", "500000001815646/CPAT00045", "CPA", "300000001815646".into()),
            ("practice-rpps", "699700366240008/12", "CPE", "499700366240008".into()),
        ] {
            let pcscd = Pcscd::start("Sceau test").unwrap();
            let _inserted = pcscd.insert(0, card(name)).unwrap();
            let (success, read, error) = run(&["read", "--json"]);
            assert!(success, "{name}: {error}");
            let read: serde_json::Value = serde_json::from_str(&read).unwrap();
            assert_eq!(read["id_nat"], id_nat, "{name}");
            assert_eq!(read["card_type"], card_type, "{name}");
            assert_eq!(read["organization_id"], organization, "{name}");
        }
        let pcscd = Pcscd::start("Sceau test").unwrap();
        let _inserted = pcscd.insert(0, card("nameless")).unwrap();
        let (_, read, _) = run(&["read"]);
        assert!(read.contains("30B0168811/CPET00099") && read.contains("family name          -"), "{read}");
    });
}

#[test]
fn read_says_which_generation_and_side_it_is() {
    isolated(|| {
        let pcscd = Pcscd::start("Sceau test").unwrap();
        let _cps4 = pcscd.insert(0, SoftCard::new(fixture::identity("good"), Profile::cps4())).unwrap();
        let read = |reader: &str| -> serde_json::Value {
            let (_, read, _) = run(&["read", "--json", "--reader", reader]);
            serde_json::from_str(&read).unwrap()
        };
        let cps4 = read("00 00");
        assert_eq!((&cps4["generation"], &cps4["interface"]), (&"CPS4".into(), &"contact".into()));
        assert_eq!((&cps4["tries_left"], &cps4["pin_pad"]), (&3.into(), &false.into()));

        let on_antenna = SoftCard::new(fixture::identity("good"), Profile::contactless());
        let _tapped = pcscd.insert(1, on_antenna).unwrap();
        let tapped = read("00 01");
        assert_eq!((&tapped["generation"], &tapped["interface"]), (&"CPS3".into(), &"contactless".into()));
        assert_eq!(tapped["tries_left"], serde_json::Value::Null);
        assert_eq!(tapped["chip"], cps4["chip"], "the chip's number is the same on both sides");
        let (_, listed, _) = run(&["list"]);
        assert!(
            listed.contains("CPS4 card, contact") && listed.contains("CPS3 card, contactless"),
            "{listed}"
        );
    });
}

#[test]
fn report_can_be_sent_to_anybody() {
    isolated(|| {
        let pcscd = Pcscd::start("Sceau test").unwrap();
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let (success, report, _) = run(&["report"]);
        assert!(success);
        for expected in ["ATR 3BAC0040", "SELECT file", "EF.AODF", "tries left"] {
            assert!(report.contains(expected), "{expected}: {report}");
        }
        let serial = inserted.card().identity().serial.clone();
        for personal in ["899700366240", "DOC0036624", "2800300010", "KIT", "4B4954", serial.as_str()] {
            assert!(!report.contains(personal), "{personal}");
        }
        assert_eq!(inserted.card().count(0x20), 0, "no PIN is asked");
    });
}

fn softcard(place: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sceau-softcard"));
    command.args(["--reader", "A desk", "--card", "good", "--certs-dir"]).arg(place.join("certificates"));
    command.arg("--socket-dir").arg(place.join("socket")).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// What the demonstration does: no pcscd of the machine, no namespace around the programs that use the card.
#[test]
fn a_software_card_brings_its_own_reader() {
    let place = tempfile::tempdir().unwrap();
    let certificates = place.path().join("certificates");
    identity::authorities(&["good", "nurse"]).unwrap().write_to(&certificates).unwrap();
    let mut softcard = softcard(place.path()).spawn().unwrap();
    let mut orders = softcard.stdin.take().unwrap();
    let mut answers = BufReader::new(softcard.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ready = answers.next().unwrap();
    let socket = ready.strip_prefix("ready ").unwrap().to_owned();
    let read = || said(Command::new(agent()).args(["card", "read"]).env(SOCKET_VARIABLE, &socket));

    let (_, card, error) = read();
    assert!(card.contains("899700366240"), "{error}");
    for (order, expected) in [("remove", "READER-003"), ("insert nurse", "899700300017")] {
        writeln!(orders, "{order}").unwrap();
        assert_eq!(answers.next().unwrap(), "done");
        let (_, card, error) = read();
        assert!(card.contains(expected) || error.contains(expected), "{order}: {card}{error}");
    }
    writeln!(orders, "insert good").unwrap();
    assert!(answers.next().unwrap().starts_with("failed: "), "there is a card in the reader");

    drop(orders);
    assert!(softcard.wait().unwrap().success());
    let (success, _, error) = read();
    assert!(!success && error.contains("READER-001"), "{error}");
}

/// For trying by hand what a test tries.
#[test]
fn a_software_card_can_be_of_another_kind() {
    let place = tempfile::tempdir().unwrap();
    let certificates = place.path().join("certificates");
    identity::authorities(&["good"]).unwrap().write_to(&certificates).unwrap();
    for (kind, expected) in [("cps4", "CPS4, contact"), ("cps3-contactless", "CPS3, contactless")] {
        let mut command = softcard(place.path());
        command.args(["--kind", kind, "--older-view", "--latency", "1"]);
        let mut softcard = command.spawn().unwrap();
        let orders = softcard.stdin.take().unwrap();
        let mut answers = BufReader::new(softcard.stdout.take().unwrap()).lines().map(Result::unwrap);
        let ready = answers.next().unwrap();
        let socket = ready.strip_prefix("ready ").unwrap();
        let (_, card, error) =
            said(Command::new(agent()).args(["card", "read"]).env(SOCKET_VARIABLE, socket));
        assert!(card.contains(expected) && card.contains("899700366240"), "{kind}: {card}{error}");
        drop(orders);
        assert!(softcard.wait().unwrap().success());
    }
}

/// Nothing of it outlives the program, even where it had no time to clean up: its output ends when the last part ends.
#[test]
fn a_software_card_that_is_killed_takes_its_reader_along() {
    let place = tempfile::tempdir().unwrap();
    let certificates = place.path().join("certificates");
    identity::authorities(&["good"]).unwrap().write_to(&certificates).unwrap();
    let mut softcard = softcard(place.path()).spawn().unwrap();
    let mut answers = BufReader::new(softcard.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(answers.next().unwrap().starts_with("ready "));
    softcard.kill().unwrap();
    softcard.wait().unwrap();
    assert_eq!(answers.next(), None);
}
