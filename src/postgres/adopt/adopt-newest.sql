-- $1: the first id whose time is more than 24 h ahead. A clock of the future, or an id of another epoch.
select
  (select max(audit_id) from :SCHEMA.secret_audit)::text as newest,
  (select count(*)::text from :SCHEMA.secret_audit where audit_id >= $1) as count,
  array_to_json(
    array(select audit_id::text from :SCHEMA.secret_audit where audit_id >= $1 order by audit_id desc limit 10)
  ) as beyond
