copy (
  select chain_id, block_no, block_index, digest, partition
  from :SCHEMA.secret_audit_leaf
  where octet_length(digest) = 32 and block_no >= 0 and block_index >= 0
) to stdout (format binary)
