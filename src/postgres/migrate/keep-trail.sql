-- The identity stays, and is at home on this server and in this database from now on.
select :SCHEMA.secret_audit_begin_trail(false);
