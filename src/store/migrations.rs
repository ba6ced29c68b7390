//! The migrations: two folders with the same numbers and names, forward only.

use std::borrow::Cow;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr as _, SqliteConnection};

use super::StoreError;

/// Where a database keeps what was applied to it.
const APPLIED: &str = "_sqlx_migrations";

/// Lists each migration once, for both engines.
macro_rules! migrations {
    ($($number:literal $name:literal;)*) => {
        fn sqlite() -> Migrator {
            migrator(vec![$(($number, $name, include_str!(concat!("migrations/sqlite/", $name, ".sql")))),*])
        }
        fn postgres() -> Migrator {
            migrator(vec![$(($number, $name, include_str!(concat!("migrations/postgres/", $name, ".sql")))),*])
        }
    };
}

migrations! {
    1 "0001_keys_and_settings";
    2 "0002_people";
    3 "0003_sessions";
    4 "0004_clients_and_grants";
    5 "0005_workstations";
    6 "0006_audit";
    7 "0007_directory";
    8 "0008_jobs";
    9 "0009_login_transaction_session";
    10 "0010_card_out";
    15 "0015_site_tokens";
    16 "0016_terminal_logins";
    30 "0030_offered_certificate";
    35 "0035_agent_notices";
    40 "0040_chain_of_sealed_events";
    41 "0041_directory_by_key";
    43 "0043_badge_window";
    46 "0046_watching_agent";
    49 "0049_revoked_certificates";
    50 "0050_machine_certificates";
    51 "0051_terminal_login_confirmation";
    60 "0060_keys_by_algorithm";
    63 "0063_client_metadata";
    64 "0064_pushed_requests";
    65 "0065_consents";
    67 "0067_used_proofs";
    68 "0068_client_registration";
    72 "0072_offline_grants";
    79 "0079_exchanged_from";
    90 "0090_means";
    91 "0091_notices";
    92 "0092_known_browsers";
    93 "0093_person_contact";
    94 "0094_roles";
    95 "0095_desk";
    96 "0096_fido_metadata";
    100 "0100_client_names";
    110 "0110_second_factor";
    115 "0115_approvals";
    116 "0116_phones";
    120 "0120_ciba_requests";
    121 "0121_push_subscriptions";
    125 "0125_card_questions";
    128 "0128_approval_moves";
    140 "0140_upstreams";
    141 "0141_upstream_questions";
    142 "0142_upstream_logout";
    143 "0143_upstream_links";
    144 "0144_delegation";
    145 "0145_upstream_pairing";
    150 "0150_told_identifiers";
    155 "0155_pairing_told";
}

fn migrator(list: Vec<(i64, &'static str, &'static str)>) -> Migrator {
    let migrations = list
        .into_iter()
        .map(|(number, name, sql)| {
            Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect();
    Migrator::with_migrations(migrations)
}

pub(super) async fn run_sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlite().run_direct(None, connection, false).await.map_err(explain)
}

pub(super) async fn run_postgres(pool: &PgPool) -> Result<(), StoreError> {
    postgres().run(pool).await.map_err(explain)
}

/// Whether every migration was applied, and no other; nothing is changed.
pub(super) async fn check_sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    check(&sqlite(), connection).await
}

/// As [`check_sqlite`].
pub(super) async fn check_postgres(pool: &PgPool) -> Result<(), StoreError> {
    check(&postgres(), &mut *pool.acquire().await?).await
}

async fn check(ours: &Migrator, connection: &mut impl Migrate) -> Result<(), StoreError> {
    let applied = match connection.list_applied_migrations(APPLIED).await {
        Ok(applied) => applied,
        // A database that no version of the program has made.
        Err(MigrateError::Execute(sqlx::Error::Database(error))) if lacks_table(&*error) => Vec::new(),
        Err(error) => return Err(explain(error)),
    };
    for there in &applied {
        match ours.iter().find(|own| own.version == there.version) {
            None => return Err(StoreError::Newer(there.version)),
            Some(own) if own.checksum != there.checksum => {
                return Err(StoreError::MigrationChanged(there.version));
            }
            Some(_) => {}
        }
    }
    let lacking = ours.iter().find(|own| applied.iter().all(|there| there.version != own.version));
    lacking.map_or(Ok(()), |lacking| Err(StoreError::Older(lacking.version)))
}

/// PostgreSQL: `undefined_table`. SQLite has no code of its own for it.
fn lacks_table(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table")
}

fn explain(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(number) | MigrateError::VersionTooNew(number, _) => {
            StoreError::Newer(number)
        }
        MigrateError::VersionMismatch(number) => StoreError::MigrationChanged(number),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => StoreError::from(error),
        other => StoreError::Driver(sqlx::Error::Migrate(Box::new(other))),
    }
}
