//! Importing whole files, on both engines.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;

use super::{ImportError, Importer, Options, Progress, Reason, Report};
use crate::audit::{Kind, Trail};
use crate::clock::{Clock as _, MockClock};
use crate::directory::model::{Activity, Professional};
use crate::directory::synthetic::{self, HEADER, Sample, SampleRow};
use crate::directory::{Admission, Audience, NationalId, Refusal, admission, subject};
use crate::ids::{CountingRandom, PersonId};
use crate::store::directory::Dropped;
use crate::store::job_lease::Holder;
use crate::store::person::NewPerson;
use crate::store::testing::on_both;
use crate::store::{self, Db};

const HOSPITAL: &str = "0B0172805";
const LEGAL: &str = "1B0062023";

struct Desk {
    db: Db,
    clock: MockClock,
    random: Arc<CountingRandom>,
    trail: Trail,
    dir: tempfile::TempDir,
}

impl Desk {
    fn new(db: Db) -> Self {
        let (clock, random) = (MockClock::default(), Arc::new(CountingRandom::default()));
        let trail = Trail::new("node", "1", Arc::new(clock.clone()), random.clone());
        Self { db, clock, random, trail, dir: tempfile::tempdir().unwrap() }
    }

    fn importer(&self) -> Importer<'_> {
        Importer {
            db: &self.db,
            trail: &self.trail,
            clock: &self.clock,
            random: &*self.random,
            actor: "command line: root",
        }
    }

    async fn import(&self, options: &Options) -> Result<Report, ImportError> {
        self.importer().run(options, &|_| {}).await
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    async fn drop_unused(&self) -> Dropped {
        let now = self.clock.now();
        let lease = Holder { job: super::JOB, node: "test".into() };
        assert!(store::job_lease::take(&self.db, lease.job, &lease.node, now, now).await.unwrap());
        store::directory::drop_unused(&self.db, &lease, 1).await.unwrap()
    }

    async fn entry(&self, id_nat: &str) -> Option<Professional> {
        let entry = store::directory::entry(&self.db, id_nat).await.unwrap()?;
        Some(Professional::from_text(&entry.professional).unwrap())
    }

    async fn asks(&self, id_nat: &str) -> Result<PersonId, Refusal> {
        let id = NationalId::of_source(id_nat).unwrap();
        match admission(&self.db, &id, Audience::Affiliated, self.clock.now()).await.unwrap() {
            Admission::Admitted(person) => Ok(person),
            Admission::Newcomer(_) => unreachable!("only where any professional is welcome"),
            Admission::Refused(refusal) => Err(refusal),
        }
    }

    async fn events(&self, kind: Kind) -> usize {
        let filter =
            store::audit::Filter { kind: Some(kind.name().into()), limit: 1_000, ..Default::default() };
        store::audit::list(&self.db, &filter).await.unwrap().len()
    }
}

fn options(file: &Path) -> Options {
    Options { files: vec![file.to_owned()], ..Options::default() }
}

fn at(id_nat: &str, finess: &str) -> SampleRow {
    SampleRow {
        id_nat: id_nat.into(),
        civility: "M".into(),
        practice_civility: "DR".into(),
        family_name: format!("DOC{}", &id_nat[5..]),
        given_name: "KIT".into(),
        profession: "10".into(),
        category: "C".into(),
        skill: ("S".into(), "SM26".into()),
        activity: Activity {
            mode: "S".into(),
            sector: "SA01".into(),
            finess: finess.into(),
            finess_legal: LEGAL.into(),
            structure_id: format!("F{finess}"),
            structure_name: "HOPITAL GENERIQUE  FIN VARI".into(),
            former_structure_id: format!("1{finess}"),
            authority: "CNOM/CNOM/ARS".into(),
            ..Activity::default()
        },
    }
}

fn text(rows: &[SampleRow]) -> String {
    let lines: Vec<_> = rows.iter().map(SampleRow::line).collect();
    format!("{HEADER}\n{}\n", lines.join("\n"))
}

fn ids(count: u32) -> Vec<String> {
    (0..count).map(synthetic::id_nat).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_people_come_in_and_the_next_file_replaces_them() {
    on_both(async |db| {
        let desk = Desk::new(db);
        let sample = Sample { people: 3_500, bad_every: 500, without_last: 0 };
        let mut content = Vec::new();
        let lines = synthetic::write(sample, &mut content).unwrap();
        let first = desk.file("first.txt", &content);
        let seen = Mutex::new(Vec::new());
        let report =
            desk.importer().run(&options(&first), &|it| seen.lock().unwrap().push(it)).await.unwrap();
        assert_eq!((report.people, report.lines, report.people_before), (3_500, lines, None));
        assert_eq!(report.rejected_count, 7);
        let reasons: Vec<_> = report.rejected.iter().map(|rejected| rejected.reason).collect();
        assert_eq!(reasons[..4], [Reason::Encoding, Reason::TooFew, Reason::TooMany, Reason::Identifier]);
        let bad = report.rejected[0].line;
        let line = content.split(|b| *b == b'\n').nth(usize::try_from(bad).unwrap() - 1).unwrap();
        assert!(String::from_utf8(line.to_vec()).is_err(), "line {bad} is the bad one");
        let total = content.len() as u64;
        assert!(seen.into_inner().unwrap().contains(&Progress::Reading { bytes: total, total }));
        assert!(desk.entry(&synthetic::id_nat(3_499)).await.is_some());

        let mut content = Vec::new();
        synthetic::write(Sample { without_last: 100, bad_every: 0, ..sample }, &mut content).unwrap();
        let second = desk.file("second.txt", &content);
        let report = desk.import(&options(&second)).await.unwrap();
        assert_eq!((report.people, report.people_before), (3_400, Some(3_500)));
        assert!(desk.entry(&synthetic::id_nat(3_399)).await.is_some());
        assert!(desk.entry(&synthetic::id_nat(3_499)).await.is_none());
        assert_eq!(desk.drop_unused().await, Dropped::All, "the old one is gone");
        assert_eq!(desk.events(Kind::DirectoryImported).await, 2);
    })
    .await;
}

#[tokio::test]
async fn whoever_practises_here_is_linked_and_unlinked_with_their_sessions() {
    on_both(async |db| {
        let desk = Desk::new(db);
        let ids = ids(4);
        let elsewhere = at(&ids[2], "0B0193488");
        let elsewhere = SampleRow {
            activity: Activity { finess_legal: "1B0064166".into(), ..elsewhere.activity.clone() },
            ..elsewhere
        };
        let rows =
            [at(&ids[0], HOSPITAL), at(&ids[1], HOSPITAL), elsewhere.clone(), at(&ids[3], "0B9999999")];
        let file = desk.file("a.txt", text(&rows));
        let finess = Options { finess: vec![HOSPITAL.into()], ..options(&file) };
        let report = desk.import(&finess).await.unwrap();
        assert_eq!((report.members, report.added, report.started, report.ended), (2, 2, 2, 0));
        let person = desk.asks(&ids[0]).await.unwrap();
        assert_eq!(desk.asks(&ids[2]).await, Err(Refusal::NotAdmitted));
        assert_eq!(desk.asks("899700245667").await, Err(Refusal::Unknown));
        assert_eq!(
            subject(&desk.db, person, desk.clock.now()).await.unwrap().unwrap().id_nat.as_str(),
            ids[0]
        );

        let now = desk.clock.now();
        let session = store::session::tests::card_session(person, 1, now, &*desk.random);
        store::session::begin(&desk.db, &session, now).await.unwrap();

        // The next day, without any option: 0 left, 1 stays.
        let rows =
            [at(&ids[1], HOSPITAL), elsewhere.clone(), at(&ids[3], "0B9999999"), at(&ids[0], "0B9999998")];
        let file = desk.file("b.txt", text(&rows).replace(LEGAL, "1B9999999"));
        let report = desk.import(&options(&file)).await.unwrap();
        assert_eq!((report.members, report.added, report.ended, report.sessions_ended), (1, 0, 1, 1));
        assert_eq!(desk.asks(&ids[0]).await, Err(Refusal::NotAdmitted));
        assert!(store::session::running_of(&desk.db, person).await.unwrap().is_empty());
        assert_eq!(desk.events(Kind::AffiliationEnded).await, 1);

        // Back again: the same person, a new link. The legal entity's number finds all its sites.
        let file = desk.file("c.txt", text(&[at(&ids[0], HOSPITAL), at(&ids[1], "0B0000001"), elsewhere]));
        let legal = Options { finess: vec![LEGAL.into()], accept_change: true, ..options(&file) };
        let report = desk.import(&legal).await.unwrap();
        assert_eq!((report.members, report.added), (2, 0));
        assert_eq!(desk.asks(&ids[0]).await, Ok(person));
        desk.asks(&ids[1]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_list_admits_who_is_in_the_directory() {
    on_both(async |db| {
        let desk = Desk::new(db);
        let ids = ids(3);
        let file = desk.file("a.txt", text(&[at(&ids[0], HOSPITAL), at(&ids[1], HOSPITAL)]));
        let list = format!("\u{FEFF}RPPS;Nom\r\n# comment\r\n{};X\r\n\r\n{}\n", &ids[0][1..], ids[2]);
        let list = desk.file("list.csv", list);
        let report = desk.import(&Options { list: Some(list), ..options(&file) }).await.unwrap();
        assert_eq!((report.members, report.started), (1, 1));
        assert_eq!(report.absent_from_directory, [ids[2].clone()]);
        desk.asks(&ids[0]).await.unwrap();
        assert_eq!(desk.asks(&ids[1]).await, Err(Refusal::NotAdmitted));

        // Whoever joins the directory later is linked by the remembered list.
        let file =
            desk.file("b.txt", text(&[at(&ids[0], HOSPITAL), at(&ids[1], HOSPITAL), at(&ids[2], HOSPITAL)]));
        desk.import(&options(&file)).await.unwrap();
        desk.asks(&ids[2]).await.unwrap();

        let list = desk.file("bad.csv", format!("{}\n12345\n", ids[0]));
        let error = desk.import(&Options { list: Some(list), ..options(&file) }).await.unwrap_err();
        assert_eq!(error.code(), "DIR-012");
        assert!(error.to_string().contains("line 2"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn rows_of_one_person_may_stand_apart_even_across_chunks() {
    on_both(async |db| {
        let desk = Desk::new(db);
        let ids = ids(2_500);
        // Everybody once, then everybody again elsewhere: no two rows of a person are neighbours.
        let rows: Vec<_> =
            ids.iter().map(|id| at(id, HOSPITAL)).chain(ids.iter().map(|id| at(id, "0B0193488"))).collect();
        let file = desk.file("a.txt", text(&rows));
        let report = desk.import(&options(&file)).await.unwrap();
        assert_eq!(report.people, 2_500);
        for id in [&ids[0], &ids[1_200], &ids[2_499]] {
            let practices = desk.entry(id).await.unwrap().practices;
            let structures: Vec<_> = practices[0].activities.iter().map(|it| it.finess.as_str()).collect();
            assert_eq!(structures, [HOSPITAL, "0B0193488"]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_with_other_line_ends_and_more_columns_is_read_all_the_same() {
    let id = synthetic::id_nat(7);
    let plain = text(&[at(&id, HOSPITAL)]);
    let lines = |suffix: &str, end: &str| -> String {
        plain.lines().map(|line| format!("{line}{suffix}{end}")).collect()
    };
    let variants = [
        ("as published", plain.clone()),
        ("without the last line feed", plain.trim_end().to_owned()),
        ("with a byte order mark", format!("\u{FEFF}{plain}")),
        ("with CR LF", lines("", "\r\n")),
        ("with | at the end of lines", lines("|", "\n")),
        ("with | at the end of lines and no last line feed", lines("|", "\n").trim_end().to_owned()),
        ("with | and CR LF", lines("|", "\r\n")),
        ("with a 57th column", lines("|Nouvelle colonne", "\n")),
        ("with typographic apostrophes in the header", plain.replacen("d'", "d’", 9)),
        ("with quotation marks", plain.replacen("HOPITAL", "\"HOPITAL", 1)),
    ];
    on_both(async |db| {
        let desk = Desk::new(db);
        for (name, content) in &variants {
            let file = desk.file("a.txt", content);
            let report = desk.import(&options(&file)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((report.people, report.rejected_count), (1, 0), "{name}");
            let entry = desk.entry(&id).await.unwrap();
            assert_eq!(entry.practices[0].activities[0].authority, "CNOM/CNOM/ARS", "{name}");
        }
    })
    .await;
}

/// Each file that is not the one we want gets a sentence, a code and an event, and the directory stays as it was.
#[tokio::test]
async fn a_wrong_file_changes_nothing_and_says_what_it_is() {
    let ids = ids(200);
    let rows: Vec<_> = ids.iter().map(|id| at(id, HOSPITAL)).collect();
    let good = text(&rows);
    let latin_1 = |text: &str| -> Vec<u8> {
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
    };
    let bad_lines =
        |count: usize| -> Vec<u8> { [good.as_bytes(), "a|b\n".repeat(count).as_bytes()].concat() };
    let skills = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code savoir-faire\n";
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("empty", Vec::new(), "DIR-003", "is not PS_LibreAcces_Personne_activite"),
        ("of semicolons", good.replace('|', ";").into(), "DIR-003", "separated by ;"),
        ("another file of the archive", skills.into(), "DIR-003", "it looks like PS_LibreAcces_SavoirFaire"),
        ("a picture", b"\x89PNG\r\n\x1a\n\xff\xff".to_vec(), "DIR-003", "is not PS_Libre"),
        ("the archive", b"PK\x03\x04....".to_vec(), "DIR-010", "unpack"),
        ("in Latin-1", latin_1(&good), "DIR-002", "not in UTF-8"),
        (
            "in UTF-16",
            [b"\xFF\xFE".as_slice(), &good.bytes().flat_map(|b| [b, 0]).collect::<Vec<_>>()].concat(),
            "DIR-002",
            "UTF-8",
        ),
        (
            "without a column",
            good.replacen("Numéro FINESS site", "Numéro FINESS du site", 1).into(),
            "DIR-004",
            "Numéro FINESS site",
        ),
        ("cut in the middle of a line", good.as_bytes()[..good.len() - 100].to_vec(), "DIR-005", "line 201"),
        (
            "cut in the middle of a letter",
            good.as_bytes()[..good.find("HOPITAL").unwrap() + 3].to_vec(),
            "DIR-005",
            "line 2",
        ),
        ("full of bad lines", bad_lines(30), "DIR-006", "30 of 230 lines"),
        ("half as long", text(&rows[..100]).into(), "DIR-007", "knows 100 people, the one in use 200"),
        ("a header alone", format!("{HEADER}\n").into(), "DIR-014", "no professional"),
    ];
    on_both(async |db| {
        let desk = Desk::new(db);
        let file = desk.file("good.txt", &good);
        desk.import(&Options { finess: vec![HOSPITAL.into()], ..options(&file) }).await.unwrap();
        let before = store::directory::current(&desk.db).await.unwrap().unwrap().id;
        for (n, (name, content, code, words)) in cases.iter().enumerate() {
            let file = desk.file("bad.txt", content);
            let error = desk.import(&options(&file)).await.expect_err(name);
            assert_eq!(error.code(), *code, "{name}: {error}");
            assert!(error.to_string().contains(words), "{name}: {error}");
            assert_eq!(store::directory::current(&desk.db).await.unwrap().unwrap().id, before, "{name}");
            assert_eq!(desk.drop_unused().await, Dropped::All, "{name} leaves nothing behind");
            assert_eq!(desk.events(Kind::DirectoryImported).await, n + 2, "{name}");
        }
        let missing = desk.import(&options(Path::new("/nowhere/file.txt"))).await.unwrap_err();
        assert_eq!(missing.code(), "DIR-001");
        desk.asks(&ids[150]).await.unwrap();

        // The administrator insists.
        let file = desk.file("half.txt", text(&rows[..100]));
        desk.import(&Options { accept_change: true, ..options(&file) }).await.unwrap();
        assert_eq!(desk.asks(&ids[150]).await, Err(Refusal::NotAdmitted));
    })
    .await;
}

#[tokio::test]
async fn a_mistyped_structure_does_not_sign_everybody_out() {
    on_both(async |db| {
        let desk = Desk::new(db);
        let rows: Vec<_> = ids(50).iter().map(|id| at(id, HOSPITAL)).collect();
        let file = desk.file("a.txt", text(&rows));
        desk.import(&Options { finess: vec![HOSPITAL.into()], ..options(&file) }).await.unwrap();
        let mistyped = Options { finess: vec!["0B0172806".into()], ..options(&file) };
        let error = desk.import(&mistyped).await.unwrap_err();
        assert_eq!(error.code(), "DIR-008");
        assert!(error.to_string().contains("50 of the 50 people"), "{error}");
        desk.asks(&synthetic::id_nat(1)).await.unwrap();
        for wrong in ["0B017280", "0b0172805", "0B0172805 "] {
            let wrong = Options { finess: vec![wrong.into()], ..options(&file) };
            assert_eq!(desk.import(&wrong).await.unwrap_err().code(), "DIR-013");
        }
        let accepted = Options { accept_change: true, ..mistyped };
        let report = desk.import(&accepted).await.unwrap();
        assert_eq!((report.ended, report.empty_structures), (50, vec!["10B0172806".to_owned()]));
    })
    .await;
}

#[tokio::test]
async fn whoever_has_several_identifiers_keeps_them_and_has_each_link_once() {
    const PSI: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    on_both(async |db| {
        let desk = Desk::new(db);
        let (ids, now) = (ids(2), desk.clock.now());
        let person = NewPerson {
            id: PersonId::new(now, &*desk.random),
            family_name: "DOC".into(),
            given_name: "KIT".into(),
            professional: None,
            identifiers: vec![NationalId::of_source(&ids[0]).unwrap()],
            affiliations: Vec::new(),
        };
        let event = desk.trail.event(Kind::PersonAdded);
        store::person::add(&desk.db, &person, now, &*desk.random, &event).await.unwrap();
        for told in [PSI, &ids[1]] {
            let (id, event) =
                (NationalId::of_source(told).unwrap(), desk.trail.event(Kind::PersonIdentified));
            store::person::learn_for_test(&desk.db, person.id, &id, "https://psc.example", now, &event)
                .await
                .unwrap();
        }
        let all = async || store::person::told_identifiers(&desk.db, person.id).await.unwrap();
        let before = all().await;
        let rows: Vec<_> = ids.iter().map(|id| at(id, HOSPITAL)).collect();
        let file = desk.file("a.txt", text(&rows));
        let twice = Options { finess: vec![HOSPITAL.into()], ..options(&file) };
        for started in [1, 0] {
            let report = desk.import(&twice).await.unwrap();
            assert_eq!((report.added, report.started, report.ended), (0, started, 0));
            let links = store::person::affiliations(&desk.db, person.id).await.unwrap();
            assert_eq!(links.len(), 1, "{links:?}");
            assert_eq!((all().await, before.len()), (before.clone(), 2));
        }
        for id in [PSI, &ids[0], &ids[1]] {
            assert_eq!(desk.asks(id).await, Ok(person.id));
        }
        // One of the two is absorbed by the other.
        let file = desk.file("b.txt", text(&rows[1..]));
        let report = desk.import(&Options { accept_change: true, ..options(&file) }).await.unwrap();
        assert_eq!((report.added, report.ended), (0, 0));
        assert_eq!((desk.asks(PSI).await, all().await), (Ok(person.id), before));
    })
    .await;
}

#[tokio::test]
async fn two_imports_at_once_are_one_too_many() {
    on_both(async |db| {
        let desk = Desk::new(db);
        let file = desk.file("a.txt", text(&[at(&synthetic::id_nat(1), HOSPITAL)]));
        let now = desk.clock.now();
        store::job_lease::take(&desk.db, super::JOB, "other", now, now + super::LEASE).await.unwrap();
        assert_eq!(desk.import(&options(&file)).await.unwrap_err().code(), "DIR-009");
        desk.clock.advance(super::LEASE);
        // Two minutes later the other one has crashed, and left half a generation.
        let crashed = Holder { job: super::JOB, node: "other".into() };
        store::directory::begin(&desk.db, &crashed, "half", desk.clock.now()).await.unwrap().unwrap();
        desk.import(&options(&file)).await.unwrap();
        desk.import(&options(&file)).await.unwrap();
        assert_eq!(desk.drop_unused().await, Dropped::All);
    })
    .await;
}

/// The computer of an import sleeps, or its clock jumps: another import is done meanwhile. Then the first one wakes up.
#[tokio::test]
async fn an_import_that_was_overtaken_puts_nothing_in_use() {
    on_both(async |db| {
        let desk = Desk::new(db);
        let slow = desk.dir.path().join("slow.txt");
        assert!(std::process::Command::new("mkfifo").arg(&slow).status().unwrap().success());
        let row = |number| at(&synthetic::id_nat(number), HOSPITAL);
        let lines = text(&(0..3_000).map(row).collect::<Vec<_>>());
        let middle = lines.match_indices('\n').nth(1_500).unwrap().0 + 1;
        let (first, rest) = (lines[..middle].to_owned(), lines[middle..].to_owned());
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let path = slow.clone();
        let writer = std::thread::spawn(move || {
            use std::io::Write as _;
            let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all(first.as_bytes()).unwrap();
            wait.recv().unwrap();
            // Whoever was overtaken may have stopped reading.
            let _stopped = file.write_all(rest.as_bytes());
        });
        let reading = tokio::sync::Notify::new();
        let overtaken = async {
            let importer = desk.importer();
            importer
                .run(&options(&slow), &|progress| {
                    if matches!(progress, Progress::Reading { .. }) {
                        reading.notify_one();
                    }
                })
                .await
        };
        let overtaking = async {
            reading.notified().await;
            desk.clock.advance(super::LEASE);
            let file = desk.file("fast.txt", text(&(0..2_000).map(row).collect::<Vec<_>>()));
            let report = desk.import(&options(&file)).await;
            go_on.send(()).unwrap();
            report
        };
        let (overtaken, overtaking) = tokio::join!(overtaken, overtaking);
        writer.join().unwrap();
        assert_eq!(overtaking.unwrap().people, 2_000);
        assert_eq!(overtaken.unwrap_err().code(), "DIR-009");
        let current = store::directory::current(&desk.db).await.unwrap().unwrap();
        assert_eq!((current.source.as_str(), current.person_count), ("fast.txt", 2_000));
        assert!(desk.entry(&synthetic::id_nat(1_999)).await.is_some());
        assert!(desk.entry(&synthetic::id_nat(2_500)).await.is_none());
    })
    .await;
}
