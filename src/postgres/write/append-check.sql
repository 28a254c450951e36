-- In place of append-proof.sql, where nothing but the server's own code runs in our INSERT: while the relations are what
-- they were, rows are stored as they were sent, and their block proves that they were. Half of its work for a batch of one
-- row, and none for each row.
-- Every name is qualified: a trigger that has come since the full check may have put a schema of its own first.
-- $1 to $4 as there. $5: the relations that the rows go to; $6: what the full check has accepted of them, in all.
select case
  when pinned.level operator(pg_catalog.=) $1
    and (
      select pg_catalog.record_send(row(:BLOCK)) from :SCHEMA.secret_audit_block as block
      where chain_id operator(pg_catalog.=) $2::pg_catalog.uuid and block_no operator(pg_catalog.=) $3::bigint
    ) operator(pg_catalog.=) $4::pg_catalog.bytea
    and :SHAPES operator(pg_catalog.=) $6::pg_catalog.numeric
  then (extract(epoch from pg_catalog.clock_timestamp()) operator(pg_catalog.*) 1000000)::bigint
  else :NO_NAME::pg_catalog.text::pg_catalog.regclass::bigint
end
from (select pg_catalog.set_config('synchronous_commit', $1, true) as level) as pinned
