-- Another identity. Writers that are connected compare the tables in every batch: a change of rights, even to what they are, is
-- one that they see, so that they look whose trail it is before they store anything more.
select :SCHEMA.secret_audit_begin_trail(true);
revoke all on :SCHEMA.secret_audit_block from public;
