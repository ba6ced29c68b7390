-- PostgreSQL has no tables that lie in the order of their key. Nothing to do.
SELECT 1;
