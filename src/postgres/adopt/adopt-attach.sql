select :SCHEMA.secret_audit_guard_partition(':SCHEMA.secret_audit_adopted');
-- No scan: the check proves that every row fits. No index is built: each one of the parent's has its match.
alter table :SCHEMA.secret_audit attach partition :SCHEMA.secret_audit_adopted
  for values from (minvalue) to (:BOUND);
alter table :SCHEMA.secret_audit_adopted drop constraint secret_audit_adoption_bound;
