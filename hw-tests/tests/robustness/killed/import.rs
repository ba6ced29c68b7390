//! Killed while it imports a directory.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::TimeDelta;
use sceau::app;
use sceau::clock::{Clock as _, SystemClock};
use sceau::config::Config;
use sceau::directory::synthetic::{self, Sample};
use sceau::store::job_lease;
use sceau_hw_tests::isolation::isolated;

use super::killed_at_each;
use crate::harness::installation::{DIRECTORY, FINESS, Installation};
use crate::harness::run;

/// Somebody of the directory before; in the new one too.
const SOMEBODY: &str = "899700366240";
/// People of the new directory besides.
const PEOPLE: u32 = 2_500;

/// Writes the new directory: the people of before, and many more, some of whom work here.
fn write_directory(file: &Path) {
    let mut sample = Vec::new();
    synthetic::write(Sample { people: PEOPLE, bad_every: 0, without_last: 0 }, &mut sample).unwrap();
    let here = (0..60).map(synthetic::finess);
    let sample = here.fold(String::from_utf8(sample).unwrap(), |rows, finess| rows.replace(&finess, FINESS));
    let (_, rows) = sample.split_once('\n').unwrap();
    std::fs::write(file, format!("{}\n{rows}", DIRECTORY.trim_end())).unwrap();
}

/// Who is linked with the establishment.
fn people(installation: &Installation) -> BTreeSet<String> {
    installation.sceau(&["person", "list"]).lines().map(str::to_owned).collect()
}

/// As two minutes later: the lease of the import that was killed has run out.
fn lease_runs_out(installation: &Installation) {
    run(async {
        let config = Config::read(&installation.path("sceau.toml")).unwrap();
        let db = app::open_database(&config).await.unwrap();
        let (now, later) = (SystemClock.now(), SystemClock.now() + TimeDelta::minutes(2));
        assert!(job_lease::take(&db, "directory-import", "test", later, now).await.unwrap());
        db.close().await;
    });
}

#[test]
fn a_killed_import_leaves_one_whole_directory_and_can_be_repeated() {
    isolated(|| {
        let installation = Installation::on_sqlite();
        let file = installation.path("new.txt");
        write_directory(&file);
        let import = ["directory", "import", file.to_str().unwrap()];
        let status = || installation.sceau(&["directory", "status"]);
        let before = status();
        let untouched = people(&installation);

        let (mut in_the_middle, mut after) = (0, BTreeSet::new());
        // The places lie further and further apart: there are thousands of writes.
        let further = |place: usize| place * 3 / 2 + 1;
        for call in ["pwrite64", "fsync,fdatasync"] {
            killed_at_each(&installation, call, further, &import, |place| {
                let now = status();
                if now == before {
                    in_the_middle += 1;
                    assert_eq!(people(&installation), untouched, "{call} {place}");
                } else {
                    // The switch is over: the new one is in use as a whole.
                    assert!(now.starts_with(&format!("{} people", PEOPLE + 5)), "{call} {place}: {now}");
                }
                installation.sceau(&["directory", "show", SOMEBODY]);
                installation.assert_audit_verifies();
                let too_early = installation.try_sceau(&import);
                if !too_early.status.success() {
                    let said = String::from_utf8_lossy(&too_early.stderr);
                    assert!(said.contains("DIR-009"), "{call} {place}: {said}");
                    lease_runs_out(&installation);
                    installation.sceau(&import);
                }
                after.insert(people(&installation));
            });
        }
        assert!(in_the_middle > 5, "killed {in_the_middle} times while it was filling");
        // Uninterrupted, at last.
        after.insert(people(&installation));
        assert_eq!(after.len(), 1, "a repeated import ends as one that was never interrupted");
        assert!(after.first().unwrap().len() > untouched.len());
    });
}
