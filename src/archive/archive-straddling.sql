-- Blocks that may have rows in the partition, and have rows elsewhere.
copy (
  select chain_id, block_no, min_id, max_id
  from :SCHEMA.secret_audit_block
  where min_id < :TO and max_id >= :FROM and not (min_id >= :FROM and max_id < :TO)
) to stdout (format binary)
