select credential, count(*) filter (where outcome = 'ok') as released,
  count(*) filter (where outcome not in ('ok', 'requested')) as denied, count(distinct actor_id) as actors,
  max(occurred_at) as latest
from (
  :ACCESSES
) access
group by credential
order by count(*) desc, credential
limit 50
