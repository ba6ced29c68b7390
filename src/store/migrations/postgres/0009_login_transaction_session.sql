-- Sessions are deleted once no sign-in names them.
CREATE INDEX login_transaction_session ON login_transaction (session_id);
