select occurred_at, credential, operation, outcome, worker_id, actor_id
from :SCHEMA.secret_audit
where :WHERE
