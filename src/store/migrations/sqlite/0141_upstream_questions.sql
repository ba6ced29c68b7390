-- A question that was put to somebody at a provider of others (CIBA), until its sign-in is over.
CREATE TABLE upstream_question (
  id BLOB NOT NULL PRIMARY KEY,
  -- The sign-in here that waits for it; of each there is one, the last.
  transaction_id BLOB NOT NULL UNIQUE,
  -- The name of the provider in the configuration.
  provider TEXT NOT NULL,
  channel TEXT NOT NULL CHECK (channel IN ('mobile', 'card')),
  -- A keyed hash of who is asked, to count how often.
  name_hash BLOB NOT NULL,
  -- What stands for whoever asks (32 bytes).
  source BLOB NOT NULL,
  -- How often this sign-in has asked.
  times INTEGER NOT NULL,
  -- 'nobody': it looks as if it waited, and nobody is asked.
  state TEXT NOT NULL CHECK (state IN ('new', 'asked', 'nobody', 'approved', 'failed')),
  -- Why it failed.
  code TEXT,
  -- Who is asked, the provider's handle of the question and, in the end, what it said (JSON), sealed.
  sealed BLOB NOT NULL,
  -- Seconds between two looks at the provider.
  poll_interval INTEGER NOT NULL,
  -- Looks in a row that failed.
  failures INTEGER NOT NULL,
  -- When the next look is due; whoever takes it puts this off.
  due_at TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX upstream_question_name ON upstream_question (name_hash);
CREATE INDEX upstream_question_expires_at ON upstream_question (expires_at);
