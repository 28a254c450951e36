-- A batch of one row, which is what a single strict caller waits for: 0.31 ms instead of 0.35 ms, commit included, beside
-- the statement for many (both without a block).
with sealed as (
  insert into :SCHEMA.secret_audit_block (
    chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count, row_total, lost_total, block_time, body,
    signatures
  )
  values ($24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37)
  returning true
), stored as (
  insert into :SCHEMA.secret_audit (
    audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id,
    server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address,
    service_name, service_instance_id, trace_id, span_id, attributes, original_audit_id, event_digest, block_index,
    chain_id, block_no
  )
  values (
    $1, 'epoch'::timestamptz + $2::bigint * interval '1 microsecond', $3, $4, $5, $6, $7, $8,
    $9, $10, $11, $12, $13, $14, $15,
    $16, $17, $18, $19, $20, $21, $22, $23,
    $24, $25
  )
  returning true
)
-- A trigger of the owner's may quietly leave the row or its block out; dividing by zero then fails the whole statement.
select row_count, block_count
from (select count(*) as row_count from stored) as written, (select count(*) as block_count from sealed) as block
where 1 / (row_count * block_count) = 1
