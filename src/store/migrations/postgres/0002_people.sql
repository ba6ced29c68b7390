-- People. The key is ours: national identifiers change and merge.
CREATE TABLE person (
  id UUID NOT NULL PRIMARY KEY,
  family_name TEXT NOT NULL,
  given_name TEXT NOT NULL,
  -- Both names as they are looked for: without accents and capitals.
  sought TEXT NOT NULL,
  -- Professional data of people who are not in the national directory, in the compact text of directory::model.
  professional TEXT,
  created_at TIMESTAMPTZ NOT NULL,
  disabled_at TIMESTAMPTZ,
  disabled_reason TEXT
);

-- National identifiers: '8' + RPPS, '3' + FINESS + '/' + register, …
CREATE TABLE person_identifier (
  value TEXT NOT NULL PRIMARY KEY,
  person_id UUID NOT NULL REFERENCES person (id),
  origin TEXT NOT NULL,
  quality BIGINT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX person_identifier_person ON person_identifier (person_id);

-- The link of a person with this establishment: known is not admitted. Links of source directory and list are worked
-- out again at each import of the directory; those of source desk are an administrator's.
CREATE TABLE affiliation (
  id UUID NOT NULL PRIMARY KEY,
  person_id UUID NOT NULL REFERENCES person (id),
  -- directory, list or desk
  source TEXT NOT NULL,
  -- The structure as in VIHF: '1' + FINESS, '3' + SIRET, or empty where a list or the desk admitted the person.
  structure TEXT NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ,
  end_reason TEXT
);
CREATE INDEX affiliation_person ON affiliation (person_id);
