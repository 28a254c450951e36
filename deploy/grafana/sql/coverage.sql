-- What was said last of each client of a service, within the window.
select distinct on (service_name, credential) service_name as service, credential as client, outcome as state,
  attributes ->> 'hook' as hook, attributes ->> 'reason' as reason, occurred_at as said
from (
  :COVERAGE
) said
order by service_name, credential, said.audit_id desc
limit 200
