-- The partitions that may have rows in the index of displaced ones: where it has more than its first page, which an empty one has, or
-- is not there. "first" and "end": NULL for no bound.
select (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM [(]''?(-?[0-9]+)'))[1] as first,
  (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO [(]''?(-?[0-9]+)'))[1] as end
from pg_catalog.pg_inherits i
join pg_catalog.pg_class c on c.oid = i.inhrelid
left join (
  select x.indrelid, own.inhrelid as index
  from pg_catalog.pg_inherits own
  join pg_catalog.pg_index x on x.indexrelid = own.inhrelid and x.indisvalid
  where own.inhparent = to_regclass($2)
) displaced on displaced.indrelid = i.inhrelid
where i.inhparent = to_regclass($1)
  and coalesce(pg_relation_size(displaced.index) > current_setting('block_size')::bigint, true)
