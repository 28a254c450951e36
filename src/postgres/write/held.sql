select audit_id, event_digest from :SCHEMA.secret_audit where audit_id = any ($1::bigint[])
