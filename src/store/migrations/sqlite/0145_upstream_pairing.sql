-- An identity of a provider of others that nobody here is linked to, until its person has signed in by a means of ours and
-- confirmed that it is theirs, in the same sign-in.
CREATE TABLE upstream_pairing (
  transaction_id BLOB NOT NULL PRIMARY KEY,
  -- The name of the provider in the configuration.
  provider TEXT NOT NULL,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  -- What they are called there, for the page that asks.
  name TEXT NOT NULL,
  expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX upstream_pairing_expires_at ON upstream_pairing (expires_at);
