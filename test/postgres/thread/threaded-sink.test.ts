import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Client } from 'pg'
import { ThreadedSink } from '../../../build/src/postgres/thread/threaded-sink.js'
import type { CommittedBlock, SinkOwner } from '../../../src/contract/sink.js'
import { describeAuditSink, type SinkBench } from '../../sinks/conformance.js'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'
import { anEvent, batchOf } from '../../support/events.js'
import { packageRoot } from '../../support/postgres/package-root.js'
import { readTrail } from '../../support/trail.js'
import { verifiedTrail } from '../../support/verified.js'
import { ORIGINAL_INSERT, originalValues } from '../adopt/original-table.js'
import { captureThreads, threads } from './worker-capture.js'

async function threadedBench(): Promise<SinkBench> {
  const bench = await migratedDatabase()
  const client = await connect(bench.url)
  return {
    open: async () => new ThreadedSink({ databaseUrl: bench.url }),
    rows: async () => (await readTrail(client)).filter(({ digest }) => digest !== null),
    insertForeign: async (auditId) => void (await client.query(ORIGINAL_INSERT, originalValues(auditId))),
    close: async () => {
      await client.end()
      await bench.drop()
    },
  }
}

describeAuditSink('ThreadedSink', threadedBench, true)

let database: TestDatabase
let owner: Client
let release: () => void

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

beforeEach(() => {
  release = captureThreads()
})

afterEach(() => release())

afterAll(async () => {
  await owner.end()
  await database.drop()
})

/** A writer, and what it is told. */
class Told implements SinkOwner {
  readonly serviceName = 'wallet'
  readonly serviceInstanceId = 'i-7'
  lost = 0
  readonly blocks: CommittedBlock[] = []
  onBlock(block: CommittedBlock): void {
    this.blocks.push(block)
  }
  onLostBlocks(): void {}
}

const kinds = ({ blocks }: Told): string[] => blocks.map(({ kind }) => kind)

describe('what a writer is told', () => {
  test('blocks with the rows of its batch, in the order of the commits, before the answer', async () => {
    const sink = new ThreadedSink({ databaseUrl: database.url })
    const told = new Told()
    told.lost = 3
    sink.attach(told)
    const batch = batchOf(anEvent(), anEvent())
    const result = await sink.write(batch)
    expect(kinds(told)).toEqual(['genesis', 'data'])
    const [genesis, data] = told.blocks
    expect(data?.entries).toBe(batch.entries)
    expect(result).toMatchObject({ status: 'committed', place: { chain: data?.chain, block: 1 } })
    expect(genesis?.note).toContain('service "wallet"\ninstance "i-7"\n')
    expect(data?.note).toContain('\nlost 3\n')
    expect(data?.hash).toHaveLength(32)
    told.lost = 5
    await sink.close()
    expect(kinds(told)).toEqual(['genesis', 'data', 'close'])
    expect(told.blocks[2]?.note).toContain('\nlost 5\n')
  })

  test('that it is idle', async () => {
    const sink = new ThreadedSink({ databaseUrl: database.url, idleAfterMs: 50 })
    const told = new Told()
    sink.attach(told)
    await sink.write(batchOf(anEvent()))
    await expect.poll(() => kinds(told)).toEqual(['genesis', 'data', 'idle'])
    await sink.close()
  })

  test('findings of a check, as the sink in the process finds them, and why there can be none', async () => {
    const sink = new ThreadedSink({ databaseUrl: database.url })
    expect(await sink.check()).toMatchObject([{ check: 'owner' }])
    await sink.close()
    const nowhere = new URL(database.url)
    nowhere.pathname = '/no-such-database'
    const lost = new ThreadedSink({ databaseUrl: nowhere.href })
    await expect(lost.check()).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE', cause: { code: '3D000' } })
    expect(await lost.write(batchOf(anEvent()))).toMatchObject({
      status: 'failed',
      lasting: true,
      fault: { code: 'AUDIT_UNAVAILABLE', cause: { code: '3D000' } },
    })
    await lost.close()
  })
})

test('an option that is not one is refused where it is given', () => {
  expect(() => new ThreadedSink({ databaseUrl: database.url, schema: 'a b' })).toThrow(
    expect.objectContaining({ code: 'AUDIT_INVALID_OPTION' }),
  )
  expect(threads).toEqual([])
})

test('a function that gives the URL is asked in the process, at each connect', async () => {
  let asked = 0
  const given = [() => database.url, () => Promise.reject(new Error('canary-91c'))]
  const sink = new ThreadedSink({ databaseUrl: async () => (given[asked++] ?? (() => database.url))() })
  expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
  const once = asked
  await owner.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'otel-audit'`,
  )
  await expect
    .poll(async () => (await sink.write(batchOf(anEvent()))).status, { interval: 10 })
    .toBe('committed')
  expect(asked).toBeGreaterThan(once)
  await sink.close()
})

test('it has no more to be asked when it is closed', async () => {
  const sink = new ThreadedSink({ databaseUrl: database.url })
  await sink.close()
  expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'failed', lasting: true })
  await expect(sink.check()).rejects.toMatchObject({ code: 'AUDIT_CLOSED' })
  expect(threads).toEqual([])
})

test('a batch that was sent is committed while the process is blocked', async () => {
  const sink = new ThreadedSink({ databaseUrl: database.url })
  await sink.write(batchOf(anEvent()))
  const event = anEvent()
  let isAnswered = false
  const written = sink.write(batchOf(event)).then((result) => {
    isAnswered = true
    return result
  })
  // It waits for the row, and nothing else happens in this process until then.
  const script = `
    import pg from 'pg'
    const client = new pg.Client(process.argv[1])
    await client.connect()
    const there = () => client.query('select 1 from noetl.secret_audit where audit_id = $1', [process.argv[2]])
    while ((await there()).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    await client.end()`
  const args = ['--input-type=module', '--eval', script, database.url, String(event.auditId)]
  execFileSync(process.execPath, args, { cwd: packageRoot(), timeout: 120_000 })
  expect(isAnswered).toBe(false)
  expect((await written).status).toBe('committed')
  await sink.close()
})

describe('a thread that ends', () => {
  const only = (index: number) => threads[index] ?? expect.fail('no such thread')

  test('with a batch at the server: unknown; sent again it is found, once, and its chain is continued', async () => {
    const clean = await migratedDatabase()
    const locker = await connect(clean.url)
    const sink = new ThreadedSink({ databaseUrl: clean.url })
    const told = new Told()
    sink.attach(told)
    await sink.write(batchOf(anEvent()))
    const left = told.blocks.at(-1)
    await locker.query('begin; lock table noetl.secret_audit in share mode')
    const batch = batchOf(anEvent(), anEvent())
    const written = sink.write(batch)
    const waiting = `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    await expect.poll(async () => (await locker.query(waiting)).rows[0].n).toBe(1)
    await only(0).terminate()
    expect(await written).toMatchObject({ status: 'unknown', fault: { code: 'AUDIT_TIMEOUT' } })
    // The server has it, and carries it out as soon as it can.
    await locker.query('commit')
    const stored = async (): Promise<number> => (await readTrail(locker)).length
    await expect.poll(stored).toBe(3)
    const again = await sink.write(batch)
    expect(again).toEqual({
      status: 'conflict',
      held: new Map(batch.entries.map(({ event, digest }) => [event.auditId, digest])),
    })
    expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
    await sink.close()
    expect(await stored()).toBe(4)
    const genesis = told.blocks.findLast(({ kind }) => kind === 'genesis')
    expect(genesis?.note).toContain(`\ncontinues ${left?.chain} ${left?.block}\n`)
    const { found, rows } = await verifiedTrail(clean.url, { unsigned: 'none' })
    expect([found, rows.proven]).toEqual([[], 4])
    await locker.end()
    await clean.drop()
  })

  test('before it has begun: nothing was sent, and another one is started', async () => {
    const sink = new ThreadedSink({ databaseUrl: database.url })
    const written = sink.write(batchOf(anEvent()))
    await only(0).terminate()
    expect(await written).toMatchObject({
      status: 'failed',
      lasting: false,
      fault: { code: 'AUDIT_UNAVAILABLE', message: expect.stringContaining('AUDIT_WRITER_THREAD') },
    })
    expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
    expect(threads).toHaveLength(2)
    await sink.close()
  })

  test('while it checks the store: that is refused, and says why', async () => {
    const sink = new ThreadedSink({ databaseUrl: database.url })
    const checked = sink.check()
    await only(0).terminate()
    await expect(checked).rejects.toMatchObject({ code: 'AUDIT_WRITER_THREAD' })
    expect(await sink.check()).toMatchObject([{ check: 'owner' }])
    await sink.close()
  })

  test('while it is closed: it is closed', async () => {
    const sink = new ThreadedSink({ databaseUrl: database.url })
    await sink.write(batchOf(anEvent()))
    const closed = sink.close()
    await only(0).terminate()
    await Promise.all([closed, sink.close()])
  })

  test('or does not answer: it is ended, and the batch is of unknown fate', async () => {
    release()
    let hangs = true
    release = captureThreads(({ what }) => what === 'write' && hangs)
    const sink = new ThreadedSink({ databaseUrl: database.url, answerTimeoutMs: 300 })
    const batch = batchOf(anEvent())
    const result = await sink.write(batch)
    expect(result).toMatchObject({ status: 'unknown', fault: { code: 'AUDIT_TIMEOUT' } })
    hangs = false
    await expect.poll(async () => (await sink.write(batch)).status).toBe('committed')
    await sink.close()
  })
})

test('the enrolment key enrols the chains of the thread, and shows in nothing that it leaves', async () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const enrolmentKey = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const canary = enrolmentKey.split('\n')[1] ?? ''
  const sink = new ThreadedSink({ databaseUrl: database.url, enrolmentKey, origin: 'otel-audit/keys' })
  const told = new Told()
  sink.attach(told)
  const results = [await sink.write(batchOf(anEvent())), await sink.check()]
  expect(told.blocks[0]?.note.match(/^— /gm)).toHaveLength(2)
  await threads[0]?.terminate()
  results.push(await sink.write(batchOf(anEvent())))
  await sink.close()
  const seen = JSON.stringify([results, told.blocks], (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  expect(canary).toHaveLength(64)
  expect(seen).not.toContain(canary)
})
