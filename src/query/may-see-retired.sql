-- Whether this login may ask what was retired.
select coalesce(has_table_privilege(to_regclass(':SCHEMA.secret_audit_retirement')::oid, 'select'), false) as may
