-- Accesses that were granted right after the same one was denied the same credential.
select :COLUMNS,
  denied_id::text as denied_audit_id, denied_outcome,
  to_char(denied_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as denied_at
from (
  select *,
    lag(audit_id) over attempts as denied_id,
    lag(outcome) over attempts as denied_outcome,
    lag(occurred_at) over attempts as denied_at
  from :SCHEMA.secret_audit
  where :WHERE
  window attempts as (
    partition by credential, coalesce('a' || actor_id, 'w' || worker_id, 's' || service_name) order by occurred_at, audit_id
  )
) found
where outcome = 'ok'
  and denied_outcome not in ('ok', 'started', 'stopped', 'mode_changed', 'hooked', 'wire', 'requested')
  and found.occurred_at - found.denied_at <= :WITHIN * interval '1 millisecond'
order by audit_id desc
limit :LIMIT
