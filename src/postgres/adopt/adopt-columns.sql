-- What the original's table lacks. Constant defaults first: a volatile one would rewrite the table. So the rows from
-- before the adoption say recorded_at = the time of adoption, and recorded_xid = 0: settled, whoever asks.
alter table :SCHEMA.secret_audit
  add column if not exists recorded_at         timestamptz not null default now(),
  add column if not exists recorded_xid        bigint      not null default 0,
  add column if not exists actor_id            text,
  add column if not exists actor_type          text,
  add column if not exists source_address      text,
  add column if not exists service_name        text,
  add column if not exists service_instance_id text,
  add column if not exists trace_id            text,
  add column if not exists span_id             text,
  add column if not exists attributes          json,
  add column if not exists original_audit_id   bigint,
  add column if not exists event_digest        bytea,
  add column if not exists chain_id            uuid,
  add column if not exists block_no            bigint,
  add column if not exists block_index         int;
alter table :SCHEMA.secret_audit
  alter column recorded_at set default clock_timestamp(),
  alter column recorded_xid set default (pg_current_xact_id()::text::bigint);
