-- The columns that are hashed, in the order of their tags; then what they are held against.
copy (
  select
    audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id, server_region,
    broker_region, kek_version, notes, actor_id, actor_type, source_address, service_name, service_instance_id, trace_id,
    span_id, attributes, original_audit_id,
    event_digest, chain_id, block_no, block_index
  from :SCHEMA.secret_audit
  where audit_id between :FIRST and :LAST and (:CHAIN is null or chain_id = :CHAIN)
  order by audit_id
) to stdout (format binary)
