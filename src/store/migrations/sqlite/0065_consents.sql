-- What people allowed services to have, until they are asked for more. A scope is a word of the protocol or the address of
-- a resource.
CREATE TABLE consent (
  person_id BLOB NOT NULL REFERENCES person (id) ON DELETE CASCADE,
  client_id TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
  scope TEXT NOT NULL,
  given_at TEXT NOT NULL,
  PRIMARY KEY (person_id, client_id, scope)
) STRICT;
CREATE INDEX consent_client ON consent (client_id);
