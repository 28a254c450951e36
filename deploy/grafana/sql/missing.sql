select occurred_at as time, service_name as service, credential, outcome, attributes ->> 'count' as events,
  attributes ->> 'reason' as reason, attributes ->> 'first' as first, attributes ->> 'last' as last,
  audit_id::text as audit_id
from (
  :MISSING
) said
order by said.audit_id desc
limit 100
