-- The first access to each credential: the oldest one of all comes first.
select :COLUMNS from (
  select distinct on (credential) *
  from :SCHEMA.secret_audit
  where :WHERE
  order by credential, occurred_at, audit_id
) found
order by found.occurred_at, found.audit_id
limit :LIMIT
