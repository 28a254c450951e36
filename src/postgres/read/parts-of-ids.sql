-- Blocks whose smallest id is in the range; and of their chains those before that brought in a key.
copy (
  select :BLOCK
  from :SCHEMA.secret_audit_block as block
  where min_id between :FIRST and :LAST
  union all
  select :BLOCK
  from (
    select chain_id, max(block_no) as last
    from :SCHEMA.secret_audit_block
    where min_id between :FIRST and :LAST
    group by chain_id
  ) as begun
  -- "offset 0": for each chain by the index of these blocks, also where the planner takes them to be many.
  cross join lateral (
    select * from :SCHEMA.secret_audit_block
    where chain_id = begun.chain_id and block_no <= begun.last and kind in ('genesis', 'rotate') offset 0
  ) as block
  where (block.min_id between :FIRST and :LAST) is not true
  order by chain_id, block_no
) to stdout (format binary)
