import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { metrics } from '@opentelemetry/api'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { prometheusMetrics } from '../../src/server/prometheus.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { scraper } from '../otel/scrape.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { exposed, PATH, served, TOKEN } from './served.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

interface Point {
  readonly attributes: Readonly<Record<string, unknown>>
  readonly value: { readonly count: number; readonly sum: number; readonly buckets: object }
}

/** The histogram `http.server.request.duration`, as the SDK collects it. */
async function durations(collect: ReturnType<typeof scraper>['collect']) {
  const { scopeMetrics } = await collect()
  const found = scopeMetrics.flatMap((scope) => scope.metrics)
  const metric = found.find(({ descriptor }) => descriptor.name === 'http.server.request.duration')
  return { descriptor: metric?.descriptor, points: (metric?.dataPoints ?? []) as unknown as Point[] }
}

describe('http.server.request.duration', () => {
  test('has the attributes, the unit and the buckets of the semantic conventions', async () => {
    const { collect } = scraper()
    const { get, url } = await served(database.url)
    await get(`${PATH}/5`)
    await get('/readyz', {})
    await get('/nothing-of-ours', {})
    await fetch(url + PATH, { method: 'POST' })
    const { descriptor, points } = await durations(collect)
    expect(descriptor).toMatchObject({
      unit: 's',
      advice: {
        explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
      },
    })
    const common = { 'url.scheme': 'http', 'network.protocol.version': '1.1' }
    expect(points.map(({ attributes }) => attributes)).toEqual(
      expect.arrayContaining([
        {
          ...common,
          'http.request.method': 'GET',
          'http.route': `${PATH}/{audit_id}`,
          'http.response.status_code': 404,
        },
        {
          ...common,
          'http.request.method': 'GET',
          'http.route': '/readyz',
          'http.response.status_code': 200,
        },
        { ...common, 'http.request.method': 'GET', 'http.response.status_code': 404 },
        { ...common, 'http.request.method': 'POST', 'http.response.status_code': 405 },
      ]),
    )
    expect(points).toHaveLength(4)
    for (const { value } of points) expect(value.count).toBe(1)
  })

  test('names what failed, and makes no series of a method that nobody knows', async () => {
    const { collect } = scraper()
    const { get, url } = await served(database.url, { authenticator: undefined })
    await get(PATH)
    await fetch(url, { method: 'PROPFIND' })
    const { points } = await durations(collect)
    const attributes = points.map((point) => point.attributes)
    expect(attributes).toContainEqual(
      expect.objectContaining({ 'http.response.status_code': 503, 'error.type': '503' }),
    )
    expect(attributes).toContainEqual(expect.objectContaining({ 'http.request.method': '_OTHER' }))
  })

  test('is recorded on a MeterProvider that comes late', async () => {
    metrics.disable()
    const { get } = await served(database.url)
    await get('/healthz', {})
    const { collect } = scraper()
    await get('/healthz', {})
    expect((await durations(collect)).points).toMatchObject([{ value: { count: 1 } }])
  })

  test('changes no answer when the meter throws', async () => {
    metrics.disable()
    metrics.setGlobalMeterProvider({
      getMeter: () => {
        throw new Error('the meter is broken')
      },
    })
    onTestFinished(() => metrics.disable())
    const { get } = await served(database.url)
    expect((await get(PATH)).status).toBe(200)
  })
})

describe('/metrics', () => {
  test('has the metrics of docs/api.md, and those of the pipeline that records the reads', async () => {
    const { get } = await served(database.url, { exposition: exposed() })
    await get(PATH)
    const { text } = await get('/metrics', {})
    const names = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
    const page = readFileSync(join(packageRoot(), 'docs/api.md'), 'utf8')
    const documented = [...page.matchAll(/^\| `[\w.]+` \| `(\w+)` \|/gm)].map(([, name]) => name)
    expect(documented.length).toBeGreaterThan(2)
    const ours = [...names].filter((name) => /^http_|_server_/.test(name ?? ''))
    expect(new Set(ours)).toEqual(new Set(documented))
    expect(names).toContain('noetl_secret_audit_build_info')
    expect(text).toMatch(
      /^noetl_secret_audit_writes_total\{operation="query_trail",outcome="ok",status="written".*\} 1$/m,
    )
    expect(text).not.toContain(TOKEN)
  })

  test('is for a process that has no MeterProvider yet', () => {
    scraper()
    expect(prometheusMetrics()).toBeUndefined()
  })
})
