-- breaking: no
-- What a login with the writer role can do to others is bounded: how large a row and a block are, how far ahead of the
-- clock an id is, how many partitions there are, and which locks it can hold.

-- Migrations exclude each other by a lock on this table. Any login may take an advisory lock; this one only the owner
-- may take. `migrate` makes it before all else, and holds its lock now: it is not touched here.
create table if not exists :SCHEMA.secret_audit_lock ();

-- Constraints are NOT VALID: rows that are there stay, whatever they are, and no table is read. A dump puts such a
-- constraint behind the rows, so that a restore does not depend on the clock of the machine it is restored on.
-- Only operators and functions of pg_catalog: none of them is anybody's to change.

-- 24 hours by the database's clock: an id further ahead would be the newest of every list until its time has come.
alter table :SCHEMA.secret_audit add constraint secret_audit_not_ahead check (
  timestamptz '2024-01-01 00:00:00+00' + (audit_id >> 22)::float8 * interval '1 millisecond'
    <= clock_timestamp() + interval '24 hours'
) not valid;

-- In bytes. A UTF-16 code unit, in which an event's texts are limited, is at most three bytes of UTF-8. A row without a
-- digest is one of the original's, whose INSERT knows no limits: it has room for what is not an attack.
alter table :SCHEMA.secret_audit add constraint secret_audit_sizes check (
  case when event_digest is null then
    octet_length(credential) <= 16384 and octet_length(operation) <= 16384 and octet_length(outcome) <= 16384
    and octet_length(worker_id) <= 16384 and octet_length(server_region) <= 16384
    and octet_length(broker_region) <= 16384 and octet_length(kek_version) <= 16384 and octet_length(notes) <= 16384
    and octet_length(actor_id) <= 16384 and octet_length(actor_type) <= 16384
    and octet_length(source_address) <= 16384 and octet_length(service_name) <= 16384
    and octet_length(service_instance_id) <= 16384 and octet_length(trace_id) <= 16384
    and octet_length(span_id) <= 16384 and octet_length(attributes::text) <= 16384
  else
    octet_length(credential) <= 1536 and octet_length(operation) <= 64 and octet_length(outcome) <= 64
    and octet_length(worker_id) <= 768 and octet_length(server_region) <= 384
    and octet_length(broker_region) <= 384 and octet_length(kek_version) <= 384 and octet_length(notes) <= 3072
    and octet_length(actor_id) <= 768 and octet_length(actor_type) <= 16
    and octet_length(source_address) <= 384 and octet_length(service_name) <= 768
    and octet_length(service_instance_id) <= 768 and octet_length(trace_id) <= 32
    and octet_length(span_id) <= 16 and octet_length(attributes::text) <= 4096
    and octet_length(event_digest) <= 32
  end
) not valid;

-- Of a block: hashes of 32 bytes; a name of a log; `body`, at most a key, two names of 256 code units as JSON, a version
-- and a predecessor; `signatures`, at most those of two keys of the chain and of the enrolment.
alter table :SCHEMA.secret_audit_block add constraint secret_audit_block_sizes check (
  octet_length(log) <= 1024 and octet_length(kind) <= 16 and octet_length(prev_hash) <= 32 and octet_length(root) <= 32
  and row_count >= 0 and octet_length(body) <= 8192 and octet_length(signatures) <= 8192
) not valid;

-- A new partition has the constraints as the trail has them: LIKE would make valid ones, which a dump puts before the rows.
create or replace function :SCHEMA.secret_audit_create_partition(month timestamp) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  name     text := 'secret_audit_' || to_char(month, '"y"YYYY"m"MM');
  relation text := format('%I.%I', :SCHEMA_NAME, name);
  checked  record;
begin
  if to_regclass(relation) is not null then
    raise exception '% exists, and is not the partition of its month', relation
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
  execute format('alter table :SCHEMA.secret_audit attach partition %s for values from (%s) to (%s)', relation,
    :SCHEMA.secret_audit_month_start_id(month),
    :SCHEMA.secret_audit_month_start_id(month + interval '1 month'));
  return name;
end
$$;

-- The months that a partition may be made for end with the twelfth after the current one. The lock is the one that
-- ATTACH takes in any case; nobody but the owner may hold it.
create or replace function :SCHEMA.secret_audit_ensure_partitions(ahead int) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  current  timestamp := date_trunc('month', now() at time zone 'UTC');
  previous timestamp := current - interval '1 month';
  first    timestamp := previous;
  month    timestamp;
begin
  if ahead is null or ahead < 0 or ahead > 12 then
    raise exception 'ahead must be between 0 and 12 months' using errcode = 'invalid_parameter_value';
  end if;
  if (select min(coalesce(from_id, 0)) > :SCHEMA.secret_audit_month_start_id(previous)
      from :SCHEMA.secret_audit_partitions()) then
    first := current;
  end if;
  -- Mostly there is nothing to do; then nothing is locked.
  if not exists (select from :SCHEMA.secret_audit_missing_months(first, current + ahead * interval '1 month')) then
    return;
  end if;
  lock table only :SCHEMA.secret_audit in share update exclusive mode;
  for month in select * from :SCHEMA.secret_audit_missing_months(first, current + ahead * interval '1 month') loop
    return next :SCHEMA.secret_audit_create_partition(month);
  end loop;
end
$$;

-- The partition of one id, when its time is inside the kept range: from the oldest partition to twelve months ahead.
-- Returns its name, or NULL when the id has a partition already.
create or replace function :SCHEMA.secret_audit_ensure_partition_for(audit_id bigint) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
  month  timestamp := :SCHEMA.secret_audit_id_month(audit_id);
  oldest bigint;
begin
  select coalesce(min(coalesce(from_id, 0)), 0) into oldest from :SCHEMA.secret_audit_partitions();
  if audit_id is null or audit_id < oldest
    or month > date_trunc('month', now() at time zone 'UTC') + interval '12 months' then
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
