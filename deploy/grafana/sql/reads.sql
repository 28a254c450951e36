select occurred_at as time, actor_id, source_address, operation, outcome, attributes ->> 'what' as what,
  attributes ->> 'rows' as rows, attributes ->> 'filter' as filter, audit_id::text as audit_id
from (
  :READS
) said
order by said.audit_id desc
limit 100
