select trail from :SCHEMA.secret_audit_trail
