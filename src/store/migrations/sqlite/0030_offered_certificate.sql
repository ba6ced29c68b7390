-- The certificate that the browser brought to the host of the card's certificate, and the SHA-256 of the one-time handle
-- by which the same browser takes it over.
ALTER TABLE login_transaction ADD COLUMN certificate_handle BLOB;
ALTER TABLE login_transaction ADD COLUMN certificate BLOB;
ALTER TABLE login_transaction ADD COLUMN certificate_expires_at TEXT;
