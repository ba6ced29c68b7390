-- What is registered of a client beyond its addresses, by the names of RFC 7591.
ALTER TABLE client ADD COLUMN metadata JSONB NOT NULL DEFAULT '{}';

-- What a grant holds beyond its scope: resources, claims asked for by name, what its tokens are bound to.
ALTER TABLE authorization_grant ADD COLUMN details JSONB NOT NULL DEFAULT '{}';
