-- Rows that are committed, and that no settled set has yet.
select count(*)::text as rows, min(recorded_at) as since
from :SCHEMA.secret_audit
where recorded_xid >= $1::bigint and not :FOREIGN
