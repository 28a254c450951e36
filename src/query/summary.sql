-- What the trail records about itself is not an access to a credential.
select
  value,
  count(*) as accesses,
  count(*) filter (where outcome not in ('ok', 'requested')) as denials,
  count(distinct worker_id) as workers,
  count(distinct actor_id) as actors,
  (extract(epoch from min(occurred_at)) * 1000000)::bigint as first_access,
  (extract(epoch from max(occurred_at)) * 1000000)::bigint as last_access
from (:MATCHING) matching
where operation not in (
  'audit_lifecycle', 'audit_gap', 'audit_coverage', 'audit_quarantine', 'audit_retention', 'audit_hold',
  'query_trail', 'export_trail'
)
group by value
order by accesses desc, value
limit :LIMIT
