-- Accessed within the 90 days before the time range, and not in it. What was last accessed before that is not here.
select credential, max(occurred_at) as last_access, count(*) as accesses, count(distinct actor_id) as actors
from (
  :ACCESSES_AND_BEFORE
) access
group by credential
having max(occurred_at) < to_timestamp($__unixEpochFrom())
order by max(occurred_at), credential
limit 200
