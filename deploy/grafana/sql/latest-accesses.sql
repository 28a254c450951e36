select occurred_at as time, credential, operation, outcome, actor_id, source_address, server_region, broker_region,
  service_name, notes, audit_id::text as audit_id, trace_id
from (
  :ACCESSES
) access
order by access.audit_id desc
limit 100
