-- Certificates that an OCSP responder has called revoked: they stay so after a restart and on every node.
CREATE TABLE revoked_certificate (
  -- SHA-256 over name and key of who issued it.
  issuer BYTEA NOT NULL,
  serial BYTEA NOT NULL,
  -- revoked, on-hold, or good again after that.
  status TEXT NOT NULL,
  -- When the responder knew it.
  this_update TIMESTAMPTZ NOT NULL,
  -- When we heard of it first.
  noted_at TIMESTAMPTZ NOT NULL,
  -- When the certificate expires, and the row may go.
  not_after TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (issuer, serial)
);
CREATE INDEX revoked_certificate_not_after ON revoked_certificate (not_after);
