-- breaking: no
-- What the gateway needs beside a writer: whether a row is an event that it has with what it added itself left out, and a
-- place for what came to it and cannot be a row.

-- Under which of the ids a row is stored that is the event with the given digest: one in which neither the service's name and
-- instance nor the gateway's attributes are counted. The names of the service must be equal, where both sides have one. Where
-- neither the row nor the event came through a gateway, two writers have said it, and they are two events.
-- A yes or no about what the caller knows already, as from secret_audit_proven. Bounded: what the library does not write is a no.
create function :SCHEMA.secret_audit_same_event(ids bigint[], digests bytea[], services text[], handed_in boolean[])
returns setof bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan as $$
begin
  if cardinality(ids) > 40000 then return; end if;
  return query
    select r.audit_id
    from unnest(ids, digests, services, handed_in) as given (id, digest, service, is_handed_in)
    join :SCHEMA.secret_audit r on r.audit_id = given.id
    where case
      when r.service_name <> given.service then false
      when r.occurred_at not between timestamptz '0001-01-01 00:00:00+00' and timestamptz '2256-01-01 00:00:00+00' then false
      when greatest(octet_length(r.credential), octet_length(r.operation), octet_length(r.outcome),
        octet_length(r.worker_id), octet_length(r.server_region), octet_length(r.broker_region),
        octet_length(r.kek_version), octet_length(r.notes), octet_length(r.actor_id), octet_length(r.actor_type),
        octet_length(r.source_address), octet_length(r.trace_id), octet_length(r.span_id)) > 65536 then false
      when pg_column_size(r.attributes) > 65536 then false
      when octet_length(r.attributes::text) > 65536 then false
      when json_typeof(r.attributes) <> 'object' then false
      when not given.is_handed_in and r.attributes -> 'gateway.received_at' is null then false
      else given.digest = sha256(
        convert_to(E'otel-audit/event/v1\n', 'UTF8')
        || '\x0100000008'::bytea || int8send(r.audit_id)
        || '\x0200000008'::bytea || int8send((extract(epoch from r.occurred_at) * 1000000)::bigint)
        || :SCHEMA.secret_audit_field('\x03', r.credential)
        || :SCHEMA.secret_audit_field('\x04', r.operation)
        || :SCHEMA.secret_audit_field('\x05', r.outcome)
        || :SCHEMA.secret_audit_field('\x06', r.worker_id)
        || coalesce('\x0700000008'::bytea || int8send(r.execution_id), '')
        || coalesce('\x0800000008'::bytea || int8send(r.parent_execution_id), '')
        || :SCHEMA.secret_audit_field('\x09', r.server_region)
        || :SCHEMA.secret_audit_field('\x0a', r.broker_region)
        || :SCHEMA.secret_audit_field('\x0b', r.kek_version)
        || :SCHEMA.secret_audit_field('\x0c', r.notes)
        || :SCHEMA.secret_audit_field('\x0d', r.actor_id)
        || :SCHEMA.secret_audit_field('\x0e', r.actor_type)
        || :SCHEMA.secret_audit_field('\x0f', r.source_address)
        || :SCHEMA.secret_audit_field('\x12', r.trace_id)
        || :SCHEMA.secret_audit_field('\x13', r.span_id)
        || :SCHEMA.secret_audit_field('\x14', (
          -- As the library writes it: the keys in their order, nothing between, and each value as it stands.
          select '{' || string_agg(to_json(part.key)::text || ':' || part.value::text, ',' order by part.place) || '}'
          from json_each(r.attributes) with ordinality as part (key, value, place)
          where part.key not like 'gateway.%'))
        || coalesce('\x1500000008'::bytea || int8send(r.original_audit_id), ''))
    end;
end
$$;

-- What came and cannot be a row, as it came. Raw bytes may hold whatever somebody put in the wrong place, a secret too: a role of
-- its own reads them, and neither the writers' nor the readers'. One partition a month, which may be dropped.
create table :SCHEMA.secret_audit_quarantine (
  quarantine_id       bigint      not null,  -- upper bits a time, as of an audit id
  fingerprint         bytea       not null,  -- SHA-256 of what it is known by: the same again is not kept twice
  received_at         timestamptz not null,
  sender              text        not null,  -- who proved it
  reason              text        not null,
  format              text        not null,
  service_name        text,                  -- claimed
  service_instance_id text,
  trace_id            text,
  span_id             text,
  ordinal             int         not null,
  raw                 bytea       not null,  -- or its beginning
  raw_sha256          bytea       not null,  -- of the whole
  chain_id            uuid        not null,  -- the row of the trail about it: its block, and its place there
  block_no            bigint      not null,
  block_index         int         not null,
  recorded_at         timestamptz not null default clock_timestamp(),
  primary key (quarantine_id, fingerprint)
) partition by range (quarantine_id);
comment on table :SCHEMA.secret_audit_quarantine is 'What came to the gateway and cannot be a row of the audit trail. Append-only.';
create index secret_audit_quarantine_recent on :SCHEMA.secret_audit_quarantine (recorded_at);
create index secret_audit_quarantine_fingerprint on :SCHEMA.secret_audit_quarantine (fingerprint);

-- What became of it since: the operator's decisions.
create table :SCHEMA.secret_audit_quarantine_end (
  quarantine_id bigint      not null,
  fingerprint   bytea       not null,
  decision      text        not null,               -- replayed, discarded
  audit_id      bigint,                      -- of the row that it became
  decided_by    text        not null,
  decided_at    timestamptz not null default clock_timestamp(),
  primary key (quarantine_id, fingerprint)
);
alter table :SCHEMA.secret_audit_quarantine_end add constraint secret_audit_quarantine_end_decision_check
  check (decision in ('replayed', 'discarded')) not valid;
comment on table :SCHEMA.secret_audit_quarantine_end is 'What became of what was kept aside. Append-only.';

create trigger secret_audit_append_only before update or delete or truncate on :SCHEMA.secret_audit_quarantine
  for each statement execute function :SCHEMA.secret_audit_append_only();
create trigger secret_audit_append_only_row before update or delete on :SCHEMA.secret_audit_quarantine
  for each row execute function :SCHEMA.secret_audit_append_only();
create trigger secret_audit_append_only before update or delete or truncate on :SCHEMA.secret_audit_quarantine_end
  for each statement execute function :SCHEMA.secret_audit_append_only();
alter table :SCHEMA.secret_audit_quarantine enable always trigger secret_audit_append_only;
alter table :SCHEMA.secret_audit_quarantine enable always trigger secret_audit_append_only_row;
alter table :SCHEMA.secret_audit_quarantine_end enable always trigger secret_audit_append_only;

-- Makes the partition of a month, from three months back to the next one. Two at once: the second waits, and finds it.
create function :SCHEMA.secret_audit_quarantine_partition(month timestamp) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  relation text := format('%I.%I', :SCHEMA_NAME, 'secret_audit_quarantine_' || to_char(month, '"y"YYYY"m"MM'));
begin
  if to_regclass(relation) is not null then return; end if;
  if month is null or month < date_trunc('month', now() at time zone 'UTC') - interval '3 months'
    or month > date_trunc('month', now() at time zone 'UTC') + interval '1 month' then
    raise exception 'the quarantine has no place for that time' using errcode = 'invalid_parameter_value';
  end if;
  lock table only :SCHEMA.secret_audit_quarantine in share update exclusive mode;
  if to_regclass(relation) is not null then return; end if;
  execute format('create table %s (like :SCHEMA.secret_audit_quarantine including defaults including storage)', relation);
  perform :SCHEMA.secret_audit_guard_partition(relation::regclass);
  execute format('alter table :SCHEMA.secret_audit_quarantine attach partition %s for values from (%s) to (%s)', relation,
    :SCHEMA.secret_audit_month_start_id(month),
    :SCHEMA.secret_audit_month_start_id(month + interval '1 month'));
end
$$;

-- Keeps aside what a batch has beside its rows. Of one sender, service and reason the first 10 of an hour are kept whole (64 KiB),
-- up to 100 with 4 KiB, and of further ones nothing but what the row of the trail says: their number and their hashes.
-- Returns how many of them are kept, or were before, or are one too many: all of them. Anything else fails the statement.
create function :SCHEMA.secret_audit_set_aside(items json, chain uuid, block bigint, index int) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  item   record;
  recent bigint;
  done   bigint := 0;
begin
  for item in
    select * from json_to_recordset(items) as x (quarantine_id bigint, fingerprint text, received_at bigint, sender text,
      reason text, format text, service_name text, service_instance_id text, trace_id text, span_id text, ordinal int,
      raw text, raw_sha256 text)
  loop
    done := done + 1;
    if exists (select from :SCHEMA.secret_audit_quarantine q where q.fingerprint = decode(item.fingerprint, 'hex')) then
      continue;
    end if;
    select count(*) into recent from (
      select from :SCHEMA.secret_audit_quarantine q
      where q.recorded_at > clock_timestamp() - interval '1 hour' and q.sender = item.sender
        and q.service_name is not distinct from item.service_name and q.reason = item.reason
      limit 100
    ) of_the_hour;
    if recent >= 100 then continue; end if;
    perform :SCHEMA.secret_audit_quarantine_partition(:SCHEMA.secret_audit_id_month(item.quarantine_id));
    insert into :SCHEMA.secret_audit_quarantine (quarantine_id, fingerprint, received_at, sender, reason, format,
      service_name, service_instance_id, trace_id, span_id, ordinal, raw, raw_sha256, chain_id, block_no, block_index)
    values (item.quarantine_id, decode(item.fingerprint, 'hex'),
      timestamptz 'epoch' + item.received_at * interval '1 microsecond', left(item.sender, 512), left(item.reason, 64),
      left(item.format, 64), left(item.service_name, 256), left(item.service_instance_id, 256), left(item.trace_id, 32),
      left(item.span_id, 16), item.ordinal,
      substr(decode(item.raw, 'base64'), 1, case when recent < 10 then 65536 else 4096 end),
      decode(item.raw_sha256, 'hex'), chain, block, index)
    on conflict do nothing;
    if not exists (select from :SCHEMA.secret_audit_quarantine q where q.fingerprint = decode(item.fingerprint, 'hex')) then
      raise exception 'the quarantine does not keep what it is given' using errcode = 'object_not_in_prerequisite_state';
    end if;
  end loop;
  return done;
end
$$;

-- Nobody but the owner has rights on them, whatever default privileges gave. `migrate --roles` grants.
do $$
declare
  held record;
begin
  for held in
    select distinct c.oid::regclass as relation, acl.grantee
    from pg_class c cross join lateral aclexplode(c.relacl) acl
    where c.oid in (':SCHEMA.secret_audit_quarantine'::regclass, ':SCHEMA.secret_audit_quarantine_end'::regclass)
      and acl.grantee <> c.relowner
  loop
    execute format('revoke all on %s from %s', held.relation,
      case held.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(held.grantee)) end);
  end loop;
end
$$;
revoke all on function
  :SCHEMA.secret_audit_same_event(bigint[], bytea[], text[], boolean[]),
  :SCHEMA.secret_audit_quarantine_partition(timestamp),
  :SCHEMA.secret_audit_set_aside(json, uuid, bigint, int)
from public;

-- Where the group role was given its rights before, a service that is updated goes on without another --roles.
do $$
declare
  writer text := :SCHEMA_NAME || '_audit_writer';
begin
  if exists (select from pg_roles where rolname = writer) then
    if has_column_privilege(writer, ':SCHEMA.secret_audit', 'event_digest', 'insert') then
      execute format('grant execute on function :SCHEMA.secret_audit_same_event(bigint[], bytea[], text[], boolean[]),'
        ' :SCHEMA.secret_audit_set_aside(json, uuid, bigint, int) to %I', writer);
    end if;
  end if;
end
$$;
