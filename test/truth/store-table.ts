/** What may hang on the tables, and what may not: a line of `docs/schema.md`, and the SQL that makes it so. */
export type Case = readonly [what: string, sql: string]

const A_FUNCTION = `create function public.own(text) returns text language sql immutable as 'select $1';`
const A_TRIGGER = `create function public.own() returns trigger language plpgsql as 'begin return new; end';`
const PARTITION = 'noetl.secret_audit_first'

/** Before each of them. */
export const PARTITION_FOR_CASES = `
  create table ${PARTITION} (like noetl.secret_audit including defaults including constraints);
  alter table noetl.secret_audit attach partition ${PARTITION} for values from (minvalue) to (-9000000000000000000)`

export const HARMLESS: readonly Case[] = [
  [
    'an index that is not unique, of a built-in access method, over plain columns',
    'create index on noetl.secret_audit (actor_id)',
  ],
  [
    'the same with a predicate of immutable functions of `pg_catalog`',
    `create index on noetl.secret_audit (actor_id) where lower(outcome) <> 'ok'`,
  ],
  ['an index of one partition only', `create index on ${PARTITION} using hash (trace_id)`],
  ['statistics', 'create statistics public.s on credential, outcome from noetl.secret_audit'],
  ['comments', `comment on column noetl.secret_audit.notes is 'x'`],
  ['SELECT grants', 'grant select on noetl.secret_audit to public'],
  ['publications', 'create publication p for table noetl.secret_audit, noetl.secret_audit_block'],
  ['replica identity', 'alter table noetl.secret_audit replica identity full'],
  ['storage parameters', `alter table ${PARTITION} set (fillfactor = 90, autovacuum_enabled = off)`],
  ['a nullable column without a default', 'alter table noetl.secret_audit add column ticket text'],
  ['a foreign key to us', 'create table public.follows (id bigint references noetl.secret_audit)'],
  [
    'row security on a partition',
    `alter table ${PARTITION} enable row security`.replace('row security', 'row level security'),
  ],
  ['a view over the tables', 'create view public.v as select * from noetl.secret_audit'],
  [
    'a trigger that does not run at INSERT, or is disabled',
    `${A_TRIGGER}
    create trigger own before update on noetl.secret_audit for each row execute function public.own();
    create trigger off before insert on noetl.secret_audit_block for each row execute function public.own();
    alter table noetl.secret_audit_block disable trigger off`,
  ],
]

export const WARNED: readonly Case[] = [
  ['no table of the quarantine', 'drop table noetl.secret_audit_quarantine cascade'],
  ['a DEFAULT partition', `create table noetl.rest partition of noetl.secret_audit default`],
  [
    'an event trigger',
    `create function public.ev() returns event_trigger language plpgsql as 'begin end';
    create event trigger ev on ddl_command_end execute function public.ev()`,
  ],
  ['a child of the table of the blocks', 'create table public.kid () inherits (noetl.secret_audit_block)'],
  [
    'a child of the table of the identity, also one that is unlogged',
    'create unlogged table public.kid (more int) inherits (noetl.secret_audit_trail)',
  ],
]

export const REFUSED: readonly Case[] = [
  ['an unlogged partition', `alter table ${PARTITION} set unlogged`],
  ['an unlogged table of the blocks', 'alter table noetl.secret_audit_block set unlogged'],
  [
    'an unlogged table of what was decided about the quarantine',
    'alter table noetl.secret_audit_quarantine_end set unlogged',
  ],
  ['an unlogged table of the identity', 'alter table noetl.secret_audit_trail set unlogged'],
  [
    'a foreign table',
    `alter table noetl.secret_audit_block rename to old;
    create foreign data wrapper w; create server s foreign data wrapper w;
    create foreign table noetl.secret_audit_block (chain_id uuid) server s`,
  ],
  [
    'a view in the place of a table, with INSTEAD triggers',
    `alter table noetl.secret_audit_block rename to old;
    create view noetl.secret_audit_block as select * from noetl.old`,
  ],
  [
    'a rule, INSTEAD or not',
    `create table public.elsewhere (like noetl.secret_audit_block);
    create rule r as on insert to noetl.secret_audit_block do also insert into public.elsewhere select new.*`,
  ],
  [
    'a table access method other than `heap`',
    `create access method heap2 type table handler heap_tableam_handler;
    alter table noetl.secret_audit_block set access method heap2`,
  ],
  [
    'a domain as the type of a column',
    `create domain public.d as text;
    alter table noetl.secret_audit alter column notes type public.d`,
  ],
  [
    'a column of another type, generated, missing, or a further one that must not be NULL',
    `alter table noetl.secret_audit alter column notes type varchar(2000)`,
  ],
  [
    'a further column with a domain for its type',
    `create domain public.d as text check (value is null or length(value) > 3);
    alter table noetl.secret_audit add column more public.d`,
  ],
  [
    'a generated column',
    `alter table noetl.secret_audit_block add column more text generated always as (upper(kind)) stored`,
  ],
  [
    'no valid primary key of ours',
    `alter table noetl.secret_audit_block drop constraint secret_audit_block_pkey`,
  ],
  [
    'a deferrable primary key',
    `alter table noetl.secret_audit_block drop constraint secret_audit_block_pkey;
    alter table noetl.secret_audit_block add primary key (chain_id, block_no) deferrable initially deferred`,
  ],
  [
    'a default of ours that is gone or other',
    'alter table noetl.secret_audit alter column recorded_xid set default 0',
  ],
]

export const ALLOWABLE: readonly Case[] = [
  ['row security on a table', `alter table noetl.secret_audit_block enable row level security`],
  ['an index on an expression', `create index own on noetl.secret_audit (lower(notes))`],
  [
    'an index with a predicate that is not built in',
    `${A_FUNCTION}
    create index own on noetl.secret_audit (actor_id) where public.own(notes) is null`,
  ],
  [
    'an index with an operator class that is not built in',
    `create operator class public.own for type text using btree as
      operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 bttextcmp(text, text);
    create index own on noetl.secret_audit (actor_id public.own)`,
  ],
  [
    'an index of an access method that is not built in',
    `create access method own type index handler bthandler;
    create operator class public.own default for type text using own as
      operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 bttextcmp(text, text);
    create index own on noetl.secret_audit_block using own (kind)`,
  ],
  [
    'a unique index or an exclusion constraint',
    'create unique index own on noetl.secret_audit_block (block_no, chain_id, kind)',
  ],
  ['a CHECK', `alter table noetl.secret_audit add constraint own check (credential <> '')`],
  [
    'a CHECK that has a name like ours, and runs code',
    `${A_FUNCTION}
    alter table noetl.secret_audit add constraint secret_audit_size check (public.own(notes) is null)`,
  ],
  [
    'a CHECK that has a name like ours, and changes settings',
    `
    alter table noetl.secret_audit add constraint secret_audit_size
      check (set_config('synchronous_commit', 'off', true) is not null)`,
  ],
  [
    'a CHECK that has a name like ours, and runs statements',
    `
    alter table noetl.secret_audit_block add constraint secret_audit_size
      check (query_to_xml('select 1', true, true, '') is not null)`,
  ],
  ['a default on a column of ours', `alter table noetl.secret_audit alter column notes set default 'x'`],
  ['a default on a further column', `alter table noetl.secret_audit add column ticket text default 'x'`],
  [
    'a trigger for each row',
    `${A_TRIGGER}
    create trigger own before insert on noetl.secret_audit for each row execute function public.own()`,
  ],
  [
    'a trigger for each statement',
    `${A_TRIGGER}
    create trigger own after insert on noetl.secret_audit_block for each statement execute function public.own()`,
  ],
  [
    'a trigger on the quarantine',
    `${A_TRIGGER}
    create trigger own before insert on noetl.secret_audit_quarantine for each row execute function public.own()`,
  ],
  [
    'a trigger on one partition',
    `${A_TRIGGER}
    create trigger own after insert on ${PARTITION} for each row execute function public.own()`,
  ],
  [
    'a deferred trigger',
    `${A_TRIGGER}
    create constraint trigger own after insert on noetl.secret_audit deferrable initially deferred
      for each row execute function public.own()`,
  ],
  [
    'a trigger that calls itself internal',
    `${A_TRIGGER}
    create trigger own before insert on noetl.secret_audit_block for each row execute function public.own();
    update pg_trigger set tgisinternal = true where tgname = 'own'`,
  ],
  [
    'a foreign key from us',
    `create table public.credentials (name text primary key);
    alter table noetl.secret_audit add constraint own foreign key (credential) references public.credentials`,
  ],
]
