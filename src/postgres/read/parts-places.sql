-- Blocks by their places.
copy (
  select :BLOCK
  from unnest(:CHAINS::uuid[], :NUMBERS::bigint[]) as place (chain, number)
  join :SCHEMA.secret_audit_block as block on block.chain_id = place.chain and block.block_no = place.number
) to stdout (format binary)
