-- Whether a workstation that comes with the token has to prove itself with a machine certificate of the hospital's besides.
ALTER TABLE site_token ADD COLUMN machine_certificate INTEGER NOT NULL DEFAULT FALSE;
-- Whether several people use its workstations in turn.
ALTER TABLE site_token ADD COLUMN shared INTEGER NOT NULL DEFAULT FALSE;
