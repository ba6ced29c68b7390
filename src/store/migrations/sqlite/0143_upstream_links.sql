-- What people call the provider of a link, and who made it: `provider` (by what it tells), or who did it by hand.
ALTER TABLE upstream_identity ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE upstream_identity ADD COLUMN linked_by TEXT NOT NULL DEFAULT 'provider';
-- Where `professional` comes from: empty where it was entered here, else the issuer that told it.
ALTER TABLE person ADD COLUMN professional_origin TEXT NOT NULL DEFAULT '';
