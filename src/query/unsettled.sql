-- Rows that are committed, and that no settled set has yet; and whether rows come by a subscription, which every set has.
select count(*)::text as rows, min(recorded_at) as since,
  exists (
    select from pg_catalog.pg_subscription_rel
    where srrelid = to_regclass(format('%I.%I', :SCHEMA_NAME, 'secret_audit')) or srrelid in (
      select inhrelid from pg_catalog.pg_inherits
      where inhparent = to_regclass(format('%I.%I', :SCHEMA_NAME, 'secret_audit')))
  ) as replicated
from :SCHEMA.secret_audit
where recorded_xid >= $1::bigint and not :FOREIGN
