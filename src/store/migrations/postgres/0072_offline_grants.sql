-- A grant that outlives its session (offline_access): what its client may go on doing after the person has left.
ALTER TABLE authorization_grant ADD COLUMN offline BOOLEAN NOT NULL DEFAULT FALSE;
