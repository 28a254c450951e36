select
  audit_id, (extract(epoch from occurred_at) * 1000000)::bigint, credential, operation, outcome, worker_id, execution_id,
  parent_execution_id, server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address,
  service_name, service_instance_id, trace_id, span_id, attributes::text, original_audit_id,
  replace(chain_id::text, '-', ''), block_no, block_index
from :SCHEMA.secret_audit
where audit_id = $1
