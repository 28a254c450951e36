-- Blocks of a chain, one after another.
copy (
  select :BLOCK
  from :SCHEMA.secret_audit_block as block
  where chain_id = :CHAIN and block_no between :FIRST and :LAST
  order by block_no
) to stdout (format binary)
