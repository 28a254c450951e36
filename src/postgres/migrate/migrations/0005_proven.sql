-- breaking: no
-- What a writer cannot read, and has to be sure of: that rows are stored as they were sent, and that a row which is found
-- under an id of the writer's says what its digest says. Both functions read with the owner's rights, give away nothing that the
-- caller did not send or may not read, and answer whatever the rows hold.

-- The rows of this very transaction among the given ones, as one value: the bytes of their columns, in ascending order of
-- ids. And which partitions they lie in.
create function :SCHEMA.secret_audit_written(ids bigint[]) returns table (partitions oid[], bytes bytea)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
-- Planning for 14 partitions takes 1.5 ms of CPU; a plan that is kept takes 0.05 ms for a row.
set plan_cache_mode = force_generic_plan as $$
begin
  return query
    select array_agg(distinct row_of.partition), string_agg(row_of.bytes, '' order by row_of.audit_id)
    from (
      select r.audit_id, r.tableoid as partition, record_send(row(
        r.audit_id, r.occurred_at, r.credential, r.operation, r.outcome, r.worker_id, r.execution_id,
        r.parent_execution_id, r.server_region, r.broker_region, r.kek_version, r.notes, r.actor_id, r.actor_type,
        r.source_address, r.service_name, r.service_instance_id, r.trace_id, r.span_id, r.attributes,
        r.original_audit_id, r.event_digest, r.chain_id, r.block_no, r.block_index)) as bytes
      from :SCHEMA.secret_audit r
      where r.audit_id = any (ids) and r.recorded_xid = pg_current_xact_id()::text::bigint
    ) row_of;
end
$$;

-- One field of an event as it is hashed: tag, length, bytes. NULL adds nothing.
create function :SCHEMA.secret_audit_field(tag bytea, value text) returns bytea
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select coalesce(tag || int4send(octet_length(value)) || convert_to(value, 'UTF8'), '')
$$;

-- Those of the given ids under which a row is stored whose columns give the digest that it says. Bounded: a value longer than
-- the library writes, a time that is not finite, and a NULL where none can be are a "no", and are not hashed.
create function :SCHEMA.secret_audit_proven(ids bigint[]) returns setof bigint
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan as $$
begin
  if cardinality(ids) > 10000 then return; end if;
  return query
    select r.audit_id
    from :SCHEMA.secret_audit r
    where r.audit_id = any (ids) and case
      when octet_length(r.event_digest) is distinct from 32 then false
      when r.occurred_at not between timestamptz '0001-01-01 00:00:00+00' and timestamptz '2256-01-01 00:00:00+00' then false
      when greatest(octet_length(r.credential), octet_length(r.operation), octet_length(r.outcome),
        octet_length(r.worker_id), octet_length(r.server_region), octet_length(r.broker_region),
        octet_length(r.kek_version), octet_length(r.notes), octet_length(r.actor_id), octet_length(r.actor_type),
        octet_length(r.source_address), octet_length(r.service_name), octet_length(r.service_instance_id),
        octet_length(r.trace_id), octet_length(r.span_id)) > 65536 then false
      when pg_column_size(r.attributes) > 65536 then false
      when octet_length(r.attributes::text) > 1048576 then false
      else r.event_digest = sha256(
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
        || :SCHEMA.secret_audit_field('\x10', r.service_name)
        || :SCHEMA.secret_audit_field('\x11', r.service_instance_id)
        || :SCHEMA.secret_audit_field('\x12', r.trace_id)
        || :SCHEMA.secret_audit_field('\x13', r.span_id)
        || :SCHEMA.secret_audit_field('\x14', r.attributes::text)
        || coalesce('\x1500000008'::bytea || int8send(r.original_audit_id), ''))
    end;
end
$$;

revoke all on function
  :SCHEMA.secret_audit_written(bigint[]),
  :SCHEMA.secret_audit_field(bytea, text),
  :SCHEMA.secret_audit_proven(bigint[])
from public;

-- Where the group role was given its rights before, a service that is updated goes on without another --roles.
do $$
declare
  writer text := :SCHEMA_NAME || '_audit_writer';
begin
  if exists (select from pg_roles where rolname = writer) then
    if has_column_privilege(writer, ':SCHEMA.secret_audit', 'event_digest', 'insert') then
      execute format('grant execute on function :SCHEMA.secret_audit_written(bigint[]),'
        ' :SCHEMA.secret_audit_proven(bigint[]) to %I', writer);
    end if;
  end if;
end
$$;
