-- What the trail says of itself is no access to a credential.
select
  credential,
  count(*) as accesses,
  count(*) filter (where outcome <> 'ok') as denials,
  count(distinct worker_id) as workers,
  count(distinct actor_id) as actors,
  to_char(min(occurred_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as first_access,
  to_char(max(occurred_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as last_access
from (:MATCHING) matching
where operation not in ('audit_lifecycle', 'audit_gap', 'query_trail', 'export_trail')
group by credential
order by accesses desc, credential
limit :LIMIT
