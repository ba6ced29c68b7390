//! The database: the only SQL of the project, one file per aggregate.
//!
//! Two engines, one SQL text. SQLite for one node (the default), PostgreSQL for several. Every query is written once
//! with `$1` parameters; the macros [`read!`](crate::store::read) and [`write!`](crate::store::write) expand the Rust
//! around it for both. Times come from our clock, never from the database; every store test runs on both engines.
//!
//! A writer runs one whole transaction: it computes nothing, signs nothing and calls nobody while it holds it.

pub mod agent_notice;
pub mod approval;
pub mod audit;
pub mod badge;
pub mod card_question;
pub mod channel;
pub mod ciba;
pub mod client;
pub mod consent;
pub mod directory;
mod error;
pub mod fido_metadata;
pub mod grant;
pub mod identity_check;
pub mod initial_access_token;
pub mod job_lease;
pub mod known_browser;
pub mod login_transaction;
pub mod logout_delivery;
pub mod means;
mod migrations;
pub mod notice;
mod open;
pub mod pairing;
pub mod person;
pub mod person_contact;
pub mod phone;
pub mod push_subscription;
pub mod pushed_request;
pub mod revoked_certificate;
pub mod role;
pub mod session;
mod setting;
pub mod signing_key;
pub mod site_token;
mod sqlite_readers;
mod sqlite_writer;
pub mod subject;
pub mod terminal_login;
pub mod token;
pub mod upstream;
pub mod upstream_link;
pub mod upstream_question;
pub mod upstream_session;
pub mod used_proof;
pub mod webauthn_ceremony;
pub mod webauthn_credential;
pub mod workstation;

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use open::{DatabaseUrl, Db};
pub use setting::{SANDBOX, Setting};
pub(crate) use sqlite_writer::Promise;

/// Runs `$body` with a connection `$c` (`&mut`) that may only read.
macro_rules! read {
    ($db:expr, $c:ident => $body:expr) => {
        match $db {
            $crate::store::Db::Sqlite(sqlite) => {
                let mut reader = sqlite.readers.reader().await?;
                let $c = reader.connection();
                $body
            }
            $crate::store::Db::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err($crate::store::StoreError::from)?;
                let $c = &mut *connection;
                $body
            }
        }
    };
}
pub(crate) use read;

/// Runs `$body` with a connection `$c` (`&mut`) inside one transaction, which is committed where the body yields `Ok`
/// and rolled back where it yields `Err`. In the body, `?` leaves the transaction, not the function.
///
/// With `, Promise::Order` after the body, SQLite does not wait for the disk: for what can be written again.
macro_rules! write {
    ($db:expr, $c:ident => $body:block) => {
        $crate::store::write!($db, $c => $body, $crate::store::Promise::Disk)
    };
    ($db:expr, $c:ident => $body:block, $promise:expr) => {
        match $db {
            $crate::store::Db::Sqlite(sqlite) => {
                let mut turn = sqlite.writer.turn($promise).await?;
                let result: Result<_, $crate::store::StoreError> = {
                    let $c = turn.connection();
                    async { $body }.await
                };
                turn.end(result).await
            }
            $crate::store::Db::Postgres(pool) => {
                let mut transaction = pool.begin().await.map_err($crate::store::StoreError::from)?;
                let result: Result<_, $crate::store::StoreError> = {
                    let $c = &mut *transaction;
                    async { $body }.await
                };
                match result {
                    Ok(value) => {
                        transaction.commit().await.map_err($crate::store::StoreError::from)?;
                        Ok(value)
                    }
                    Err(error) => {
                        transaction.rollback().await.map_err($crate::store::StoreError::from)?;
                        Err(error)
                    }
                }
            }
        }
    };
}
pub(crate) use write;
