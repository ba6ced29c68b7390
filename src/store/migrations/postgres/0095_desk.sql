-- An identity check at the desk: good for one act, for minutes, in the session in which it was recorded.
CREATE TABLE identity_check (
  id UUID NOT NULL PRIMARY KEY,
  -- Who showed a document, and who of the desk looked at it, in which session.
  person_id UUID NOT NULL REFERENCES person (id),
  checked_by UUID NOT NULL REFERENCES person (id),
  session_id UUID NOT NULL,
  -- The kind of document, never its number.
  document TEXT NOT NULL,
  checked_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  used_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX identity_check_session ON identity_check (session_id, person_id);
CREATE INDEX identity_check_expires_at ON identity_check (expires_at);

-- When a means was last handed to its person at the desk, and by whom.
CREATE TABLE means_handed_out (
  means_id UUID NOT NULL PRIMARY KEY REFERENCES means (id),
  handed_out_at TIMESTAMPTZ NOT NULL,
  handed_out_by UUID NOT NULL REFERENCES person (id)
);
