import type { Trail, TrailFilter } from 'otel-audit/query'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Reader } from '../../src/postgres/read/pool.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { trailAt } from './trail-at.js'

/** In eight months, so that each has about 10,000. */
const ROWS = 80_000
const STEP_SECONDS = 250
const DAY = 86_400_000

let database: TestDatabase
let client: Client

beforeAll(async () => {
  database = await migratedDatabase()
  client = await connect(database.url)
  await client.query(
    `select noetl.secret_audit_create_partition(month)
     from noetl.secret_audit_missing_months(date_trunc('month', now() - interval '240 days')::timestamp, now()::timestamp) month`,
  )
  await client.query(
    `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, execution_id, worker_id)
     select (((extract(epoch from t) * 1000)::bigint - 1704067200000) << 22) | n, t, 'credential-' || n % 400, 'get_credential',
       case when n % 1000 = 0 then 'no_pubkey' else 'ok' end, n / 10, 'worker-' || n % 500
     from (select n, now() - ($1::int - n) * $2::int * interval '1 second' as t from generate_series(1, $1::int) n) made`,
    [ROWS, STEP_SECONDS],
  )
  await client.query('analyze noetl.secret_audit')
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly Plans?: readonly PlanNode[]
}

/** How many rows of the table the statements of `read` look at, and in how many partitions. */
async function cost(read: (trail: Trail) => Promise<unknown>): Promise<{ rows: number; partitions: number }> {
  const query = vi.spyOn(Reader.prototype, 'query')
  await read(trailAt(database))
  const calls = query.mock.calls.filter(([text]) => text.includes('secret_audit'))
  query.mockRestore()
  let rows = 0
  const partitions = new Set<string>()
  const walk = (node: PlanNode): void => {
    const relation = node['Relation Name']
    if (relation !== undefined) {
      const looked =
        node['Actual Rows'] +
        (node['Rows Removed by Filter'] ?? 0) +
        (node['Rows Removed by Index Recheck'] ?? 0)
      rows += looked * node['Actual Loops']
      if (looked > 0 && node['Actual Loops'] > 0) partitions.add(relation)
    }
    node.Plans?.forEach(walk)
  }
  expect(calls.length).toBeGreaterThan(0)
  for (const [text, values = []] of calls) {
    const answer = await client.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
      `explain (analyze, format json) ${text}`,
      [...values],
    )
    for (const { Plan } of answer.rows[0]?.['QUERY PLAN'] ?? []) walk(Plan)
  }
  return { rows, partitions: partitions.size }
}

const week = (): TrailFilter => ({
  from: new Date(Date.now() - 100 * DAY),
  to: new Date(Date.now() - 93 * DAY),
})
const ROWS_OF_A_DAY = 86_400 / STEP_SECONDS

test.each<[string, TrailFilter, number]>([
  ['nothing: the newest page', {}, 150],
  ['a credential', { credential: 'credential-7' }, 250],
  ['one that is not there', { credential: 'nothing' }, 0],
  ['how it begins', { credential: 'credential-39*' }, 5000],
  ['an execution', { execution_id: 77 }, 10],
  ['an outcome', { outcome: 'no_pubkey' }, 150],
  ['an outcome that is not there', { outcome: 'wrong_region' }, 0],
  ['whatever went wrong', { outcome: 'not-ok' }, 150],
  ['several credentials', { credential: 'credential-7,credential-8,nothing' }, 500],
  ['several outcomes', { outcome: 'no_pubkey,wrong_region' }, 150],
  ['all but what is everywhere', { outcome: '!ok' }, 150],
  ['several executions', { execution_id: '77,78,79' }, 40],
  ['all but one credential', { credential: '!credential-7' }, 150],
])('a page by %s is found by an index, and not by reading the trail', async (_, filter, most) => {
  const { rows } = await cost((trail) => trail.search(filter))
  expect(rows).toBeLessThanOrEqual(most)
})

// With few rows to find, the planner likes to walk the primary key and hope to find some soon.
test.each([1, 10, 100])(
  'a page of %i in a window reads what stands there, and an hour more',
  async (limit) => {
    const { rows, partitions } = await cost((trail) => trail.search({ ...week(), limit }))
    expect(rows).toBeLessThanOrEqual(ROWS_OF_A_DAY / 24 + 200)
    expect(partitions).toBeLessThanOrEqual(2)
  },
)

test.each<[string, TrailFilter]>([
  ['an actor', { actor_id: 'nobody' }],
  ['a worker', { worker_id: 'worker-7' }],
  ['a trace', { trace_id: '0'.repeat(32) }],
])('%s in a window reads the window, and an hour more on both sides', async (_, filter) => {
  const { rows, partitions } = await cost((trail) => trail.search({ ...filter, ...week() }))
  expect(rows).toBeLessThanOrEqual(7.5 * ROWS_OF_A_DAY)
  expect(partitions).toBeLessThanOrEqual(2)
})

test.each<[string, (trail: Trail) => Promise<unknown>]>([
  ['a histogram', (trail) => trail.histogram(week())],
  ['a summary', (trail) => trail.summary(week())],
  ['a summary, dormant first', (trail) => trail.summary(week(), { order: 'dormant' })],
  ['a matrix', (trail) => trail.matrix(week(), { across: 'worker_id' })],
  ['bursts', (trail) => trail.bursts(week())],
  ['what was granted after a denial', (trail) => trail.reversals(week())],
  ['hours', (trail) => trail.histogram({ ...week(), hours: '!mo-fr 08:00-18:00 Europe/Berlin' })],
])('%s reads its window, and an hour more on both sides', async (_, read) => {
  const { rows, partitions } = await cost(read)
  expect(rows).toBeLessThanOrEqual(7.5 * ROWS_OF_A_DAY)
  expect(partitions).toBeLessThanOrEqual(2)
})

test('coverage reads what processes said of themselves, and not what was accessed', async () => {
  const { rows } = await cost((trail) => trail.coverage())
  expect(rows).toBeLessThanOrEqual(10)
})

test('the deepest page of a scan costs as much as the first', async () => {
  const trail = trailAt(database)
  let page = await trail.search({ limit: 10_000 })
  for (let i = 0; i < 5; i++) page = await trail.search({ limit: 10_000, cursor: page.next_cursor ?? '' })
  const cursor = page.next_cursor ?? ''
  const { rows } = await cost((other) => other.search({ limit: 100, cursor }))
  expect(rows).toBeLessThanOrEqual(150)
})
