-- breaking: no
-- How wide the partitions are is the owner's choice: a month, a week or a day (UTC). Which partitions are missing is computed from the
-- ids that no partition covers: of a unit of which a part is covered, the partition that is made is exactly the rest.

-- The owner's to change: `otel-audit migrate --partition-width` does.
create table :SCHEMA.secret_audit_partitioning (
  only_row boolean primary key default true,
  width    text    not null default 'month'
);
alter table :SCHEMA.secret_audit_partitioning add constraint secret_audit_partitioning_check
  check (only_row and width in ('month', 'week', 'day')) not valid;
insert into :SCHEMA.secret_audit_partitioning default values;
comment on table :SCHEMA.secret_audit_partitioning is 'How wide the partitions of the audit trail are.';

-- With it, how many partitions after the current one are kept ready.
create function :SCHEMA.secret_audit_partition_width() returns table (width text, step interval, ahead int)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select chosen.width, ('1 ' || chosen.width)::interval, case chosen.width when 'month' then 12 when 'week' then 8 else 14 end
  from (select coalesce((select p.width from :SCHEMA.secret_audit_partitioning p limit 1), 'month') as width) chosen
$$;

create function :SCHEMA.secret_audit_first_id(at timestamp) returns bigint
language sql immutable strict set search_path = pg_catalog, pg_temp as $$
  select ((extract(epoch from at) * 1000)::bigint - 1704067200000) << 22
$$;

create function :SCHEMA.secret_audit_id_time(audit_id bigint) returns timestamp
language sql immutable strict set search_path = pg_catalog, pg_temp as $$
  select timestamp '2024-01-01' + (audit_id >> 22) * interval '1 millisecond'
$$;

-- The ids from the first up to, but without, the end that no partition takes, and that were not retired.
create function :SCHEMA.secret_audit_uncovered(first bigint, "end" bigint) returns table (from_id bigint, to_id bigint)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lower(gap), upper(gap)
  from unnest(int8multirange(int8range(first, "end")) - coalesce((
    select range_agg(int8range(known.from_id, known.to_id))
    from (
      select p.from_id, p.to_id from :SCHEMA.secret_audit_partitions() p
      union all
      select p.from_id, p.to_id from :SCHEMA.secret_audit_pending() p
      union all
      select r.from_id, r.to_id from :SCHEMA.secret_audit_retirement r where r.state <> 'archived'
    ) known
  ), int8multirange())) as gap
  order by 1
$$;

-- The same, cut where units of the width begin.
create function :SCHEMA.secret_audit_missing_partitions(first bigint, "end" bigint)
returns table (unit text, from_id bigint, to_id bigint)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select w.width, greatest(gap.from_id, :SCHEMA.secret_audit_first_id(unit_start)),
    least(gap.to_id, :SCHEMA.secret_audit_first_id(unit_start + w.step))
  from :SCHEMA.secret_audit_partition_width() w
  cross join lateral :SCHEMA.secret_audit_uncovered(first, "end") gap
  cross join lateral generate_series(date_trunc(w.width, :SCHEMA.secret_audit_id_time(gap.from_id)),
    :SCHEMA.secret_audit_id_time(gap.to_id - 1), w.step) unit_start
  order by 2
$$;

-- Of the previous unit (events arrive late), the current one, and the given number after it. What lies before the oldest partition was
-- removed by retention, and stays removed.
create function :SCHEMA.secret_audit_missing_ahead(units int) returns table (unit text, from_id bigint, to_id bigint)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select missing.unit, missing.from_id, missing.to_id
  from (
    select w.step, date_trunc(w.width, now() at time zone 'UTC') as start
    from :SCHEMA.secret_audit_partition_width() w
  ) this
  cross join lateral :SCHEMA.secret_audit_missing_partitions(
    least(:SCHEMA.secret_audit_first_id(this.start), greatest(:SCHEMA.secret_audit_first_id(this.start - this.step),
      (select min(coalesce(p.from_id, 0)) from :SCHEMA.secret_audit_partitions() p))),
    :SCHEMA.secret_audit_first_id(this.start + (units + 1) * this.step)) missing
$$;

-- Its name says the unit in which it begins, with a number behind where a unit has several; one that was retired keeps its name.
create function :SCHEMA.secret_audit_create_partition(unit text, first bigint, "end" bigint) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  base     text := 'secret_audit_' || to_char(:SCHEMA.secret_audit_id_time(first),
    case unit when 'month' then '"y"YYYY"m"MM' when 'week' then '"y"IYYY"w"IW' else '"y"YYYY"d"DDD' end);
  name     text := base;
  number   int  := 1;
  relation text;
  checked  record;
begin
  while exists (
    select from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = ':SCHEMA.secret_audit'::regclass and c.relname = name
    union all
    select from :SCHEMA.secret_audit_retirement r where r.partition = name and r.state <> 'archived'
  ) loop
    number := number + 1;
    name := base || '_' || number;
  end loop;
  relation := format('%I.%I', :SCHEMA_NAME, name);
  if to_regclass(relation) is not null then
    raise exception '% exists, and is not the partition of its %', relation, unit
      using errcode = 'duplicate_table', hint = 'Attach it, rename it or drop it.';
  end if;
  execute format('create table %s (like :SCHEMA.secret_audit including defaults including storage'
    ' including compression)', relation);
  for checked in
    select conname, pg_get_constraintdef(oid) as definition
    from pg_constraint where conrelid = ':SCHEMA.secret_audit'::regclass and contype = 'c'
  loop
    execute format('alter table %s add constraint %I %s', relation, checked.conname, checked.definition);
  end loop;
  perform :SCHEMA.secret_audit_guard_partition(relation::regclass);
  execute format('alter table :SCHEMA.secret_audit attach partition %s for values from (%s) to (%s)', relation, first, "end");
  return name;
end
$$;

-- A month, whatever the width is: what of it no partition covers, and was not retired. Returns the last name; NULL: nothing was missing.
create or replace function :SCHEMA.secret_audit_create_partition(month timestamp) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  gap  record;
  name text;
begin
  for gap in
    select * from :SCHEMA.secret_audit_uncovered(:SCHEMA.secret_audit_month_start_id(month),
      :SCHEMA.secret_audit_month_start_id(month + interval '1 month'))
  loop
    name := :SCHEMA.secret_audit_create_partition('month', gap.from_id, gap.to_id);
  end loop;
  return name;
end
$$;

-- Months of the given range of which an id has no partition, and was not retired. Services of before miss it when it is gone.
create or replace function :SCHEMA.secret_audit_missing_months(first timestamp, last timestamp) returns setof timestamp
language sql stable set search_path = pg_catalog, pg_temp as $$
  select month
  from generate_series(first, last, interval '1 month') as month
  where exists (select from :SCHEMA.secret_audit_uncovered(:SCHEMA.secret_audit_month_start_id(month),
    :SCHEMA.secret_audit_month_start_id(month + interval '1 month')))
  order by month
$$;

-- `ahead` is in units of the width. Writers of before know months only, and ask for twelve: they get what is kept ahead.
create or replace function :SCHEMA.secret_audit_ensure_partitions(ahead int) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  most    int;
  missing record;
begin
  select w.ahead into most from :SCHEMA.secret_audit_partition_width() w;
  if ahead is null or ahead < 0 or ahead > greatest(most, 12) then
    raise exception 'ahead must be between 0 and %', greatest(most, 12) using errcode = 'invalid_parameter_value';
  end if;
  -- Mostly there is nothing to do; then nothing is locked.
  if not exists (select from :SCHEMA.secret_audit_missing_ahead(least(ahead, most))) then
    return;
  end if;
  lock table only :SCHEMA.secret_audit in share update exclusive mode;
  -- The width may be another one by now.
  select w.ahead into most from :SCHEMA.secret_audit_partition_width() w;
  for missing in select * from :SCHEMA.secret_audit_missing_ahead(least(ahead, most)) loop
    return next :SCHEMA.secret_audit_create_partition(missing.unit, missing.from_id, missing.to_id);
  end loop;
end
$$;

-- All that are kept ahead.
create function :SCHEMA.secret_audit_ensure_partitions() returns setof text
language sql security definer set search_path = pg_catalog, pg_temp as $$
  select :SCHEMA.secret_audit_ensure_partitions((select w.ahead from :SCHEMA.secret_audit_partition_width() w))
$$;

-- The partition of one id, when its time is inside the kept range: from the oldest partition to what is kept ahead, without what was
-- retired in between. Returns its name, or NULL when the id has a partition already.
create or replace function :SCHEMA.secret_audit_ensure_partition_for(audit_id bigint) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  oldest  bigint;
  is_kept boolean;
  missing record;
begin
  select coalesce(min(coalesce(from_id, 0)), 0) into oldest from :SCHEMA.secret_audit_partitions();
  is_kept := audit_id >= oldest and exists (
    select from :SCHEMA.secret_audit_partition_width() w
    where date_trunc(w.width, :SCHEMA.secret_audit_id_time(audit_id))
      <= date_trunc(w.width, now() at time zone 'UTC') + w.ahead * w.step
  );
  if is_kept then
    is_kept := not :SCHEMA.secret_audit_is_retired(audit_id, audit_id + 1);
  end if;
  if is_kept is not true then
    raise exception 'audit id % is outside the kept range of the trail', audit_id
      using errcode = 'invalid_parameter_value';
  end if;
  if not exists (select from :SCHEMA.secret_audit_uncovered(audit_id, audit_id + 1)) then
    return null;
  end if;
  lock table only :SCHEMA.secret_audit in share update exclusive mode;
  for missing in
    select m.* from :SCHEMA.secret_audit_partition_width() w
    cross join lateral :SCHEMA.secret_audit_missing_partitions(
      :SCHEMA.secret_audit_first_id(date_trunc(w.width, :SCHEMA.secret_audit_id_time(audit_id))),
      :SCHEMA.secret_audit_first_id(date_trunc(w.width, :SCHEMA.secret_audit_id_time(audit_id)) + w.step)) m
    where audit_id >= m.from_id and audit_id < m.to_id
  loop
    return :SCHEMA.secret_audit_create_partition(missing.unit, missing.from_id, missing.to_id);
  end loop;
  return null;
end
$$;

-- Ids between the oldest partition and the newest that no partition takes, and that were not retired: somebody removed a partition by
-- hand. Writers and readers may ask.
create function :SCHEMA.secret_audit_gaps() returns table (from_id bigint, to_id bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select gap.from_id, gap.to_id
  from (
    select min(coalesce(p.from_id, p.to_id)) as first, max(coalesce(p.to_id, p.from_id)) as "end"
    from :SCHEMA.secret_audit_partitions() p
  ) known
  cross join lateral :SCHEMA.secret_audit_uncovered(known.first, known."end") gap
  where known.first < known."end"
$$;

-- Changes the width, in one transaction: partitions that have not begun and are empty make room for those of the new width; any
-- other stays. Writers and readers wait while it runs (from months to weeks 65 ms, to days 90 ms); where others use the trail, it gives up after
-- 100 ms, so that nobody queues behind it, and is to be tried again. Returns the names of the partitions that it made.
create function :SCHEMA.secret_audit_set_partition_width(new_width text) returns setof text
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  future  record;
  is_used boolean;
begin
  if new_width is null or new_width not in ('month', 'week', 'day') then
    raise exception 'the width of partitions is month, week or day' using errcode = 'invalid_parameter_value';
  end if;
  if new_width = (select w.width from :SCHEMA.secret_audit_partition_width() w) then
    return;
  end if;
  lock table only :SCHEMA.secret_audit in access exclusive mode;
  for future in
    select format('%I.%I', :SCHEMA_NAME, p.partition) as relation from :SCHEMA.secret_audit_partitions() p
    where p.from_id > :SCHEMA.secret_audit_first_id(now() at time zone 'UTC')
  loop
    execute format('lock table %s in access exclusive mode', future.relation);
    execute format('select exists (select from %s)', future.relation) into is_used;
    if not is_used then
      execute format('drop table %s', future.relation);
    end if;
  end loop;
  insert into :SCHEMA.secret_audit_partitioning as known (only_row, width) values (true, new_width)
    on conflict (only_row) do update set width = excluded.width;
  return query select * from :SCHEMA.secret_audit_ensure_partitions();
end
$$;

-- Nobody but the owner has rights on them, whatever default privileges gave.
do $$
declare
  held record;
begin
  for held in
    select distinct acl.grantee
    from pg_class c cross join lateral aclexplode(c.relacl) acl
    where c.oid = ':SCHEMA.secret_audit_partitioning'::regclass and acl.grantee <> c.relowner
  loop
    execute format('revoke all on :SCHEMA.secret_audit_partitioning from %s',
      case held.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(held.grantee)) end);
  end loop;
end
$$;
revoke all on function
  :SCHEMA.secret_audit_partition_width(),
  :SCHEMA.secret_audit_first_id(timestamp),
  :SCHEMA.secret_audit_id_time(bigint),
  :SCHEMA.secret_audit_uncovered(bigint, bigint),
  :SCHEMA.secret_audit_missing_partitions(bigint, bigint),
  :SCHEMA.secret_audit_missing_ahead(int),
  :SCHEMA.secret_audit_create_partition(text, bigint, bigint),
  :SCHEMA.secret_audit_ensure_partitions(),
  :SCHEMA.secret_audit_gaps(),
  :SCHEMA.secret_audit_set_partition_width(text)
from public;

-- Where the group roles were given their rights before, a service or an auditor goes on without another --roles.
do $$
declare
  writer text := :SCHEMA_NAME || '_audit_writer';
  reader text := :SCHEMA_NAME || '_audit_reader';
begin
  if exists (select from pg_roles where rolname = writer) then
    if has_column_privilege(writer, ':SCHEMA.secret_audit', 'event_digest', 'insert') then
      execute format('grant select on :SCHEMA.secret_audit_partitioning to %I', writer);
      execute format('grant execute on function :SCHEMA.secret_audit_ensure_partitions(), :SCHEMA.secret_audit_gaps() to %I', writer);
    end if;
  end if;
  if exists (select from pg_roles where rolname = reader) then
    if has_table_privilege(reader, ':SCHEMA.secret_audit', 'select') then
      execute format('grant select on :SCHEMA.secret_audit_partitioning to %I', reader);
      execute format('grant execute on function :SCHEMA.secret_audit_gaps() to %I', reader);
    end if;
  end if;
end
$$;
