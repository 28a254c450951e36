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

-- Where the group roles were given their rights before, a service that is updated goes on without another --roles.
do $$
declare
  writer text := :SCHEMA_NAME || '_audit_writer';
  reader text := :SCHEMA_NAME || '_audit_reader';
begin
  if exists (select from pg_roles where rolname = writer) then
    if has_column_privilege(writer, ':SCHEMA.secret_audit', 'event_digest', 'insert') then
      execute format('grant select, insert (chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count,'
        ' row_total, lost_total, block_time, body, signatures) on :SCHEMA.secret_audit_block to %I', writer);
    end if;
  end if;
  if exists (select from pg_roles where rolname = reader) then
    if has_table_privilege(reader, ':SCHEMA.secret_audit', 'select') then
      execute format('grant select on :SCHEMA.secret_audit_block to %I', reader);
    end if;
  end if;
end
$$;
