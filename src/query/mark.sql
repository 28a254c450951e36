-- Transactions below it have ended, and none begins there any more. Of this server: another one counts from elsewhere.
select pg_snapshot_xmin(pg_current_snapshot())::text as mark, (:SYSTEM)::text as system
