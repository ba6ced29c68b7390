-- Mails that wait for the mail server: written in the transaction of what they tell of, deleted once they are sent.
CREATE TABLE notice (
  id UUID NOT NULL PRIMARY KEY,
  person_id UUID NOT NULL REFERENCES person (id),
  address TEXT NOT NULL,
  -- fr or en
  language TEXT NOT NULL,
  -- What happened (JSON): no name, no number, no secret.
  told JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  next_attempt_at TIMESTAMPTZ NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  -- The code of what went wrong last.
  last_error TEXT
);
CREATE INDEX notice_due ON notice (next_attempt_at);
