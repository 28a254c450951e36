-- breaking: no
-- Where a chain begins whose first blocks were retired with their rows. A strict caller at a time makes each row a block: they
-- would outweigh the trail that is left.

-- The last retired block of each such chain, and what the next one is held against. The owner's to change, and not evidence
-- by itself: the retention key signs the hash of the whole list, in a row of the trail.
create table :SCHEMA.secret_audit_chain_start (
  chain_id   uuid   primary key,
  block_no   bigint not null,
  block_hash bytea  not null,  -- SHA-256 of its text
  key_block  bigint not null,  -- the block that brought in the key that is current there; it stays
  key_hash   bytea  not null,
  row_total  bigint not null,
  lost_total bigint not null,
  block_time bigint not null,
  last_id    bigint            -- largest id of a row of the retired blocks; NULL: they had none
);
alter table :SCHEMA.secret_audit_chain_start add constraint secret_audit_chain_start_check
  check (octet_length(block_hash) = 32 and octet_length(key_hash) = 32 and block_no > 0 and key_block between 0 and block_no)
  not valid;
comment on table :SCHEMA.secret_audit_chain_start is 'Where the chains of blocks begin whose first blocks were retired.';

-- Blocks are still append-only, but for those before the start of their chain, in a transaction that says that it is about these.
-- Blocks that brought in a key stay for ever.
create function :SCHEMA.secret_audit_append_only_block() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'DELETE' and current_setting('otel_audit.retired_blocks', true) = 'on' then
    if tg_level = 'STATEMENT' then
      return null;
    end if;
    if old.kind not in ('genesis', 'rotate') and exists (
      select from :SCHEMA.secret_audit_chain_start start
      where start.chain_id = old.chain_id and start.block_no >= old.block_no
    ) then
      return old;
    end if;
  end if;
  raise exception 'the audit trail is append-only: % of %.% is refused', tg_op, tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege';
end
$$;
revoke all on function :SCHEMA.secret_audit_append_only_block() from public;

drop trigger secret_audit_append_only on :SCHEMA.secret_audit_block;
create trigger secret_audit_append_only before update or delete or truncate on :SCHEMA.secret_audit_block
  for each statement execute function :SCHEMA.secret_audit_append_only_block();
create trigger secret_audit_append_only_row before delete on :SCHEMA.secret_audit_block
  for each row execute function :SCHEMA.secret_audit_append_only_block();
alter table :SCHEMA.secret_audit_block enable always trigger secret_audit_append_only;
alter table :SCHEMA.secret_audit_block enable always trigger secret_audit_append_only_row;

-- Nobody but the owner has rights on it, whatever default privileges gave; and who may read the trail, to verify it.
do $$
declare
  held record;
  reader text := :SCHEMA_NAME || '_audit_reader';
begin
  for held in
    select distinct c.oid::regclass as relation, acl.grantee
    from pg_class c cross join lateral aclexplode(c.relacl) acl
    where c.oid = ':SCHEMA.secret_audit_chain_start'::regclass and acl.grantee <> c.relowner
  loop
    execute format('revoke all on %s from %s', held.relation,
      case held.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(held.grantee)) end);
  end loop;
  if exists (select from pg_roles where rolname = reader) then
    if has_table_privilege(reader, ':SCHEMA.secret_audit', 'select') then
      execute format('grant select on :SCHEMA.secret_audit_chain_start to %I', reader);
    end if;
  end if;
end
$$;
