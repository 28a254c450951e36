select credential, coalesce(actor_id, '(not known)') as actor, outcome, count(*) as denials,
  count(distinct source_address) as addresses, max(source_address) as "one of them", max(occurred_at) as last
from (
  :ACCESSES
) access
where outcome <> 'ok' and outcome <> 'requested'
group by credential, actor_id, outcome
order by count(*) desc, credential, actor_id, outcome
limit 100
