-- The actors and the credentials with the most accesses: more columns than these cannot be read.
with access as materialized (
  select coalesce(actor_id, '(not known)') as actor, credential, count(*) as accesses
  from (
    :ACCESSES
  ) row
  group by actor_id, credential
)
select actor, credential, accesses
from access
where actor in (select actor from access group by actor order by sum(accesses) desc, actor limit 40)
  and credential in (select credential from access group by credential order by sum(accesses) desc, credential limit 15)
order by actor, credential
