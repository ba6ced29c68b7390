-- What a phone answers with beside its passkey, which stands in webauthn_credential.
CREATE TABLE phone (
  means_id UUID NOT NULL PRIMARY KEY REFERENCES means (id),
  -- The key of the installation: JWK, public part.
  installation_key JSONB NOT NULL
);

-- A phone that is being paired: from the code on the page until six digits are typed there.
CREATE TABLE pairing (
  id UUID NOT NULL PRIMARY KEY,
  -- Whose phone it becomes, and the session that vouches.
  person_id UUID NOT NULL REFERENCES person (id),
  session_id UUID NOT NULL,
  -- Where the desk vouches: who of it, and the identity check that is used up.
  desk_person_id UUID,
  identity_check_id UUID,
  -- SHA-256 of what the code on the page holds; and of what the phone that took it holds since.
  secret_hash BYTEA NOT NULL,
  handle_hash BYTEA,
  -- The ceremony of its passkey, in the form of the library.
  ceremony JSONB,
  -- What it brought: passkey and key of the installation (JSON).
  candidate JSONB,
  -- What it shows, and how often something else was typed.
  digits TEXT,
  mistyped INTEGER NOT NULL DEFAULT 0,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX pairing_secret ON pairing (secret_hash);
CREATE UNIQUE INDEX pairing_handle ON pairing (handle_hash);
CREATE INDEX pairing_expires_at ON pairing (expires_at);

-- Somebody said that a question on their phone was none of theirs: since and until then they are asked by no stranger.
CREATE TABLE guarded_person (
  person_id UUID NOT NULL PRIMARY KEY REFERENCES person (id),
  guarded_until TIMESTAMPTZ NOT NULL,
  guarded_since TIMESTAMPTZ NOT NULL
);
