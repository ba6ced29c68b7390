-- Each algorithm has keys of its own; a key can be withdrawn; the private half of a key may be in an HSM, and then
-- `sealed` is empty and the public half (SubjectPublicKeyInfo) stands here.
DROP INDEX signing_key_state;
CREATE UNIQUE INDEX signing_key_state ON signing_key (purpose, algorithm, state) WHERE state IN ('next', 'current');
ALTER TABLE signing_key ADD COLUMN hsm_public_key BLOB;
