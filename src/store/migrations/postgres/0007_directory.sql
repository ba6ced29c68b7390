-- One import of the national directory. Rows carry their generation; `current` is switched to when all are in.
CREATE TABLE directory_generation (
  id BIGINT NOT NULL PRIMARY KEY,
  source TEXT NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  finished_at TIMESTAMPTZ,
  current BOOLEAN NOT NULL,
  line_count BIGINT NOT NULL,
  person_count BIGINT NOT NULL,
  rejected_count BIGINT NOT NULL
);

-- One professional in one generation: names and practices in the compact text of directory::model.
CREATE TABLE directory_entry (
  generation BIGINT NOT NULL REFERENCES directory_generation (id),
  id_nat TEXT NOT NULL,
  family_name TEXT NOT NULL,
  given_name TEXT NOT NULL,
  professional TEXT NOT NULL,
  PRIMARY KEY (generation, id_nat)
);

-- The structures of this establishment, '1' + FINESS or '3' + SIRET: whoever practises there is affiliated.
CREATE TABLE establishment_structure (
  structure TEXT NOT NULL PRIMARY KEY,
  -- An activity at this structure as the directory describes it, in the text of directory::model; empty until seen.
  activity TEXT NOT NULL
);

-- National identifiers that the establishment admits by list.
CREATE TABLE establishment_list (
  id_nat TEXT NOT NULL PRIMARY KEY
);
