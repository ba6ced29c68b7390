-- How often the standing of any question has changed. Each change takes the next number in its own transaction, and the row
-- is held until that ends: numbers become visible in their order, and none is seen late.
CREATE TABLE approval_clock (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  moved INTEGER NOT NULL
) STRICT;
INSERT INTO approval_clock (id, moved) VALUES (1, 0);
-- The number of the last change of this question; none where it was only asked.
ALTER TABLE approval ADD COLUMN moved INTEGER;
CREATE INDEX approval_moved ON approval (moved) WHERE moved IS NOT NULL;
-- A phone may have a few challenges open for its person.
CREATE INDEX webauthn_ceremony_person ON webauthn_ceremony (person_id) WHERE purpose = 'approve';
