-- Which agent's channel watches the card of a session, where several people use one computer and its key: SHA-256 of the
-- agent's name, in hexadecimal. The name itself is known to the agent of that person alone. Sessions of agents that name
-- none have none, and go by all channels of their workstation.
ALTER TABLE session ADD COLUMN watched_by TEXT;
-- From now on workstation_channel.agent is such a hash as well. Agents open their channels anew by themselves.
DELETE FROM workstation_channel;
