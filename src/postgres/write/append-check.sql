-- In place of append-proof.sql, where nothing but the server's own code runs in our INSERT: while the relations are what
-- they were, rows are stored as they were sent, and their block proves that they were. Half of its work for a batch of one
-- row, and none for each row.
-- $1 to $6 as there. $7: the relations that the rows go to.
select case
  when pinned.level = $1
    and (
      select record_send(row(:BLOCK)) from :SCHEMA.secret_audit_block as block
      where chain_id = $2::uuid and block_no = $3::bigint
    ) = $4::bytea
    and (
      select count(*) from pg_catalog.pg_class as relation
      where relation.oid = any ($7::oid[]) and (:SHAPE) = any ($5::text[])
    ) = cardinality($7::oid[])
  then (extract(epoch from clock_timestamp()) * 1000000)::bigint
  else $6::text::regclass::bigint
end
from (select set_config('synchronous_commit', $1, true) as level) as pinned
