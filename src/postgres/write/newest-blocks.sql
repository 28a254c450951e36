-- The two newest blocks of a chain up to a number: the block itself, or where the chain ends.
select :BLOCK, (extract(epoch from recorded_at) * 1000000)::bigint
from :SCHEMA.secret_audit_block as block
where chain_id = $1 and block_no <= $2
order by block_no desc
limit 2
