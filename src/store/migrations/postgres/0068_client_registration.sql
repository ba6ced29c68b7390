-- A client that registered itself (RFC 7591) is a stranger: its addresses are called like anybody's.
ALTER TABLE client ADD COLUMN self_registered BOOLEAN NOT NULL DEFAULT FALSE;
-- SHA-256 of the token by which it reads and changes its registration (RFC 7592).
ALTER TABLE client ADD COLUMN registration_token_hash BYTEA;

-- Initial access tokens (RFC 7591 §3): who may register clients, how many, until when.
CREATE TABLE initial_access_token (
  -- What an administrator calls it.
  name TEXT NOT NULL PRIMARY KEY,
  -- SHA-256 of the token, which has 256 random bits.
  token_hash BYTEA NOT NULL UNIQUE,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  uses_left BIGINT NOT NULL
);
