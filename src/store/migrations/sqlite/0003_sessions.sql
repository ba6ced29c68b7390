-- Browser sessions. The cookie is kept as a hash.
CREATE TABLE session (
  id BLOB NOT NULL PRIMARY KEY,
  person_id BLOB NOT NULL REFERENCES person (id),
  cookie_hash BLOB NOT NULL UNIQUE,
  acr TEXT NOT NULL,
  amr TEXT NOT NULL,
  auth_mode TEXT NOT NULL,
  auth_time TEXT NOT NULL,
  evidence TEXT NOT NULL,
  created_at TEXT NOT NULL,
  last_seen_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  ended_at TEXT,
  end_reason TEXT
) STRICT;
CREATE INDEX session_person ON session (person_id);
CREATE INDEX session_expiry ON session (expires_at);

-- A sign-in on its way, bound to one browser by a cookie that is kept as a hash and never bound again.
CREATE TABLE login_transaction (
  id BLOB NOT NULL PRIMARY KEY,
  browser_hash BLOB NOT NULL,
  client_id TEXT NOT NULL,
  -- The checked authorization request, in the shape of oidc::authorize.
  request TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  -- The card request that was issued last, byte for byte.
  card_txn TEXT UNIQUE,
  card_request TEXT,
  card_request_expires_at TEXT,
  -- open, done, failed or cancelled
  state TEXT NOT NULL,
  error_code TEXT,
  session_id BLOB REFERENCES session (id),
  ended_at TEXT
) STRICT;
CREATE INDEX login_transaction_expiry ON login_transaction (expires_at);
