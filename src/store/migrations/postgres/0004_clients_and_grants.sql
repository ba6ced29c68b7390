-- Relying parties.
CREATE TABLE client (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  -- psc; later standard and fapi2
  profile TEXT NOT NULL,
  -- SHA-256 of the secret, which is always generated (256 bits); the previous one is good until its time.
  secret_hash BYTEA,
  previous_secret_hash BYTEA,
  previous_secret_until TIMESTAMPTZ,
  redirect_uris JSONB NOT NULL,
  post_logout_redirect_uris JSONB NOT NULL,
  backchannel_logout_uri TEXT,
  -- affiliated or any-professional
  audience TEXT NOT NULL,
  -- Whether it may introspect tokens of other clients.
  may_introspect BOOLEAN NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL,
  disabled_at TIMESTAMPTZ
);

-- What one relying party was granted in one session: the parent of its code and tokens.
CREATE TABLE authorization_grant (
  id UUID NOT NULL PRIMARY KEY,
  session_id UUID NOT NULL REFERENCES session (id),
  person_id UUID NOT NULL REFERENCES person (id),
  client_id TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
  scope TEXT NOT NULL,
  nonce TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  revoked_at TIMESTAMPTZ,
  revoke_reason TEXT
);
CREATE INDEX authorization_grant_session ON authorization_grant (session_id);
CREATE INDEX authorization_grant_client ON authorization_grant (client_id);

CREATE TABLE authorization_code (
  code_hash BYTEA NOT NULL PRIMARY KEY,
  grant_id UUID NOT NULL REFERENCES authorization_grant (id) ON DELETE CASCADE,
  redirect_uri TEXT NOT NULL,
  code_challenge TEXT,
  expires_at TIMESTAMPTZ NOT NULL,
  consumed_at TIMESTAMPTZ
);
CREATE INDEX authorization_code_grant ON authorization_code (grant_id);

CREATE TABLE refresh_token (
  token_hash BYTEA NOT NULL PRIMARY KEY,
  grant_id UUID NOT NULL REFERENCES authorization_grant (id) ON DELETE CASCADE,
  issued_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  consumed_at TIMESTAMPTZ
);
CREATE INDEX refresh_token_grant ON refresh_token (grant_id);
CREATE INDEX refresh_token_expiry ON refresh_token (expires_at);

-- The jti of an access token finds its grant.
CREATE TABLE access_token (
  jti UUID NOT NULL PRIMARY KEY,
  grant_id UUID NOT NULL REFERENCES authorization_grant (id) ON DELETE CASCADE,
  expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX access_token_grant ON access_token (grant_id);
CREATE INDEX access_token_expiry ON access_token (expires_at);
