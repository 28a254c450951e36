-- The last access to each credential that was last accessed long ago: the one that has waited longest comes first.
select :COLUMNS from (
  select distinct on (credential) *
  from :SCHEMA.secret_audit
  where :WHERE
  order by credential, occurred_at desc, audit_id desc
) found
where found.occurred_at < 'epoch'::timestamptz + :BEFORE * interval '1 microsecond'
order by found.occurred_at, found.audit_id
limit :LIMIT
