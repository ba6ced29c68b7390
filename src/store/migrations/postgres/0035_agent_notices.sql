-- What workstations reported by themselves, so that a notice that comes twice is taken once.
CREATE TABLE agent_notice (
  digest BYTEA NOT NULL PRIMARY KEY,
  taken_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX agent_notice_taken ON agent_notice (taken_at);
