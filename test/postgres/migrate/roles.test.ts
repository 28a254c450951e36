import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate } from '../../../src/postgres/migrate/migrate.js'
import { ensurePartitionFor, ensurePartitions, listPartitions } from '../../../src/postgres/partitions.js'
import { checkSchema, SCHEMA_VERSION } from '../../../src/postgres/schema-version.js'
import { connect, emptyDatabase, type TestDatabase } from '../../support/database.js'
import { idAt, ORIGINAL_INSERT, originalValues } from '../adopt/original-table.js'

const WRITER = 'noetl_audit_writer'
const READER = 'noetl_audit_reader'
const KEEPER = 'noetl_audit_keeper'
/** Whoever connected: the superuser, who owns the tables. */
const OWNER = 'none'
const DENIED = { code: '42501', message: expect.stringContaining('permission denied') }
const APPEND_ONLY = { code: '42501', message: expect.stringContaining('the audit trail is append-only') }

/** A block, but for one of its columns. */
const insertBlock = (column = 'signatures', value = `''`): string =>
  `insert into noetl.secret_audit_block (chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count,
    row_total, lost_total, block_time, body, ${column})
   values (gen_random_uuid(), 0, 'l', 'data', '\\x00', 1, 2, '\\x00', 2, 2, 0, 1, '', ${value})`

let database: TestDatabase
let owner: pg.Client
let partition: string
let nextId = idAt(Date.now())

beforeAll(async () => {
  database = await emptyDatabase()
  await migrate({ databaseUrl: database.url, roles: true })
  owner = await connect(database.url)
  const id = nextId++
  await owner.query(ORIGINAL_INSERT, originalValues(id, 'canary-credential-61c0'))
  await owner.query(insertBlock())
  partition = (await owner.query(`select tableoid::regclass::text as name from noetl.secret_audit`)).rows[0]
    .name
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

async function as<T>(role: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(database.url)
  try {
    await client.query(`set role ${role}`)
    return await work(client)
  } finally {
    await client.end()
  }
}

async function outcome(role: string, sql: string, values: unknown[] = []): Promise<unknown> {
  return as(role, (client) =>
    client.query(sql, values).then(
      (result) => result.rows,
      (error: unknown) => error,
    ),
  )
}

describe('the writer', () => {
  test('inserts every column but those that are the database’s to say', async () => {
    const id = nextId++
    const columns = `occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id,
      server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address, service_name,
      service_instance_id, trace_id, span_id, attributes, original_audit_id, event_digest, chain_id, block_no, block_index`
    const values = `now(), 'c', 'get_sealed', 'ok', 'w', 1, 2, 'r', 'r', 'k', 'n', 'a', 'user', 's', 's', 's', 't', 's',
      '{"b":1, "a":2}', 3, '\\x00', gen_random_uuid(), 4, 5`
    const insert = `insert into noetl.secret_audit (audit_id, ${columns}) values ($1, ${values}) returning audit_id`
    expect(await outcome(WRITER, insert, [id])).toEqual([{ audit_id: id.toString() }])
    for (const column of ['recorded_at', 'recorded_xid']) {
      const given = `insert into noetl.secret_audit (audit_id, ${columns}, ${column}) values ($1, ${values}, default)`
      expect(await outcome(WRITER, given, [nextId++])).toMatchObject(DENIED)
    }
  })

  test('inserts blocks, whose time of record is the database’s to say, and reads them', async () => {
    const before = (await outcome(WRITER, 'select * from noetl.secret_audit_block')) as unknown[]
    expect(await outcome(WRITER, insertBlock())).toEqual([])
    expect(await outcome(WRITER, insertBlock('recorded_at', 'now()'))).toMatchObject(DENIED)
    expect(await outcome(WRITER, 'select * from noetl.secret_audit_block')).toHaveLength(before.length + 1)
  })

  test('inserts as the original does', async () => {
    expect(await outcome(WRITER, ORIGINAL_INSERT, originalValues(nextId++))).toEqual([])
  })

  test.each([
    `update noetl.secret_audit set notes = ''`,
    `delete from noetl.secret_audit`,
    `truncate noetl.secret_audit`,
    `insert into noetl.secret_audit (audit_id, credential, operation, outcome) values (1, 'c', 'o', 'ok')
       on conflict (audit_id) do update set notes = ''`,
    `update noetl.secret_audit_block set body = ''`,
    `delete from noetl.secret_audit_block`,
    `truncate noetl.secret_audit_block`,
    `update noetl.secret_audit_trail set trail = repeat('0', 32)`,
    `delete from noetl.secret_audit_trail`,
    `insert into noetl.secret_audit_trail (trail, table_oids) values (repeat('0', 32), '')`,
    `select noetl.secret_audit_begin_trail(true)`,
    `insert into noetl.secret_audit_block values (gen_random_uuid(), 0) on conflict (chain_id, block_no) do update set body = ''`,
    `update PARTITION set notes = ''`,
    `delete from PARTITION`,
    `truncate PARTITION`,
    `insert into PARTITION (audit_id, credential, operation, outcome) values (1, 'c', 'o', 'ok')`,
    `select audit_id from PARTITION`,
    `select notes from noetl.secret_audit`,
    `select credential from noetl.secret_audit`,
    `select * from noetl.secret_audit`,
    `insert into noetl.secret_audit (audit_id, credential, operation, outcome) values (1, 'c', 'o', 'ok') returning notes`,
    `copy noetl.secret_audit to stdout`,
    `create table noetl.secret_audit_mine ()`,
    `create function noetl.secret_audit_mine() returns int language sql as 'select 1'`,
    `insert into noetl.secret_audit_migration values (99, 'x', '', true, now(), '')`,
    `update noetl.secret_audit_migration set breaking = true`,
    `select noetl.secret_audit_create_partition('2090-01-01')`,
    `select noetl.secret_audit_guard_partition('PARTITION')`,
    `select * from noetl.secret_audit_quarantine`,
    `insert into noetl.secret_audit_quarantine default values`,
    `delete from noetl.secret_audit_quarantine`,
    `insert into noetl.secret_audit_quarantine_end default values`,
    `select noetl.secret_audit_quarantine_partition('2090-01-01')`,
    `select * from noetl.secret_audit_retirement`,
    `update noetl.secret_audit_retirement set state = 'retired'`,
    `insert into noetl.secret_audit_leaf default values`,
    `select * from noetl.secret_audit_hold`,
    `update noetl.secret_audit_hold set released_at = now()`,
    `select noetl.secret_audit_is_retired(1, 2)`,
  ])('may not: %s', async (sql) => {
    expect(await outcome(WRITER, sql.replaceAll('PARTITION', partition))).toMatchObject(DENIED)
  })

  test.each([
    'alter table noetl.secret_audit disable trigger all',
    'alter table noetl.secret_audit add column x int',
    'drop table PARTITION',
    'create trigger mine before insert on noetl.secret_audit for each row execute function noetl.secret_audit_append_only()',
    'create index on noetl.secret_audit (notes)',
  ])('may not: %s', async (sql) => {
    expect(await outcome(WRITER, sql.replaceAll('PARTITION', partition))).toMatchObject({ code: '42501' })
  })

  test('reads only what it takes to tell a resent block from a colliding id', async () => {
    const columns = 'audit_id, event_digest, chain_id, block_no, block_index'
    expect(await outcome(WRITER, `select ${columns} from noetl.secret_audit limit 1`)).toHaveLength(1)
  })

  test('checks the schema, and makes partitions', async () => {
    await as(WRITER, async (client) => {
      await checkSchema(client, 'noetl')
      const before = await listPartitions(client, 'noetl')
      await owner.query(`drop table noetl.${before.at(-1)?.name}`)
      expect(await ensurePartitions(client, 'noetl')).toHaveLength(1)
      expect(await listPartitions(client, 'noetl')).toEqual(before)
      expect(await ensurePartitionFor(client, 'noetl', nextId)).toBeUndefined()
    })
  })
})

describe('the reader', () => {
  test('reads everything, the partitions only through the trail', async () => {
    expect(await outcome(READER, `select notes, recorded_at from noetl.secret_audit limit 1`)).toHaveLength(1)
    expect(await outcome(READER, `select * from noetl.secret_audit_block limit 1`)).toHaveLength(1)
    expect(await outcome(READER, `select breaking from noetl.secret_audit_migration limit 1`)).toHaveLength(1)
    expect(await outcome(READER, `select trail from noetl.secret_audit_trail`)).toHaveLength(1)
    for (const table of ['retirement', 'leaf', 'hold']) {
      expect(await outcome(READER, `select * from noetl.secret_audit_${table}`)).toEqual([])
    }
    expect(await outcome(READER, `select notes from ${partition}`)).toMatchObject(DENIED)
  })

  test.each([
    `insert into noetl.secret_audit (audit_id, credential, operation, outcome) values (1, 'c', 'o', 'ok')`,
    `update noetl.secret_audit set notes = ''`,
    `delete from noetl.secret_audit`,
    `truncate noetl.secret_audit`,
    insertBlock(),
    `update noetl.secret_audit_block set body = ''`,
    `delete from noetl.secret_audit_block`,
    `truncate noetl.secret_audit_block`,
    `truncate PARTITION`,
    `select noetl.secret_audit_ensure_partitions(1)`,
    `insert into noetl.secret_audit_leaf default values`,
    `delete from noetl.secret_audit_hold`,
    `update noetl.secret_audit_retirement set state = 'retired'`,
    `select noetl.secret_audit_ensure_partition_for(1)`,
    `create table noetl.secret_audit_mine ()`,
  ])('may not: %s', async (sql) => {
    expect(await outcome(READER, sql.replaceAll('PARTITION', partition))).toMatchObject(DENIED)
  })
})

describe('the owner', () => {
  test.each([
    `update noetl.secret_audit set notes = ''`,
    `update noetl.secret_audit set notes = '' where false`,
    `delete from noetl.secret_audit`,
    `delete from noetl.secret_audit where audit_id = 1`,
    `truncate noetl.secret_audit`,
    `insert into noetl.secret_audit (audit_id, credential, operation, outcome) values (1, 'c', 'o', 'ok')
       on conflict (audit_id) do update set notes = ''`,
    `update PARTITION set notes = ''`,
    `delete from PARTITION`,
    `truncate PARTITION`,
    `update noetl.secret_audit_block set body = ''`,
    `delete from noetl.secret_audit_block`,
    `delete from noetl.secret_audit_block where false`,
    `truncate noetl.secret_audit_block`,
    `set session_replication_role = replica; delete from noetl.secret_audit_block`,
    `set session_replication_role = replica; truncate noetl.secret_audit_block`,
    `set session_replication_role = replica; delete from noetl.secret_audit`,
    `set session_replication_role = replica; truncate PARTITION`,
  ])('is refused: %s', async (sql) => {
    expect(await outcome(OWNER, sql.replaceAll('PARTITION', partition))).toMatchObject(APPEND_ONLY)
  })

  test('every partition refuses TRUNCATE, UPDATE and DELETE by itself', async () => {
    const partitions = await listPartitions(owner, 'noetl')
    expect(partitions.length).toBeGreaterThanOrEqual(14)
    for (const { name } of partitions) {
      for (const sql of [
        `truncate noetl.${name}`,
        `delete from noetl.${name}`,
        `update noetl.${name} set notes = ''`,
      ]) {
        expect(await outcome(OWNER, sql)).toMatchObject(APPEND_ONLY)
      }
    }
  })

  test('a partition attached by hand still refuses to change a row', async () => {
    await owner.query(`
      begin;
      create table noetl.by_hand (like noetl.secret_audit including defaults including constraints);
      alter table noetl.secret_audit attach partition noetl.by_hand for values from (0) to (4194304);
      insert into noetl.secret_audit (audit_id, credential, operation, outcome) values (1, 'c', 'o', 'ok')`)
    const error = await owner.query('delete from noetl.by_hand').catch((error: unknown) => error)
    await owner.query('rollback')
    expect(error).toMatchObject(APPEND_ONLY)
  })
})

test('neither role owns anything, logs in, or is more than an ordinary role', async () => {
  const { rows } = await owner.query(
    `select rolname, rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls as more,
       (select count(*)::int from pg_shdepend where refobjid = r.oid and deptype = 'o'
          and dbid = (select oid from pg_database where datname = current_database())) as owns
     from pg_roles r where rolname = any($1) order by 1`,
    [[WRITER, READER]],
  )
  expect(rows).toEqual([
    { rolname: READER, more: false, owns: 0 },
    { rolname: WRITER, more: false, owns: 0 },
  ])
})

test('what was granted beyond their rights is taken away by the next migrate --roles', async () => {
  await owner.query(
    `grant all on noetl.secret_audit, noetl.secret_audit_block to ${WRITER}, public; grant update (notes) on noetl.secret_audit to ${READER}`,
  )
  expect(await outcome(WRITER, 'select notes from noetl.secret_audit limit 1')).toHaveLength(1)
  await migrate({ databaseUrl: database.url, roles: true })
  expect(await outcome(WRITER, 'select notes from noetl.secret_audit limit 1')).toMatchObject(DENIED)
  expect(await outcome(READER, `update noetl.secret_audit set notes = ''`)).toMatchObject(DENIED)
})

test('an update without --roles does not take the blocks from roles that had the rows', async () => {
  const privileges = `select grantee, privilege_type from information_schema.column_privileges
    where table_schema = 'noetl' and table_name = 'secret_audit_block' and grantee in ('${WRITER}', '${READER}')
    group by 1, 2 order by 1, 2`
  const before = (await owner.query(privileges)).rows
  expect(before).toHaveLength(3)
  await owner.query(
    `drop table noetl.secret_audit_block; delete from noetl.secret_audit_migration where number in (4, 6);
     alter table noetl.secret_audit drop constraint secret_audit_not_ahead, drop constraint secret_audit_sizes`,
  )
  await migrate({ databaseUrl: database.url })
  expect((await owner.query(privileges)).rows).toEqual(before)
  expect(await outcome(WRITER, insertBlock('recorded_at', 'now()'))).toMatchObject(DENIED)
})

test('an update without --roles gives the identity of the trail to whoever had the version, to read, and to nobody else', async () => {
  const login = `${database.name}_hand`
  await owner.query(`create role ${login}; grant select on noetl.secret_audit_migration to ${login};
    alter default privileges in schema noetl grant all on tables to ${WRITER}, ${READER}, public;
    drop table noetl.secret_audit_trail; drop function noetl.secret_audit_begin_trail(boolean);
    delete from noetl.secret_audit_migration where number = 7`)
  await migrate({ databaseUrl: database.url })
  const { rows } = await owner.query<{ held: string }>(`
    select acl.grantee::regrole || ' ' || acl.privilege_type as held from pg_class c cross join lateral aclexplode(c.relacl) acl
    where c.oid = 'noetl.secret_audit_trail'::regclass and acl.grantee <> c.relowner order by 1`)
  expect(rows.map(({ held }) => held)).toEqual(
    [login, READER, WRITER, KEEPER].map((role) => `${role} SELECT`).toSorted(),
  )
  expect(await outcome(WRITER, `select noetl.secret_audit_begin_trail(true)`)).toMatchObject(DENIED)
  await owner.query(`alter default privileges in schema noetl revoke all on tables from ${WRITER}, ${READER}, public;
    drop owned by ${login}; drop role ${login}`)
})

test('default privileges of the schema do not open the partitions', async () => {
  await owner.query(`alter default privileges in schema noetl grant all on tables to ${WRITER}, public`)
  await owner.query(`drop table noetl.${(await listPartitions(owner, 'noetl')).at(-1)?.name}`)
  const [name] = await as(WRITER, (client) => ensurePartitions(client, 'noetl'))
  expect(await outcome(WRITER, `select notes from noetl.${name}`)).toMatchObject(DENIED)
  expect(await outcome(READER, `insert into noetl.${name} default values`)).toMatchObject(DENIED)
})

test('two databases of one server make the same roles at the same time', async () => {
  const other = await emptyDatabase()
  const schema = `s_${database.name.slice(-12)}`
  const urls = Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? database.url : other.url))
  await Promise.all(urls.map((databaseUrl) => migrate({ databaseUrl, schema, roles: true })))
  const clients = [owner, await connect(other.url)]
  for (const client of clients) {
    const { rows } = await client.query(
      `select has_column_privilege('${schema}_audit_writer', '${schema}.secret_audit', 'audit_id', 'insert') as may`,
    )
    expect(rows).toEqual([{ may: true }])
    await client.query(`drop owned by ${schema}_audit_writer, ${schema}_audit_reader`)
  }
  await clients[1]?.end()
  await other.drop()
  await owner.query(`drop role ${schema}_audit_writer, ${schema}_audit_reader`)
})

describe('the schema check', () => {
  test('names the command, for a schema that is missing, old, or not readable', async () => {
    await expect(checkSchema(owner, 'nothing')).rejects.toMatchObject({
      code: 'AUDIT_SCHEMA',
      message: expect.stringContaining('otel-audit migrate --schema nothing'),
    })
    await owner.query(`begin; delete from noetl.secret_audit_migration where number = ${SCHEMA_VERSION}`)
    await expect(checkSchema(owner, 'noetl')).rejects.toMatchObject({
      code: 'AUDIT_SCHEMA',
      message: expect.stringMatching(
        RegExp(
          `is at version ${SCHEMA_VERSION - 1}, .* needs ${SCHEMA_VERSION}\\. Run \`otel-audit migrate\``,
        ),
      ),
    })
    await owner.query('rollback')
    const nobody = `${database.name}_nobody`
    await owner.query(`create role ${nobody}; grant usage on schema noetl to ${nobody}`)
    const refused = as(nobody, (client) => checkSchema(client, 'noetl'))
    await expect(refused).rejects.toMatchObject({
      code: 'AUDIT_SCHEMA',
      message: expect.stringContaining('GRANT "noetl_audit_writer" TO <this login>'),
    })
    await owner.query(`drop owned by ${nobody}; drop role ${nobody}`)
  })

  test('a newer schema is fine unless it is marked as breaking', async () => {
    await owner.query(
      `insert into noetl.secret_audit_migration values (99, 'future', '', false, now(), '9.0.0')`,
    )
    await as(WRITER, (client) => checkSchema(client, 'noetl'))
    await owner.query('update noetl.secret_audit_migration set breaking = true where number = 99')
    await expect(as(WRITER, (client) => checkSchema(client, 'noetl'))).rejects.toMatchObject({
      code: 'AUDIT_SCHEMA',
      message: expect.stringContaining('Install the newer version'),
    })
    await owner.query('delete from noetl.secret_audit_migration where number = 99')
  })
})
