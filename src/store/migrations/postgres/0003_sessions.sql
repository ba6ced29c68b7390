-- Browser sessions. The cookie is kept as a hash.
CREATE TABLE session (
  id UUID NOT NULL PRIMARY KEY,
  person_id UUID NOT NULL REFERENCES person (id),
  cookie_hash BYTEA NOT NULL UNIQUE,
  acr TEXT NOT NULL,
  amr JSONB NOT NULL,
  auth_mode TEXT NOT NULL,
  auth_time TIMESTAMPTZ NOT NULL,
  evidence JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  last_seen_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ,
  end_reason TEXT
);
CREATE INDEX session_person ON session (person_id);
CREATE INDEX session_expiry ON session (expires_at);

-- A sign-in on its way, bound to one browser by a cookie that is kept as a hash and never bound again.
CREATE TABLE login_transaction (
  id UUID NOT NULL PRIMARY KEY,
  browser_hash BYTEA NOT NULL,
  client_id TEXT NOT NULL,
  -- The checked authorization request, in the shape of oidc::authorize.
  request JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  -- The card request that was issued last, byte for byte.
  card_txn TEXT UNIQUE,
  card_request TEXT,
  card_request_expires_at TIMESTAMPTZ,
  -- open, done, failed or cancelled
  state TEXT NOT NULL,
  error_code TEXT,
  session_id UUID REFERENCES session (id),
  ended_at TIMESTAMPTZ
);
CREATE INDEX login_transaction_expiry ON login_transaction (expires_at);
