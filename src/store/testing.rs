//! Both engines for the tests of the store: a fresh SQLite file, and a fresh database on a PostgreSQL cluster that
//! this process starts from Debian's package and that ends with it.
//!
//! The migrations run once per process and engine; what a test gets is a copy. Tests of the migrations themselves begin with
//! a database that is really empty.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::{Connection as _, Executor as _};
use tokio::sync::OnceCell;

use super::{DatabaseUrl, Db};

/// Runs `test` on each engine, one after the other.
pub async fn on_both(test: impl AsyncFn(Db)) {
    let dir = tempfile::tempdir().unwrap();
    let sqlite = sqlite_in(dir.path()).await;
    test(sqlite.clone()).await;
    sqlite.close().await;

    let postgres = Db::open(&fresh_postgres().await).await.unwrap();
    test(postgres.clone()).await;
    postgres.close().await;
}

/// The SQLite database in `dir`; a new one where there is none.
pub async fn sqlite_in(dir: &Path) -> Db {
    static MIGRATED: OnceCell<Vec<u8>> = OnceCell::const_new();
    let path = dir.join("sceau.db");
    if !path.exists() {
        let migrated = MIGRATED.get_or_init(async || {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("sceau.db");
            Db::open(&DatabaseUrl::Sqlite(path.clone())).await.unwrap().close().await;
            std::fs::read(path).unwrap()
        });
        std::fs::write(&path, migrated.await).unwrap();
    }
    Db::open(&DatabaseUrl::Sqlite(path)).await.unwrap()
}

/// The address of a new PostgreSQL database with every table and nothing in it.
pub async fn fresh_postgres() -> DatabaseUrl {
    static MIGRATED: PostgresTemplate = PostgresTemplate::new("migrated");
    MIGRATED.copy(async |_| {}).await
}

/// The address of a new PostgreSQL database without a single table.
pub async fn empty_postgres() -> DatabaseUrl {
    create_database("").await
}

/// A PostgreSQL database that is filled once per process and copied for each test.
#[derive(Debug)]
pub struct PostgresTemplate {
    name: &'static str,
    filled: OnceCell<()>,
}

impl PostgresTemplate {
    /// One of that name; it must be no other's.
    pub const fn new(name: &'static str) -> Self {
        Self { name, filled: OnceCell::const_new() }
    }

    /// The address of a new copy; `fill` puts into the template what every copy shall hold.
    pub async fn copy(&self, fill: impl AsyncFnOnce(&Db)) -> DatabaseUrl {
        self.filled
            .get_or_init(async || {
                execute(format!("CREATE DATABASE {}", self.name)).await;
                let db = Db::open(&DatabaseUrl::Postgres(address(self.name))).await.unwrap();
                fill(&db).await;
                // Nobody may be connected to a template that is copied.
                db.close().await;
            })
            .await;
        create_database(&format!("TEMPLATE {}", self.name)).await
    }
}

async fn create_database(like: &str) -> DatabaseUrl {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    execute(format!("CREATE DATABASE {name} {like}")).await;
    DatabaseUrl::Postgres(address(&name))
}

async fn execute(command: String) {
    let options = sqlx::postgres::PgConnectOptions::from_str(&address("postgres")).unwrap();
    let mut admin = sqlx::PgConnection::connect_with(&options).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(command)).await.unwrap();
    admin.close().await.unwrap();
}

fn address(database: &str) -> String {
    format!("postgres://postgres@localhost/{database}?host={}", cluster().display())
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

/// Every value of every column of every table, as table, column and hexadecimal bytes, so that a test can look for what
/// must not be there.
pub async fn everything(db: &Db) -> Vec<(String, String, String)> {
    let (columns, value) = match db {
        Db::Sqlite(_) => (
            "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table' \
             ORDER BY 1, 2",
            "lower(hex(\"{}\"))",
        ),
        Db::Postgres(_) => (
            "SELECT table_name::text, column_name::text FROM information_schema.columns \
             WHERE table_schema = 'public' ORDER BY 1, 2",
            // The text of `bytea` is hexadecimal with a mark before it.
            "encode(convert_to(\"{}\"::text, 'UTF8'), 'hex') || ' ' || \"{}\"::text",
        ),
    };
    let columns: Vec<(String, String)> = fetch(db, columns.to_owned()).await.unwrap();
    let mut found = Vec::new();
    for (table, column) in columns {
        let value = value.replace("{}", &column);
        let values = format!("SELECT '{column}', {value} FROM \"{table}\" WHERE \"{column}\" IS NOT NULL");
        for (column, value) in fetch(db, values).await.unwrap() {
            found.push((table.clone(), column, value));
        }
    }
    found
}

async fn fetch(db: &Db, sql: String) -> Result<Vec<(String, String)>, super::StoreError> {
    super::read!(db, c => Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(c).await?))
}
