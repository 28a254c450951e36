import { setTimeout as pause } from 'node:timers/promises'
import * as fc from 'fast-check'
import { rowJson, type TrailFilter } from 'otel-audit/query'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { idAt } from '../postgres/adopt/original-table.js'
import { scan, trailAt } from './trail-at.js'

const WRITERS = 10

/** One transaction of a writer: rows of a few milliseconds, so that many have equal times. */
interface Transaction {
  readonly offsets: readonly number[]
  /** How long it stays open after its inserts, so that transactions commit out of order. */
  readonly holdMs: number
  readonly commits: boolean
}

const transaction: fc.Arbitrary<Transaction> = fc.record({
  offsets: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 6 }),
  holdMs: fc.integer({ min: 0, max: 12 }),
  commits: fc.oneof(
    { weight: 5, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
})

let database: TestDatabase
let writers: Client[]
let observer: Client
let runs = 0

beforeAll(async () => {
  database = await migratedDatabase()
  writers = await Promise.all(Array.from({ length: WRITERS }, () => connect(database.url)))
  observer = await connect(database.url)
})

afterAll(async () => {
  await Promise.all([...writers, observer].map((client) => client.end()))
  await database.drop()
})

const START = Date.now()

/** Writes a run's transactions, each writer its own ones in order. */
async function write(run: number, plans: readonly (readonly Transaction[])[]): Promise<void> {
  const base = START + run * 10
  await Promise.all(
    plans.map(async (plan, writer) => {
      let sequence = 0
      for (const { offsets, holdMs, commits } of plan) {
        const client = writers[writer]
        await client?.query('begin')
        for (const offset of offsets) {
          // Ids are spread over the writers, so that a later transaction often has the lower ones.
          const id = idAt(base + offset, ((sequence++ * WRITERS + writer) * 7919) % 4_194_304)
          await client?.query(
            `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, service_name)
             values ($1, $2, $3, 'get_credential', 'ok', $4)`,
            [id, new Date(base + offset), `run-${run}/credential`, `run-${run}`],
          )
        }
        await pause(holdMs)
        await client?.query(commits ? 'commit' : 'rollback')
      }
    }),
  )
}

async function committed(run: number): Promise<string[]> {
  const { rows } = await observer.query<{ id: string }>(
    'select audit_id::text as id from noetl.secret_audit where service_name = $1',
    [`run-${run}`],
  )
  return rows.map(({ id }) => id)
}

/** The same rows, found in different ways. */
const filtersOf = (run: number): readonly TrailFilter[] => [
  { credential: `run-${run}/credential` },
  { credential: `run-${run}/*` },
  { service_name: `run-${run}`, from: new Date(START - 86_400_000), to: new Date(START + 86_400_000) },
]

const plans = fc.array(fc.array(transaction, { minLength: 1, maxLength: 6 }), {
  minLength: WRITERS,
  maxLength: WRITERS,
})

describe('a scan, page after page, while ten writers insert', () => {
  test.each([[false], [true]])(
    'has every row committed before it once, others at most once (settled: %s)',
    async (settled) => {
      const trail = trailAt(database)
      const property = fc.asyncProperty(
        plans,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 2 }),
        fc.integer({ min: 0, max: 20 }),
        async (plan, limit, which, delayMs) => {
          const run = ++runs
          const writing = write(run, plan)
          await pause(delayMs)
          // Settled rows lag the oldest running transaction: what must be there was committed before its mark.
          const mark = settled ? await trail.mark() : undefined
          const before = settled ? await settledBelow(run, mark ?? 0n) : await committed(run)
          const filter = { ...filtersOf(run)[which], limit, settled }
          const found = (await scan(trail, filter, () => pause(1))).map(({ audit_id }) => audit_id)
          await writing
          const after = new Set(await committed(run))

          expect(new Set(found).size, 'a row twice').toBe(found.length)
          expect(
            before.filter((id) => !found.includes(id)),
            'committed before, and not found',
          ).toEqual([])
          expect(
            found.filter((id) => !after.has(id)),
            'found, and never committed',
          ).toEqual([])
          const ids = found.map(BigInt)
          expect(ids, 'newest first').toEqual([...ids].sort((a, b) => (a < b ? 1 : -1)))
        },
      )
      await fc.assert(property, { numRuns: 25, endOnFailure: true })
    },
  )

  test('settled: two full scans of one mark are identical, byte for byte', async () => {
    const trail = trailAt(database)
    const property = fc.asyncProperty(plans, fc.integer({ min: 1, max: 9 }), async (plan, limit) => {
      const run = ++runs
      const writing = write(run, plan)
      await pause(5)
      const [filter = {}] = filtersOf(run)
      const { mark } = await trail.search({ ...filter, settled: true })
      const once = await scan(trail, { ...filter, settled: mark ?? '', limit }, () => pause(2))
      await writing
      const again = await scan(trail, { ...filter, settled: mark ?? '', limit: limit + 1 })
      expect(again.map((row) => rowJson(row)).join('\n')).toBe(once.map((row) => rowJson(row)).join('\n'))
    })
    await fc.assert(property, { numRuns: 15, endOnFailure: true })
  })
})

async function settledBelow(run: number, mark: bigint): Promise<string[]> {
  const { rows } = await observer.query<{ id: string }>(
    'select audit_id::text as id from noetl.secret_audit where service_name = $1 and recorded_xid < $2',
    [`run-${run}`, mark],
  )
  return rows.map(({ id }) => id)
}

test('a mark that is not reached yet is refused', async () => {
  const trail = trailAt(database)
  const ahead = String((await trail.mark()) + 1_000_000n)
  await expect(trail.search({ settled: ahead })).rejects.toMatchObject({
    code: 'AUDIT_INVALID_QUERY',
    field: 'settled',
  })
})

test('rows that settle between two marks are shown once each, whatever the order of commits', async () => {
  const trail = trailAt(database)
  const run = ++runs
  const first = await trail.mark()
  const [sample = []] = fc.sample(plans, 1)
  const state = { writes: true }
  const writing = write(run, sample).finally(() => {
    state.writes = false
  })
  const shown: string[] = []
  let since = first
  const advance = async (): Promise<void> => {
    const until = await trail.mark()
    for await (const rows of trail.added({ service_name: `run-${run}` }, since, until)) {
      shown.push(...rows.map(({ audit_id }) => audit_id))
    }
    since = until
  }
  while (state.writes) await advance()
  await writing
  // Other databases of the server may hold the mark back for a moment.
  const all = await committed(run)
  while (shown.length < all.length) {
    await pause(5)
    await advance()
  }
  expect(shown.sort()).toEqual(all.sort())
})
