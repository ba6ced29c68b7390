-- Only sealed events have a place in the chain. With the others in it, this index, and not the one that is made for them,
-- was used to find those that wait, and all of them were sorted each time.
DROP INDEX audit_event_chain;
CREATE UNIQUE INDEX audit_event_chain ON audit_event (node, sequence) WHERE sequence IS NOT NULL;
