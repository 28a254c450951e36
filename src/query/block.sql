select
  replace(chain_id::text, '-', '') as chain_id, block_no::text, log, kind, encode(prev_hash, 'hex') as prev_hash,
  min_id::text, max_id::text, encode(root, 'hex') as root, row_count::text, row_total::text, lost_total::text,
  block_time::text, body, signatures
from :SCHEMA.secret_audit_block
where chain_id = $1::uuid and block_no = $2::bigint
