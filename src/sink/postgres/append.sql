with stored as (
  insert into :SCHEMA.secret_audit (
    audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id,
    server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address,
    service_name, service_instance_id, trace_id, span_id, attributes, original_audit_id, event_digest
  )
  select
    audit_id, 'epoch'::timestamptz + occurred_at * interval '1 microsecond', credential, operation, outcome,
    worker_id, execution_id, parent_execution_id, server_region, broker_region, kek_version, notes, actor_id,
    actor_type, source_address, service_name, service_instance_id, trace_id, span_id, attributes,
    original_audit_id, event_digest
  from unnest(
    $1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
    $16::text[], $17::text[], $18::text[], $19::text[], $20::json[], $21::bigint[], $22::bytea[]
  ) as event (
    audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id,
    server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address,
    service_name, service_instance_id, trace_id, span_id, attributes, original_audit_id, event_digest
  )
)
select (extract(epoch from clock_timestamp()) * 1000000)::bigint
