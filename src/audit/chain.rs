//! The hash chain of a node: sealing, and finding where it was tampered with.
//!
//! The hash of an event is SHA-256 over the text of [`Sealed`] as JSON, which holds the hash of the event before. The
//! same text stands in every line of an export.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::ids::{EventId, OperationId, PersonId};
use crate::store::audit::{Link, Row};
use crate::store::{self, Db, StoreError};

/// Events that are sealed in one transaction: a few milliseconds.
const BATCH: i64 = 500;
/// Batches of one call, so that a flood of events does not keep the job from its other work.
const BATCHES: usize = 20;
/// Rows that the verifier holds at a time.
const PAGE: i64 = 1_000;
/// The hash before the first event of a chain.
const GENESIS: [u8; 32] = [0; 32];

/// What the hash covers, in this order.
#[derive(Serialize)]
struct Sealed<'a> {
    node: &'a str,
    sequence: Option<i64>,
    previous_hash: Option<String>,
    id: EventId,
    at: String,
    kind: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<PersonId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<OperationId>,
    detail: Box<RawValue>,
}

impl<'a> Sealed<'a> {
    /// The covered part of `row` at its place in the chain; a detail that is not JSON is covered as a JSON string.
    fn new(row: &'a Row, sequence: Option<i64>, previous_hash: Option<&[u8]>) -> Result<Self, StoreError> {
        let detail = RawValue::from_string(row.detail.clone())
            .or_else(|_| serde_json::value::to_raw_value(&row.detail))
            .map_err(|_| StoreError::Inconsistent {
                table: "audit_event",
                id: row.id.to_string(),
                what: "detail is not text",
            })?;
        Ok(Self {
            node: &row.node,
            sequence,
            previous_hash: previous_hash.map(hex::encode),
            id: row.id,
            at: row.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            kind: &row.kind,
            outcome: &row.outcome,
            code: row.code.as_deref(),
            person: row.person_id,
            client: row.client_id.as_deref(),
            operation: row.operation_id,
            detail,
        })
    }
}

/// The text that the hash of `row` covers.
pub(crate) fn covered_text(row: &Row) -> Result<String, StoreError> {
    text(&Sealed::new(row, row.sequence, row.previous_hash.as_deref())?, row)
}

fn text(sealed: &Sealed<'_>, row: &Row) -> Result<String, StoreError> {
    serde_json::to_string(sealed).map_err(|_| StoreError::Inconsistent {
        table: "audit_event",
        id: row.id.to_string(),
        what: "it cannot be written as JSON",
    })
}

/// Gives the events of `node` that were committed since the last call their places in the chain. To be called at least
/// once a second on each node. Answers how many.
///
/// # Errors
/// What the database says. Nothing is lost: the next call goes on.
pub async fn seal(db: &Db, node: &str, now: Time) -> Result<usize, StoreError> {
    let mut count = 0;
    for _ in 0..BATCHES {
        // The end before the events: where it has not moved when they are linked, nobody else has linked any of them.
        let (mut sequence, mut previous_hash) = match store::audit::chain_end(db, node).await? {
            Some(end) => (end.sequence, hash_of(&end.hash, node)?),
            None => (0, GENESIS),
        };
        let rows = store::audit::unsealed(db, node, BATCH).await?;
        if rows.is_empty() {
            break;
        }
        let mut links = Vec::with_capacity(rows.len());
        for row in &rows {
            sequence += 1;
            let sealed = Sealed::new(row, Some(sequence), Some(&previous_hash))?;
            let hash = sha256(text(&sealed, row)?.as_bytes());
            links.push(Link { id: row.id, sequence, previous_hash, hash });
            previous_hash = hash;
        }
        if !store::audit::link(db, node, &links, now).await? {
            // Another process seals for the same node name: its links count.
            break;
        }
        count += links.len();
    }
    Ok(count)
}

fn hash_of(bytes: &[u8], node: &str) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Inconsistent {
        table: "audit_chain",
        id: node.to_owned(),
        what: "the hash does not have 32 bytes",
    })
}

/// What the verifier found of one node's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeReport {
    /// The node.
    pub node: String,
    /// Events whose place in the chain is right, up to the first that is not.
    pub good: i64,
    /// The hash of the last of them: note it elsewhere, and nobody can rewrite what came before.
    pub head: String,
    /// The first fault.
    pub broken: Option<Break>,
    /// Events that wait for their place.
    pub unsealed: i64,
    /// The oldest of them. More than a few seconds old means that nobody seals this node's chain.
    pub unsealed_since: Option<Time>,
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// The place in the chain.
    pub sequence: i64,
    /// The event there, if there is one.
    pub event: Option<EventId>,
    /// What is wrong.
    pub kind: BreakKind,
}

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakKind {
    /// The event does not have the hash it was sealed with.
    Changed,
    /// The event does not name the one before it.
    Reordered,
    /// No event has this place.
    Missing,
    /// The chain goes on after the end that the sealer recorded.
    Inserted,
}

impl BreakKind {
    /// In words.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Changed => "this event was changed after it was sealed",
            Self::Reordered => {
                "this event does not follow the one before it: events were exchanged or replaced"
            }
            Self::Missing => "one or more events were removed here",
            Self::Inserted => "this event was added to the chain by something other than the sealer",
        }
    }
}

/// Reads every chain from its beginning and reports, for each node, the first fault and the unsealed tail.
///
/// # Errors
/// What the database says. A broken chain is not an error but a result.
pub async fn verify(db: &Db) -> Result<Vec<NodeReport>, StoreError> {
    let mut reports = Vec::new();
    for node in store::audit::nodes(db).await? {
        // First the recorded end: events sealed while we read come after it and are looked at next time.
        let end = store::audit::chain_end(db, &node).await?;
        let (end_sequence, end_hash) = end.map_or((0, GENESIS.to_vec()), |end| (end.sequence, end.hash));
        let (good, head, mut broken) = walk(db, &node, end_sequence).await?;
        if broken.is_none() && good == end_sequence && head != *end_hash {
            broken = Some(Break { sequence: good, event: None, kind: BreakKind::Changed });
        }
        let (unsealed, unsealed_since) = store::audit::tail(db, &node).await?;
        reports.push(NodeReport { node, good, head: hex::encode(head), broken, unsealed, unsealed_since });
    }
    Ok(reports)
}

async fn walk(db: &Db, node: &str, end: i64) -> Result<(i64, Vec<u8>, Option<Break>), StoreError> {
    let (mut good, mut head) = (0, GENESIS.to_vec());
    loop {
        let rows = store::audit::chain_after(db, node, good, PAGE).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let sequence = row.sequence.unwrap_or_default();
            if good == end {
                // Honest only if the sealer went on meanwhile.
                let moved =
                    store::audit::chain_end(db, node).await?.is_some_and(|now| now.sequence >= sequence);
                let inserted = Break { sequence, event: Some(row.id), kind: BreakKind::Inserted };
                return Ok((good, head, (!moved).then_some(inserted)));
            }
            let fault = |kind| Some(Break { sequence: good + 1, event: Some(row.id), kind });
            if sequence != good + 1 {
                let missing = Break { sequence: good + 1, event: None, kind: BreakKind::Missing };
                return Ok((good, head, Some(missing)));
            }
            let hash = sha256(covered_text(row)?.as_bytes());
            if row.hash.as_deref() != Some(hash.as_slice()) {
                return Ok((good, head, fault(BreakKind::Changed)));
            }
            if row.previous_hash.as_deref() != Some(head.as_slice()) {
                return Ok((good, head, fault(BreakKind::Reordered)));
            }
            good = sequence;
            head = hash.to_vec();
        }
    }
    let missing = (good < end).then_some(Break { sequence: good + 1, event: None, kind: BreakKind::Missing });
    Ok((good, head, missing))
}
