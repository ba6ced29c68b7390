//! The rules of `make hw-test-real`, on a virtual reader: no PIN unless told twice, none where a mistake would leave one
//! try, and a report that names nobody.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sceau_hw_tests::isolation::isolated;
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::vpcd::Inserted;
use sceau_hw_tests::softcard::{Identity, Profile, SoftCard};

use crate::fixture::{card, identity};

/// How it ended, what it said, and the report.
struct Ended {
    success: bool,
    said: String,
    report: Option<String>,
}

fn run(arguments: &[&str], typed: &str) -> Ended {
    let place = tempfile::tempdir().unwrap();
    let report: PathBuf = place.path().join("report.txt");
    let mut process = Command::new(env!("CARGO_BIN_EXE_sceau-hw-test-real"))
        .args(arguments)
        .arg("--report")
        .arg(&report)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that asks nothing closes its end before it is told anything.
    let _unheard = process.stdin.take().unwrap().write_all(typed.as_bytes());
    let output = process.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended {
        success: output.status.success(),
        said: text(&output.stdout) + &text(&output.stderr),
        report: std::fs::read_to_string(&report).ok(),
    }
}

const CONFIRMED: &str = "spend one try\n1234\n";

/// PINs presented, and tries left.
fn counters(inserted: &Inserted) -> (usize, u8) {
    let card = inserted.card();
    (card.presentations(), card.tries_left())
}

fn names_nobody(report: &str, holder: &Identity) {
    let personal = ["899700366240", "DOC0036624", "2800300010", "KIT", "1234", holder.serial.as_str()];
    for text in personal {
        let as_bytes: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        assert!(!report.contains(text) && !report.contains(&as_bytes), "{text}: {report}");
    }
}

#[test]
fn says_what_to_do_where_there_is_no_service_no_reader_or_no_card() {
    isolated(|| {
        let ended = run(&[], "");
        assert!(
            !ended.success && ended.said.contains("READER-001") && ended.said.contains("apt-get install")
        );
        assert!(ended.report.is_none());

        // A pcscd that knows no reader.
        let empty = tempfile::tempdir().unwrap();
        let mut bare = Command::new("pcscd")
            .args(["--foreground", "--config"])
            .arg(empty.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let socket = Path::new("/run/pcscd/pcscd.comm");
        while !socket.exists() {
            assert!(bare.try_wait().unwrap().is_none(), "pcscd has ended");
            std::thread::yield_now();
        }
        let ended = run(&[], "");
        bare.kill().unwrap();
        bare.wait().unwrap();
        assert!(!ended.success && ended.said.contains("READER-002"), "{}", ended.said);
        assert!(ended.said.contains("Plug in a card reader"), "{}", ended.said);

        let _pcscd = Pcscd::start("Sceau test").unwrap();
        let ended = run(&[], "");
        assert!(!ended.success && ended.said.contains("READER-003"), "{}", ended.said);
    });
}

#[test]
fn reads_without_a_pin_and_reports_without_names() {
    isolated(|| {
        for profile in [Profile::default(), Profile::cps4(), Profile::contactless()] {
            let pcscd = Pcscd::start("Sceau test (0123456789)").unwrap();
            let holder = identity("good");
            let inserted = pcscd.insert(0, SoftCard::new(holder.clone(), profile)).unwrap();
            // Even where somebody pipes an answer in: nothing was asked.
            let ended = run(&[], CONFIRMED);
            assert!(ended.success, "{}", ended.said);
            let report = ended.report.unwrap();
            assert!(report.contains("passed     the card is read") && report.contains("SELECT"), "{report}");
            assert!(report.contains("not tried  a signature"), "{report}");
            assert!(!report.contains("0123456789"), "the reader's number: {report}");
            names_nobody(&report, &holder);
            assert_eq!(inserted.card().presentations(), 0);
        }
    });
}

#[test]
fn signs_once_it_was_told_twice() {
    isolated(|| {
        for profile in [Profile::default(), Profile::cps4()] {
            let pcscd = Pcscd::start("Sceau test").unwrap();
            let holder = identity("good");
            let inserted = pcscd.insert(0, SoftCard::new(holder.clone(), profile)).unwrap();
            for refused in ["", "yes\n1234\n", "SPEND ONE TRY\n1234\n"] {
                let ended = run(&["--sign"], refused);
                assert!(ended.said.contains("not confirmed"), "{}", ended.said);
                assert_eq!(inserted.card().presentations(), 0, "{refused:?}");
            }
            let ended = run(&["--sign"], CONFIRMED);
            assert!(ended.success, "{}", ended.said);
            let report = ended.report.unwrap();
            assert!(report.contains("passed     a signature"), "{report}");
            names_nobody(&report, &holder);
            assert_eq!(counters(&inserted), (1, 3));
        }
    });
}

#[test]
fn a_wrong_pin_is_sent_once_and_what_is_left_is_left_alone() {
    isolated(|| {
        let pcscd = Pcscd::start("Sceau test").unwrap();
        let inserted = pcscd.insert(0, card("good")).unwrap();
        let ended = run(&["--sign"], "spend one try\n9999\n9999\n1234\n");
        assert!(!ended.success && ended.said.contains("READER-009"), "{}", ended.said);
        assert_eq!(counters(&inserted), (1, 2));

        let ended = run(&["--sign"], CONFIRMED);
        assert!(!ended.success && ended.said.contains("only 2 tries are left"), "{}", ended.said);
        assert!(!ended.said.contains("spend one try"), "nothing is asked any more");
        assert_eq!(inserted.card().presentations(), 1, "not even the right PIN was sent");
    });
}

#[test]
fn a_card_that_does_not_say_how_many_tries_are_left_is_left_alone() {
    isolated(|| {
        let pcscd = Pcscd::start("Sceau test").unwrap();
        let silent = Profile { pin_object: false, empty_verify: false, ..Profile::default() };
        let inserted = pcscd.insert(0, SoftCard::new(identity("good"), silent)).unwrap();
        let ended = run(&["--sign"], CONFIRMED);
        assert!(!ended.success && ended.said.contains("does not say how many tries"), "{}", ended.said);
        assert_eq!(inserted.card().presentations(), 0);
    });
}

#[test]
fn several_cards_have_to_be_told_apart_and_one_on_an_antenna_is_not_signed_with() {
    isolated(|| {
        let pcscd = Pcscd::start("Sceau test").unwrap();
        let doctor = pcscd.insert(0, card("good")).unwrap();
        let _nurse = pcscd.insert(1, card("nurse")).unwrap();
        let ended = run(&[], "");
        assert!(!ended.success && ended.said.contains("READER-019") && ended.said.contains("READER="));
        assert!(run(&["--reader", "00 01"], "").success);

        pcscd.remove(0, doctor).unwrap();
        let tapped = SoftCard::new(identity("good"), Profile::contactless());
        let tapped = pcscd.insert(0, tapped).unwrap();
        let ended = run(&["--sign", "--reader", "00 00"], CONFIRMED);
        assert!(ended.success && ended.said.contains("belongs into a slot"), "{}", ended.said);
        assert_eq!(tapped.card().presentations(), 0);
    });
}
