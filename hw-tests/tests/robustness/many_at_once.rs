//! The change of shifts: one professional at many workstations in the same moment, which no other person does, and which
//! every row of that person has to bear.

use std::sync::Arc;

use sceau_hw_tests::isolation::isolated;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::harness::browser::{Browser, opens_userinfo, tokens_of};
use crate::harness::installation::Installation;
use crate::harness::run;

const MANY: usize = 32;

/// Every sign-in succeeds, with a session and tokens of its own.
async fn all_succeed(installation: Installation) {
    let server = installation.serve().await;
    let mut workstations = Vec::new();
    for _ in 0..MANY {
        workstations.push(installation.workstation().await);
    }
    let (installation, together) = (Arc::new(installation), Arc::new(Barrier::new(MANY)));
    let mut signing_in = JoinSet::new();
    for workstation in workstations {
        let (installation, together) = (Arc::clone(&installation), Arc::clone(&together));
        signing_in.spawn(async move {
            let mut browser = Browser::default();
            together.wait().await;
            let code = browser.sign_in(&workstation).await;
            let tokens = tokens_of(&installation.redeem(&code).await);
            assert!(opens_userinfo(&tokens).await);
            tokens_of(&installation.refresh(&tokens.refresh).await)
        });
    }
    for tokens in signing_in.join_all().await {
        assert!(opens_userinfo(&tokens).await, "nobody's sign-in ended another's");
    }
    let sessions: std::collections::BTreeSet<_> =
        installation.events("sign-in").iter().map(|event| event["detail"]["session"].to_string()).collect();
    assert_eq!(sessions.len(), MANY);
    assert!(server.stop().await.success());
    installation.assert_audit_verifies();
}

#[test]
fn thirty_two_sign_ins_of_one_person_at_once_on_sqlite() {
    isolated(|| run(async { all_succeed(Installation::on_sqlite()).await }));
}

#[test]
fn thirty_two_sign_ins_of_one_person_at_once_on_postgresql() {
    isolated(|| run(async { all_succeed(Installation::on_postgres().await).await }));
}
