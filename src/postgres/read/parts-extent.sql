copy (select min(audit_id), max(audit_id) from :SCHEMA.secret_audit) to stdout (format binary)
