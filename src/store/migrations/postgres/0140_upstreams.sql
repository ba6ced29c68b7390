-- A sign-in that has gone to a provider of others, until its browser comes back from there.
CREATE TABLE upstream_sign_in (
  -- SHA-256 of `state`.
  state_hash BYTEA NOT NULL PRIMARY KEY,
  -- The sign-in here that waits for it; of each there is one on its way.
  transaction_id UUID NOT NULL UNIQUE,
  -- The name of the provider in the configuration.
  provider TEXT NOT NULL,
  -- What the provider does not see before it has to: nonce and code verifier (JSON), sealed.
  sealed BYTEA NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  -- When the browser came back: it does so once.
  taken_at TIMESTAMPTZ
);
CREATE INDEX upstream_sign_in_expires_at ON upstream_sign_in (expires_at);

-- Who somebody of a provider is here.
CREATE TABLE upstream_identity (
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  person_id UUID NOT NULL REFERENCES person (id),
  linked_at TIMESTAMPTZ NOT NULL,
  last_used_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (issuer, subject)
);
-- A person is one of each provider, and not two.
CREATE UNIQUE INDEX upstream_identity_person ON upstream_identity (person_id, issuer);
