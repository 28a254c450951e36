-- breaking: no
-- One partition a month (UTC). An id's upper bits are its milliseconds since 2024-01-01T00:00:00Z, so a month is a range
-- of ids. Partitions are made apart (LIKE) and then attached: PARTITION OF waits for every reader of the trail, and every
-- insert waits behind it.
-- Months are "timestamp" in UTC throughout: the session's time zone must not matter.

create function :SCHEMA.secret_audit_month_start_id(month timestamp) returns bigint
language sql immutable strict set search_path = pg_catalog, pg_temp as $$
  select ((extract(epoch from date_trunc('month', month)) * 1000)::bigint - 1704067200000) << 22
$$;

create function :SCHEMA.secret_audit_id_month(audit_id bigint) returns timestamp
language sql immutable strict set search_path = pg_catalog, pg_temp as $$
  select date_trunc('month', timestamp '2024-01-01' + (audit_id >> 22) * interval '1 millisecond')
$$;

-- NULL: no bound on that side.
create function :SCHEMA.secret_audit_partitions() returns table (partition text, from_id bigint, to_id bigint)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.relname::text, nullif(bound[1], 'MINVALUE')::bigint, nullif(bound[2], 'MAXVALUE')::bigint
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join lateral regexp_match(
    pg_get_expr(c.relpartbound, c.oid),
    'FROM \(''?(-?\d+|MINVALUE)''?\) TO \(''?(-?\d+|MAXVALUE)''?\)') as bound
  where i.inhparent = ':SCHEMA.secret_audit'::regclass and bound is not null
  order by 2 nulls first
$$;

-- What the parent's definition does not give to a partition: the statement trigger, and the absence of privileges
-- (default privileges of the schema, or a table's former life, may have granted some; access is through the parent).
create function :SCHEMA.secret_audit_guard_partition(partition regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  grantee text;
begin
  execute format('create trigger secret_audit_append_only before update or delete or truncate on %s'
    ' for each statement execute function :SCHEMA.secret_audit_append_only()', partition);
  execute format('alter table %s enable always trigger secret_audit_append_only', partition);
  for grantee in
    select distinct case privilege.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(privilege.grantee)) end
    from pg_class c
    cross join lateral (
      select (aclexplode(c.relacl)).grantee
      union
      select (aclexplode(a.attacl)).grantee from pg_attribute a where a.attrelid = c.oid and a.attacl is not null
    ) privilege
    where c.oid = partition and privilege.grantee <> c.relowner
  loop
    execute format('revoke all on table %s from %s cascade', partition, grantee);
  end loop;
end
$$;

create function :SCHEMA.secret_audit_create_partition(month timestamp) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  name     text := 'secret_audit_' || to_char(month, '"y"YYYY"m"MM');
  relation text := format('%I.%I', :SCHEMA_NAME, name);
begin
  if to_regclass(relation) is not null then
    raise exception '% exists, and is not the partition of its month', relation
      using errcode = 'duplicate_table', hint = 'Attach it, rename it or drop it.';
  end if;
  execute format('create table %s (like :SCHEMA.secret_audit including defaults including constraints'
    ' including storage including compression)', relation);
  perform :SCHEMA.secret_audit_guard_partition(relation::regclass);
  execute format('alter table :SCHEMA.secret_audit attach partition %s for values from (%s) to (%s)', relation,
    :SCHEMA.secret_audit_month_start_id(month),
    :SCHEMA.secret_audit_month_start_id(month + interval '1 month'));
  return name;
end
$$;

-- Months of the given range of which no id has a partition yet.
create function :SCHEMA.secret_audit_missing_months(first timestamp, last timestamp) returns setof timestamp
language sql stable set search_path = pg_catalog, pg_temp as $$
  select month
  from generate_series(first, last, interval '1 month') as month
  where not exists (
    select from :SCHEMA.secret_audit_partitions() p
    where coalesce(p.from_id < :SCHEMA.secret_audit_month_start_id(month + interval '1 month'), true)
      and coalesce(p.to_id > :SCHEMA.secret_audit_month_start_id(month), true))
  order by month
$$;

-- The previous month (events arrive late), the current one, and the given number of months after it. A previous month
-- that retention has removed stays removed. Returns the names of the partitions it made.
create function :SCHEMA.secret_audit_ensure_partitions(ahead int) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  current  timestamp := date_trunc('month', now() at time zone 'UTC');
  previous timestamp := current - interval '1 month';
  first    timestamp := previous;
  month    timestamp;
begin
  if ahead is null or ahead < 0 or ahead > 120 then
    raise exception 'ahead must be between 0 and 120 months' using errcode = 'invalid_parameter_value';
  end if;
  if (select min(coalesce(from_id, 0)) > :SCHEMA.secret_audit_month_start_id(previous)
      from :SCHEMA.secret_audit_partitions()) then
    first := current;
  end if;
  -- Mostly there is nothing to do; then nothing is locked.
  if not exists (select from :SCHEMA.secret_audit_missing_months(first, current + ahead * interval '1 month')) then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtext('secret_audit_partitions'), hashtext(:SCHEMA_NAME));
  for month in select * from :SCHEMA.secret_audit_missing_months(first, current + ahead * interval '1 month') loop
    return next :SCHEMA.secret_audit_create_partition(month);
  end loop;
end
$$;

-- The partition of one id, when its time is inside the kept range: from the oldest partition to 13 months ahead.
-- Returns its name, or NULL when the id has a partition already.
create function :SCHEMA.secret_audit_ensure_partition_for(audit_id bigint) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  month  timestamp := :SCHEMA.secret_audit_id_month(audit_id);
  oldest bigint;
begin
  select coalesce(min(coalesce(from_id, 0)), 0) into oldest from :SCHEMA.secret_audit_partitions();
  if audit_id is null or audit_id < oldest
    or month > date_trunc('month', now() at time zone 'UTC') + interval '13 months' then
    raise exception 'audit id % is outside the kept range of the trail', audit_id
      using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(hashtext('secret_audit_partitions'), hashtext(:SCHEMA_NAME));
  if exists (select from :SCHEMA.secret_audit_missing_months(month, month)) then
    return :SCHEMA.secret_audit_create_partition(month);
  end if;
  return null;
end
$$;

revoke all on function
  :SCHEMA.secret_audit_month_start_id(timestamp),
  :SCHEMA.secret_audit_id_month(bigint),
  :SCHEMA.secret_audit_partitions(),
  :SCHEMA.secret_audit_guard_partition(regclass),
  :SCHEMA.secret_audit_create_partition(timestamp),
  :SCHEMA.secret_audit_missing_months(timestamp, timestamp),
  :SCHEMA.secret_audit_ensure_partitions(int),
  :SCHEMA.secret_audit_ensure_partition_for(bigint)
from public;
