//! What one installation knows of itself: a few named values.

use super::{Db, StoreError, read, write};

/// A name in the table of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The middle of every `sub`: a UUID, made once.
    Namespace,
    /// The key of pairwise subjects, sealed, in base64url; made once.
    PairwiseKey,
    /// What the database is for. Only that of a sandbox says it; see [`SANDBOX`].
    Kind,
}

/// The value of [`Setting::Kind`] in the database of a sandbox.
pub const SANDBOX: &str = "sandbox";

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::PairwiseKey => "pairwise-key",
            Self::Kind => "kind",
        }
    }
}

impl Db {
    /// The value, if it was ever written.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn setting(&self, setting: Setting) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM setting WHERE name = $1";
        read!(self, c => {
            Ok(sqlx::query_scalar(sql).bind(setting.name()).fetch_optional(c).await?)
        })
    }

    /// Writes `value` unless there is one, and yields the one that holds from now on.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn setting_once(&self, setting: Setting, value: &str) -> Result<String, StoreError> {
        let insert = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        let select = "SELECT value FROM setting WHERE name = $1";
        write!(self, c => {
            sqlx::query(insert).bind(setting.name()).bind(value).execute(&mut *c).await?;
            Ok(sqlx::query_scalar(select).bind(setting.name()).fetch_one(c).await?)
        })
    }

    /// Whether anything in the database can be read with the seal key only.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn has_sealed_rows(&self) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) FROM signing_key";
        let count: i64 =
            read!(self, c => sqlx::query_scalar(sql).fetch_one(c).await.map_err(StoreError::from))?;
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::on_both;

    #[tokio::test]
    async fn a_setting_is_written_once() {
        on_both(async |db| {
            assert_eq!(db.setting(Setting::Namespace).await.unwrap(), None);
            assert_eq!(db.setting_once(Setting::Namespace, "a").await.unwrap(), "a");
            assert_eq!(db.setting_once(Setting::Namespace, "b").await.unwrap(), "a");
            assert_eq!(db.setting(Setting::Namespace).await.unwrap().as_deref(), Some("a"));
            assert!(!db.has_sealed_rows().await.unwrap());
        })
        .await;
    }
}
