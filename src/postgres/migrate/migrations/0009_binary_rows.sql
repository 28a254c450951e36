-- breaking: yes
-- Rows come as one parameter in binary, an array of this type, and are read back in the same bytes. A version that sends JSON
-- cannot prove its rows here.
-- The type is not changed any more: a column that is added later makes a type beside it.
create type :SCHEMA.secret_audit_row_v1 as (
  audit_id             bigint,
  occurred_at          timestamptz,
  credential           text,
  operation            text,
  outcome              text,
  worker_id            text,
  execution_id         bigint,
  parent_execution_id  bigint,
  server_region        text,
  broker_region        text,
  kek_version          text,
  notes                text,
  actor_id             text,
  actor_type           text,
  source_address       text,
  service_name         text,
  service_instance_id  text,
  trace_id             text,
  span_id              text,
  attributes           json,
  original_audit_id    bigint,
  event_digest         bytea,
  chain_id             uuid,
  block_no             bigint,
  block_index          int
);
comment on type :SCHEMA.secret_audit_row_v1 is 'A row of the audit trail, as a writer sends it.';

drop function :SCHEMA.secret_audit_written(bigint[]);

-- The rows of this very transaction among the given ones: which partitions they lie in, and the bytes of
-- their columns in ascending order of ids, each row as an element of an array in binary (length, record).
-- Planned once: the sessions of writers see to it that a plan is kept, which for 14 partitions would take 1.5 ms each time.
create function :SCHEMA.secret_audit_written(ids bigint[])
returns table (partitions oid[], bytes bytea)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query
    select array_agg(distinct row_of.partition),
      string_agg(int4send(octet_length(row_of.bytes)) || row_of.bytes, '' order by row_of.audit_id)
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

revoke all on function :SCHEMA.secret_audit_written(bigint[]) from public;
revoke all on type :SCHEMA.secret_audit_row_v1 from public;

-- Where the group role was given its rights before, a service that is updated goes on without another --roles.
do $$
declare
  writer text := :SCHEMA_NAME || '_audit_writer';
begin
  if exists (select from pg_roles where rolname = writer) then
    if has_column_privilege(writer, ':SCHEMA.secret_audit', 'event_digest', 'insert') then
      execute format('grant execute on function :SCHEMA.secret_audit_written(bigint[]) to %I', writer);
      execute format('grant usage on type :SCHEMA.secret_audit_row_v1 to %I', writer);
    end if;
  end if;
end
$$;
