//! Audit events and the end of each node's chain.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::{Db, StoreError, read, write};
use crate::clock::Time;
use crate::ids::{EventId, OperationId, PersonId};

#[cfg(test)]
mod tests;

/// An event to write, not yet in the chain.
#[derive(Debug, Clone)]
pub struct NewRow {
    /// Its key.
    pub id: EventId,
    /// The node that recorded it.
    pub node: String,
    /// When it happened.
    pub at: Time,
    /// The stable name of its kind.
    pub kind: &'static str,
    /// success, failure or denied.
    pub outcome: &'static str,
    /// The reason's code.
    pub code: Option<String>,
    /// Whom it is about.
    pub person_id: Option<PersonId>,
    /// The relying party.
    pub client_id: Option<String>,
    /// The request.
    pub operation_id: Option<OperationId>,
    /// The rest of the record, as JSON.
    pub detail: String,
}

/// An event as it is stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Row {
    /// Its key.
    pub id: EventId,
    /// The node that recorded it.
    pub node: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The stable name of its kind.
    pub kind: String,
    /// success, failure or denied.
    pub outcome: String,
    /// The reason's code.
    pub code: Option<String>,
    /// Whom it is about.
    pub person_id: Option<PersonId>,
    /// The relying party.
    pub client_id: Option<String>,
    /// The request.
    pub operation_id: Option<OperationId>,
    /// The rest of the record, as JSON.
    pub detail: String,
    /// Its place in the node's chain, from 1; none until sealed.
    pub sequence: Option<i64>,
    /// The hash of the event before.
    pub previous_hash: Option<Vec<u8>>,
    /// Its own hash.
    pub hash: Option<Vec<u8>>,
}

/// Where a node's chain ends.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ChainEnd {
    /// The place of the last sealed event.
    pub sequence: i64,
    /// Its hash.
    pub hash: Vec<u8>,
    /// When it was sealed.
    pub sealed_at: DateTime<Utc>,
}

/// The place that the sealer gives to an event.
#[derive(Debug, Clone)]
pub struct Link {
    /// The event.
    pub id: EventId,
    /// Its place in the chain.
    pub sequence: i64,
    /// The hash of the event before.
    pub previous_hash: [u8; 32],
    /// Its own hash.
    pub hash: [u8; 32],
}

/// Which events to list. Empty fields do not restrict.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// From this time on.
    pub since: Option<Time>,
    /// Before this time.
    pub until: Option<Time>,
    /// About this person.
    pub person: Option<PersonId>,
    /// Of this relying party.
    pub client: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// That ended so.
    pub outcome: Option<String>,
    /// For this reason.
    pub code: Option<String>,
    /// The newest so many.
    pub limit: i64,
}

/// Writes an event inside the body of `write!`, so that it exists if and only if the change it records does.
///
/// `record!(c, event)`, where `c` is the connection of the body and `event` an `audit::Event`.
macro_rules! record {
    ($c:expr, $event:expr) => {{
        let row = $crate::store::audit::NewRow::from(&$event);
        sqlx::query($crate::store::audit::INSERT)
            .bind(row.id)
            .bind(row.node)
            .bind(row.at)
            .bind(row.kind)
            .bind(row.outcome)
            .bind(row.code)
            .bind(row.person_id)
            .bind(row.client_id)
            .bind(row.operation_id)
            .bind(row.detail)
            .execute(&mut *$c)
            .await?;
    }};
}
pub(crate) use record;

pub(crate) const INSERT: &str = "INSERT INTO audit_event \
    (id, node, at, kind, outcome, code, person_id, client_id, operation_id, detail) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Writes an event that records no change of the database, such as a refused sign-in.
///
/// # Errors
/// What the database says.
pub async fn append(db: &Db, event: impl Into<NewRow>) -> Result<(), StoreError> {
    let row = event.into();
    write!(db, c => {
        let row = row.clone();
        record!(c, row);
        Ok(())
    })
}

impl From<&Self> for NewRow {
    fn from(row: &Self) -> Self {
        row.clone()
    }
}

/// Where the chain of `node` ends; none before its first event was sealed.
///
/// # Errors
/// What the database says.
pub async fn chain_end(db: &Db, node: &str) -> Result<Option<ChainEnd>, StoreError> {
    read!(db, c => Ok(sqlx::query_as("SELECT sequence, hash, sealed_at FROM audit_chain WHERE node = $1")
        .bind(node).fetch_optional(c).await?))
}

pub(super) const UNSEALED: &str =
    "SELECT * FROM audit_event WHERE node = $1 AND sequence IS NULL ORDER BY at, id LIMIT $2";

/// The oldest `limit` events of `node` that wait for their place in the chain.
///
/// # Errors
/// What the database says.
pub async fn unsealed(db: &Db, node: &str, limit: i64) -> Result<Vec<Row>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        UNSEALED,
    ).bind(node).bind(limit).fetch_all(c).await?))
}

/// Gives the events their places. Answers false, and changes nothing, where another sealer of the node was faster.
///
/// # Errors
/// What the database says.
pub async fn link(db: &Db, node: &str, links: &[Link], now: Time) -> Result<bool, StoreError> {
    let (Some(first), Some(last)) = (links.first(), links.last()) else { return Ok(true) };
    let sealed = write!(db, c => {
        let moved = if first.sequence == 1 {
            sqlx::query(
                "INSERT INTO audit_chain (node, sequence, hash, sealed_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (node) DO NOTHING",
            )
            .bind(node).bind(last.sequence).bind(last.hash.as_slice()).bind(now)
            .execute(&mut *c).await?.rows_affected()
        } else {
            sqlx::query(
                "UPDATE audit_chain SET sequence = $1, hash = $2, sealed_at = $3 \
                 WHERE node = $4 AND sequence = $5 AND hash = $6",
            )
            .bind(last.sequence).bind(last.hash.as_slice()).bind(now)
            .bind(node).bind(first.sequence - 1).bind(first.previous_hash.as_slice())
            .execute(&mut *c).await?.rows_affected()
        };
        if moved != 1 {
            return Ok(false);
        }
        let mut places = QueryBuilder::new("WITH link (id, sequence, previous_hash, hash) AS (");
        places.push_values(links, |mut row, link| {
            row.push_bind(link.id).push_bind(link.sequence);
            row.push_bind(link.previous_hash.as_slice()).push_bind(link.hash.as_slice());
        });
        places.push(
            ") UPDATE audit_event SET sequence = link.sequence, previous_hash = link.previous_hash, hash = link.hash \
             FROM link WHERE audit_event.id = link.id AND audit_event.sequence IS NULL",
        );
        // A text for each number of events: not worth remembering.
        let placed = places.build().persistent(false).execute(&mut *c).await?;
        // An event that has its place already would leave a hole behind the end.
        if usize::try_from(placed.rows_affected()).ok() != Some(links.len()) {
            return Err(StoreError::Inconsistent {
                table: "audit_event",
                id: first.id.to_string(),
                what: "another sealer gave this event, or one after it, a place",
            });
        }
        Ok(true)
    });
    match sealed {
        // The place was taken between our reading and our writing.
        Err(error) if error.is_duplicate() => Ok(false),
        other => other,
    }
}

/// Every node that has recorded an event, in alphabetical order.
///
/// # Errors
/// What the database says.
pub async fn nodes(db: &Db) -> Result<Vec<String>, StoreError> {
    read!(db, c => Ok(sqlx::query_scalar(
        "SELECT node FROM audit_event UNION SELECT node FROM audit_chain ORDER BY 1",
    ).fetch_all(c).await?))
}

/// The sealed events of `node` that come after `sequence`, in the order of the chain, at most `limit`.
///
/// # Errors
/// What the database says.
pub async fn chain_after(db: &Db, node: &str, sequence: i64, limit: i64) -> Result<Vec<Row>, StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT * FROM audit_event WHERE node = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
    ).bind(node).bind(sequence).bind(limit).fetch_all(c).await?))
}

/// How many events of `node` wait for their place, and since when.
///
/// # Errors
/// What the database says.
pub async fn tail(db: &Db, node: &str) -> Result<(i64, Option<Time>), StoreError> {
    read!(db, c => Ok(sqlx::query_as(
        "SELECT COUNT(*), MIN(at) FROM audit_event WHERE node = $1 AND sequence IS NULL",
    ).bind(node).fetch_one(c).await?))
}

/// The newest events that fit the filter, newest first.
///
/// # Errors
/// What the database says.
pub async fn list(db: &Db, filter: &Filter) -> Result<Vec<Row>, StoreError> {
    read!(db, c => {
        let mut query = QueryBuilder::new("SELECT * FROM audit_event WHERE 1 = 1");
        if let Some(since) = filter.since {
            query.push(" AND at >= ").push_bind(since);
        }
        if let Some(until) = filter.until {
            query.push(" AND at < ").push_bind(until);
        }
        if let Some(person) = filter.person {
            query.push(" AND person_id = ").push_bind(person);
        }
        if let Some(client) = filter.client.clone() {
            query.push(" AND client_id = ").push_bind(client);
        }
        if let Some(kind) = filter.kind.clone() {
            query.push(" AND kind = ").push_bind(kind);
        }
        if let Some(outcome) = filter.outcome.clone() {
            query.push(" AND outcome = ").push_bind(outcome);
        }
        if let Some(code) = filter.code.clone() {
            query.push(" AND code = ").push_bind(code);
        }
        query.push(" ORDER BY at DESC, id DESC LIMIT ").push_bind(filter.limit);
        Ok(query.build_query_as().fetch_all(c).await?)
    })
}

/// The events of every node from `since` to `until`, oldest first, `limit` of them after the one named by `after`.
///
/// # Errors
/// What the database says.
pub async fn page(
    db: &Db,
    after: Option<(Time, EventId)>,
    since: Option<Time>,
    until: Option<Time>,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    read!(db, c => {
        let mut query = QueryBuilder::new("SELECT * FROM audit_event WHERE 1 = 1");
        if let Some((at, id)) = after {
            query.push(" AND (at, id) > (").push_bind(at).push(", ").push_bind(id).push(")");
        }
        if let Some(since) = since {
            query.push(" AND at >= ").push_bind(since);
        }
        if let Some(until) = until {
            query.push(" AND at < ").push_bind(until);
        }
        query.push(" ORDER BY at, id LIMIT ").push_bind(limit);
        Ok(query.build_query_as().fetch_all(c).await?)
    })
}
