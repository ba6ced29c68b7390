-- The directory lies in the order of its key, in one tree instead of a table and its index: half the pages to write when it
-- is replaced.
CREATE TABLE directory_entry_by_key (
  generation INTEGER NOT NULL REFERENCES directory_generation (id),
  id_nat TEXT NOT NULL,
  family_name TEXT NOT NULL,
  given_name TEXT NOT NULL,
  professional TEXT NOT NULL,
  PRIMARY KEY (generation, id_nat)
) STRICT, WITHOUT ROWID;
INSERT INTO directory_entry_by_key (generation, id_nat, family_name, given_name, professional)
  SELECT generation, id_nat, family_name, given_name, professional FROM directory_entry ORDER BY generation, id_nat;
DROP TABLE directory_entry;
ALTER TABLE directory_entry_by_key RENAME TO directory_entry;
