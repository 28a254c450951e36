select :SCHEMA.secret_audit_proven($1::bigint[])
