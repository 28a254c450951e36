copy (
  select chain_id, block_no, min_id, max_id, row_count, root
  from :SCHEMA.secret_audit_block
  where min_id <= :LAST and max_id >= :FIRST and (:CHAIN is null or chain_id = :CHAIN)
  order by min_id
) to stdout (format binary)
