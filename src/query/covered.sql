select
  audit_id, occurred_at, service_name, service_instance_id, credential, operation, outcome,
  attributes ->> 'pipeline' as pipeline,
  attributes ->> 'hook' as hook, attributes ->> 'reason' as reason, attributes ->> 'since' as since
from :SCHEMA.secret_audit
where outcome <> 'ok' and outcome in ('hooked', 'not_hooked', 'wire', 'observed', 'stopped')
  and operation in ('audit_coverage', 'audit_lifecycle') and :WHERE
