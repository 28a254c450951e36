select count(*) as accesses, count(*) filter (where outcome not in ('ok', 'requested')) as denied,
  count(distinct credential) as credentials, count(distinct actor_id) as actors,
  count(*) filter (where actor_id is null) as "without an actor", count(*) filter (where chain_id is null) as "without a block"
from (
  :ACCESSES
) access
