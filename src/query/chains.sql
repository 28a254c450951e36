-- Every chain with its first and its last block: two looks at the primary key for each, however many blocks it has.
with recursive chain (id) as (
  (select chain_id from :SCHEMA.secret_audit_block order by chain_id limit 1)
  union all
  select (select chain_id from :SCHEMA.secret_audit_block where chain_id > chain.id order by chain_id limit 1)
  from chain where chain.id is not null
)
select :LAST, :FIRST
from chain
cross join lateral (
  select * from :SCHEMA.secret_audit_block where chain_id = chain.id order by block_no desc limit 1
) last
left join :SCHEMA.secret_audit_block first on first.chain_id = chain.id and first.block_no = 0 and first.kind = 'genesis'
order by last.block_time desc, last.chain_id
limit :LIMIT
