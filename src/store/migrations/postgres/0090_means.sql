-- The registry of means: every card and security key that a person has used here or was given, whatever its kind.
CREATE TABLE means (
  id UUID NOT NULL PRIMARY KEY,
  person_id UUID NOT NULL REFERENCES person (id),
  -- store::means::Kind
  kind TEXT NOT NULL,
  -- What names it in the world: the number of a card, the credential id of a key (base64url).
  reference TEXT NOT NULL,
  -- What its person calls it.
  label TEXT NOT NULL,
  -- The level that it reached when it was issued.
  level TEXT NOT NULL,
  -- Who issued it: national, self or desk; and, at the desk, which person.
  issued_by TEXT NOT NULL,
  issuer_id UUID,
  -- On what evidence it was issued (JSON).
  evidence JSONB NOT NULL,
  issued_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  suspended_at TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ,
  -- Why it was suspended or revoked last.
  reason TEXT,
  last_used_at TIMESTAMPTZ,
  -- Where: the zone, or the browser as it calls itself.
  last_used_where TEXT NOT NULL DEFAULT '',
  UNIQUE (kind, reference)
);
CREATE INDEX means_person ON means (person_id);

-- What verifies a security key.
CREATE TABLE webauthn_credential (
  means_id UUID NOT NULL PRIMARY KEY REFERENCES means (id),
  -- In the form of the library.
  credential JSONB NOT NULL,
  counter BIGINT NOT NULL,
  -- The model that it says it is.
  aaguid TEXT NOT NULL,
  -- The model is proven by an attestation.
  attested BOOLEAN NOT NULL,
  -- It may leave its device, and has.
  backup_eligible BOOLEAN NOT NULL,
  backed_up BOOLEAN NOT NULL,
  -- It verifies its person, by a code or a finger.
  verifies_user BOOLEAN NOT NULL
);

-- A ceremony on its way: its challenge is answered once, in the browser and for the purpose that it was made for.
CREATE TABLE webauthn_ceremony (
  -- SHA-256 of the handle that the page holds.
  handle_hash BYTEA NOT NULL PRIMARY KEY,
  -- store::webauthn_ceremony::Purpose
  purpose TEXT NOT NULL,
  -- The sign-in that it is for.
  transaction_id UUID,
  -- The session in which a key is registered, and whose it is.
  session_id UUID,
  person_id UUID,
  -- In the form of the library.
  state JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX webauthn_ceremony_expires_at ON webauthn_ceremony (expires_at);
CREATE INDEX webauthn_ceremony_transaction ON webauthn_ceremony (transaction_id) WHERE transaction_id IS NOT NULL;
CREATE INDEX webauthn_ceremony_session ON webauthn_ceremony (session_id) WHERE session_id IS NOT NULL;

-- The means that a session was opened with: it ends with it.
ALTER TABLE session ADD COLUMN means_id UUID;
CREATE INDEX session_means ON session (means_id) WHERE means_id IS NOT NULL;
-- The means that its session rested on when something was granted: what outlives the session ends with that means too,
-- also where the session went on with another.
ALTER TABLE authorization_grant ADD COLUMN means_id UUID;
CREATE INDEX authorization_grant_means ON authorization_grant (means_id) WHERE means_id IS NOT NULL;
