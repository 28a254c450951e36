-- breaking: no
-- Which trail this is. Every genesis block names it, so that a chain of another trail, under the same log and enrolment key, is
-- not taken for one of this. A dump, a template and a snapshot copy it: `otel-audit migrate --new-trail` begins another one.

create table if not exists :SCHEMA.secret_audit_trail (
  only_row          boolean     primary key default true,
  trail             text        not null,  -- 128 random bits, hex
  system_identifier text,                  -- of the server where it began; NULL: that may not be asked there
  table_oids        text        not null,  -- and of database and table, as <database>.<table>: a copy within the server has others
  begun_at          timestamptz not null default clock_timestamp()
);
-- NOT VALID as all others: a dump puts it behind the rows.
alter table :SCHEMA.secret_audit_trail drop constraint if exists secret_audit_trail_sound;
alter table :SCHEMA.secret_audit_trail add constraint secret_audit_trail_sound
  check (only_row and trail ~ '^[0-9a-f]{32}$') not valid;
comment on table :SCHEMA.secret_audit_trail is 'The identity of the audit trail, in one row.';

-- Another identity, or the one that is there with the server, database and table that it is in now. Where none is there: a new one.
create or replace function :SCHEMA.secret_audit_begin_trail(is_new boolean) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  random text := substr(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'), 1, 32);
  place  text := (select oid from pg_database where datname = current_database())::text
    || '.' || ':SCHEMA.secret_audit'::regclass::oid::text;
  server text;
  begun  text;
begin
  begin
    select system_identifier::text into server from pg_control_system();
  exception when insufficient_privilege then
    server := null;
  end;
  insert into :SCHEMA.secret_audit_trail as known (trail, system_identifier, table_oids)
  values (random, server, place)
  on conflict (only_row) do update set
    trail = case when is_new then excluded.trail else known.trail end,
    begun_at = case when is_new then excluded.begun_at else known.begun_at end,
    system_identifier = excluded.system_identifier, table_oids = excluded.table_oids
  returning trail into begun;
  return begun;
end
$$;
revoke all on function :SCHEMA.secret_audit_begin_trail(boolean) from public;

select :SCHEMA.secret_audit_begin_trail(false);

-- Nobody but the owner changes it, whatever default privileges gave. Whoever may read the version of the schema may read it.
do $$
declare
  held record;
begin
  for held in
    select distinct acl.grantee from pg_class c cross join lateral aclexplode(c.relacl) acl
    where c.oid = ':SCHEMA.secret_audit_trail'::regclass and acl.grantee <> c.relowner
  loop
    execute format('revoke all on :SCHEMA.secret_audit_trail from %s',
      case held.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(held.grantee)) end);
  end loop;
  for held in
    select distinct acl.grantee from pg_class c cross join lateral aclexplode(c.relacl) acl
    where c.oid = ':SCHEMA.secret_audit_migration'::regclass and acl.privilege_type = 'SELECT'
      and acl.grantee not in (0, c.relowner)
  loop
    execute format('grant select on :SCHEMA.secret_audit_trail to %I', pg_get_userbyid(held.grantee));
  end loop;
end
$$;
