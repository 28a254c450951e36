import type { ClientBase } from 'pg'
import type { MigrationStep } from './migration-step.js'
import { quotedSchema } from '../schema-name.js'
import { readSql, renderSql } from '../sql-text.js'

/**
 * Whose rights go: those of PUBLIC; everybody's, on what is new; everybody's on all but the trail, where an adopted table's
 * rights have been carried over; everybody's on one table.
 */
export type Unwanted = 'public' | 'all' | 'all but on the trail' | 'on the trail' | 'on the lock'

const CONDITION: { readonly [Kind in Unwanted]: (trail: string) => string } = {
  public: () => 'grantee = 0',
  all: () => 'true',
  'all but on the trail': (trail) => `grantee = 0 or relation is distinct from to_regclass('${trail}')`,
  'on the trail': (trail) => `relation = to_regclass('${trail}')`,
  'on the lock': (trail) => `relation = to_regclass('${trail}_lock')`,
}

/** Takes rights on what is ours from everybody but its owner. */
export async function rightsSql(schema: string, unwanted: Unwanted): Promise<string> {
  return renderSql(await readSql('./rights.sql', import.meta.url), schema, {
    UNWANTED: CONDITION[unwanted](`${quotedSchema(schema)}.secret_audit`),
  })
}

export async function rightsStep(schema: string, unwanted: Unwanted): Promise<MigrationStep> {
  return {
    title: 'rights: none for PUBLIC',
    sql: await rightsSql(schema, unwanted),
    mode: 'transaction',
  }
}

/** Whether PUBLIC has rights on tables or functions of ours: somebody has granted them since. */
export async function isOpenToPublic(client: ClientBase, schema: string): Promise<boolean> {
  const { rows } = await client.query<{ open: boolean }>(
    `select exists (
       select from pg_class c
       left join pg_attribute a on a.attrelid = c.oid and a.attacl is not null
       cross join lateral (select grantee from aclexplode(c.relacl) union select grantee from aclexplode(a.attacl)) acl
       where c.relnamespace = to_regnamespace($1) and acl.grantee = 0
         and (c.relname in ('secret_audit', 'secret_audit_block', 'secret_audit_migration', 'secret_audit_lock',
          'secret_audit_trail', 'secret_audit_quarantine', 'secret_audit_quarantine_end', 'secret_audit_retirement',
          'secret_audit_leaf', 'secret_audit_hold', 'secret_audit_chain_start', 'secret_audit_partitioning')
           or exists (select from pg_inherits i where i.inhrelid = c.oid and i.inhparent in (to_regclass($2), to_regclass($2 || '_quarantine'))))
       union all
       select from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl
       where p.pronamespace = to_regnamespace($1) and p.proname like 'secret\\_audit\\_%' and acl.grantee = 0
         and p.proowner = (select relowner from pg_class where oid = to_regclass($2))
     ) as open`,
    [quotedSchema(schema), `${quotedSchema(schema)}.secret_audit`],
  )
  return rows[0]?.open === true
}
