-- Blocks behind one place up to another one, by the key.
copy (
  select :BLOCK
  from :SCHEMA.secret_audit_block as block
  where (chain_id, block_no) > (:AFTER_CHAIN::uuid, :AFTER_NUMBER::bigint)
    and (chain_id, block_no) <= (:LAST_CHAIN::uuid, :LAST_NUMBER::bigint)
  order by chain_id, block_no
) to stdout (format binary)
