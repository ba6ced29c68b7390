-- Site tokens: by one of them a fleet enrols without a person, within limits. Found by a hash; the secret, which the proofs
-- of workstations are checked with, and the token's own signing key are sealed.
CREATE TABLE site_token (
  id UUID NOT NULL PRIMARY KEY,
  secret_hash BYTEA NOT NULL UNIQUE,
  sealed BYTEA NOT NULL,
  site TEXT NOT NULL,
  zone TEXT NOT NULL,
  -- How many workstations may have a place at one time.
  places BIGINT NOT NULL,
  -- Networks that it may be used from; none listed: any.
  networks JSONB NOT NULL,
  needs_approval BOOLEAN NOT NULL,
  -- For how many seconds a workstation is good that came with it; none: until it is revoked.
  good_for BIGINT,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  revoked_at TIMESTAMPTZ,
  last_used_at TIMESTAMPTZ
);

-- The host name as the workstation gave it, in small letters. An administrator may rename the workstation; this stays.
ALTER TABLE workstation ADD COLUMN host_name TEXT NOT NULL DEFAULT '';
UPDATE workstation SET host_name = lower(name);
ALTER TABLE workstation ADD COLUMN site_token_id UUID REFERENCES site_token (id);
-- When the request was made by which it came, by its own clock: an older one never replaces a newer one.
ALTER TABLE workstation ADD COLUMN asked_at TIMESTAMPTZ;
-- Until when it is good; none: until it is revoked.
ALTER TABLE workstation ADD COLUMN good_until TIMESTAMPTZ;

-- One place per host name and token.
CREATE UNIQUE INDEX workstation_site_token ON workstation (site_token_id, host_name);
