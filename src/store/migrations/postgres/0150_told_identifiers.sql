-- Where an identifier comes from: empty where it was entered here or is that of the directory, else the issuer that told it.
ALTER TABLE person_identifier ADD COLUMN told_by TEXT NOT NULL DEFAULT '';
