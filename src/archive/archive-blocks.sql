-- The blocks that an archive takes on: of each chain from the first that no archive has (:KNOWN) up to the last that has a row below
-- :TO; with what follows that without rows, so that the chain ends there as its writer left it. Materialized: where each chain ends is
-- looked up once, and not for every block, as planners without fresh statistics do.
copy (
  with upto as materialized (
    select reach.chain_id, coalesce(
      (select min(next.block_no) - 1 from :SCHEMA.secret_audit_block next
       where next.chain_id = reach.chain_id and next.block_no > reach.last and next.min_id is not null),
      (select max(block_no) from :SCHEMA.secret_audit_block final where final.chain_id = reach.chain_id)) as last
    from (select chain_id, max(block_no) as last from :SCHEMA.secret_audit_block where min_id < :TO group by chain_id) reach
  )
  select :COLUMNS
  from upto
  left join unnest(:KNOWN) as known (chain_id, last) on known.chain_id = upto.chain_id
  join :SCHEMA.secret_audit_block as block on block.chain_id = upto.chain_id
    and block.block_no > coalesce(known.last, -1) and block.block_no <= upto.last
  where :WHERE
  order by :ORDER
) to stdout (format binary)
