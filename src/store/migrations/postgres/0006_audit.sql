-- Audit events. Written with the change they record; the sealer of the node gives each its place in the chain at most
-- a second later: until then sequence, previous_hash and hash are empty.
CREATE TABLE audit_event (
  id UUID NOT NULL PRIMARY KEY,
  node TEXT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  kind TEXT NOT NULL,
  -- success, failure or denied
  outcome TEXT NOT NULL,
  code TEXT,
  person_id UUID,
  client_id TEXT,
  operation_id UUID,
  -- Everything else of the minimum record, as JSON. Text, because the chain covers these very bytes.
  detail TEXT NOT NULL,
  sequence BIGINT,
  previous_hash BYTEA,
  hash BYTEA
);
CREATE UNIQUE INDEX audit_event_chain ON audit_event (node, sequence);
CREATE INDEX audit_event_unsealed ON audit_event (node, at, id) WHERE sequence IS NULL;
CREATE INDEX audit_event_at ON audit_event (at);
CREATE INDEX audit_event_person ON audit_event (person_id);

-- The end of each node's chain: what shows that its last events were removed.
CREATE TABLE audit_chain (
  node TEXT NOT NULL PRIMARY KEY,
  sequence BIGINT NOT NULL,
  hash BYTEA NOT NULL,
  sealed_at TIMESTAMPTZ NOT NULL
);
