-- Where notices to a person go: an address that was verified.
CREATE TABLE person_contact (
  person_id BLOB NOT NULL PRIMARY KEY REFERENCES person (id),
  address TEXT NOT NULL,
  -- fr or en
  language TEXT NOT NULL,
  -- code, or administrator
  verified_by TEXT NOT NULL,
  verified_at TEXT NOT NULL
) STRICT;

-- Codes that were sent to an address to verify it. The code itself, or a hash of it, stands nowhere: it is derived from
-- the key of this row and the installation's secret.
CREATE TABLE contact_code (
  id BLOB NOT NULL PRIMARY KEY,
  person_id BLOB NOT NULL REFERENCES person (id),
  address TEXT NOT NULL,
  language TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  -- Typed, replaced by another, or given up.
  closed_at TEXT
) STRICT;
CREATE UNIQUE INDEX contact_code_open ON contact_code (person_id) WHERE closed_at IS NULL;
CREATE INDEX contact_code_created ON contact_code (created_at);
