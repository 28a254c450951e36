-- Where the partitions of the trail begin; NULL: no lower bound. From the catalogs only, which every login may read.
select (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM [(]''?(-?[0-9]+)'))[1] as first
from pg_catalog.pg_inherits i
join pg_catalog.pg_class c on c.oid = i.inhrelid
where i.inhparent = to_regclass($1)
