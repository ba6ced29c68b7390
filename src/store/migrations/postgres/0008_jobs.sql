-- Back-channel logouts that are due: one row per relying party, written with the end of the session.
CREATE TABLE logout_delivery (
  id UUID NOT NULL PRIMARY KEY,
  client_id TEXT NOT NULL,
  session_id UUID NOT NULL,
  person_id UUID NOT NULL,
  uri TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  attempts BIGINT NOT NULL,
  next_attempt_at TIMESTAMPTZ,
  delivered_at TIMESTAMPTZ,
  last_error TEXT
);
CREATE INDEX logout_delivery_due ON logout_delivery (next_attempt_at);

-- Who runs a background job, and until when it may be sure to be alone.
CREATE TABLE job_lease (
  name TEXT NOT NULL PRIMARY KEY,
  node TEXT NOT NULL,
  until TIMESTAMPTZ NOT NULL
);
