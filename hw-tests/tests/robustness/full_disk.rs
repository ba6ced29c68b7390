//! A disk that is full: a clear refusal, nothing done by half, and everything works again when there is room.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use sceau_hw_tests::isolation::isolated;

use crate::harness::browser::{Browser, code_of, opens_userinfo, path_of, request_of, tokens_of};
use crate::harness::installation::{Installation, copy};
use crate::harness::run;

/// A disk of eight megabytes in the place of the state directory.
struct SmallDisk {
    filler: PathBuf,
}

impl SmallDisk {
    fn of(installation: &Installation) -> Self {
        let (state, kept) = (installation.state(), tempfile::tempdir().unwrap());
        copy(&state, kept.path());
        // Private to the namespaces of this test, and gone with them.
        let mount = ["-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs"];
        assert!(Command::new("mount").args(mount).arg(&state).status().unwrap().success());
        copy(kept.path(), &state);
        Self { filler: state.join("filler") }
    }

    fn fill(&self) {
        let mut file = File::create(&self.filler).unwrap();
        for size in [65_536, 512, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(&self.filler).unwrap();
    }
}

#[test]
fn a_full_disk_is_a_clear_refusal_and_leaves_nothing_by_half() {
    isolated(|| {
        run(async {
            let installation = Installation::on_sqlite();
            let disk = SmallDisk::of(&installation);
            let server = installation.serve().await;
            let workstation = installation.workstation().await;
            // One person has tokens, one a code, one has just typed the PIN.
            let tokens = {
                let code = Browser::default().sign_in(&workstation).await;
                tokens_of(&installation.redeem(&code).await)
            };
            let code = Browser::default().sign_in(&workstation).await;
            let mut browser = Browser::default();
            let page = path_of(&browser.authorize("").await);
            let answer = workstation.answer(&request_of(&browser.open(&page).await)).await;

            disk.fill();
            // What the database file has room for still fits.
            let refused = loop {
                let answer = Browser::default().authorize("").await;
                if answer.status != 303 {
                    break answer;
                }
            };
            assert_eq!((refused.status, refused.code()), (500, Some("STORE-002")), "{refused:?}");
            let finished = browser.finish(&answer).await;
            assert_eq!((finished.status, finished.code()), (503, Some("STORE-002")), "{finished:?}");
            for refused in [installation.redeem(&code).await, installation.refresh(&tokens.refresh).await] {
                assert_eq!(refused.status, 500, "{refused:?}");
                assert!(refused.body.contains("server_error"), "{refused:?}");
            }
            assert!(opens_userinfo(&tokens).await, "what only reads goes on");
            let added = installation.try_sceau(&["workstation", "invite"]);
            assert_eq!(added.status.code(), Some(1));
            assert!(String::from_utf8_lossy(&added.stderr).contains("STORE-002"), "{added:?}");
            assert!(server.log().contains("STORE-002"));

            disk.free();
            assert_eq!(
                browser.finish(&answer).await.status,
                200,
                "the same answer, since nothing of it was kept"
            );
            code_of(&browser.open(&page).await);
            let redeemed = tokens_of(&installation.redeem(&code).await);
            let refreshed = tokens_of(&installation.refresh(&tokens.refresh).await);
            assert!(opens_userinfo(&redeemed).await && opens_userinfo(&refreshed).await);
            assert!(server.stop().await.success());
            for (kind, times) in [("sign-in", 3), ("token.issued", 2), ("token.refreshed", 1)] {
                assert_eq!(installation.events(kind).len(), times, "{kind}");
            }
            installation.assert_audit_verifies();
        });
    });
}
