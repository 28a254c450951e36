-- Transactions below it have ended, and none begins there any more. Of this server and this table: another server counts from elsewhere, and another table has other rows.
select pg_snapshot_xmin(pg_current_snapshot())::text as mark, (:SYSTEM)::text as system, :TABLE as table
