-- An access that was granted, right after the same one had been denied.
with access as (
  select *,
    lag(outcome) over same as before_outcome,
    lag(audit_id) over same as before_id,
    lag(occurred_at) over same as before_at
  from (:MATCHING) matching
  where :ACCESS
  window same as (partition by credential, value order by occurred_at, audit_id)
)
select
  credential,
  value,
  before_outcome as denied_outcome,
  before_id::text as denied_id,
  (extract(epoch from before_at) * 1000000)::bigint as denied,
  audit_id::text as allowed_id,
  (extract(epoch from occurred_at) * 1000000)::bigint as allowed
from access
where outcome = 'ok' and before_outcome not in ('ok', 'requested')
  and occurred_at - before_at <= :WITHIN * interval '1 second'
order by occurred_at desc, audit_id desc
limit :LIMIT
