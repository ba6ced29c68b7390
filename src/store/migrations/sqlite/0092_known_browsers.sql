-- Browsers in which a person has signed in: a sign-in in another one is told to them.
CREATE TABLE known_browser (
  person_id BLOB NOT NULL REFERENCES person (id),
  -- SHA-256 of the person's key and the browser's cookie: rows of two people say nothing of a browser that they share.
  browser_hash BLOB NOT NULL,
  first_seen_at TEXT NOT NULL,
  last_seen_at TEXT NOT NULL,
  -- The person has signed in there with what resists phishing.
  resists INTEGER NOT NULL,
  PRIMARY KEY (person_id, browser_hash)
) STRICT;
CREATE INDEX known_browser_last_seen ON known_browser (last_seen_at);
