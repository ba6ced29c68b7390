CREATE TABLE workstation (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  -- Thumbprint (RFC 7638) and public half of the workstation's key.
  kid TEXT NOT NULL UNIQUE,
  public_jwk TEXT NOT NULL,
  site TEXT NOT NULL,
  zone TEXT NOT NULL,
  agent_version TEXT NOT NULL,
  created_at TEXT NOT NULL,
  approved_at TEXT,
  last_seen_at TEXT,
  revoked_at TEXT
) STRICT;

-- Enrolment codes: single use, 15 minutes. Found by a hash; the secret itself, which the workstation's proof is checked
-- with, is sealed.
CREATE TABLE workstation_invite (
  secret_hash BLOB NOT NULL PRIMARY KEY,
  sealed BLOB NOT NULL,
  site TEXT NOT NULL,
  zone TEXT NOT NULL,
  needs_approval INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  consumed_at TEXT,
  workstation_id BLOB REFERENCES workstation (id)
) STRICT;
