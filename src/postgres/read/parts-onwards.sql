-- Of each chain that is known the blocks from a number on; of each other one all. Chains are found one after the other by the key, so that
-- no block is looked at that is not asked for.
copy (
  with recursive known (chain, number) as (
    select * from unnest(:CHAINS::uuid[], :NUMBERS::bigint[])
  ), there (chain) as (
    (select chain_id from :SCHEMA.secret_audit_block order by chain_id limit 1)
    union all
    select (
      select chain_id from :SCHEMA.secret_audit_block where chain_id > there.chain order by chain_id limit 1
    )
    from there where there.chain is not null
  ), begun (chain, number) as materialized (
    select there.chain, coalesce(known.number, -9223372036854775808)
    from there left join known on known.chain = there.chain
    where there.chain is not null
  )
  select :BLOCK
  from begun
  -- "offset 0": for each chain by the key. The planner takes a third of all blocks to be behind the head of their chain, and reads all.
  cross join lateral (
    select * from :SCHEMA.secret_audit_block where chain_id = begun.chain and block_no >= begun.number offset 0
  ) as block
  order by block.chain_id, block.block_no
) to stdout (format binary)
