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

-- One professional in one generation: names and practices in the shape of directory::model.
CREATE TABLE directory_entry (
  generation BIGINT NOT NULL REFERENCES directory_generation (id),
  id_nat TEXT NOT NULL,
  family_name TEXT NOT NULL,
  given_name TEXT NOT NULL,
  professional TEXT NOT NULL,
  PRIMARY KEY (generation, id_nat)
);
