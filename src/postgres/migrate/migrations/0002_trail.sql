-- breaking: no
-- The trail. The first twelve columns are those of the original, whose INSERT keeps working.

create table :SCHEMA.secret_audit (
  audit_id            bigint      primary key,
  occurred_at         timestamptz not null default now(),
  credential          text        not null,
  operation           text        not null,
  outcome             text        not null,
  worker_id           text,
  execution_id        bigint,
  parent_execution_id bigint,
  server_region       text,
  broker_region       text,
  kek_version         text,
  notes               text,
  recorded_at         timestamptz not null default clock_timestamp(),  -- now() is the transaction's start
  recorded_xid        bigint      not null default (pg_current_xact_id()::text::bigint),  -- xid8 has no BRIN class
  actor_id            text,
  actor_type          text,
  source_address      text,
  service_name        text,
  service_instance_id text,
  trace_id            text,
  span_id             text,
  attributes          json,  -- keeps the text that was hashed; jsonb does not
  original_audit_id   bigint,
  event_digest        bytea,
  chain_id            uuid,
  block_no            bigint,
  block_index         int
) partition by range (audit_id);
comment on table :SCHEMA.secret_audit is 'The audit trail of secret access: one row per attempt. Append-only.';

-- Measured with 5 M rows in 16 partitions: on (credential, occurred_at desc) the planner walks the primary key
-- backwards instead, and a credential with only old rows takes 1,184 ms; so it takes 1.4 ms.
create index secret_audit_credential_time on :SCHEMA.secret_audit (credential text_pattern_ops, audit_id desc);
create index secret_audit_execution on :SCHEMA.secret_audit (execution_id) where execution_id is not null;
create index secret_audit_not_ok on :SCHEMA.secret_audit (outcome, audit_id desc) where outcome <> 'ok';
create index secret_audit_settled on :SCHEMA.secret_audit using brin (recorded_xid);
-- A window of time is read by the ids of that time, an hour more on both sides. Rows that are further off (the clock
-- stepped back by more than an hour, and ids do not) are found here. It is all but empty.
-- Measured with 5 M rows of 90 days: with a day more, the newest page of a window by a credential of one row in ten takes
-- 40 ms, since it begins with that day; so it takes 7 ms.
create index secret_audit_displaced on :SCHEMA.secret_audit (occurred_at)
  where occurred_at < to_timestamp((audit_id >> 22)::float8 / 1000 + 1704063600)
     or occurred_at > to_timestamp((audit_id >> 22)::float8 / 1000 + 1704070800);

create function :SCHEMA.secret_audit_append_only() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'the audit trail is append-only: % of %.% is refused', tg_op, tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege';
end
$$;
revoke all on function :SCHEMA.secret_audit_append_only() from public;

-- The statement trigger also refuses a statement that matches no row, and TRUNCATE, but guards only the table it is on:
-- each partition gets its own. The row trigger is cloned to a partition that somebody attaches by hand.
-- "Always": not to be switched off by session_replication_role.
create trigger secret_audit_append_only before update or delete or truncate on :SCHEMA.secret_audit
  for each statement execute function :SCHEMA.secret_audit_append_only();
create trigger secret_audit_append_only_row before update or delete on :SCHEMA.secret_audit
  for each row execute function :SCHEMA.secret_audit_append_only();
alter table :SCHEMA.secret_audit enable always trigger secret_audit_append_only;
alter table :SCHEMA.secret_audit enable always trigger secret_audit_append_only_row;
