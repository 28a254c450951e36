-- A block and those before it that brought in a key, as far as they are of a size that we write.
select :BLOCK
from :SCHEMA.secret_audit_block as block
where chain_id = $1 and block_no <= $2 and (kind in ('genesis', 'rotate') or block_no = $2)
  and :BYTES <= 16384
order by block_no
limit 2001
