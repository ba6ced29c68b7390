//! Both engines for the tests of the store: a fresh SQLite file, and a fresh database on a PostgreSQL cluster that
//! this process starts from Debian's package and that ends with it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::{Connection as _, Executor as _};

use super::{DatabaseUrl, Db};

/// Runs `test` on each engine, one after the other.
pub async fn on_both(test: impl AsyncFn(Db)) {
    let dir = tempfile::tempdir().unwrap();
    let sqlite = Db::open(&DatabaseUrl::Sqlite(dir.path().join("sceau.db"))).await.unwrap();
    test(sqlite.clone()).await;
    sqlite.close().await;

    let postgres = Db::open(&fresh_postgres().await).await.unwrap();
    test(postgres.clone()).await;
    postgres.close().await;
}

/// A new empty SQLite database in `dir`.
pub async fn sqlite_in(dir: &Path) -> Db {
    Db::open(&DatabaseUrl::Sqlite(dir.join("sceau.db"))).await.unwrap()
}

/// The address of a new empty PostgreSQL database.
pub async fn fresh_postgres() -> DatabaseUrl {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let socket = cluster();
    let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let url = |database: &str| format!("postgres://postgres@localhost/{database}?host={}", socket.display());
    let options = sqlx::postgres::PgConnectOptions::from_str(&url("postgres")).unwrap();
    let mut admin = sqlx::PgConnection::connect_with(&options).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    admin.close().await.unwrap();
    DatabaseUrl::Postgres(url(&name))
}

/// The directory of the socket of this process's cluster.
fn cluster() -> &'static Path {
    static CLUSTER: OnceLock<(PathBuf, Mutex<Child>)> = OnceLock::new();
    &CLUSTER
        .get_or_init(|| {
            let (dir, child) = start();
            (dir, Mutex::new(child))
        })
        .0
}

/// Starts a cluster below a shell that waits for the end of its standard input, which is ours: whatever way this
/// process ends, the cluster ends too and its files go.
fn start() -> (PathBuf, Child) {
    let bin = binaries();
    let dir = std::env::temp_dir().join(format!("sceau-postgres-{}", std::process::id()));
    let script = r#"
        set -e
        bin=$1 dir=$2
        as=""
        mkdir -m 700 "$dir"
        if [ "$(id -u)" = 0 ]; then
            chown postgres "$dir"
            as="setpriv --reuid=postgres --regid=postgres --clear-groups"
        fi
        cd "$dir"
        $as "$bin/initdb" -D "$dir/data" -U postgres -A trust --no-sync -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1
        $as "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c full_page_writes=off \
            -c max_connections=200 >"$dir/server.log" 2>&1 3>&- </dev/null &
        server=$!
        trap 'kill -QUIT $server 2>/dev/null; wait $server 2>/dev/null; cd /; rm -rf "$dir"' EXIT
        until $as "$bin/pg_isready" -q -h "$dir"; do kill -0 $server; done
        echo ready
        cat >/dev/null
    "#;
    let mut child = Command::new("sh")
        .args(["-c", script, "sh"])
        .args([bin.as_path(), dir.as_path()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    let answer = child.stdout.as_mut().unwrap().read_exact(&mut ready);
    assert!(
        answer.is_ok() && &ready == b"ready\n",
        "the PostgreSQL cluster did not start; its logs are in {}",
        dir.display()
    );
    (dir, child)
}

fn binaries() -> PathBuf {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.retain(|path: &PathBuf| path.join("initdb").exists());
    versions.sort();
    versions.pop().expect("PostgreSQL is missing: run `make setup` (Debian package postgresql)")
}
