import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { AuditError } from '../../../src/errors.js'
import { PostgresAuditSink } from '../../../src/postgres/write/sink.js'
import { listening } from '../../service/telemetry.js'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'
import { anEvent, batchOf } from '../../support/events.js'
import { HeldTimers } from '../../support/held-timers.js'
import { openPipeline, type TestPipeline, writerLogin } from '../../support/pipeline.js'
import { readTrail } from '../../support/trail.js'
import { verifiedTrail } from '../../support/verified.js'
import { waitUntil } from '../../support/wait-until.js'

// Two chains of one writer, on two connections, in one table.

/** Longer than any test: a sink is idle when a test says so. */
const IDLE_AFTER_MS = 90_000

let database: TestDatabase
let owner: Client

beforeEach(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

afterEach(async () => {
  await owner.end()
  await database.drop()
})

const sessions = async (name: string): Promise<number[]> => {
  const text = 'select pid from pg_stat_activity where application_name = $1 order by backend_start'
  const { rows } = await owner.query<{ pid: number }>(text, [name])
  return rows.map(({ pid }) => pid)
}

interface Told {
  readonly block_no: string
  readonly kind: string
  readonly lost_total: string
}
const blocksOf = async (chain: string): Promise<Told[]> => {
  const text =
    'select block_no, kind, lost_total from noetl.secret_audit_block where chain_id = $1 order by block_no'
  const { rows } = await owner.query<Told>(text, [chain])
  return rows
}

describe('under load', () => {
  let pipeline: TestPipeline

  beforeEach(() => {
    pipeline = openPipeline(database.url, { secondChain: 'always', answerTimeoutMs: 60_000 })
  })

  /** So many callers, each of whom records again as soon as it is answered. @returns the chains that their rows are in */
  async function callers(count: number, rounds: number, between?: () => Promise<void>): Promise<Set<string>> {
    const chains = new Set<string>()
    // Until the second is there, however long that takes.
    const isDone = (round: number): boolean => round >= rounds && chains.size > 1
    const caller = async (): Promise<void> => {
      for (let round = 0; !isDone(round); round++) {
        const answer = await pipeline.ledger.strict().answer
        if (answer instanceof AuditError) continue
        if (answer.place !== undefined) chains.add(answer.place.chain)
      }
    }
    await Promise.all([...Array.from({ length: count }, caller), between?.()])
    return chains
  }

  test('rows are in two chains of one writer, which end closed, and nothing is stored twice', async () => {
    const chains = await callers(32, 12)
    expect(chains.size).toBe(2)
    expect(await sessions(pipeline.applicationName)).toHaveLength(2)
    await pipeline.finish()
    for (const chain of chains) {
      const blocks = await blocksOf(chain)
      expect(blocks.at(-1)?.kind).toBe('close')
      expect(blocks.map(({ block_no }) => Number(block_no))).toEqual(blocks.map((_, i) => i))
    }
    const { found, chains: all } = await verifiedTrail(database.url)
    expect(found).toEqual([])
    const ours = [...all.values()].filter(({ chain }) => chains.has(chain))
    expect(new Set(ours.map(({ instance }) => instance)).size).toBe(1)
  })

  test('the same events in both, at the same time: no deadlock, and each is stored once', async () => {
    const deadlocks = async (): Promise<string | undefined> => {
      const text = 'select deadlocks from pg_stat_database where datname = current_database()'
      return (await owner.query<{ deadlocks: string }>(text)).rows[0]?.deadlocks
    }
    await callers(8, 4)
    const events = Array.from({ length: 300 }, () => anEvent())
    for (let i = 0; i < events.length; i += 10) {
      const some = events.slice(i, i + 10)
      for (const event of some) pipeline.ledger.submit(event, 'async')
      await new Promise(setImmediate)
      for (const event of some.toReversed()) pipeline.ledger.submit(event, 'async')
      await new Promise(setImmediate)
    }
    await pipeline.finish()
    expect(await deadlocks()).toBe('0')
  })

  test('a connection that is cut: all that was acknowledged is there, whichever it was', async () => {
    for (const which of [0, 1, 0, 1]) {
      await callers(24, 8, async () => {
        const pids = await sessions(pipeline.applicationName)
        const pid = pids[which] ?? pids[0]
        await owner.query('select pg_terminate_backend($1)', [pid])
      })
    }
    await pipeline.finish()
  })
})

describe('the sink beside another', () => {
  let sink: PostgresAuditSink
  let name: string
  const lost = { value: 3 }
  let idle: HeldTimers

  beforeAll(() => {
    idle = new HeldTimers(IDLE_AFTER_MS)
  })

  afterAll(() => idle.restore())

  beforeEach(async () => {
    name = `second ${Math.random()}`
    const options = { applicationName: name, idleAfterMs: IDLE_AFTER_MS, answerTimeoutMs: 60_000 }
    sink = new PostgresAuditSink({ databaseUrl: database.url, ...options })
    sink.attach({
      serviceName: 'wallet',
      serviceInstanceId: 'i-1',
      get lost() {
        return lost.value
      },
      onBlock: () => {},
      onLostBlocks: () => {},
    })
    expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
  })

  afterEach(() => sink.close())

  const chainOf = (result: Awaited<ReturnType<PostgresAuditSink['write']>>): string =>
    result.status === 'committed' ? (result.place?.chain ?? '') : result.status

  test('is always the same, and has no connection before it is asked to', async () => {
    const second = sink.beside()
    expect(sink.beside()).toBe(second)
    expect([second.isReady, (await sessions(name)).length]).toEqual([false, 1])
    await second.prepare()
    expect([second.isReady, (await sessions(name)).length]).toEqual([true, 2])
  })

  test('has a chain of its own, which says of no losses', async () => {
    const second = sink.beside()
    await second.prepare()
    const [one, other] = await Promise.all([sink.write(batchOf(anEvent())), second.write(batchOf(anEvent()))])
    expect(chainOf(one)).not.toBe(chainOf(other))
    expect((await blocksOf(chainOf(other))).map(({ lost_total }) => lost_total)).toEqual(['0', '0'])
    expect((await blocksOf(chainOf(one))).at(-1)?.lost_total).toBe('3')
    expect((await verifiedTrail(database.url)).found).toEqual([])
  })

  test('says that it is idle and lets go of its connection; the chain is used again', async () => {
    const second = sink.beside()
    await second.prepare()
    const chain = chainOf(await second.write(batchOf(anEvent())))
    idle.goOff()
    await waitUntil('the end of the connection', async () => (await sessions(name)).length === 1)
    expect(second.isReady).toBe(false)
    expect((await blocksOf(chain)).map(({ kind }) => kind)).toEqual(['genesis', 'data', 'idle'])
    await second.prepare()
    expect(chainOf(await second.write(batchOf(anEvent())))).toBe(chain)
    await sink.close()
    expect((await blocksOf(chain)).map(({ kind }) => kind)).toEqual([
      'genesis',
      'data',
      'idle',
      'data',
      'close',
    ])
    expect((await sessions(name)).length).toBe(0)
  })

  test('lets go of a connection that it has never used', async () => {
    const second = sink.beside()
    await second.prepare()
    idle.goOff()
    await waitUntil('the end of the connection', async () => (await sessions(name)).length === 1)
    expect(second.isReady).toBe(false)
  })

  test('is closed with it, also while it connects', async () => {
    const second = sink.beside()
    const preparing = second.prepare().catch((error: unknown) => error)
    await sink.close()
    expect(await preparing).toBeInstanceOf(Error)
    await waitUntil('the end of both', async () => (await sessions(name)).length === 0)
  })
})

test('a login that may have no second connection writes on one: nobody is refused, and it is said once', async () => {
  const login = await writerLogin(database.url)
  const said = listening()
  const pipeline = openPipeline(login.url, { secondChain: 'always' })
  await pipeline.ledger.strict().answer
  const { username } = new URL(login.url)
  await owner.query(`alter role ${username} connection limit 1`)
  const words = (): string[] => said.filter((line) => line.includes('no second connection'))
  const caller = async (_: unknown, nth: number): Promise<unknown[]> => {
    const told: unknown[] = []
    while (told.length < 6 || words().length === 0) {
      told.push(await pipeline.ledger.strict().answer)
      await sleep(nth % 4)
    }
    return told
  }
  const answers = await Promise.all(Array.from({ length: 32 }, caller))
  expect(answers.flat().filter((answer) => answer instanceof AuditError)).toEqual([])
  expect(words()).toHaveLength(1)
  expect(await sessions(pipeline.applicationName)).toHaveLength(1)
  await owner.query(`alter role ${username} connection limit -1`)
  await pipeline.finish(database.url)
  expect((await readTrail(database.url)).length).toBeGreaterThan(100)
  await login.drop()
})
