import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { taken } from '../../../src/host/globals.js'
import * as chainKey from '../../../src/chain/chain-key.js'
import { NoteSigner } from '../../../src/chain/note-key.js'
import { PostgresAuditSink, type PostgresAuditSinkOptions } from '../../../src/postgres/write/sink.js'
import type { CommittedBlock, LostBlocks, SinkFault, WriteResult } from '../../../src/contract/sink.js'
import { AuditError } from '../../../src/errors.js'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'
import { allowLines } from '../../support/allow-lines.js'
import { anEvent, batchOf } from '../../support/events.js'
import { verifiedTrail } from '../../support/verified.js'
import { waitUntil } from '../../support/wait-until.js'

let database: TestDatabase
let owner: Client
const sinks: PostgresAuditSink[] = []

beforeEach(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.close()))
  await owner.end()
  await database.drop()
})

interface Writer {
  readonly sink: PostgresAuditSink
  readonly blocks: CommittedBlock[]
  readonly lost: LostBlocks[]
  write(count?: number): Promise<WriteResult>
}

function writer(options: Partial<PostgresAuditSinkOptions> = {}, losses = { count: 0 }): Writer {
  const sink = new PostgresAuditSink({ databaseUrl: database.url, ...options })
  const blocks: CommittedBlock[] = []
  const lost: LostBlocks[] = []
  sink.attach({
    serviceName: 'wallet',
    serviceInstanceId: 'i-1',
    get lost() {
      return losses.count
    },
    onBlock: (block) => blocks.push(block),
    onLostBlocks: (loss) => lost.push(loss),
  })
  sinks.push(sink)
  return {
    sink,
    blocks,
    lost,
    write: (count = 1) => sink.write(batchOf(...Array.from({ length: count }, () => anEvent()))),
  }
}

interface Stored {
  readonly chain: string
  readonly block: number
  readonly kind: string
  readonly rows: number
  readonly body: string
}

async function stored(): Promise<Stored[]> {
  const { rows } = await owner.query<Stored>(
    `select replace(chain_id::text, '-', '') as chain, block_no::int as block, kind, row_count as rows, body
     from noetl.secret_audit_block order by recorded_at, block_no`,
  )
  return rows
}

const kinds = async (): Promise<string[]> => (await stored()).map(({ kind }) => kind)

async function disconnect(): Promise<void> {
  await owner.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
  )
  await new Promise((resolve) => setTimeout(resolve, 50))
}

/** As only a superuser can. */
async function unguarded(sql: string, values: unknown[] = []): Promise<void> {
  await owner.query('alter table noetl.secret_audit_block disable trigger all')
  const partitions = await owner.query<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'noetl.secret_audit'::regclass`,
  )
  for (const { name } of partitions.rows) await owner.query(`alter table ${name} disable trigger all`)
  await owner.query('alter table noetl.secret_audit disable trigger all')
  await owner.query(sql, values)
}

describe('a chain in the commit path', () => {
  test('begins at the first write and is closed at the end; each batch is a block, and says where it is', async () => {
    const { sink, blocks, write } = writer()
    expect(await stored()).toEqual([])
    const one = await write()
    const many = await write(3)
    await sink.close()
    expect(await kinds()).toEqual(['genesis', 'data', 'data', 'close'])
    expect(blocks.map(({ kind, block, entries }) => [kind, block, entries.length])).toEqual([
      ['genesis', 0, 0],
      ['data', 1, 1],
      ['data', 2, 3],
      ['close', 3, 0],
    ])
    const { chain } = (await stored())[0] as Stored
    const log = `otel-audit/${database.name}`
    expect(one).toMatchObject({ status: 'committed', place: { log, chain, block: 1 } })
    expect(many).toMatchObject({ status: 'committed', place: { log, chain, block: 2 } })
    const { found, rows, chains } = await verifiedTrail(database.url)
    expect([found, rows.proven, chains[0]?.end]).toEqual([[], 4, 'closed'])
    expect(chains[0]).toMatchObject({ service: 'wallet', instance: 'i-1', log })
  })

  test('is not begun by a sink that writes nothing', async () => {
    const { sink } = writer()
    await sink.check()
    await sink.close()
    expect(await stored()).toEqual([])
  })

  test('is closed at once while an idle block gets no answer', async () => {
    const { write, sink } = writer({ idleAfterMs: 2000, answerTimeoutMs: 600_000 })
    await write()
    await owner.query('begin; lock table noetl.secret_audit_block in share mode')
    await waitUntil('the idle block to wait', async () => {
      const { rowCount } = await owner.query(
        `select from pg_locks where not granted and relation = 'noetl.secret_audit_block'::regclass`,
      )
      return rowCount === 1
    })
    await sink.close()
    await owner.query('rollback')
  })

  test('says that it is idle once, however long the quiet lasts', async () => {
    const { write } = writer({ idleAfterMs: 30 })
    await write()
    await waitUntil('the idle block', async () => (await kinds()).includes('idle'))
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await kinds()).toEqual(['genesis', 'data', 'idle'])
    await write()
    await waitUntil('the next', async () => (await kinds()).length === 5)
    expect(await kinds()).toEqual(['genesis', 'data', 'idle', 'data', 'idle'])
  })

  test('says what the writer has lost', async () => {
    const losses = { count: 0 }
    const { write } = writer({}, losses)
    await write()
    losses.count = 7
    await write()
    expect((await verifiedTrail(database.url)).chains).toMatchObject([{ lost: 7 }])
  })

  test('changes its key on the way', async () => {
    const { write, sink } = writer()
    for (let i = 0; i < 1001; i++) await write()
    await sink.close()
    expect((await kinds()).filter((kind) => kind === 'rotate')).toHaveLength(1)
    expect((await verifiedTrail(database.url)).found).toEqual([])
  })
})

describe('a number that is taken', () => {
  test('by somebody else: the rows go to a new chain that says so, and none is lost or there twice', async () => {
    const { write, sink } = writer()
    await write(2)
    const [{ chain } = { chain: '' }] = await stored()
    await unguarded(
      `insert into noetl.secret_audit_block
       select chain_id, 2, log, 'idle', prev_hash, null, null, sha256(''), 0, row_total, lost_total, block_time, body, signatures
       from noetl.secret_audit_block where block_no = 1`,
    )
    const next = await write(3)
    expect(next).toMatchObject({ status: 'committed', place: { block: 1 } })
    await sink.close()
    const second = (await stored()).find(({ body }) => body.includes('continues'))
    expect(second?.body).toContain(`continues ${chain} 1\n`)
    const { found, rows } = await verifiedTrail(database.url)
    expect(rows.proven).toBe(5)
    expect(found).toMatchObject([{ code: 'block-signature', chain, block: 2 }])
  })

  // A snapshot of a machine that runs twice: two processes with one key, one head, one clock.
  test('by a copy of this very process: the second goes on with a new chain', async () => {
    const real = chainKey.newChain('otel-audit/copied')
    const newChain = vi.spyOn(chainKey, 'newChain').mockReturnValueOnce(real).mockReturnValueOnce(real)
    const now = vi.spyOn(taken, 'dateNow').mockReturnValue(Date.now())
    const [a, b] = [writer({ origin: 'otel-audit/copied' }), writer({ origin: 'otel-audit/copied' })]
    const results = [await a.write(2), await b.write(3), await a.write(1), await b.write(2), await a.write(4)]
    now.mockRestore()
    newChain.mockRestore()
    expect(results.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'committed'))
    await Promise.all([a.sink.close(), b.sink.close()])
    const { found, rows, chains } = await verifiedTrail(database.url)
    expect([found, rows.proven]).toEqual([[], 12])
    expect(chains).toHaveLength(2)
    expect(chains.find(({ chain }) => chain !== real.id)?.continues).toEqual({ chain: real.id, block: 0 })
  })
})

describe('after a reconnect', () => {
  test('the chain goes on', async () => {
    const { write, sink, lost } = writer()
    await write()
    await disconnect()
    await write()
    await sink.close()
    expect(await kinds()).toEqual(['genesis', 'data', 'data', 'close'])
    expect(lost).toEqual([])
  })

  test('the store has lost what it had acknowledged: told with blocks and rows, and continued', async () => {
    const { write, sink, lost } = writer()
    for (const rows of [1, 2, 3, 4]) await write(rows)
    const [{ chain } = { chain: '' }] = await stored()
    await unguarded('delete from noetl.secret_audit where block_no >= 3')
    await unguarded('delete from noetl.secret_audit_block where block_no >= 3')
    await disconnect()
    expect(await write()).toMatchObject({ status: 'committed', place: { block: 1 } })
    expect(lost).toEqual([{ chain, firstBlock: 3, lastBlock: 4, rows: 7 }])
    await sink.close()
    const { found, chains } = await verifiedTrail(database.url)
    expect(found).toEqual([])
    expect(chains.find((other) => other.chain !== chain)?.continues).toEqual({ chain, block: 2 })
  })

  test('a block of this chain is there that is not ours', async () => {
    const { write } = writer()
    await write()
    await unguarded(`update noetl.secret_audit_block set lost_total = 9 where block_no = 1`)
    await disconnect()
    expect(await write()).toMatchObject({ status: 'committed', place: { block: 1 } })
    expect(new Set((await stored()).map(({ chain }) => chain)).size).toBe(2)
  })
})

describe('refused rows', () => {
  test('leave their number to the rest: there is no gap', async () => {
    const { write, sink } = writer()
    const taken = anEvent()
    await sink.write(batchOf(taken))
    const clash = await sink.write(batchOf(anEvent(), { ...anEvent(), auditId: taken.auditId }))
    expect(clash.status).toBe('conflict')
    await write()
    await sink.close()
    expect((await stored()).map(({ block }) => block)).toEqual([0, 1, 2, 3])
    expect((await verifiedTrail(database.url)).found).toEqual([])
  })

  test('a trigger that leaves out a block fails the whole batch', async () => {
    await owner.query(`
      create function own() returns trigger language plpgsql as $$ begin
        if new.kind = 'data' then return null; end if; return new; end $$;
      create trigger own before insert on noetl.secret_audit_block for each row execute function own()`)
    const strange = writer()
    expect(await strange.write()).toMatchObject({ status: 'failed', lasting: true })
    const allowInStore = await allowLines(strange.sink)
    expect(allowInStore).toHaveLength(1)
    const { write } = writer({ allowInStore: allowInStore.join('\n') })
    // No row is at fault.
    expect(await write()).toMatchObject({ status: 'failed', lasting: true })
    expect(await write(2)).toMatchObject({ status: 'failed', lasting: true })
    expect((await owner.query('select count(*)::int as n from noetl.secret_audit')).rows).toEqual([{ n: 0 }])
  })
})

test('a trigger that leaves out the first block: nothing is written, and a person has to mend it', async () => {
  await owner.query(`
    create function own() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger own before insert on noetl.secret_audit_block for each row execute function own()`)
  const { write } = writer()
  expect(await write()).toMatchObject({ status: 'failed', lasting: true })
  expect((await owner.query('select count(*)::int as n from noetl.secret_audit')).rows).toEqual([{ n: 0 }])
})

describe('enrolment', () => {
  let directory: string
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const origin = 'otel-audit/enrolled'
  const key = new NoteSigner(`${origin}/enrolment`, privateKey).key

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'otel-audit-enrolment-'))
  })

  afterAll(() => rmSync(directory, { recursive: true }))

  const file = (text: string): string => {
    const path = join(directory, 'key.pem')
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  test('by a key, or a file that has it', async () => {
    for (const options of [{ enrolmentKey: pem }, { enrolmentKeyFile: file(pem) }]) {
      const { write, sink } = writer({ origin, ...options })
      await write()
      await sink.close()
    }
    const { found, chains } = await verifiedTrail(database.url, { origin, enrolment: [key] })
    expect(found).toEqual([])
    expect(chains.map(({ enrolled }) => enrolled)).toEqual([true, true])
  })

  test.each<[string, () => Partial<PostgresAuditSinkOptions>, string]>([
    ['a key that is none', () => ({ enrolmentKey: 'canary-1d2e' }), 'enrolmentKey'],
    ['a file that is none', () => ({ enrolmentKeyFile: join(directory, 'nothing') }), 'ENOENT'],
    ['a file with something else', () => ({ enrolmentKeyFile: file('canary-1d2e') }), 'enrolmentKeyFile'],
    ['an origin that no key can have', () => ({ origin: 'my log' }), 'origin'],
  ])('%s is told by the check, and nothing is written', async (_, options, said) => {
    const { write, sink } = writer(options())
    await expect(sink.check()).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      message: expect.stringContaining(said),
    })
    const result = await write()
    expect(result).toMatchObject({ status: 'failed', lasting: true })
    const { cause } = (result as { fault: SinkFault }).fault
    expect(cause).toBeInstanceOf(AuditError)
    expect(cause).toMatchObject({ code: 'AUDIT_INVALID_OPTION', reason: expect.stringContaining(said) })
    expect(JSON.stringify(result)).not.toContain('canary-1d2e')
    expect(await stored()).toEqual([])
  })

  test('a file that may not be read is told', async () => {
    if (process.getuid?.() === 0) return
    const path = file(pem)
    chmodSync(path, 0)
    await expect(writer({ enrolmentKeyFile: path }).sink.check()).rejects.toMatchObject({
      message: expect.stringContaining('EACCES'),
    })
    chmodSync(path, 0o600)
  })
})

test('a role that may not insert blocks is told by the check', async () => {
  await owner.query('revoke insert on noetl.secret_audit_block from noetl_audit_writer')
  const name = `${database.name}_writer`
  await owner.query(`create role ${name} login password 'canary-8c1d' in role noetl_audit_writer`)
  const url = new URL(database.url)
  url.username = name
  url.password = 'canary-8c1d'
  const { sink } = writer({ databaseUrl: url.href })
  expect(await sink.check()).toMatchObject([
    { level: 'error', check: 'write', message: expect.stringContaining('--roles') },
  ])
  await sink.close()
  await owner.query(`drop owned by ${name}; drop role ${name}`)
})
