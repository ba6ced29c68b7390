-- Mails that wait for the mail server: written in the transaction of what they tell of, deleted once they are sent.
CREATE TABLE notice (
  id BLOB NOT NULL PRIMARY KEY,
  person_id BLOB NOT NULL REFERENCES person (id),
  address TEXT NOT NULL,
  -- fr or en
  language TEXT NOT NULL,
  -- What happened (JSON): no name, no number, no secret.
  told TEXT NOT NULL,
  created_at TEXT NOT NULL,
  next_attempt_at TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  -- The code of what went wrong last.
  last_error TEXT
) STRICT;
CREATE INDEX notice_due ON notice (next_attempt_at);
