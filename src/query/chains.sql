-- Every chain with its first and its last block: two looks at the primary key for each, however many blocks it has.
with recursive chain (id) as (
  (select chain_id from :SCHEMA.secret_audit_block order by chain_id limit 1)
  union all
  select (select chain_id from :SCHEMA.secret_audit_block where chain_id > chain.id order by chain_id limit 1)
  from chain where chain.id is not null
)
select
  replace(last.chain_id::text, '-', '') as chain_id, last.block_no::text, last.log, last.kind,
  last.row_total::text, last.lost_total::text, last.block_time::text,
  first.log as first_log, encode(first.prev_hash, 'hex') as first_prev_hash, first.row_count as first_row_count,
  first.row_total::text as first_row_total, first.lost_total::text as first_lost_total,
  encode(first.root, 'hex') as first_root, first.block_time::text as first_block_time, first.body as first_body,
  first.signatures as first_signatures
from chain
cross join lateral (
  select * from :SCHEMA.secret_audit_block where chain_id = chain.id order by block_no desc limit 1
) last
left join :SCHEMA.secret_audit_block first on first.chain_id = chain.id and first.block_no = 0 and first.kind = 'genesis'
order by last.block_time desc, last.chain_id
limit :LIMIT
