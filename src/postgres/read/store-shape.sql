-- What answers under the names of the three tables, and what hangs on it that could change an answer.
with recursive tree (root, depth, oid) as (
  select name, 0, to_regclass(format('%I.%I', :SCHEMA_NAME, name))::oid
  from unnest(array['secret_audit', 'secret_audit_block', 'secret_audit_trail']) as name
  union all
  select tree.root, tree.depth + 1, inherits.inhrelid
  from tree
  join pg_catalog.pg_inherits inherits on inherits.inhparent = tree.oid
)
select
  tree.root, tree.depth, class.relname::text as name, class.relkind::text as kind, class.relispartition as partition,
  class.relpersistence::text as persistence, class.relrowsecurity as secured,
  class.relrowsecurity and row_security_active(class.oid) as hidden,
  exists (select from pg_catalog.pg_policy where polrelid = class.oid) as policies,
  exists (select from pg_catalog.pg_rewrite where ev_class = class.oid and rulename <> '_RETURN') as rules,
  array(select conname::text from pg_catalog.pg_constraint
    where conrelid = class.oid and contype = 'c' and conname ~ '^secret_audit_(not_ahead|sizes|block_sizes)$') as bounds,
  exists (select from pg_catalog.pg_attribute where attrelid = class.oid and attgenerated <> '') as generated
from tree
join pg_catalog.pg_class class on class.oid = tree.oid
order by tree.root, tree.depth, class.relname
