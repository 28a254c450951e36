-- One block, and those before it that brought in a key.
copy (
  select :BLOCK
  from :SCHEMA.secret_audit_block as block
  where chain_id = :CHAIN and block_no <= :LAST and (kind in ('genesis', 'rotate') or block_no = :LAST)
  order by block_no
) to stdout (format binary)
