select coalesce(actor_id, '(not known)') as actor, credential, count(*) as accesses,
  count(*) filter (where outcome not in ('ok', 'requested')) as denied, min(occurred_at) as first, max(occurred_at) as last
from (
  :ACCESSES
) access
group by actor_id, credential
order by count(*) desc, actor_id, credential
limit 500
