-- The columns that are hashed, in the order of their tags; then what they are held against.
copy (
  select
    :EVENT,
    case when octet_length(event_digest) > 1000 then ''::bytea else event_digest end, chain_id, block_no, block_index,
    recorded_xid, :XMIN, recorded_at
  from :SCHEMA.secret_audit
  where audit_id between :FIRST and :LAST and (:CHAIN is null or chain_id = :CHAIN)
  order by audit_id
) to stdout (format binary)
