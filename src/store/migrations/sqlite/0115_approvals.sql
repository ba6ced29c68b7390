-- A question to a person: whether a sign-in that waits in another browser, or in a program without one, is theirs.
CREATE TABLE approval (
  id BLOB NOT NULL PRIMARY KEY,
  -- How what waits and who answers are tied together: number, scan or ciba
  way TEXT NOT NULL,
  -- Where it is asked: phone or card
  channel TEXT NOT NULL,
  -- Who is asked. None where nobody has the identifier that was typed; and, of a scan, until somebody has scanned it.
  person_id BLOB REFERENCES person (id),
  client_id TEXT NOT NULL,
  -- The sign-in that waits, where a browser does.
  transaction_id BLOB,
  -- SHA-256 of the cookie by which the waiting browser is known.
  browser BLOB,
  -- What stands for whoever asks, in whose share of the questions of a person it counts; and whether that is a browser that
  -- the person has used with what resists phishing.
  source BLOB,
  is_known INTEGER NOT NULL,
  -- What the person is shown, and what the answer covers (JSON).
  context TEXT NOT NULL,
  -- The digits that the person types; none of a scan.
  digits TEXT,
  -- waiting, approved, refused, mistyped, withdrawn or used
  state TEXT NOT NULL,
  -- What the answer proved (JSON), where it was approved.
  authentication TEXT,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  answered_at TEXT
) STRICT;
CREATE INDEX approval_person ON approval (person_id, expires_at) WHERE state = 'waiting';
-- Of a sign-in there is one at a time.
CREATE UNIQUE INDEX approval_transaction ON approval (transaction_id);
CREATE INDEX approval_expires_at ON approval (expires_at);
