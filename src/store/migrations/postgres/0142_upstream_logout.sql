-- Where a session here came from: the session of its person at a provider of others.
CREATE TABLE upstream_session (
  session_id UUID NOT NULL PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
  -- The name of the provider in the configuration.
  provider TEXT NOT NULL,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- The session there, where the provider tells one.
  sid TEXT,
  -- The ID token, sealed: to sign out there. It goes when the session here ends.
  id_token BYTEA
);
CREATE INDEX upstream_session_subject ON upstream_session (issuer, subject);
CREATE INDEX upstream_session_sid ON upstream_session (issuer, sid);

-- Logout tokens that were carried out: each is good once, and no sign-in of before them is.
CREATE TABLE upstream_logout_token (
  issuer TEXT NOT NULL,
  -- SHA-256 of `jti`.
  jti_hash BYTEA NOT NULL,
  subject TEXT,
  sid TEXT,
  issued_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (issuer, jti_hash)
);
CREATE INDEX upstream_logout_token_expires_at ON upstream_logout_token (expires_at);

-- One row of each provider: a sign-in by it and a logout token of it wait for each other.
CREATE TABLE upstream_gate (
  issuer TEXT NOT NULL PRIMARY KEY
);

-- A browser that was sent to a provider to sign out there too, until it comes back.
CREATE TABLE upstream_sign_out (
  -- SHA-256 of its cookie.
  browser_hash BYTEA NOT NULL PRIMARY KEY,
  -- SHA-256 of `state`.
  state_hash BYTEA NOT NULL UNIQUE,
  -- The name of the provider in the configuration.
  provider TEXT NOT NULL,
  -- The sessions that ended here, and where the person goes then (JSON).
  onward JSONB NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX upstream_sign_out_expires_at ON upstream_sign_out (expires_at);
