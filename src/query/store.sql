-- Whether rows have system columns, and whether the server may be asked who it is.
select
  exists (
    select from pg_catalog.pg_class
    where oid = to_regclass(format('%I.%I', :SCHEMA_NAME, 'secret_audit')) and relkind in ('r', 'p')
  ) as is_table,
  has_function_privilege('pg_catalog.pg_control_system()', 'execute') as has_system
