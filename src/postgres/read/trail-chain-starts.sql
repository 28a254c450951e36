-- Where chains begin whose first blocks were retired. What no start can be is left out, and then the list is not the one that was
-- signed.
copy (
  select chain_id, block_no, block_hash, key_block, key_hash, row_total, lost_total, block_time, last_id
  from :SCHEMA.secret_audit_chain_start
  where octet_length(block_hash) = 32 and octet_length(key_hash) = 32
  order by chain_id
) to stdout (format binary)
