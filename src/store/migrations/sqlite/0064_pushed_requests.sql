-- Authorization requests that a relying party pushed (RFC 9126), until its user's browser brings their handle.
CREATE TABLE pushed_request (
  -- SHA-256 of the handle, which is generated (256 bits).
  handle_hash BLOB NOT NULL PRIMARY KEY,
  -- Only for this client is the handle good.
  client_id TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
  -- The parameters, and how they came, in the shape of oidc::authorize.
  request TEXT NOT NULL,
  expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX pushed_request_expiry ON pushed_request (expires_at);
