-- The workstations at which a client may ask people for their card (JSON: zones, networks). By default none.
ALTER TABLE client ADD COLUMN card_workstations TEXT NOT NULL DEFAULT '{}';
-- Whether the agent at the other end understands questions of other programs.
ALTER TABLE workstation_channel ADD COLUMN takes_questions INTEGER NOT NULL DEFAULT FALSE;
-- The questions that wait for a card: looked at every second by each node.
CREATE INDEX approval_card ON approval (expires_at) WHERE state = 'waiting' AND channel = 'card';

-- Whose a card is, by SHA-256 of its certificate in hexadecimal: as it signed somebody in, or was asked about.
CREATE TABLE card_holder (
  certificate TEXT NOT NULL PRIMARY KEY,
  person_id BLOB NOT NULL REFERENCES person (id),
  seen_at TEXT NOT NULL
) STRICT;
CREATE INDEX card_holder_seen_at ON card_holder (seen_at);

-- A question of a program on its way to a workstation in whose reader the card is.
CREATE TABLE card_question (
  -- The member `txn` of the card request.
  txn TEXT NOT NULL PRIMARY KEY,
  approval_id BLOB NOT NULL REFERENCES approval (id) ON DELETE CASCADE,
  -- The workstation that it is for; no other may answer. And which of its cards.
  workstation_id BLOB NOT NULL,
  certificate TEXT NOT NULL,
  -- The card request, byte for byte.
  request TEXT NOT NULL,
  -- When the right number was typed. Before, no card answers.
  typed_at TEXT,
  created_at TEXT NOT NULL,
  UNIQUE (approval_id, workstation_id, certificate)
) STRICT;
