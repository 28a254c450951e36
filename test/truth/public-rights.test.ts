import type pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { lockMigrations } from '../../src/postgres/migrate/migration-lock.js'
import { connect, emptyDatabase, type TestDatabase } from '../support/database.js'
import { ORIGINAL_START_UP } from '../postgres/adopt/original-table.js'

let database: TestDatabase
let client: pg.Client
let nobody: pg.Client
let name: string

beforeEach(async () => {
  database = await emptyDatabase()
  client = await connect(database.url)
  name = `${database.name}_nobody`
  await client.query(`create role ${name} login password 'x'`)
  const url = new URL(database.url)
  url.username = name
  url.password = 'x'
  nobody = await connect(url.href)
})

afterEach(async () => {
  await nobody.end()
  await client.query(`drop owned by ${name} cascade`)
  await client.query(`drop role ${name}`)
  await client.end()
  await database.drop()
})

/** What anybody but the owner and the group roles may do with anything in the schema. */
async function strangers(): Promise<string[]> {
  const { rows } = await client.query<{ right: string }>(`
    select distinct format('%s of %s on %s', privilege_type, coalesce(r.rolname, 'PUBLIC'), name) as right
    from (
      select c.relname::text as name, c.relowner as owner, (aclexplode(c.relacl)).* from pg_class c
        where c.relnamespace = 'noetl'::regnamespace
      union all
      select c.relname || '.' || a.attname, c.relowner, (aclexplode(a.attacl)).* from pg_attribute a join pg_class c on c.oid = a.attrelid
        where c.relnamespace = 'noetl'::regnamespace
      union all
      select p.proname::text, p.proowner, (aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))).* from pg_proc p
        where p.pronamespace = 'noetl'::regnamespace
    ) acl
    left join pg_roles r on r.oid = grantee
    where grantee <> owner and (r.rolname is null
      or r.rolname not in ('noetl_audit_writer', 'noetl_audit_reader', 'noetl_audit_keeper'))
    order by 1`)
  return rows.map(({ right }) => right)
}

const OPEN = `create schema noetl; grant usage on schema noetl to public;
  alter default privileges grant all on tables to public; alter default privileges grant all on functions to public`

test.each([
  ['default privileges for PUBLIC', OPEN],
  [
    'default privileges of the schema for PUBLIC',
    `create schema noetl; alter default privileges in schema noetl grant all on tables to public;
     alter default privileges in schema noetl grant execute on functions to public`,
  ],
  [
    'default privileges for a role',
    `create schema noetl; alter default privileges grant all on tables to NOBODY with grant option;
     alter default privileges grant execute on functions to NOBODY`,
  ],
])('%s do not open the trail, with and without --roles', async (_, sql) => {
  await client.query(sql.replaceAll('NOBODY', name))
  await migrate({ databaseUrl: database.url })
  expect(await strangers()).toEqual([])
  await expect(nobody.query('select notes from noetl.secret_audit')).rejects.toThrow('permission denied')
  await expect(nobody.query('begin; lock table noetl.secret_audit_lock')).rejects.toThrow('permission denied')
  await nobody.query('rollback')
  await migrate({ databaseUrl: database.url, roles: true })
  expect(await strangers()).toEqual([])
})

test('nor those of a table that is adopted, nor does what PUBLIC could do before', async () => {
  await client.query(OPEN)
  for (const statement of ORIGINAL_START_UP) await client.query(statement)
  await client.query(`grant select (credential) on noetl.secret_audit to public`)
  await migrate({ databaseUrl: database.url })
  expect(await strangers()).toEqual([])
})

test.each([
  'grant select on noetl.secret_audit to public',
  'grant select (body) on noetl.secret_audit_block to public',
  'grant update on noetl.secret_audit_migration to public',
  'grant update on noetl.secret_audit_trail to public',
  'grant execute on function noetl.secret_audit_create_partition(timestamp) to public',
  `grant insert on noetl.secret_audit_block to NOBODY with grant option; set role NOBODY;
   grant insert on noetl.secret_audit_block to public; reset role`,
])('what was opened since is closed by the next migrate: %s', async (sql) => {
  await migrate({ databaseUrl: database.url })
  await client.query(`grant usage on schema noetl to ${name}`)
  await client.query(sql.replaceAll('NOBODY', name))
  expect((await strangers()).filter((right) => right.includes('PUBLIC'))).not.toEqual([])
  await migrate({ databaseUrl: database.url })
  expect((await strangers()).filter((right) => right.includes('PUBLIC'))).toEqual([])
})

test('a right that was given to a role on purpose stays', async () => {
  await migrate({ databaseUrl: database.url })
  await client.query(`grant select on noetl.secret_audit to ${name}`)
  await migrate({ databaseUrl: database.url, roles: true })
  expect(await strangers()).toEqual([`SELECT of ${name} on secret_audit`])
})

test('a login without rights that holds every lock it can keeps nobody from migrating or from making partitions', async () => {
  await nobody.query('begin')
  await nobody.query('select pg_advisory_lock(5332353825325897723)')
  await nobody.query(`select pg_advisory_lock(hashtext('secret_audit_partitions'), hashtext('noetl'))`)
  const { partitions, applied } = await migrate({ databaseUrl: database.url, roles: true })
  expect(partitions).toHaveLength(14)
  expect(applied).not.toEqual([])
  for (const table of [
    'secret_audit',
    'secret_audit_block',
    'secret_audit_migration',
    'secret_audit_trail',
    'secret_audit_lock',
  ]) {
    await nobody.query('savepoint s')
    await expect(nobody.query(`lock table noetl.${table} in access share mode`)).rejects.toThrow('denied')
    await nobody.query('rollback to s')
  }
  await client.query(`drop table noetl.${partitions.at(-1)}`)
  const made = await client.query('select * from noetl.secret_audit_ensure_partitions(12)')
  expect(made.rows).toHaveLength(1)
  await nobody.query('rollback')
})

test.each(['noetl_audit_writer', 'noetl_audit_reader'])('%s may not take the locks either', async (role) => {
  await migrate({ databaseUrl: database.url, roles: true })
  await client.query(`grant ${role} to ${name}`)
  for (const mode of ['access share', 'share update exclusive', 'exclusive']) {
    const lock = `lock table noetl.secret_audit_lock in ${mode} mode`
    await expect(nobody.query(`begin; ${lock}`)).rejects.toThrow('permission denied')
    await nobody.query('rollback')
  }
  const lock = 'lock table only noetl.secret_audit in share update exclusive mode'
  await expect(nobody.query(`begin; ${lock}`)).rejects.toThrow('permission denied')
  await nobody.query('rollback')
})

test('a migration that does not end is waited for up to a limit, and named', async () => {
  await migrate({ databaseUrl: database.url })
  const other = await connect(database.url)
  await other.query(`set application_name = 'the other one'; begin`)
  await other.query('lock table noetl.secret_audit_lock in exclusive mode')
  const target = { databaseUrl: database.url, applicationName: 'x', readOnly: false }
  const wait = lockMigrations(client, target, {
    schema: 'noetl',
    onProgress() {},
    mayBegin: async () => {},
    longestWaitMs: 0,
  })
  await expect(wait).rejects.toMatchObject({
    code: 'AUDIT_MIGRATION',
    message: expect.stringMatching(
      /another migration of schema noetl \(pid \d+, the other one, since \d+ s\)/,
    ),
  })
  await other.end()
})
