-- What the trail records about itself is not an access to a credential.
select
  value,
  count(*) as accesses,
  count(*) filter (where :DENIED) as denials,
  count(distinct worker_id) as workers,
  count(distinct actor_id) as actors,
  count(distinct source_address) as sources,
  (extract(epoch from min(occurred_at)) * 1000000)::bigint as first_access,
  (extract(epoch from max(occurred_at)) * 1000000)::bigint as last_access
from (:MATCHING) matching
where :ACCESS
group by value
order by :ORDER, value
limit :LIMIT
