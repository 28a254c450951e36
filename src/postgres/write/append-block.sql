-- A block without rows.
insert into :SCHEMA.secret_audit_block (
  chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count, row_total, lost_total, block_time, body,
  signatures
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
