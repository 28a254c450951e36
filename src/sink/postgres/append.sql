-- $1: the rows as one JSON array. Measured against unnest of 22 typed arrays, at 1, 8, 64 and 512 rows a statement: the
-- same or less work for the server, and half of it for a batch of one; for the client 0.6 of the work.
-- "attributes" is text here: a JSON string whose cast to json keeps every byte.
with stored as (
  insert into :SCHEMA.secret_audit (
    audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id,
    server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address,
    service_name, service_instance_id, trace_id, span_id, attributes, original_audit_id, event_digest
  )
  select
    audit_id, 'epoch'::timestamptz + occurred_at * interval '1 microsecond', credential, operation, outcome,
    worker_id, execution_id, parent_execution_id, server_region, broker_region, kek_version, notes, actor_id,
    actor_type, source_address, service_name, service_instance_id, trace_id, span_id, attributes::json,
    original_audit_id, event_digest
  from json_to_recordset($1::json) as event (
    audit_id bigint, occurred_at bigint, credential text, operation text, outcome text, worker_id text,
    execution_id bigint, parent_execution_id bigint, server_region text, broker_region text, kek_version text,
    notes text, actor_id text, actor_type text, source_address text, service_name text, service_instance_id text,
    trace_id text, span_id text, attributes text, original_audit_id bigint, event_digest bytea
  )
  returning true
)
-- $2: how many rows they are. A trigger of the owner's may quietly leave one out; dividing by zero then fails the whole
-- statement. That it reads "stored" also makes the time one that is after the last row.
select (extract(epoch from clock_timestamp()) * 1000000)::bigint
from (select count(*) as row_count from stored) as written
where 1 / (row_count = $2::int)::int = 1
