-- Denials of one value that follow each other closely enough are one burst.
with denied as (
  select *, occurred_at - lag(occurred_at) over same <= :WITHIN * interval '1 second' as goes_on
  from (:MATCHING) matching
  where :ACCESS and :DENIED
  window same as (partition by value order by occurred_at, audit_id)
),
numbered as (
  select *, count(*) filter (where goes_on is not true) over (partition by value order by occurred_at, audit_id) as burst
  from denied
)
select
  value,
  count(*) as denials,
  count(distinct credential) as credentials,
  count(distinct source_address) as sources,
  string_agg(distinct outcome, ',' order by outcome) as outcomes,
  (extract(epoch from min(occurred_at)) * 1000000)::bigint as began,
  (extract(epoch from max(occurred_at)) * 1000000)::bigint as ended
from numbered
group by value, burst
having count(*) >= :LEAST
order by denials desc, ended desc, value
limit :LIMIT
