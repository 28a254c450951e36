import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fill, type Span } from '../../bench/query/fill.js'
import { auditorDashboard } from '../../deploy/grafana/src/auditor-dashboard.js'
import { serviceDashboard } from '../../deploy/grafana/src/service-dashboard.js'
import { SNOWFLAKE_EPOCH_MS } from '../../src/event/snowflake.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { expanded, panelsOf, type Range } from './panels-of.js'

const ROWS = 200_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** What finding no displaced row costs: a look at the root of an empty index in each partition. */
const SMALL = 32
const BUFFERS_OF_DISPLACED = 64

interface Plan {
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Shared Hit Blocks'?: number
  readonly 'Shared Read Blocks'?: number
  readonly Plans?: readonly Plan[]
}

interface Partition {
  readonly name: string
  readonly first: bigint
  /** The first id beyond it. */
  readonly end: bigint
  /** Of the table and its indexes. */
  readonly pages: number
}

let database: TestDatabase
let owner: Client
let reader: Client
let span: Span
let partitions: readonly Partition[]

const statements = [serviceDashboard(), auditorDashboard()]
  .flatMap((dashboard) => panelsOf(dashboard))
  .flatMap(({ title = '', targets = [] }) =>
    targets.flatMap(({ rawSql }) => (rawSql ? [{ title, rawSql }] : [])),
  )
const sqlOf = (title: string): string => statements.find((found) => found.title === title)?.rawSql ?? ''

const idAt = (ms: number): bigint => BigInt(Math.floor(ms) - SNOWFLAKE_EPOCH_MS) << 22n
const lookBack = (title: string): number => (title === 'Dormant credentials' ? 90 * DAY : 0)

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  span = await fill(owner, { rows: ROWS, seed: 1 }, () => {})
  await special()
  reader = await connect(database.url)
  await reader.query('set role noetl_audit_reader')
  const found = await owner.query<{ name: string; first: string; end: string; pages: string }>(
    `select partition as name, from_id::text as first, to_id::text as end,
       (pg_total_relation_size(format('noetl.%I', partition)::regclass) / 8192)::text as pages
     from noetl.secret_audit_partitions()`,
  )
  partitions = found.rows.map(({ name, first, end, pages }) => ({
    name,
    first: BigInt(first),
    end: BigInt(end),
    pages: Number(pages),
  }))
})

afterAll(async () => {
  await reader.end()
  await owner.end()
  await database.drop()
})

/** A few rows that are told by their credential: newer than all others, and one whose id is a month older than its time. */
async function special(): Promise<void> {
  const at = span.toMs - 10 * MINUTE
  const insert = (
    id: bigint,
    credential: string,
    operation: string,
    outcome: string,
    ms = at,
  ): Promise<unknown> =>
    owner.query(
      `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, actor_id, attributes)
       values ($1, to_timestamp($2 / 1000.0), $3, $4, $5, 'special', '{"what":"rows","rows":3}')`,
      [id, ms, credential, operation, outcome],
    )
  await insert(idAt(at) + 1n, `o'brien`, 'get_credential', 'ok')
  await insert(idAt(at - 30 * DAY) + 2n, 'displaced', 'get_credential', 'ok')
  await insert(idAt(at) + 3n, 'secret_audit', 'query_trail', 'ok')
  await insert(idAt(at) + 4n, 'node-vault', 'audit_coverage', 'hooked')
  await insert(idAt(at) + 5n, 'secret_audit', 'audit_gap', 'lost')
  for (let i = 0n; i < 12n; i++)
    await insert(idAt(at) + 10n + i, 'tried', 'get_credential', 'residency_violation')
  // In no window of the 90 days but that of the panel about them: its id is of the coming month.
  await insert(idAt(at) + 6n, 'forgotten', 'get_credential', 'ok', at - 100 * DAY)
}

async function rowsOf(title: string, range: Range): Promise<Record<string, unknown>[]> {
  return (await reader.query<Record<string, unknown>>(expanded(sqlOf(title), range))).rows
}

async function planOf(sql: string): Promise<Plan> {
  const { rows } = await reader.query<{ 'QUERY PLAN': readonly { readonly Plan: Plan }[] }>(
    `explain (analyze, buffers, costs off, timing off, format json) ${sql}`,
  )
  const [plan] = rows[0]?.['QUERY PLAN'] ?? []
  if (plan === undefined) throw new Error('there is no plan')
  return plan.Plan
}

const buffersOf = (plan: Plan): number => (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)

/** By the index of the rows whose ids are far from their times, which is all but empty. */
const isDisplaced = (plan: Plan): boolean =>
  plan['Index Name']?.includes('occurred_at') === true || (plan.Plans ?? []).some(isDisplaced)

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

function windows(): { readonly what: string; readonly range: Range }[] {
  const ago = (from: number, to: number): Range => ({
    from: new Date(span.toMs - from),
    to: new Date(span.toMs - to),
  })
  return [
    { what: 'half an hour', range: ago(30 * MINUTE, 0) },
    { what: 'a day', range: ago(DAY, 0) },
    { what: 'thirty days', range: ago(30 * DAY, 0) },
    { what: 'a day of two months ago', range: ago(61 * DAY, 60 * DAY) },
    { what: 'a day before there were rows', range: ago(400 * DAY, 399 * DAY) },
  ]
}

describe.each(statements)('"$title"', ({ title, rawSql }) => {
  it('reads the partitions of its time range alone, and no more pages than they have', async () => {
    for (const { what, range } of windows()) {
      const plan = await planOf(expanded(rawSql, range))
      const first = idAt(range.from.getTime() - HOUR - 1000 - lookBack(title))
      const last = idAt(range.to.getTime() + HOUR + 1000)
      const within = partitions.filter((found) => found.end > first && found.first < last)
      const read = nodesOf(plan)
        .filter((node) => buffersOf(node) > 0 && !isDisplaced(node))
        .flatMap((node) => node['Relation Name'] ?? [])
      // A partition that begins with the trail may have a few pages only: those are read sooner than its index.
      const large = partitions.filter(({ pages }) => pages > SMALL).map(({ name }) => name)
      const beyond = new Set(
        read.filter((name) => large.includes(name) && !within.some((found) => found.name === name)),
      )
      expect([what, [...beyond]]).toEqual([what, []])
      const most = within.reduce((sum, { pages }) => sum + pages, BUFFERS_OF_DISPLACED)
      expect(buffersOf(plan), `buffers for ${what}`).toBeLessThanOrEqual(most)
    }
  })

  it('reads few pages for half an hour, however long the trail is', async () => {
    const [first] = windows()
    if (first === undefined || lookBack(title) > 0) return
    const plan = await planOf(expanded(rawSql, first.range))
    expect(buffersOf(plan)).toBeLessThanOrEqual(500)
  })
})

describe('what they show', () => {
  const halfAnHour = (credential?: string): Range => ({
    from: new Date(span.toMs - 30 * MINUTE),
    to: new Date(span.toMs + MINUTE),
    ...(credential !== undefined && { credential }),
  })

  it('is every access of the time range, one under an id of another month too, and no row about the trail', async () => {
    const { rows } = await owner.query<{ id: string }>(
      `select audit_id::text as id from noetl.secret_audit
       where occurred_at between $1 and $2 and operation not in ('query_trail', 'audit_coverage', 'audit_gap')
       order by audit_id desc limit 100`,
      [halfAnHour().from, halfAnHour().to],
    )
    const shown = await rowsOf('Latest accesses', halfAnHour())
    expect(shown.map((row) => row['audit_id'])).toEqual(rows.map(({ id }) => id))
    const credentials = shown.map((row) => row['credential'])
    expect(credentials).toEqual(expect.arrayContaining([`o'brien`, 'displaced', 'tried']))
    expect(credentials).not.toContain('secret_audit')
    expect(credentials).not.toContain('node-vault')
  })

  it('is of one credential, when one is asked for', async () => {
    const of = async (title: string): Promise<unknown[]> =>
      (await rowsOf(title, halfAnHour(`o'brien`))).map((row) => row['credential'])
    expect(await of('Latest accesses')).toEqual([`o'brien`])
    expect(await of('By credential')).toEqual([`o'brien`])
    expect(await of('Denials')).toEqual([])
  })

  it('are denials, with their bursts', async () => {
    const [denials] = await rowsOf('Denials', halfAnHour('tried'))
    expect(denials).toMatchObject({ actor: 'special', outcome: 'residency_violation', denials: '12' })
    expect(await rowsOf('Bursts', halfAnHour())).toMatchObject([{ credential: 'tried', denials: '12' }])
  })

  it('are credentials that nobody uses any more', async () => {
    const range = { from: new Date(span.toMs - 30 * DAY), to: new Date(span.toMs) }
    const dormant = (await rowsOf('Dormant credentials', range)).map((row) => row['credential'])
    expect(dormant).toContain('forgotten')
    expect(dormant).not.toContain(`o'brien`)
  })

  it('are coverage, losses, and who looked', async () => {
    expect(await rowsOf('Coverage', halfAnHour())).toMatchObject([{ client: 'node-vault', state: 'hooked' }])
    expect(await rowsOf('Lost and withheld', halfAnHour())).toMatchObject([{ outcome: 'lost' }])
    expect(await rowsOf('Reads of the trail', halfAnHour())).toMatchObject([
      { actor_id: 'special', what: 'rows', rows: '3' },
    ])
  })

  it('adds up', async () => {
    const [totals] = await rowsOf('In all', halfAnHour())
    const over = await rowsOf('Accesses by outcome', halfAnHour())
    const pairs = await rowsOf('The same, as a list', halfAnHour())
    const sum = (rows: readonly Record<string, unknown>[]): number =>
      rows.reduce((total, row) => total + Number(row['accesses']), 0)
    expect(sum(over)).toBe(Number(totals?.['accesses']))
    expect(sum(pairs)).toBe(Number(totals?.['accesses']))
    expect(await rowsOf('Accesses by actor and credential', halfAnHour(`o'brien`))).toEqual([
      { actor: 'special', credential: `o'brien`, accesses: '1' },
    ])
  })
})
