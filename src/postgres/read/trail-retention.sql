-- Rows that say that a part of the trail was retired. Their JSON is not looked into here: anybody may have written it.
copy (
  select audit_id, attributes::text
  from :SCHEMA.secret_audit
  where credential = 'secret_audit' and operation = 'audit_retention' and octet_length(attributes::text) <= 8192
    and audit_id >= :FIRST
  order by audit_id
) to stdout (format binary)
