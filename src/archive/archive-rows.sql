-- The columns of an event in the order of the tags; then the rest, as row-line.ts has them. Nothing is shortened.
copy (
  select :EVENT, event_digest, chain_id, block_no, block_index, recorded_xid, recorded_at
  from :RELATION
  order by audit_id
) to stdout (format binary)
