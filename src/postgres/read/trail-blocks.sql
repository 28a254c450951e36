copy (
  select :BLOCK
  from :SCHEMA.secret_audit_block as block
  where :CHAIN is null or chain_id = :CHAIN
  order by chain_id, block_no
) to stdout (format binary)
