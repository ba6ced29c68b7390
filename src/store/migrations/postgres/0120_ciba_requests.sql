-- What a program without a browser asked of a person (CIBA): the side of the program of a row of approval.
CREATE TABLE ciba_request (
  approval_id UUID NOT NULL PRIMARY KEY REFERENCES approval (id) ON DELETE CASCADE,
  -- SHA-256 of the auth_req_id, which is generated (256 bits).
  auth_req_hash BYTEA NOT NULL UNIQUE,
  -- Only for this client is it good.
  client_id TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
  -- What is asked for, in the shape of oidc::ciba (JSON).
  request JSONB NOT NULL,
  -- The zone of the network that it was asked from; empty where that is none of the establishment's.
  zone TEXT NOT NULL,
  -- How many seconds the client has to leave between two looks, and when it looked last.
  poll_interval BIGINT NOT NULL,
  polled_at TIMESTAMPTZ,
  -- What is told where the client wants to be told, sealed; none where it looks by itself.
  notification BYTEA,
  -- How often telling was tried, and when it is tried next; none where there is nothing to tell any more.
  attempts BIGINT NOT NULL,
  next_attempt_at TIMESTAMPTZ,
  last_error TEXT
);
CREATE INDEX ciba_request_client ON ciba_request (client_id);
CREATE INDEX ciba_request_due ON ciba_request (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
