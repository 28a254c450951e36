-- A block without rows.
with sealed as (
  insert into :SCHEMA.secret_audit_block (
    chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count, row_total, lost_total, block_time, body,
    signatures
  )
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
  returning true
)
select 0 as row_count, block_count
from (select count(*) as block_count from sealed) as block
where 1 / block_count = 1
