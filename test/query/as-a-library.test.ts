import { createAudit, PostgresAuditSink, RecordingAuditSink } from 'otel-audit'
import {
  type Bucket,
  type Burst,
  type BurstOptions,
  type Bursts,
  type ExportedChain,
  type ExportFormat,
  exportToFile,
  type ExportOptions,
  type ExportResult,
  type Histogram,
  type HistogramOptions,
  type IdFormat,
  type Matrix,
  type MatrixCell,
  type MatrixOptions,
  type Page,
  type Reading,
  readingFields,
  type Reversal,
  type ReversalOptions,
  type Reversals,
  rowCsv,
  rowJson,
  type SettledState,
  type Summary,
  SUMMARY_BY,
  type SummaryBy,
  type SummaryGroup,
  type SummaryOptions,
  type SummaryOrder,
  Trail,
  TRAIL_DEFAULTS,
  type TrailOptions,
  type Who,
  type Principal,
} from 'otel-audit/query'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, expectTypeOf, onTestFinished, test } from 'vitest'
import { Reader } from '../../src/postgres/read/pool.js'
import { temporaryDirectory } from '../spool/directories.js'
import { connect, emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { trailAt } from './trail-at.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  await sink.write(
    batchOf(anEvent({ credential: 'a' }), anEvent({ credential: 'a' }), anEvent({ credential: 'b' })),
  )
  await sink.close()
})

afterAll(() => database.drop())

test('a program reads, and records that it did', async () => {
  const trail = trailAt(database)
  const page: Page = await trail.search({ limit: 1 })
  const ids: IdFormat = 'number'
  expect(page.rows.map((row) => rowJson(row, ids) + rowCsv(row)).join('')).toContain('"audit_id":')
  const options: HistogramOptions = { buckets: 10 }
  const histogram: Histogram = await trail.histogram({ from: '-1h' }, options)
  const totals = histogram.buckets.map(({ total }: Bucket) => total)
  expect(totals.reduce((sum, total) => sum + total)).toBe(3)
  const { system }: SettledState = await trail.settledState()
  expect(system).toMatch(/^\d+$/)
  const by: SummaryBy = 'credential'
  const summaryOptions: SummaryOptions = { by }
  const { groups }: Summary = await trail.summary({}, summaryOptions)
  expect(groups.map(({ value, accesses }: SummaryGroup) => [value, accesses])).toEqual([
    ['a', 2],
    ['b', 1],
  ])
  for (const other of SUMMARY_BY) expect((await trail.summary({}, { by: other })).by).toBe(other)
  await expect(trail.summary({}, { by: 'notes' as never })).rejects.toMatchObject({ field: 'by' })
  const format: ExportFormat = 'csv'
  const toFile: ExportOptions = {
    file: join(temporaryDirectory(), 'a.csv'),
    format,
    filter: { credential: 'a' },
    resume: false,
  }
  const { manifest }: ExportResult = await exportToFile(trail, toFile)
  const chains: readonly ExportedChain[] = manifest?.chains ?? []
  expect(manifest).toMatchObject({ rows: 2, unsigned: 0 })
  expect(chains).toMatchObject([{ first_block: '1', last_block: '1', rows: 2 }])

  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink })
  const reader: Principal = { actorId: 'jane', actorType: 'user', sourceAddress: '192.0.2.1' }
  const reading: Reading = { what: 'rows', via: 'cli', filter: '{}', rows: 1 }
  await audit.service.recordStrict(readingFields(reader, reading, 'ok'))
  await audit.service.recordStrict(readingFields(reader, { ...reading, what: 'export', sha256: 'ab' }, 'ok'))
  await audit.close()
  expect(sink.events).toMatchObject([
    {
      operation: 'query_trail',
      credential: 'secret_audit',
      actorId: 'jane',
      attributesJson: '{"filter":"{}","rows":1,"via":"cli","what":"rows"}',
    },
    { operation: 'export_trail', sourceAddress: '192.0.2.1' },
  ])
})

test('a program asks who accessed what, and what is odd about it', async () => {
  const trail = trailAt(database)
  const order: SummaryOrder = 'dormant'
  const across: MatrixOptions = { by: 'credential', across: 'service_name', order }
  const matrix: Matrix = await trail.matrix({ from: '-1h' }, across)
  const cells: readonly MatrixCell[] = matrix.cells
  expect(cells.map(({ value, other, accesses }) => [value, other, accesses])).toEqual([
    ['a', null, 2],
    ['b', null, 1],
  ])
  const by: Who = 'credential'
  const most: BurstOptions = { by, within: 60, least: 2 }
  const bursts: Bursts = await trail.bursts({ from: '-1h' }, most)
  const found: readonly Burst[] = bursts.bursts
  expect([bursts.by, found]).toEqual([by, []])
  const soon: ReversalOptions = { by, within: 60 }
  const reversals: Reversals = await trail.reversals({ from: '-1h' }, soon)
  const none: readonly Reversal[] = reversals.reversals
  expect([reversals.by, none]).toEqual([by, []])
})

describe('a trail', () => {
  test('has defaults, and connects to nothing before it is used', async () => {
    expect(TRAIL_DEFAULTS).toEqual({ schema: 'noetl', timeoutMs: 30_000, connections: 4 })
    expect(Object.isFrozen(TRAIL_DEFAULTS)).toBe(true)
    expectTypeOf<TrailOptions['databaseUrl']>().toEqualTypeOf<string | (() => string | Promise<string>)>()
    const trail = new Trail({ databaseUrl: 'postgres://nobody@192.0.2.1/nothing' })
    await trail.close()
    await expect(trail.search()).rejects.toMatchObject({ code: 'AUDIT_CLOSED' })
  })

  test('can write nothing', async () => {
    const reader = new Reader({
      ...TRAIL_DEFAULTS,
      databaseUrl: database.url,
      applicationName: 'reads only',
    })
    onTestFinished(() => reader.close())
    await expect(reader.query('create table noetl.mine ()')).rejects.toMatchObject({
      code: 'AUDIT_READ_FAILED',
      message: expect.stringContaining('read-only transaction'),
    })
    expect(await reader.query('select 1 as one')).toEqual([{ one: 1 }])
  })

  test('shares its connections among many readers, in order', async () => {
    const trail = trailAt(database, { connections: 2, applicationName: 'two only' })
    const pages = await Promise.all(Array.from({ length: 30 }, () => trail.search({ limit: 1 })))
    expect(new Set(pages.map(({ rows }) => rows[0]?.audit_id)).size).toBe(1)
    const observer = await connect(database.url)
    const { rows } = await observer.query(
      `select count(*)::int as n from pg_stat_activity where application_name = 'two only'`,
    )
    await observer.end()
    expect(rows).toEqual([{ n: 2 }])
  })

  test('gives up a query that takes too long, or a lock that is in its way, and goes on afterwards', async () => {
    const owner = await connect(database.url)
    const trail = trailAt(database, { timeoutMs: 500, connections: 1 })
    await owner.query('begin; lock table noetl.secret_audit in access exclusive mode')
    await expect(trail.search()).rejects.toMatchObject({ code: 'AUDIT_READ_TIMEOUT' })
    const waiting = await Promise.allSettled([trail.search(), trail.search()])
    expect(waiting.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await owner.query('rollback')
    await owner.end()
    expect((await trail.search()).rows).toHaveLength(3)
  })

  test('connects again when the server has ended its connection', async () => {
    const trail = trailAt(database, { applicationName: 'to be ended' })
    await trail.search()
    const owner = await connect(database.url)
    await owner.query(
      `select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = 'to be ended'`,
    )
    await owner.end()
    const again = await trail.search().catch(() => trail.search())
    expect(again.rows).toHaveLength(3)
  })

  test('says what is missing, and never a password', async () => {
    const empty = await emptyDatabase()
    await expect(trailAt(empty).search()).rejects.toMatchObject({ code: 'AUDIT_SCHEMA' })
    await empty.drop()
    const away = new Trail({ databaseUrl: 'postgres://u:canary-12ab@127.0.0.1:1/x' })
    const error: unknown = await away.search().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'AUDIT_READ_FAILED' })
    expect(JSON.stringify(error) + String(error)).not.toContain('canary-12ab')
    await away.close()
    expect(() => new Trail({ databaseUrl: 'postgres://x', schema: 'No"' })).toThrow('schema must be')
  })
})
