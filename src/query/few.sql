-- Rows that are known to be few, and that an index finds. Materialized, so that the limit does not make the planner walk
-- the primary key through all partitions in the hope to find some soon.
with few as materialized (
  select :COLUMNS
  from :SCHEMA.secret_audit
  where :WHERE
)
select * from few
order by audit_id :DIRECTION
limit :LIMIT
