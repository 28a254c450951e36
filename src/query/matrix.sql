select
  value,
  other,
  count(*) as accesses,
  count(*) filter (where :DENIED) as denials,
  (extract(epoch from min(occurred_at)) * 1000000)::bigint as first_access,
  (extract(epoch from max(occurred_at)) * 1000000)::bigint as last_access
from (:MATCHING) matching
where :ACCESS
group by value, other
order by :ORDER, value, other
limit :LIMIT
