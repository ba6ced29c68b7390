//! Writing, sealing and tampering, on both engines.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{self as audit, Filter, record};
use crate::audit::{BreakKind, Caller, Kind, NodeReport, Trail, covered_text, export, seal, verify};
use crate::clock::{Clock as _, MockClock};
use crate::crypto::digest::sha256;
use crate::ids::{CountingRandom, OperationId, PersonId, SessionId};
use crate::store::testing::on_both;
use crate::store::{Db, StoreError, write};

fn trail(clock: &MockClock) -> Trail {
    Trail::new("node-a", "1", Arc::new(clock.clone()), Arc::new(CountingRandom::default()))
}

/// Runs SQL that an intruder might run.
async fn tamper(db: &Db, sql: &'static str) {
    async {
        write!(db, c => {
            sqlx::query(sql).execute(&mut *c).await?;
            Ok::<_, StoreError>(())
        })
    }
    .await
    .unwrap();
}

/// Six sealed events of one node.
async fn six_events(db: &Db) -> (MockClock, Trail) {
    let clock = MockClock::default();
    let trail = trail(&clock);
    for n in 0..6 {
        audit::append(db, &trail.event(Kind::SignIn).client("app").note(&n.to_string())).await.unwrap();
        clock.advance(TimeDelta::milliseconds(10));
        if n == 3 {
            assert_eq!(seal(db, "node-a", clock.now()).await.unwrap(), 4);
        }
    }
    assert_eq!(seal(db, "node-a", clock.now()).await.unwrap(), 2);
    assert_eq!(seal(db, "node-a", clock.now()).await.unwrap(), 0);
    (clock, trail)
}

async fn only_report(db: &Db) -> NodeReport {
    let mut reports = verify(db).await.unwrap();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

#[tokio::test]
async fn an_untouched_chain_verifies_and_the_tail_is_reported() {
    on_both(async |db| {
        let (clock, trail) = six_events(&db).await;
        let report = only_report(&db).await;
        assert_eq!((report.good, report.broken, report.unsealed), (6, None, 0));
        let before = clock.now();
        audit::append(&db, &trail.event(Kind::SessionEnded)).await.unwrap();
        let report = only_report(&db).await;
        assert_eq!((report.good, report.broken, report.unsealed), (6, None, 1));
        assert_eq!(report.unsealed_since, Some(before));
    })
    .await;
}

#[tokio::test]
async fn tampering_is_found_where_it_was_done() {
    let attacks: [(&[&str], i64, BreakKind); 9] = [
        // A changed row: in the part that is a column, in the detail, in the time.
        (&["UPDATE audit_event SET outcome = 'denied' WHERE sequence = 3"], 3, BreakKind::Changed),
        (
            &[
                "UPDATE audit_event SET detail = '{\"note\":\"x\",\"policy_version\":\"1\"}' WHERE sequence = 2",
            ],
            2,
            BreakKind::Changed,
        ),
        (
            &[
                "UPDATE audit_event SET at = (SELECT at FROM audit_event WHERE sequence = 1) WHERE sequence = 2",
            ],
            2,
            BreakKind::Changed,
        ),
        // A removed row: in the middle, at the end, and in the middle with the gap closed.
        (&["DELETE FROM audit_event WHERE sequence = 4"], 4, BreakKind::Missing),
        (&["DELETE FROM audit_event WHERE sequence = 6"], 6, BreakKind::Missing),
        (
            &[
                "DELETE FROM audit_event WHERE sequence = 4",
                "UPDATE audit_event SET sequence = 4 WHERE sequence = 5",
                "UPDATE audit_event SET sequence = 5 WHERE sequence = 6",
            ],
            4,
            BreakKind::Changed,
        ),
        // Two rows that changed places.
        (
            &[
                "UPDATE audit_event SET sequence = 100 WHERE sequence = 3",
                "UPDATE audit_event SET sequence = 3 WHERE sequence = 4",
                "UPDATE audit_event SET sequence = 4 WHERE sequence = 100",
            ],
            3,
            BreakKind::Changed,
        ),
        // A row slipped in at the end, and one that replaces another with a hash of its own.
        (
            &[
                "INSERT INTO audit_event SELECT fresh_id, node, at, kind, outcome, code, person_id, client_id, \
               operation_id, detail, 7, previous_hash, hash FROM audit_event, (SELECT operation_id AS fresh_id \
               FROM audit_event WHERE operation_id IS NOT NULL LIMIT 1) AS fresh WHERE sequence = 6",
            ],
            7,
            BreakKind::Inserted,
        ),
        (&["UPDATE audit_event SET previous_hash = hash WHERE sequence = 5"], 5, BreakKind::Changed),
    ];
    for (attack, sequence, kind) in attacks {
        on_both(async |db| {
            let (clock, trail) = six_events(&db).await;
            // An unsealed event that lends its operation id as the key of the row that is slipped in.
            let operation = OperationId::new(clock.now(), &CountingRandom::default());
            let caller = Caller { operation: Some(operation), ..Caller::default() };
            audit::append(&db, &trail.event(Kind::SignIn).caller(&caller)).await.unwrap();
            for sql in attack {
                tamper(&db, sql).await;
            }
            let broken = only_report(&db).await.broken.unwrap();
            assert_eq!((broken.sequence, broken.kind), (sequence, kind), "{attack:?}");
        })
        .await;
    }
}

/// Whoever knows how the hash is made can give a row a right hash; the next row still names the old one.
#[tokio::test]
async fn a_row_resealed_by_an_intruder_breaks_the_next_link() {
    on_both(async |db| {
        six_events(&db).await;
        tamper(&db, "UPDATE audit_event SET client_id = 'other' WHERE sequence = 3").await;
        let row = audit::chain_after(&db, "node-a", 2, 1).await.unwrap().remove(0);
        let hash = sha256(covered_text(&row).unwrap().as_bytes()).to_vec();
        async {
            write!(&db, c => {
                sqlx::query("UPDATE audit_event SET hash = $1 WHERE sequence = 3")
                    .bind(hash.clone()).execute(&mut *c).await?;
                Ok::<_, StoreError>(())
            })
        }
        .await
        .unwrap();
        let broken = only_report(&db).await.broken.unwrap();
        assert_eq!((broken.sequence, broken.kind), (4, BreakKind::Reordered));
    })
    .await;
}

#[tokio::test]
async fn an_event_exists_only_with_its_change() {
    on_both(async |db| {
        let clock = MockClock::default();
        let trail = trail(&clock);
        let failed: Result<(), StoreError> = async {
            write!(&db, c => {
                record!(c, trail.event(Kind::PersonDisabled));
                Err(StoreError::Full)
            })
        }
        .await;
        failed.unwrap_err();
        assert!(audit::list(&db, &Filter { limit: 10, ..Filter::default() }).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn each_node_has_a_chain_of_its_own_and_two_sealers_do_no_harm() {
    on_both(async |db| {
        let clock = MockClock::default();
        let random = Arc::new(CountingRandom::default());
        for node in ["b", "a"] {
            let trail = Trail::new(node, "1", Arc::new(clock.clone()), random.clone());
            for _ in 0..1_200 {
                audit::append(&db, &trail.event(Kind::TokenIssued)).await.unwrap();
            }
        }
        let (first, second) = tokio::join!(seal(&db, "a", clock.now()), seal(&db, "a", clock.now()));
        first.unwrap();
        second.unwrap();
        seal(&db, "a", clock.now()).await.unwrap();
        seal(&db, "b", clock.now()).await.unwrap();
        let reports = verify(&db).await.unwrap();
        let seen: Vec<_> =
            reports.iter().map(|r| (r.node.as_str(), r.good, r.broken.is_none(), r.unsealed)).collect();
        assert_eq!(seen, [("a", 1_200, true, 0), ("b", 1_200, true, 0)]);
    })
    .await;
}

/// A sealer that read its events before another one sealed them, and the end of the chain after.
#[tokio::test]
async fn an_event_that_has_its_place_is_given_no_second_one() {
    on_both(async |db| {
        let (clock, trail) = six_events(&db).await;
        let first = audit::chain_after(&db, "node-a", 0, 1).await.unwrap().remove(0);
        audit::append(&db, &trail.event(Kind::SignIn)).await.unwrap();
        let waiting = audit::unsealed(&db, "node-a", 1).await.unwrap().remove(0);
        let end = audit::chain_end(&db, "node-a").await.unwrap().unwrap();
        let previous_hash = end.hash.try_into().unwrap();
        let link = |id, sequence| audit::Link { id, sequence, previous_hash, hash: [7; 32] };
        let links = [link(waiting.id, end.sequence + 1), link(first.id, end.sequence + 2)];
        assert_eq!(audit::link(&db, "node-a", &links, clock.now()).await.unwrap_err().code(), "STORE-007");
        let report = only_report(&db).await;
        assert_eq!((report.good, report.broken, report.unsealed), (6, None, 1), "nothing was changed");
    })
    .await;
}

#[tokio::test]
async fn the_list_is_filtered() {
    on_both(async |db| {
        let clock = MockClock::default();
        let (trail, random) = (trail(&clock), CountingRandom::default());
        let person = PersonId::new(clock.now(), &random);
        let session = SessionId::new(clock.now(), &random);
        let start = clock.now();
        audit::append(&db, &trail.event(Kind::SignIn).person(person).client("app").session(session))
            .await
            .unwrap();
        clock.advance(TimeDelta::seconds(1));
        audit::append(&db, &trail.event(Kind::SignIn).denied("PERSON-001").id_nat("899700000000"))
            .await
            .unwrap();
        clock.advance(TimeDelta::seconds(1));
        audit::append(&db, &trail.event(Kind::TokenIssued).person(person).client("app")).await.unwrap();

        let count = async |filter: Filter| audit::list(&db, &filter).await.unwrap().len();
        let all = Filter { limit: 100, ..Filter::default() };
        assert_eq!(count(all.clone()).await, 3);
        assert_eq!(count(Filter { limit: 2, ..all.clone() }).await, 2);
        assert_eq!(count(Filter { person: Some(person), ..all.clone() }).await, 2);
        assert_eq!(
            count(Filter { client: Some("app".into()), kind: Some("sign-in".into()), ..all.clone() }).await,
            1
        );
        assert_eq!(count(Filter { outcome: Some("denied".into()), ..all.clone() }).await, 1);
        assert_eq!(count(Filter { code: Some("PERSON-001".into()), ..all.clone() }).await, 1);
        assert_eq!(count(Filter { since: Some(start + TimeDelta::seconds(1)), ..all.clone() }).await, 2);
        assert_eq!(count(Filter { until: Some(start + TimeDelta::seconds(1)), ..all.clone() }).await, 1);
        let newest = audit::list(&db, &all).await.unwrap();
        assert_eq!(newest[0].kind, "token.issued");
    })
    .await;
}

/// An auditor checks the export with nothing but SHA-256 and a JSON parser.
#[tokio::test]
async fn an_export_can_be_checked_without_us() {
    on_both(async |db| {
        six_events(&db).await;
        let mut out = Vec::new();
        assert_eq!(export(&db, None, None, &mut out).await.unwrap(), 6);
        let mut previous = "0".repeat(64);
        for line in String::from_utf8(out).unwrap().lines() {
            let (_, event) = line.split_once("\"event\":").unwrap();
            let event = event.strip_suffix('}').unwrap();
            let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(parsed["event"]["previous_hash"], previous.as_str());
            assert_eq!(parsed["hash"], hex::encode(sha256(event.as_bytes())));
            previous = parsed["hash"].as_str().unwrap().to_owned();
        }
    })
    .await;
}

#[test]
fn text_from_outside_is_cut_and_holds_no_control_character() {
    let clock = MockClock::default();
    let agent = format!("evil\u{1b}[2J\n{}", "x".repeat(10_000));
    let caller = Caller { user_agent: Some(agent), ..Caller::default() };
    let row = audit::NewRow::from(&trail(&clock).event(Kind::SignIn).caller(&caller));
    assert!(row.detail.len() < 400);
    assert!(row.detail.contains("evil [2J x"));
}
