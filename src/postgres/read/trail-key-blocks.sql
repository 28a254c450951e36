-- One block, and those before it that brought in a key.
copy (
  select
    chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count, row_total, lost_total, block_time, body,
    signatures
  from :SCHEMA.secret_audit_block
  where chain_id = :CHAIN and block_no <= :LAST and (kind in ('genesis', 'rotate') or block_no = :LAST)
  order by block_no
) to stdout (format binary)
