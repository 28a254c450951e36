-- breaking: no
-- An event whose id had no place in the trail is stored under one of the database's time. Whoever sends it again, in whatever
-- hour, has to find it, and the writer role can read neither the time nor the first id of a row.

-- Rows that may be one of the given events under another id: its first id is theirs, or the row is that very id.
-- first_ids: the ids that the events had first. times: what they say about theirs, in us; ids that are more than an hour off
-- are found by the index secret_audit_displaced. milliseconds: the first id of each millisecond near its time at which an
-- event may be. own_ids: first ids that may be stored as they are.
-- Gives away no more than that an event exists whose first id and time the caller knows. Bounded, whoever wrote the rows.
create function :SCHEMA.secret_audit_elsewhere(first_ids bigint[], times bigint[], milliseconds bigint[], own_ids bigint[])
returns table (audit_id bigint, event_digest bytea, chain_id uuid, block_no bigint, block_index int, original_audit_id bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
-- Planning takes 2 to 10 ms; a plan that is kept takes 0.5 ms for 500 events.
set plan_cache_mode = force_generic_plan as $$
begin
  return query
    select r.audit_id, case when octet_length(r.event_digest) = 32 then r.event_digest end, r.chain_id, r.block_no,
      r.block_index, r.original_audit_id
    from (
      (
        select far.*
        from :SCHEMA.secret_audit far
        where far.occurred_at = any (array(
          select timestamptz 'epoch' + us * interval '1 microsecond' from unnest(times) as us
        )) and (far.occurred_at < to_timestamp((far.audit_id >> 22)::float8 / 1000 + 1704063600)
          or far.occurred_at > to_timestamp((far.audit_id >> 22)::float8 / 1000 + 1704070800))
        limit 10001
      )
      union all
      (
        select near.*
        from unnest(milliseconds) as millisecond (first_id)
        join :SCHEMA.secret_audit near on near.audit_id between first_id and first_id + 4194303
        limit 10001
      )
      union all
      select own.* from :SCHEMA.secret_audit own where own.audit_id = any (own_ids)
    ) r
    where coalesce(r.original_audit_id, r.audit_id) = any (first_ids);
end
$$;

revoke all on function :SCHEMA.secret_audit_elsewhere(bigint[], bigint[], bigint[], bigint[]) from public;

-- Where the group role was given its rights before, a service that is updated goes on without another --roles.
do $$
declare
  writer text := :SCHEMA_NAME || '_audit_writer';
begin
  if exists (select from pg_roles where rolname = writer) then
    if has_column_privilege(writer, ':SCHEMA.secret_audit', 'event_digest', 'insert') then
      execute format('grant execute on function :SCHEMA.secret_audit_elsewhere(bigint[], bigint[], bigint[], bigint[]) to %I',
        writer);
    end if;
  end if;
end
$$;
