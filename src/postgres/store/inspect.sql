-- What the tables of the trail are, and all that hangs on them, as one JSON document. Read from the catalogs only: no lock on
-- our tables is waited for, and nothing is deparsed that is judged. What an expression does is said by the functions in its
-- stored tree, and by what it needs (":…_NEEDS"): pg_depend names whatever is not built in.
-- "definition" and "sources" are for a person who allows something by name.
with recursive relation as (
  select to_regclass(':SCHEMA.secret_audit')::oid as oid, 'rows' as part
  union all
  select to_regclass(':SCHEMA.secret_audit_block')::oid, 'blocks'
  union all
  select to_regclass(':SCHEMA.secret_audit_row_v1')::oid, 'row type'
  union all
  select to_regclass(':SCHEMA.secret_audit_trail')::oid, 'identity'
  union all
  select to_regclass(':SCHEMA.secret_audit_quarantine')::oid, 'quarantine'
  union all
  select to_regclass(':SCHEMA.secret_audit_quarantine_end')::oid, 'quarantine end'
  union all
  select inherits.inhrelid, case when relation.part like 'quarantine%' then 'quarantine partition' else 'partition' end
  -- One that is being detached takes no rows.
  from relation join pg_inherits inherits on inherits.inhparent = relation.oid and not inherits.inhdetachpending
  where relation.part in ('rows', 'partition', 'quarantine', 'quarantine partition')
), called as (
  -- Of every expression: its functions.
  select tree.classid, tree.objid, coalesce(json_agg(json_build_object(
    'oid', p.oid::text, 'name', p.proname, 'volatility', p.provolatile,
    'source', case when p.oid >= 16384 then concat_ws(E'\n', p.prosrc, p.probin, p.proconfig::text) end) order by p.oid), '[]')
    as functions
  from (
    select 'pg_constraint'::regclass::oid as classid, k.oid as objid, k.conbin::text as expression
    from pg_constraint k join relation on relation.oid = k.conrelid where k.conbin is not null
    union all
    select 'pg_attrdef'::regclass, d.oid, d.adbin::text
    from pg_attrdef d join relation on relation.oid = d.adrelid
    union all
    select 'pg_class'::regclass, i.indexrelid, concat(i.indpred::text, i.indexprs::text)
    from pg_index i join relation on relation.oid = i.indrelid where i.indpred is not null or i.indexprs is not null
  ) tree
  cross join lateral (
    select distinct coalesce(nullif(found[2]::oid, 0), (select oprcode::oid from pg_operator where oid = found[1]::oid)) as oid
    from (
      select array[null, part[1]] as found
      from regexp_matches(tree.expression, ':funcid (\d+)', 'g') as part
      union all
      select part from regexp_matches(tree.expression, ':opno (\d+) :opfuncid (\d+)', 'g') as part
    ) f
  ) uses
  join pg_proc p on p.oid = uses.oid
  group by 1, 2
)
select json_build_object(
  'settings', json_build_object(
    'fsync', current_setting('fsync'),
    'full_page_writes', current_setting('full_page_writes'),
    'synchronous_commit', current_setting('synchronous_commit'),
    'synchronous_standby_names', current_setting('synchronous_standby_names')),
  'eventTriggers', (
    select coalesce(json_agg(json_build_object('name', e.evtname, 'event', e.evtevent, 'function', e.evtfoid::regproc::text)
      order by e.evtname), '[]')
    from pg_event_trigger e where e.evtenabled <> 'D'),
  'functions', (
    select coalesce(json_agg(p.proname order by p.proname), '[]')
    from pg_proc p join pg_namespace s on s.oid = p.pronamespace
    where s.nspname = :SCHEMA_NAME and exists (select from unnest(p.proconfig) as setting where setting like 'search_path=pg_catalog, pg_temp')
      and p.proowner in (select relowner from pg_class where oid = to_regclass(':SCHEMA.secret_audit'))),
  'relations', (select json_agg(json_build_object(
    'oid', c.oid::text,
    'part', relation.part,
    'name', format('%I.%I', n.nspname, c.relname),
    'shape', :SHAPE::text,
    'kind', c.relkind,
    'persistence', c.relpersistence,
    'accessMethod', (select a.amname from pg_am a where a.oid = c.relam),
    'rules', (select count(*) from pg_rewrite r where r.ev_class = c.oid),
    'children', (
      select coalesce(json_agg(i.inhrelid::regclass::text order by 1), '[]')
      from pg_inherits i where i.inhparent = c.oid and relation.part in ('blocks', 'identity')),
    'rowSecurity', c.relrowsecurity,
    'policies', (
      select coalesce(json_agg(json_build_array(o.polname, o.polcmd, o.polpermissive, pg_get_expr(o.polqual, o.polrelid),
        pg_get_expr(o.polwithcheck, o.polrelid)) order by o.polname), '[]')
      from pg_policy o where o.polrelid = c.oid),
    'bound', pg_get_expr(c.relpartbound, c.oid),
    'isDefault', exists (select from pg_partitioned_table t where t.partdefid = c.oid),
    'columns', (
      select json_agg(json_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, null),
        'typeOid', a.atttypid::text,
        'isDomain', t.typtype = 'd',
        'notNull', a.attnotnull,
        'generated', a.attgenerated <> '',
        'identity', a.attidentity <> '',
        'default', (
          select json_build_object(
            'functions', coalesce(called.functions, '[]'), 'needs', :DEFAULT_NEEDS,
            'definition', pg_get_expr(d.adbin, d.adrelid))
          from pg_attrdef d
          left join called on called.classid = 'pg_attrdef'::regclass and called.objid = d.oid
          where d.adrelid = c.oid and d.adnum = a.attnum)
      ) order by a.attnum)
      from pg_attribute a join pg_type t on t.oid = a.atttypid
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
    'triggers', (
      select coalesce(json_agg(json_build_object(
        'name', t.tgname,
        'onInsert', (t.tgtype & 4) <> 0,
        'enabled', t.tgenabled <> 'D',
        'always', t.tgenabled = 'A',
        'isClone', t.tgparentid <> 0,
        'isOfConstraint', t.tgfoid < 16384 and exists (
          select from pg_constraint k where k.oid = t.tgconstraint and k.conrelid = c.oid and k.contype in ('f', 'u', 'x', 'p')),
        'definition', pg_get_triggerdef(t.oid),
        'sources', json_build_array(p.oid::regprocedure::text, p.prosrc, p.probin, p.proconfig, p.prosecdef)
      ) order by t.tgname), '[]')
      from pg_trigger t join pg_proc p on p.oid = t.tgfoid where t.tgrelid = c.oid),
    'indexes', (
      select coalesce(json_agg(json_build_object(
        'name', x.relname,
        'unique', i.indisunique,
        'primary', i.indisprimary,
        'exclusion', i.indisexclusion,
        'immediate', i.indimmediate,
        'valid', i.indisvalid,
        'isClone', exists (select from pg_inherits where inhrelid = i.indexrelid),
        'columns', (select json_agg(a.attname order by k.place) from unnest(i.indkey) with ordinality as k (number, place)
          left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number and k.number > 0),
        'accessMethod', m.amname,
        'accessMethodOid', m.oid::text,
        'newestOperatorClass', (select max(class)::text from unnest(i.indclass) as class),
        'hasExpressions', i.indexprs is not null,
        'functions', coalesce(called.functions, '[]'),
        'needs', :INDEX_NEEDS,
        'definition', pg_get_indexdef(i.indexrelid)
      ) order by x.relname), '[]')
      from pg_index i
      join pg_class x on x.oid = i.indexrelid
      join pg_am m on m.oid = x.relam
      left join called on called.classid = 'pg_class'::regclass and called.objid = i.indexrelid
      where i.indrelid = c.oid),
    'constraints', (
      select coalesce(json_agg(json_build_object(
        'name', k.conname,
        'type', k.contype,
        'isClone', k.conparentid <> 0 or (k.coninhcount > 0 and relation.part like '%partition'),
        'functions', coalesce(called.functions, '[]'),
        'needs', :CONSTRAINT_NEEDS,
        'definition', pg_get_constraintdef(k.oid)
      ) order by k.conname), '[]')
      from pg_constraint k
      left join called on called.classid = 'pg_constraint'::regclass and called.objid = k.oid
      where k.conrelid = c.oid)
  ) order by relation.part like '%partition', c.relname)
  from relation
  join pg_class c on c.oid = relation.oid
  join pg_namespace n on n.oid = c.relnamespace)
) as store
