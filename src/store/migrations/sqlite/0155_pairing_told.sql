-- The national identifiers that the provider tells of an identity that waits to be paired, separated by spaces: they have to
-- be those of whoever pairs.
ALTER TABLE upstream_pairing ADD COLUMN told TEXT NOT NULL DEFAULT '';
