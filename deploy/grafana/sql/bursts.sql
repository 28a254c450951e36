select to_timestamp(floor(extract(epoch from occurred_at) / 300) * 300) as time, credential, count(*) as denials,
  count(distinct actor_id) as actors, count(distinct source_address) as addresses
from (
  :ACCESSES
) access
where outcome <> 'ok' and outcome <> 'requested'
group by 1, credential
having count(*) > 10
order by 1 desc, count(*) desc, credential
limit 100
