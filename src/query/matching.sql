select audit_id, occurred_at, credential, operation, outcome, worker_id, actor_id, source_address, :BY as value
from :SCHEMA.secret_audit
where :WHERE
