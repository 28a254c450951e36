-- Everything about an existing table that decides whether, and how, it can be adopted. $1: the schema. One JSON document,
-- or no row when there is no such relation.
select json_build_object(
  'kind', c.relkind,
  'logged', c.relpersistence = 'p',
  'rowSecurity', c.relrowsecurity,
  'owner', pg_get_userbyid(c.relowner),
  'ownerMayCreate', has_schema_privilege(c.relowner, c.relnamespace, 'create'),
  'columns', (
    select json_agg(json_build_object(
      'name', a.attname,
      'type', format_type(a.atttypid, a.atttypmod),
      'notNull', a.attnotnull,
      'special', a.attidentity <> '' or a.attgenerated <> '' or a.attcollation not in (0, 'pg_catalog."default"'::regcollation),
      'hasDefault', a.atthasdef) order by a.attnum)
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
  'indexes', (
    select coalesce(json_agg(json_build_object(
      'name', x.relname,
      'primary', i.indisprimary,
      'valid', i.indisvalid,
      'definition', case when i.indisunique and not i.indisprimary then 'unique ' else '' end
        || substring(pg_get_indexdef(i.indexrelid) from ' USING (.*)$'))), '[]')
    from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid),
  'bound', (
    select json_build_object(
      'valid', k.convalidated,
      'id', substring(pg_get_constraintdef(k.oid) from 'audit_id < ''?(\d+)'))
    from pg_constraint k where k.conrelid = c.oid and k.conname = 'secret_audit_adoption_bound'),
  'attachments', (
    select coalesce(json_agg(distinct pg_describe_object(d.classid, d.objid, 0)), '[]')
    from pg_depend d
    left join pg_class x on d.classid = 'pg_class'::regclass and x.oid = d.objid
    left join pg_constraint k on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
    where d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid
      and d.classid not in ('pg_type'::regclass, 'pg_attrdef'::regclass, 'pg_statistic_ext'::regclass)
      and not (x.oid is not null and x.relkind in ('i', 't'))
      and not (k.oid is not null and k.conrelid = c.oid
        and (k.contype in ('p', 'n') or k.conname = 'secret_audit_adoption_bound'))),
  'parents', (
    select coalesce(json_agg(i.inhparent::regclass::text), '[]') from pg_inherits i where i.inhrelid = c.oid),
  'grants', (
    select coalesce(json_agg(json_build_object(
      'grantee', case g.grantee when 0 then null else pg_get_userbyid(g.grantee) end,
      'privilege', g.privilege_type,
      'column', g.attname,
      'grantable', g.is_grantable)), '[]')
    from (
      select (aclexplode(c.relacl)).*, null::name as attname
      union all
      select (aclexplode(a.attacl)).*, a.attname
      from pg_attribute a where a.attrelid = c.oid and a.attacl is not null
    ) g
    where g.grantee <> c.relowner)
) as table
from pg_class c
where c.oid = to_regclass(format('%I.secret_audit', $1::text))
