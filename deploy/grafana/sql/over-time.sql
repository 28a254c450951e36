select $__timeGroup(occurred_at, $__interval) as time, outcome as metric, count(*) as accesses
from (
  :ACCESSES
) access
group by 1, 2
order by 1, 2
