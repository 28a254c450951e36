-- Rows and their block, in one statement: two would cost the server half as much again for a batch of one row.
-- $1: the rows, as an array in binary: each value has the type that it is stored as, and nothing is parsed.
with sealed as (
  insert into :SCHEMA.secret_audit_block (
    chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count, row_total, lost_total, block_time, body,
    signatures
  )
  values ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
), stored as (
  insert into :SCHEMA.secret_audit (
    audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id,
    server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address,
    service_name, service_instance_id, trace_id, span_id, attributes, original_audit_id, event_digest,
    chain_id, block_no, block_index
  )
  select
    audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id,
    server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address,
    service_name, service_instance_id, trace_id, span_id, attributes, original_audit_id, event_digest,
    chain_id, block_no, block_index
  from unnest(cast($1 as :SCHEMA.secret_audit_row_v1[]))
  returning true
)
-- $2: how many rows they are. A trigger of the owner's may quietly leave one out; dividing by zero then fails the statement.
-- The writer compares the number, too. Whether the block is stored, the next statement looks.
select row_count
from (select count(*) as row_count from stored) as written
where 1 / (row_count = $2::int)::int = 1
