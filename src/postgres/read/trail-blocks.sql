copy (
  select
    chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count, row_total, lost_total, block_time, body,
    signatures
  from :SCHEMA.secret_audit_block
  where :CHAIN is null or chain_id = :CHAIN
  order by chain_id, block_no
) to stdout (format binary)
