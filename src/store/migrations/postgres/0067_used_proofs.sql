-- Proofs that are good once: client assertions, DPoP proofs.
CREATE TABLE used_proof (
  -- SHA-256 over its kind, whose it is and its jti.
  digest BYTEA NOT NULL PRIMARY KEY,
  -- When it would be refused for its age, and the row may go.
  expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX used_proof_expiry ON used_proof (expires_at);
