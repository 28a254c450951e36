select :SCHEMA.secret_audit_same_event($1::bigint[], $2::bytea[], $3::text[], $4::boolean[])
