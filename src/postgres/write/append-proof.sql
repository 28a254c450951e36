-- The last statement before a batch is committed. It runs behind everything that may run in our INSERT, deferred triggers
-- too, while our locks keep everybody else from changing the tables.
-- $1: synchronous_commit, as it was asked for: set again, last. $2 and $3: the block; $4: the bytes of its columns.
-- $5: what the full check has accepted; NULL: nothing is known. $6: the ids of the rows; $7: the bytes of their columns.
-- :NO_NAME is not a name of anything: reading it as one fails the statement, and with it the batch.
select case
  when pinned.level = $1
    and written.rows = $7::bytea
    and (
      select record_send(row(:BLOCK)) from :SCHEMA.secret_audit_block as block
      where chain_id = $2::uuid and block_no = $3::bigint
    ) = $4::bytea
    and ($5::numeric[] is null or (
      select count(*) from pg_catalog.pg_class as relation
      where relation.oid = any (written.relations) and :SHAPE = any ($5::numeric[])
    ) = cardinality(written.relations))
  then (extract(epoch from clock_timestamp()) * 1000000)::bigint
  else :NO_NAME::text::regclass::bigint
end
from (select set_config('synchronous_commit', $1, true) as level) as pinned
cross join (
  select coalesce(bytes, '') as rows, array[
      ':SCHEMA.secret_audit'::regclass::oid, ':SCHEMA.secret_audit_block'::regclass::oid,
      ':SCHEMA.secret_audit_row_v1'::regclass::oid
    ] || partitions as relations
  from :SCHEMA.secret_audit_written($6::bigint[])
) as written
