-- Browsers in which a person has signed in: a sign-in in another one is told to them.
CREATE TABLE known_browser (
  person_id UUID NOT NULL REFERENCES person (id),
  -- SHA-256 of the person's key and the browser's cookie: rows of two people say nothing of a browser that they share.
  browser_hash BYTEA NOT NULL,
  first_seen_at TIMESTAMPTZ NOT NULL,
  last_seen_at TIMESTAMPTZ NOT NULL,
  -- The person has signed in there with what resists phishing.
  resists BOOLEAN NOT NULL,
  PRIMARY KEY (person_id, browser_hash)
);
CREATE INDEX known_browser_last_seen ON known_browser (last_seen_at);
