select occurred_at, operation, outcome, worker_id, actor_id, :BY as value
from :SCHEMA.secret_audit
where :WHERE
