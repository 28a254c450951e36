-- breaking: no
-- The blocks of the writers' chains: one for each transaction that wrote rows, and those that begin, rotate, idle and
-- close a chain. Columns and signature lines; the text that is signed is made from them. About 320 B each; they stay
-- when their rows are retired.

create table :SCHEMA.secret_audit_block (
  chain_id    uuid        not null,
  block_no    bigint      not null,
  log         text        not null,
  kind        text        not null,
  prev_hash   bytea       not null,
  min_id      bigint,                -- NULL: no rows
  max_id      bigint,
  root        bytea       not null,
  row_count   int         not null,
  row_total   bigint      not null,
  lost_total  bigint      not null,
  block_time  bigint      not null,  -- µs since the Unix epoch, by the writer's clock
  body        text        not null,  -- the lines after the time
  signatures  text        not null,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (chain_id, block_no)   -- the fence: two blocks with one number cannot both be
);
comment on table :SCHEMA.secret_audit_block is 'The signed blocks over the rows of the audit trail. Append-only.';

create trigger secret_audit_append_only before update or delete or truncate on :SCHEMA.secret_audit_block
  for each statement execute function :SCHEMA.secret_audit_append_only();
alter table :SCHEMA.secret_audit_block enable always trigger secret_audit_append_only;
