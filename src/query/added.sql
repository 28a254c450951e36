-- What was added since a mark is little. Materialized, so that the limit does not make the planner walk the primary key.
with added as materialized (
  select :COLUMNS
  from :SCHEMA.secret_audit
  where :WHERE
)
select * from added
order by audit_id
limit :LIMIT
