-- What a client calls levels and factors, where it does not take our words for them.
ALTER TABLE client ADD COLUMN names TEXT NOT NULL DEFAULT '{}';
