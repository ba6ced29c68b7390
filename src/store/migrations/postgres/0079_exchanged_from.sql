-- A token that was exchanged for another (RFC 8693) ends with it: the grant that it came of, and the access token itself.
ALTER TABLE authorization_grant ADD COLUMN source_id UUID REFERENCES authorization_grant (id) ON DELETE CASCADE;
ALTER TABLE authorization_grant ADD COLUMN source_jti UUID;
CREATE INDEX authorization_grant_source ON authorization_grant (source_id);
CREATE INDEX authorization_grant_source_jti ON authorization_grant (source_jti);
