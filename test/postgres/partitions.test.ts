import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { ensurePartitionFor, ensurePartitions, listPartitions } from '../../src/postgres/partitions.js'
import { connect, emptyDatabase, type TestDatabase } from '../support/database.js'
import { idAt, ORIGINAL_INSERT, originalValues } from './adopt/original-table.js'

let database: TestDatabase
let owner: pg.Client
/** With the rights of the writer role, and no others. */
let writer: pg.Client
const others: pg.Client[] = []

beforeEach(async () => {
  database = await emptyDatabase()
  await migrate({ databaseUrl: database.url, roles: true })
  owner = await connect(database.url)
  writer = await asWriter()
})

afterEach(async () => {
  await Promise.all([owner, writer, ...others.splice(0)].map((client) => client.end()))
  await database.drop()
})

async function asWriter(): Promise<pg.Client> {
  const client = await connect(database.url)
  await client.query('set role noetl_audit_writer')
  return client
}

/** The start of the month (UTC) so many months from now, in ms. */
function month(ahead: number): number {
  const now = new Date()
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead)
}

function nameOf(ahead: number): string {
  const start = new Date(month(ahead))
  return `secret_audit_y${start.getUTCFullYear()}m${String(start.getUTCMonth() + 1).padStart(2, '0')}`
}

/** Takes a partition away, as retention does. */
async function retire(ahead: number): Promise<void> {
  await owner.query(`alter table noetl.secret_audit detach partition noetl.${nameOf(ahead)}`)
  await owner.query(`drop table noetl.${nameOf(ahead)}`)
}

/** A month in the past without a partition, and kept all the same: an older one is there. */
async function hole(): Promise<void> {
  await owner.query('select noetl.secret_audit_create_partition($1)', [
    new Date(month(-2)).toISOString().slice(0, 10),
  ])
  await retire(-1)
}

const insert = (client: pg.Client, id: bigint): Promise<unknown> =>
  client.query(ORIGINAL_INSERT, originalValues(id))

describe('the partitions', () => {
  test('are the months from the previous one to twelve ahead, without a gap', async () => {
    const expected = Array.from({ length: 14 }, (_, i) => ({
      name: nameOf(i - 1),
      fromId: idAt(month(i - 1)),
      toId: idAt(month(i)),
    }))
    expect(await listPartitions(owner, 'noetl')).toEqual(expected)
    expect(await listPartitions(writer, 'noetl')).toEqual(expected)
  })

  test('an id goes to the month of its time, to the millisecond', async () => {
    await insert(writer, idAt(month(0)) - 1n)
    await insert(writer, idAt(month(0)))
    const { rows } = await owner.query(
      'select tableoid::regclass::text as name from noetl.secret_audit order by audit_id',
    )
    expect(rows).toEqual([{ name: `noetl.${nameOf(-1)}` }, { name: `noetl.${nameOf(0)}` }])
  })

  test('are the same whatever the time zone of the session', async () => {
    for (const zone of ['Pacific/Kiritimati', 'Pacific/Pago_Pago', 'Europe/Berlin']) {
      await writer.query(`set time zone '${zone}'`)
      expect(await ensurePartitions(writer, 'noetl')).toEqual([])
    }
    await retire(11)
    await retire(12)
    await writer.query(`set time zone 'Pacific/Kiritimati'`)
    expect(await ensurePartitions(writer, 'noetl')).toEqual([nameOf(11), nameOf(12)])
    expect((await listPartitions(owner, 'noetl')).at(-1)?.toId).toBe(idAt(month(13)))
  })

  test('each has the indexes and triggers of the trail, and nobody’s privileges', async () => {
    await retire(12)
    await ensurePartitions(writer, 'noetl')
    const { rows } = await owner.query(`
      select count(*)::int as partitions,
        array_agg(distinct (select count(*)::int from pg_index where indrelid = c.oid and indisvalid)) as indexes,
        array_agg(distinct (select string_agg(tgname || ' ' || tgenabled::text, ', ' order by tgname) from pg_trigger where tgrelid = c.oid)) as triggers,
        array_agg(distinct coalesce(array_length(c.relacl, 1), 1)) as grantees,
        count(distinct c.relowner)::int as owners
      from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'noetl.secret_audit'::regclass`)
    expect(rows).toEqual([
      {
        partitions: 14,
        indexes: [6],
        triggers: ['secret_audit_append_only A, secret_audit_append_only_row A'],
        grantees: [1],
        owners: 1,
      },
    ])
  })
})

describe('behind one long reader', () => {
  test('a month without a partition is created by the writer role, and inserts go on', async () => {
    await insert(writer, idAt(Date.now(), 1))
    await hole()
    const reader = await connect(database.url)
    others.push(reader)
    await reader.query('begin isolation level repeatable read')
    await reader.query('select count(*) from noetl.secret_audit')

    const inserter = await asWriter()
    others.push(inserter)
    // Whoever had to wait for the reader would wait until this gives up.
    await inserter.query(`set statement_timeout = '20s'`)
    let inserted = 0
    let made: Promise<string[]> | undefined
    const until = Date.now() + 30_000
    for (let id = idAt(Date.now(), 2); made === undefined || inserted < 200; id++) {
      await insert(inserter, id)
      inserted++
      if (inserted === 50) made = ensurePartitions(writer, 'noetl')
      expect(Date.now()).toBeLessThan(until)
    }
    expect(await made).toEqual([nameOf(-1)])
    await insert(inserter, idAt(month(-1)))
    expect((await reader.query('select count(*)::int as n from noetl.secret_audit')).rows).toEqual([{ n: 1 }])
    await reader.query('commit')
    expect((await reader.query('select count(*)::int as n from noetl.secret_audit')).rows).toEqual([
      { n: inserted + 2 },
    ])
  })

  test('the reader itself goes on reading, also when the new partition is in use', async () => {
    await hole()
    const reader = await connect(database.url)
    others.push(reader)
    await reader.query('begin')
    await reader.query('declare rows cursor for select audit_id from noetl.secret_audit')
    await reader.query('fetch 1 from rows')
    await ensurePartitions(writer, 'noetl')
    await insert(writer, idAt(month(-1)))
    expect((await reader.query('fetch all from rows')).rows).toEqual([])
    expect((await reader.query('select audit_id from noetl.secret_audit')).rows).toHaveLength(1)
    await reader.query('commit')
  })
})

describe('making partitions', () => {
  test('ten writers at once make each of them once', async () => {
    for (let ahead = 1; ahead <= 12; ahead++) await retire(ahead)
    const clients = await Promise.all(Array.from({ length: 10 }, asWriter))
    others.push(...clients)
    const made = await Promise.all(clients.map((client) => ensurePartitions(client, 'noetl')))
    expect(made.flat().sort()).toEqual(Array.from({ length: 12 }, (_, i) => nameOf(1 + i)))
  })

  test.each([-1, 13, 120, null])('refuses to make %j months', async (ahead) => {
    await expect(ensurePartitions(writer, 'noetl', ahead as number)).rejects.toMatchObject({ code: '22023' })
  })

  test('does not bring back the previous month after retention has removed it', async () => {
    await retire(-1)
    expect(await ensurePartitions(writer, 'noetl')).toEqual([])
    await retire(0)
    expect(await ensurePartitions(writer, 'noetl')).toEqual([nameOf(0)])
  })

  test('a table that stands in a partition’s place is an error that says so', async () => {
    await retire(12)
    await owner.query(`create table noetl.${nameOf(12)} ()`)
    await expect(ensurePartitions(writer, 'noetl')).rejects.toMatchObject({
      code: '42P07',
      message: `noetl.${nameOf(12)} exists, and is not the partition of its month`,
    })
  })

  test('a temporary table of the caller cannot take the place of anything it uses', async () => {
    await retire(12)
    await writer.query('create temporary table pg_inherits (inhparent oid, inhrelid oid)')
    await writer.query('set search_path = pg_temp, pg_catalog')
    expect(await ensurePartitions(writer, 'noetl')).toEqual([nameOf(12)])
  })
})

describe('an id without a partition', () => {
  test('is refused with 23514 and no constraint name; inside the kept range its partition can be made', async () => {
    const id = idAt(month(-1), 9)
    await hole()
    const refused = { code: '23514', constraint: undefined, message: expect.stringContaining('no partition') }
    await expect(insert(writer, id)).rejects.toMatchObject(refused)
    expect(await ensurePartitionFor(writer, 'noetl', id)).toBe(nameOf(-1))
    await insert(writer, id)
    expect(await ensurePartitionFor(writer, 'noetl', id)).toBeUndefined()
  })

  test('twelve months ahead is the last month that can be made', async () => {
    await retire(12)
    expect(await ensurePartitionFor(writer, 'noetl', idAt(month(13)) - 1n)).toBe(nameOf(12))
    await expect(ensurePartitionFor(writer, 'noetl', idAt(month(13)))).rejects.toMatchObject({
      code: '22023',
    })
  })

  test.each([
    ['before the oldest partition', () => idAt(month(-1)) - 1n],
    ['of another epoch', () => BigInt(Date.now()) << 22n],
    ['negative', () => -1n],
    ['the largest', () => 2n ** 63n - 1n],
  ])('%s cannot be given one', async (_, id) => {
    await expect(insert(writer, id())).rejects.toMatchObject({ code: '23514', constraint: undefined })
    await expect(ensurePartitionFor(writer, 'noetl', id())).rejects.toMatchObject({ code: '22023' })
  })

  test('two writers that ask for the same partition both succeed', async () => {
    await retire(2)
    const clients = await Promise.all([asWriter(), asWriter(), asWriter()])
    others.push(...clients)
    const made = await Promise.all(
      clients.map((client) => ensurePartitionFor(client, 'noetl', idAt(month(2)))),
    )
    expect(made.filter((name) => name !== undefined)).toEqual([nameOf(2)])
  })
})
