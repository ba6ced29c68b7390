-- The hash of the secret that a request for a terminal is bound to: good for one request. Those of before have none.
ALTER TABLE terminal_login ADD COLUMN confirmation BYTEA;
CREATE UNIQUE INDEX terminal_login_confirmation ON terminal_login (confirmation);
CREATE INDEX terminal_login_workstation ON terminal_login (workstation_id);
