-- A session that was opened with a card at a workstation whose agent keeps a channel: the workstation, the card (SHA-256
-- of its certificate, in hexadecimal), and until when the channel last vouched for it. Sessions of agents without a
-- channel have neither.
ALTER TABLE session ADD COLUMN workstation_id UUID REFERENCES workstation (id);
ALTER TABLE session ADD COLUMN card TEXT;
ALTER TABLE session ADD COLUMN leased_until TIMESTAMPTZ;
-- Since when it serves nobody until the same person shows the same card with its PIN.
ALTER TABLE session ADD COLUMN locked_at TIMESTAMPTZ;
-- Where it was opened.
ALTER TABLE session ADD COLUMN zone TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN shared BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX session_workstation ON session (workstation_id) WHERE ended_at IS NULL;
CREATE INDEX session_lease ON session (leased_until) WHERE ended_at IS NULL AND locked_at IS NULL;

-- Used by several people in turn.
ALTER TABLE workstation ADD COLUMN shared BOOLEAN NOT NULL DEFAULT FALSE;
-- Since when its agent keeps a channel: from then on its cards are watched.
ALTER TABLE workstation ADD COLUMN channel_since TIMESTAMPTZ;
ALTER TABLE workstation_invite ADD COLUMN shared BOOLEAN NOT NULL DEFAULT FALSE;

-- Channels of workstations: one for each agent, where several people use a machine at the same time. `number` is that of the last message; 0 while the channel is only offered.
CREATE TABLE workstation_channel (
  id UUID NOT NULL PRIMARY KEY,
  workstation_id UUID NOT NULL REFERENCES workstation (id),
  agent TEXT NOT NULL,
  number BIGINT NOT NULL,
  -- The cards in the readers, as in session.card.
  cards JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  seen_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX workstation_channel_workstation ON workstation_channel (workstation_id);

-- What a relying party asks for beyond what the place asks: it tightens, never loosens.
ALTER TABLE client ADD COLUMN card_out TEXT;
ALTER TABLE client ADD COLUMN session_idle BIGINT;
ALTER TABLE client ADD COLUMN session_lifetime BIGINT;
ALTER TABLE client ADD COLUMN zones JSONB NOT NULL DEFAULT '[]';
