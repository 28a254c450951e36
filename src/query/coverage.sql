-- What each pipeline said last of each of the clients of its process or thread, unless it has stopped since: counted by service.
with covered as (:COVERED),
latest as (
  select distinct on (service_name, service_instance_id, pipeline, credential) *
  from covered
  where operation = 'audit_coverage'
  order by service_name, service_instance_id, pipeline, credential, audit_id desc
),
stopped as (
  select service_name, service_instance_id, pipeline, max(audit_id) as audit_id
  from covered
  where operation = 'audit_lifecycle'
  group by service_name, service_instance_id, pipeline
)
select
  service_name, credential as client, outcome as state, hook, reason,
  count(*) as processes,
  min(since) as since,
  (extract(epoch from max(occurred_at)) * 1000000)::bigint as stated
from latest
where not exists (
  select from stopped
  where stopped.service_name is not distinct from latest.service_name
    and stopped.service_instance_id is not distinct from latest.service_instance_id
    and stopped.pipeline is not distinct from latest.pipeline
    and stopped.audit_id > latest.audit_id
)
group by service_name, client, state, hook, reason
order by service_name nulls last, outcome in ('not_hooked', 'observed') desc, client, state, hook, reason
limit :LIMIT
