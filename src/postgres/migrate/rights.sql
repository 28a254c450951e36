-- Takes the rights on tables and functions of ours that :UNWANTED picks, by `grantee` (0: PUBLIC) and `relation` (NULL: a
-- function): PUBLIC must have none, and nobody one that default privileges gave.
-- The owner can revoke only what the owner granted: what others passed on goes with their grant option.
do $$
declare
  held record;
begin
  for held in
    with granted as (
      select 'table' as kind, c.oid::regclass::text as name, c.oid::regclass as relation, c.relowner as owner, acl.*
      from pg_class c
      cross join lateral (
        select (aclexplode(c.relacl)).*
        union
        select (aclexplode(a.attacl)).* from pg_attribute a where a.attrelid = c.oid and a.attacl is not null
      ) acl
      where c.relnamespace = ':SCHEMA'::regnamespace
        and (c.relname in ('secret_audit', 'secret_audit_block', 'secret_audit_migration', 'secret_audit_lock',
          'secret_audit_trail', 'secret_audit_quarantine', 'secret_audit_quarantine_end', 'secret_audit_retirement',
          'secret_audit_leaf', 'secret_audit_hold', 'secret_audit_chain_start', 'secret_audit_partitioning')
          or exists (select from pg_inherits i
                     where i.inhrelid = c.oid and i.inhparent in (to_regclass(':SCHEMA.secret_audit'), to_regclass(':SCHEMA.secret_audit_quarantine'))))
      union all
      select 'function', p.oid::regprocedure::text, null, p.proowner, acl.*
      from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl
      where p.pronamespace = ':SCHEMA'::regnamespace and p.proname like 'secret\_audit\_%'
        and p.proowner = (select relowner from pg_class where oid = to_regclass(':SCHEMA.secret_audit'))
    ),
    unwanted as (
      select * from granted where grantee <> owner and (:UNWANTED)
    )
    select distinct kind, name, '' as option, grantee from unwanted where grantor = owner
    union all
    select distinct g.kind, g.name, 'grant option for ', g.grantee
    from granted g join unwanted u on u.name = g.name and u.grantor <> u.owner
    where g.is_grantable and g.grantor = g.owner and g.grantee <> g.owner
  loop
    execute format('revoke %sall on %s %s from %s cascade', held.option, held.kind, held.name,
      case held.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(held.grantee)) end);
  end loop;
end
$$;
