-- What is too long for a root is read as in the first reading of the blocks.
copy (
  select chain_id, block_no, min_id, max_id, row_count, case when octet_length(root) > 1000 then ''::bytea else root end
  from :SCHEMA.secret_audit_block
  where min_id <= :LAST and max_id >= :FIRST and (:CHAIN is null or chain_id = :CHAIN)
  order by min_id
) to stdout (format binary)
