-- Whether a relying party takes a session that a tap of the badge renewed. By default it does not.
ALTER TABLE client ADD COLUMN accepts_badge INTEGER NOT NULL DEFAULT FALSE;
-- Whether the agent at the other end understands badge requests.
ALTER TABLE workstation_channel ADD COLUMN takes_badge INTEGER NOT NULL DEFAULT FALSE;

-- Badge requests, from the click until the browser that clicked takes what came of it.
CREATE TABLE badge_request (
  -- The member `txn` of the request.
  txn TEXT NOT NULL PRIMARY KEY,
  request TEXT NOT NULL,
  -- The sign-in in whose page the click was.
  transaction_id BLOB NOT NULL,
  -- The workstation that it is for; no other may answer.
  workstation_id BLOB NOT NULL,
  -- The session of the browser that is to be renewed, whose it is, and when its person typed a PIN.
  session_id BLOB NOT NULL,
  person_id BLOB NOT NULL,
  since TEXT NOT NULL,
  -- open, answered, done, refused, withdrawn
  state TEXT NOT NULL,
  error_code TEXT,
  -- What the tap proved, once it is answered.
  evidence TEXT,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX badge_request_open ON badge_request (workstation_id) WHERE state = 'open';
CREATE INDEX badge_request_transaction ON badge_request (transaction_id);
CREATE INDEX badge_request_refused ON badge_request (person_id, since) WHERE state = 'refused';
CREATE INDEX badge_request_expires_at ON badge_request (expires_at);
