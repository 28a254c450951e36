-- breaking: no
-- What was archived and retired, what is held, and what is left of retired rows: how a month of the trail can go without a hole in
-- the evidence. Partitions that are being detached take no rows, and a month that was retired is not made again.

-- How far the retirement of a partition has come. The owner's to change: `otel-audit archive` and `retire` do. No evidence: that
-- are the rows of the trail about it, with the notes of the retention key.
create table :SCHEMA.secret_audit_retirement (
  partition  text        not null,              -- its name
  from_id    bigint,                            -- NULL: no lower bound
  to_id      bigint      primary key,
  state      text        not null,
  place      text,                              -- of the archive; NULL: retired without one
  manifests  text[]      not null default '{}', -- SHA-256 of those that have its rows, hex, oldest first
  row_count  bigint      not null default 0,    -- archived
  note       text,                              -- signed last
  changed_at timestamptz not null default clock_timestamp()
);
alter table :SCHEMA.secret_audit_retirement add constraint secret_audit_retirement_state_check
  check (state in ('archived', 'retiring', 'detached', 'dropped', 'retired')) not valid;
comment on table :SCHEMA.secret_audit_retirement is 'How far the retirement of each partition of the audit trail has come.';

-- The digests of retired rows in blocks that have other rows, too: with them the root of such a block can be computed still.
create table :SCHEMA.secret_audit_leaf (
  chain_id    uuid   not null,
  block_no    bigint not null,
  block_index int    not null,
  digest      bytea  not null,
  partition   text   not null,  -- where the row was
  primary key (chain_id, block_no, block_index)
);
alter table :SCHEMA.secret_audit_leaf add constraint secret_audit_leaf_digest_check check (octet_length(digest) = 32) not valid;
comment on table :SCHEMA.secret_audit_leaf is 'What is left of retired rows whose block has others. Append-only.';

-- Rows that nothing may retire. `hold` and every step of `retire` lock this table.
create table :SCHEMA.secret_audit_hold (
  hold_id     bigint      generated always as identity primary key,
  credential  text        not null,  -- exact, or a prefix and *
  from_time   timestamptz,           -- of the rows, inclusive; NULL: from the beginning
  to_time     timestamptz,           -- exclusive; NULL: without end
  reason      text        not null,
  added_by    text        not null,
  added_at    timestamptz not null default clock_timestamp(),
  released_by text,
  released_at timestamptz
);
comment on table :SCHEMA.secret_audit_hold is 'Legal holds: what may not be retired.';

create trigger secret_audit_append_only before update or delete or truncate on :SCHEMA.secret_audit_leaf
  for each statement execute function :SCHEMA.secret_audit_append_only();
alter table :SCHEMA.secret_audit_leaf enable always trigger secret_audit_append_only;

-- Partitions that are being detached, whoever began it: they are there, and no new snapshot sees their rows.
create function :SCHEMA.secret_audit_pending() returns table (partition text, from_id bigint, to_id bigint)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.relname::text, nullif(bound[1], 'MINVALUE')::bigint, nullif(bound[2], 'MAXVALUE')::bigint
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join lateral regexp_match(
    pg_get_expr(c.relpartbound, c.oid),
    'FROM [(]''?(-?[0-9]+|MINVALUE)''?[)] TO [(]''?(-?[0-9]+|MAXVALUE)''?[)]') as bound
  where i.inhparent = ':SCHEMA.secret_audit'::regclass and i.inhdetachpending and bound is not null
  order by 2 nulls first
$$;

-- Those that take rows. NULL: no bound on that side.
create or replace function :SCHEMA.secret_audit_partitions() returns table (partition text, from_id bigint, to_id bigint)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.relname::text, nullif(bound[1], 'MINVALUE')::bigint, nullif(bound[2], 'MAXVALUE')::bigint
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join lateral regexp_match(
    pg_get_expr(c.relpartbound, c.oid),
    'FROM [(]''?(-?[0-9]+|MINVALUE)''?[)] TO [(]''?(-?[0-9]+|MAXVALUE)''?[)]') as bound
  where i.inhparent = ':SCHEMA.secret_audit'::regclass and not i.inhdetachpending and bound is not null
  order by 2 nulls first
$$;

-- Whether rows from the first id up to, but without, the end have been retired, or are being.
create function :SCHEMA.secret_audit_is_retired(first bigint, "end" bigint) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from (
      select from_id, to_id from :SCHEMA.secret_audit_retirement where state <> 'archived'
      union all
      select from_id, to_id from :SCHEMA.secret_audit_pending()
    ) gone
    where coalesce(gone.from_id < "end", true) and coalesce(gone.to_id > first, true)
  )
$$;

-- Months of the given range of which no id has a partition yet, and none was retired.
create or replace function :SCHEMA.secret_audit_missing_months(first timestamp, last timestamp) returns setof timestamp
language sql stable set search_path = pg_catalog, pg_temp as $$
  select month
  from generate_series(first, last, interval '1 month') as month
  where not exists (
    select from :SCHEMA.secret_audit_partitions() p
    where coalesce(p.from_id < :SCHEMA.secret_audit_month_start_id(month + interval '1 month'), true)
      and coalesce(p.to_id > :SCHEMA.secret_audit_month_start_id(month), true))
    and not :SCHEMA.secret_audit_is_retired(:SCHEMA.secret_audit_month_start_id(month),
      :SCHEMA.secret_audit_month_start_id(month + interval '1 month'))
  order by month
$$;

-- The partition of one id, when its time is inside the kept range: from the oldest partition to twelve months ahead, without what
-- was retired in between. Returns its name, or NULL when the id has a partition already.
create or replace function :SCHEMA.secret_audit_ensure_partition_for(audit_id bigint) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  month  timestamp := :SCHEMA.secret_audit_id_month(audit_id);
  oldest bigint;
begin
  select coalesce(min(coalesce(from_id, 0)), 0) into oldest from :SCHEMA.secret_audit_partitions();
  if audit_id is null or audit_id < oldest
    or month > date_trunc('month', now() at time zone 'UTC') + interval '12 months'
    or :SCHEMA.secret_audit_is_retired(audit_id, audit_id + 1) then
    raise exception 'audit id % is outside the kept range of the trail', audit_id
      using errcode = 'invalid_parameter_value';
  end if;
  if not exists (select from :SCHEMA.secret_audit_missing_months(month, month)) then
    return null;
  end if;
  lock table only :SCHEMA.secret_audit in share update exclusive mode;
  if exists (select from :SCHEMA.secret_audit_missing_months(month, month)) then
    return :SCHEMA.secret_audit_create_partition(month);
  end if;
  return null;
end
$$;

-- Nobody but the owner has rights on them, whatever default privileges gave; and who may read the trail, to verify it.
do $$
declare
  held record;
begin
  for held in
    select distinct c.oid::regclass as relation, acl.grantee
    from pg_class c cross join lateral aclexplode(c.relacl) acl
    where c.oid in (':SCHEMA.secret_audit_retirement'::regclass, ':SCHEMA.secret_audit_leaf'::regclass,
      ':SCHEMA.secret_audit_hold'::regclass) and acl.grantee <> c.relowner
  loop
    execute format('revoke all on %s from %s', held.relation,
      case held.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(held.grantee)) end);
  end loop;
end
$$;
revoke all on function
  :SCHEMA.secret_audit_pending(),
  :SCHEMA.secret_audit_is_retired(bigint, bigint)
from public;

-- Where the group roles were given their rights before, a service or an auditor goes on without another --roles.
do $$
declare
  writer text := :SCHEMA_NAME || '_audit_writer';
  reader text := :SCHEMA_NAME || '_audit_reader';
begin
  if exists (select from pg_roles where rolname = writer) then
    if has_column_privilege(writer, ':SCHEMA.secret_audit', 'event_digest', 'insert') then
      execute format('grant execute on function :SCHEMA.secret_audit_pending() to %I', writer);
    end if;
  end if;
  if exists (select from pg_roles where rolname = reader) then
    if has_table_privilege(reader, ':SCHEMA.secret_audit', 'select') then
      execute format('grant select on :SCHEMA.secret_audit_retirement, :SCHEMA.secret_audit_leaf, :SCHEMA.secret_audit_hold to %I',
        reader);
      execute format('grant execute on function :SCHEMA.secret_audit_pending() to %I', reader);
    end if;
  end if;
end
$$;
