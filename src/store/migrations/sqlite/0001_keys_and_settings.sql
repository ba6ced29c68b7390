-- What one installation knows of itself: its namespace, …
CREATE TABLE setting (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

-- Signing keys. `purpose` is token or card-request; `state` is next, current or retired; the private half is sealed.
CREATE TABLE signing_key (
  kid TEXT NOT NULL PRIMARY KEY,
  purpose TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  state TEXT NOT NULL,
  sealed BLOB NOT NULL,
  created_at TEXT NOT NULL,
  current_since TEXT,
  retired_at TEXT
) STRICT;

-- One current and one next key per purpose.
CREATE UNIQUE INDEX signing_key_state ON signing_key (purpose, state) WHERE state <> 'retired';
