-- Transactions below it have ended, and none begins there any more.
select pg_snapshot_xmin(pg_current_snapshot())::text as mark
