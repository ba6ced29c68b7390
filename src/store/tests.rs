//! Opening, migrating and writing, on both engines.

use std::sync::Arc;

use super::testing::{empty_postgres, fresh_postgres, on_both, sqlite_in};
use super::{DatabaseUrl, Db, Promise, StoreError, read, write};

async fn put(db: &Db, name: &str, value: &str) -> Result<(), StoreError> {
    write!(db, c => {
        sqlx::query("INSERT INTO setting (name, value) VALUES ($1, $2)")
            .bind(name.to_owned()).bind(value.to_owned()).execute(&mut *c).await?;
        Ok(())
    })
}

async fn count(db: &Db) -> i64 {
    async fn query(db: &Db) -> Result<i64, StoreError> {
        read!(db, c => Ok(sqlx::query_scalar("SELECT COUNT(*) FROM setting").fetch_one(c).await?))
    }
    query(db).await.unwrap()
}

#[tokio::test]
async fn a_failed_command_leaves_nothing_and_the_next_one_works() {
    on_both(async |db| {
        put(&db, "a", "1").await.unwrap();
        assert!(put(&db, "a", "2").await.unwrap_err().is_duplicate());
        let failed: Result<(), StoreError> = async {
            write!(&db, c => {
                sqlx::query("INSERT INTO setting (name, value) VALUES ('b', '1')").execute(&mut *c).await?;
                Err(StoreError::Full)
            })
        }
        .await;
        assert!(matches!(failed, Err(StoreError::Full)));
        assert_eq!(count(&db).await, 1);
        put(&db, "b", "2").await.unwrap();
        assert_eq!(count(&db).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_at_once_all_get_their_answer() {
    on_both(async |db| {
        let db = Arc::new(db);
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let db = Arc::clone(&db);
                // Every tenth collides with its neighbour and must fail alone.
                let name = if n % 10 == 9 { n - 1 } else { n };
                tokio::spawn(async move { put(&db, &name.to_string(), "x").await })
            })
            .collect();
        let mut kept = 0;
        for task in tasks {
            kept += i64::from(task.await.unwrap().is_ok());
        }
        assert_eq!(kept, 90);
        assert_eq!(count(&db).await, 90);
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_leaves_nothing_behind() {
    on_both(async |db| {
        let inserted = tokio::sync::Notify::new();
        let interrupted = async {
            write!(&db, c => {
                sqlx::query("INSERT INTO setting (name, value) VALUES ('gone', '1')").execute(&mut *c).await?;
                inserted.notify_one();
                std::future::pending::<()>().await;
                Ok(())
            })
        };
        tokio::select! {
            _ = interrupted => unreachable!(),
            () = inserted.notified() => {}
        }
        put(&db, "kept", "1").await.unwrap();
        let names: Vec<String> = async {
            read!(&db, c => Ok::<_, StoreError>(sqlx::query_scalar("SELECT name FROM setting").fetch_all(c).await?))
        }
        .await
        .unwrap();
        assert_eq!(names, ["kept"]);
    })
    .await;
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for url in [DatabaseUrl::Sqlite(dir.path().join("sceau.db")), empty_postgres().await] {
        let db = Db::open(&url).await.unwrap();
        async {
            write!(&db, c => {
                sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").execute(&mut *c).await?;
                Ok(())
            })
        }
        .await
        .unwrap();
        db.close().await;
        assert!(matches!(Db::open(&url).await, Err(StoreError::Newer(9999))));
    }
}

/// What only looks must not be what brings a database up to date: the server that runs may be of the version before.
#[tokio::test]
async fn whoever_only_looks_makes_no_database_and_brings_none_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sceau.db");
    let missing = Db::open_as_it_is(&DatabaseUrl::Sqlite(file.clone())).await.unwrap_err();
    assert_eq!((missing.code(), file.exists()), ("STORE-005", false));
    std::fs::write(&file, "").unwrap();
    for url in [DatabaseUrl::Sqlite(file), empty_postgres().await] {
        assert!(matches!(Db::open_as_it_is(&url).await, Err(StoreError::Older(1))), "nobody made it");
        let db = Db::open(&url).await.unwrap();
        Db::open_as_it_is(&url).await.unwrap().close().await;
        let change = async |sql: &'static str| {
            write!(&db, c => {
                sqlx::query(sql).execute(&mut *c).await?;
                Ok(())
            })
        };
        change("DELETE FROM _sqlx_migrations WHERE version = 96").await.unwrap();
        for _ in 0..2 {
            let older = Db::open_as_it_is(&url).await;
            assert!(matches!(older, Err(StoreError::Older(96))), "{older:?}: and it stays so");
        }
        change("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").await.unwrap();
        assert!(matches!(Db::open_as_it_is(&url).await, Err(StoreError::Newer(9999))));
    }
}

#[tokio::test]
async fn a_database_held_by_another_program_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let db = sqlite_in(dir.path()).await;
    let other = sqlite_in(dir.path()).await;
    let Db::Sqlite(sqlite) = &other else { unreachable!() };
    let mut turn = sqlite.writer.turn(Promise::Disk).await.unwrap();
    sqlx::query("PRAGMA busy_timeout = 10").execute(turn.connection()).await.unwrap();
    let Db::Sqlite(waiting) = &db else { unreachable!() };
    {
        // The test does not wait the five seconds of production.
        let mut first = waiting.writer.state.lock().await;
        sqlx::query("PRAGMA busy_timeout = 10").execute(first.connection.as_mut().unwrap()).await.unwrap();
    }
    let error = put(&db, "a", "1").await.unwrap_err();
    assert_eq!(error.code(), "STORE-001", "{error}");
    turn.end(Ok(())).await.unwrap();
    put(&db, "a", "1").await.unwrap();
}

#[tokio::test]
async fn a_full_disk_says_so_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = sqlite_in(dir.path()).await;
    put(&db, "before", "1").await.unwrap();
    async {
        write!(&db, c => {
            sqlx::query("PRAGMA max_page_count = 1").execute(&mut *c).await?;
            Ok(())
        })
    }
    .await
    .unwrap();
    let error = put(&db, "big", &"x".repeat(10_000_000)).await.unwrap_err();
    assert_eq!(error.code(), "STORE-002", "{error}");
    assert_eq!(count(&db).await, 1);
}

/// SQLite undoes the whole transaction where the disk is full, with what others have written in it.
#[tokio::test]
async fn whoever_shares_a_transaction_with_a_full_disk_is_told_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let db = sqlite_in(dir.path()).await;
    async {
        write!(&db, c => {
            sqlx::query("PRAGMA max_page_count = 1").execute(&mut *c).await?;
            Ok(())
        })
    }
    .await
    .unwrap();
    let (inside, others_wait) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let first = async {
        write!(&db, c => {
            sqlx::query("INSERT INTO setting (name, value) VALUES ('first', '1')").execute(&mut *c).await?;
            inside.notify_one();
            others_wait.notified().await;
            Ok(())
        })
    };
    let others = async {
        inside.notified().await;
        let large = "x".repeat(10_000_000);
        let (second, third) = (put(&db, "second", &large), put(&db, "third", "1"));
        // Both stand in the queue, in this order, before the first one goes on.
        let (mut second, mut third) = (std::pin::pin!(second), std::pin::pin!(third));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(third.as_mut().poll(&mut context).is_pending());
        others_wait.notify_one();
        tokio::join!(second, third)
    };
    let (first, (second, third)) = tokio::join!(first, others);
    assert_eq!(second.unwrap_err().code(), "STORE-002");
    for (name, result) in [("first", first), ("third", third)] {
        let found: i64 = async {
            read!(&db, c => Ok::<_, StoreError>(
                sqlx::query_scalar("SELECT COUNT(*) FROM setting WHERE name = $1").bind(name).fetch_one(c).await?
            ))
        }
        .await
        .unwrap();
        assert_eq!(found == 1, result.is_ok(), "{name}: {result:?}");
    }
    put(&db, "fourth", "1").await.unwrap();
}

/// What a command asks for is what the file is written with, however they alternate.
#[tokio::test]
async fn only_what_can_be_written_again_does_not_wait_for_the_disk() {
    /// As in `PRAGMA synchronous`.
    const NORMAL: i64 = 1;
    const FULL: i64 = 2;
    let dir = tempfile::tempdir().unwrap();
    let db = sqlite_in(dir.path()).await;
    let level = async |promise| -> i64 {
        async {
            write!(&db, c => { Ok(sqlx::query_scalar("PRAGMA synchronous").persistent(false).fetch_one(&mut *c).await?) }, promise)
        }
        .await
        .unwrap()
    };
    for _ in 0..3 {
        assert_eq!(level(Promise::Disk).await, FULL);
        assert_eq!(level(Promise::Order).await, NORMAL);
    }
    let (inside, other_waits) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let relaxed = async {
        write!(&db, c => {
            sqlx::query("INSERT INTO setting (name, value) VALUES ('again', '1')").execute(&mut *c).await?;
            inside.notify_one();
            other_waits.notified().await;
            Ok(())
        }, Promise::Order)
    };
    let other = async {
        inside.notified().await;
        let mut other = std::pin::pin!(level(Promise::Disk));
        // It stands in the queue before the first one ends.
        assert!(
            other.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
        );
        other_waits.notify_one();
        other.await
    };
    let (relaxed, other): (Result<(), StoreError>, _) = tokio::join!(relaxed, other);
    relaxed.unwrap();
    assert_eq!(other, FULL, "it shares no transaction that promises less");
}

/// Wherever a caller goes away, before or after any statement of ours, the next writer works.
#[tokio::test]
async fn a_caller_may_go_away_at_any_point() {
    use std::future::Future as _;
    let dir = tempfile::tempdir().unwrap();
    let db = sqlite_in(dir.path()).await;
    for polls in 0..60 {
        let name = format!("gone{polls}");
        let mut interrupted = Box::pin(put(&db, &name, "1"));
        for _ in 0..polls {
            let waker = std::task::Waker::noop();
            if interrupted.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready() {
                break;
            }
            // Lets the database's thread answer, so that each poll may meet another step.
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
        drop(interrupted);
        put(&db, &format!("kept{polls}"), "1").await.unwrap();
    }
}

/// What is asked with every sign-in, exchange or turn of the sealer takes no longer the more there is in the database: SQLite
/// knows no sizes of tables, and how it goes about a question hangs on its wording.
#[tokio::test]
async fn what_is_asked_all_the_time_walks_through_no_table() {
    let dir = tempfile::tempdir().unwrap();
    let db = sqlite_in(dir.path()).await;
    let Db::Sqlite(sqlite) = &db else { unreachable!() };
    let mut reader = sqlite.readers.reader().await.unwrap();
    for sql in [
        super::grant::REDEEM_CODE,
        super::grant::REDEEM_REFRESH_TOKEN,
        super::subject::KNOWN,
        super::directory::ENTRY,
        super::directory::ENTRY_OF_PERSON,
        super::audit::UNSEALED,
    ] {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
                .fetch_all(reader.connection())
                .await
                .unwrap();
        assert!(!plan.is_empty());
        for (_, _, _, step) in &plan {
            // There are two generations at most.
            let walks = step.starts_with("SCAN") && step != "SCAN g";
            // Everything granted to a client, everybody in the directory, every event that waits.
            let through = ["(client_id=?)", "(generation=?)", "(node=? AND sequence=?)"];
            assert!(!walks && !through.iter().any(|many| step.ends_with(many)), "{sql}: {plan:#?}");
        }
    }
}

/// Tables, columns and whether they may be empty are the same on both engines.
#[tokio::test]
async fn both_engines_have_the_same_schema() {
    let dir = tempfile::tempdir().unwrap();
    let sqlite = sqlite_in(dir.path()).await;
    let Db::Sqlite(pools) = &sqlite else { unreachable!() };
    let mut ours: Vec<(String, String, bool)> = sqlx::query_as(
        r#"SELECT m.name, c.name, c."notnull" = 0 FROM sqlite_schema m, pragma_table_info(m.name) c
           WHERE m.type = 'table' AND m.name NOT LIKE '\_sqlx%' ESCAPE '\' AND m.name NOT LIKE 'sqlite%'"#,
    )
    .fetch_all(pools.readers.reader().await.unwrap().connection())
    .await
    .unwrap();
    let postgres = Db::open(&fresh_postgres().await).await.unwrap();
    let Db::Postgres(pool) = &postgres else { unreachable!() };
    let mut theirs: Vec<(String, String, bool)> = sqlx::query_as(
        r"SELECT table_name::text, column_name::text, is_nullable = 'YES' FROM information_schema.columns
           WHERE table_schema = 'public' AND table_name NOT LIKE '\_sqlx%'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    ours.sort();
    theirs.sort();
    assert!(!ours.is_empty());
    assert_eq!(ours, theirs);
}

#[test]
fn an_address_of_neither_kind_is_refused_without_repeating_its_password() {
    let error = "mysql://root:hunter2@host/db".parse::<DatabaseUrl>().unwrap_err();
    assert_eq!(error.code(), "STORE-006");
    assert!(!error.to_string().contains("hunter2"));
    assert!("sqlite:relative.db".parse::<DatabaseUrl>().is_err());
}
