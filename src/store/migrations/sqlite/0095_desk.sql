-- An identity check at the desk: good for one act, for minutes, in the session in which it was recorded.
CREATE TABLE identity_check (
  id BLOB NOT NULL PRIMARY KEY,
  -- Who showed a document, and who of the desk looked at it, in which session.
  person_id BLOB NOT NULL REFERENCES person (id),
  checked_by BLOB NOT NULL REFERENCES person (id),
  session_id BLOB NOT NULL,
  -- The kind of document, never its number.
  document TEXT NOT NULL,
  checked_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  used_at TEXT
) STRICT;
CREATE UNIQUE INDEX identity_check_session ON identity_check (session_id, person_id);
CREATE INDEX identity_check_expires_at ON identity_check (expires_at);

-- When a means was last handed to its person at the desk, and by whom.
CREATE TABLE means_handed_out (
  means_id BLOB NOT NULL PRIMARY KEY REFERENCES means (id),
  handed_out_at TEXT NOT NULL,
  handed_out_by BLOB NOT NULL REFERENCES person (id)
) STRICT;
