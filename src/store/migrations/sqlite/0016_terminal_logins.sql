-- Card requests for a terminal. What answers has to hold the secret whose hash stands in the request.
CREATE TABLE terminal_login (
  card_txn TEXT NOT NULL PRIMARY KEY,
  card_request TEXT NOT NULL,
  -- The workstation that asked; only it may answer.
  workstation_id BLOB NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  consumed_at TEXT
) STRICT;

CREATE INDEX terminal_login_expires_at ON terminal_login (expires_at);
