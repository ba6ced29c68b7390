-- A security key that counts after a badge only (means.kind = second-factor): the session ends with it, too.
ALTER TABLE session ADD COLUMN second_means_id BLOB;
CREATE INDEX session_second_means ON session (second_means_id) WHERE second_means_id IS NOT NULL;
-- So does what was granted on the strength of it and outlives the session.
ALTER TABLE authorization_grant ADD COLUMN second_means_id BLOB;
CREATE INDEX authorization_grant_second_means ON authorization_grant (second_means_id)
  WHERE second_means_id IS NOT NULL;
-- One key is of one kind: its credential id names it once.
CREATE UNIQUE INDEX means_credential_id ON means (reference) WHERE kind IN ('security-key', 'second-factor', 'phone');
