-- What people of the establishment may do here beside signing in. Whether one may be used is asked at each use.
CREATE TABLE person_role (
  person_id BLOB NOT NULL REFERENCES person (id),
  -- desk, admin or auditor
  role TEXT NOT NULL,
  granted_at TEXT NOT NULL,
  PRIMARY KEY (person_id, role)
) STRICT;
