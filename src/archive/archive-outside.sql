-- Digests of the rows of some blocks that lie outside of a partition: in the trail, or what is left of them.
copy (
  with wanted as (select * from unnest(:CHAINS, :BLOCKS) as one (chain_id, block_no))
  select chain_id, block_no, block_index, event_digest as digest
  from :SCHEMA.secret_audit join wanted using (chain_id, block_no)
  where audit_id between :FIRST and :LAST and not (audit_id >= :FROM and audit_id < :TO)
    and block_index >= 0 and octet_length(event_digest) = 32
  union all
  select chain_id, block_no, block_index, digest
  from :SCHEMA.secret_audit_leaf join wanted using (chain_id, block_no)
  where partition <> :PARTITION
) to stdout (format binary)
