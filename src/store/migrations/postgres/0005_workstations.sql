CREATE TABLE workstation (
  id UUID NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  -- Thumbprint (RFC 7638) and public half of the workstation's key.
  kid TEXT NOT NULL UNIQUE,
  public_jwk JSONB NOT NULL,
  site TEXT NOT NULL,
  zone TEXT NOT NULL,
  agent_version TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  approved_at TIMESTAMPTZ,
  last_seen_at TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ
);

-- Enrolment codes: single use, 15 minutes. Found by a hash; the secret itself, which the workstation's proof is checked
-- with, is sealed.
CREATE TABLE workstation_invite (
  secret_hash BYTEA NOT NULL PRIMARY KEY,
  sealed BYTEA NOT NULL,
  site TEXT NOT NULL,
  zone TEXT NOT NULL,
  needs_approval BOOLEAN NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  consumed_at TIMESTAMPTZ,
  workstation_id UUID REFERENCES workstation (id)
);
