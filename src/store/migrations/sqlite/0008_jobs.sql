-- Back-channel logouts that are due: one row per relying party, written with the end of the session.
CREATE TABLE logout_delivery (
  id BLOB NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL,
  session_id BLOB NOT NULL,
  person_id BLOB NOT NULL,
  uri TEXT NOT NULL,
  created_at TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_attempt_at TEXT,
  delivered_at TEXT,
  last_error TEXT
) STRICT;
CREATE INDEX logout_delivery_due ON logout_delivery (next_attempt_at);

-- Who runs a background job, and until when it may be sure to be alone.
CREATE TABLE job_lease (
  name TEXT NOT NULL PRIMARY KEY,
  node TEXT NOT NULL,
  until TEXT NOT NULL
) STRICT;
