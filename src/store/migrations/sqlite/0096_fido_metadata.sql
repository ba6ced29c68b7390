-- The metadata of models of security keys (FIDO Metadata Service), as it was published last: one document.
CREATE TABLE fido_metadata (
  only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
  -- Who signed it: the name in the certificate, and the root that it led to.
  publisher TEXT NOT NULL,
  -- It never goes back while the publisher stays.
  number INTEGER NOT NULL,
  -- As it was signed: a JWS in compact form.
  document TEXT NOT NULL,
  -- When it was verified and kept.
  received_at TEXT NOT NULL
) STRICT;
