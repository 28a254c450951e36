-- Of each chain the last block that nothing needs any more: those up to it have no row outside of the retired ids. The two newest
-- blocks of a chain stay, for its writer and for who asks how it ended.
-- $1 and $2: the retired ids, from and up to and with, as ranges that do not touch.
select replace(chain_id::text, '-', '') as chain, last::text as last
from (
  select chain_id, least(min(block_no) filter (where needed) - 1, max(block_no) - 2) as last
  from (
    select chain_id, block_no, (min_id is not null or max_id is not null) and not exists (
      select from unnest($1::bigint[], $2::bigint[]) as retired (first, last)
      where min_id >= retired.first and max_id <= retired.last
    ) as needed
    from :SCHEMA.secret_audit_block
  ) block
  group by chain_id
) chain
where last > 0
