-- By which phones are woken (Web Push): of each, the subscription of its browser.
CREATE TABLE push_subscription (
  means_id BLOB NOT NULL PRIMARY KEY REFERENCES means (id),
  -- Where its push service takes messages for it: whoever knows it and has the key can wake the phone.
  endpoint TEXT NOT NULL,
  -- What messages are encrypted with: a point on P-256 and a secret, base64url.
  p256dh TEXT NOT NULL,
  auth TEXT NOT NULL,
  -- The key of ours that the browser has subscribed with: the push service takes messages of no other.
  kid TEXT NOT NULL,
  created_at TEXT NOT NULL,
  -- When it was woken last.
  woken_at TEXT
) STRICT;
