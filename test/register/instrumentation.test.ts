import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePorts } from '../../examples/wallet/demo/ports.js'
import { COUNTERS, OPERATION_LABELS, OUTCOME_LABELS, WRITE_STATUSES } from '../../src/otel/metrics.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { OtlpReceiver, SERVER_KIND } from '../support/otlp-receiver.js'
import { writerLogin } from '../support/pipeline.js'
import { waitUntil } from '../support/wait-until.js'
import { Application, exportingTo } from './application.js'

let database: TestDatabase
/** Of the application: as the owner of the trail it would be warned. */
let login: Awaited<ReturnType<typeof writerLogin>>
let receiver: OtlpReceiver

beforeAll(async () => {
  database = await migratedDatabase()
  login = await writerLogin(database.url)
})

afterAll(async () => {
  await login.drop()
  await database.drop()
})

beforeEach(async () => {
  receiver = await OtlpReceiver.start()
})

afterEach(async () => {
  await receiver.close()
})

/** The trace of the only request: the server's span at its root, the audit spans below. */
async function theTrace(): Promise<void> {
  const audits = await waitUntil(
    'the audit spans',
    () => receiver.auditSpans.length >= 4 && receiver.auditSpans,
  )
  expect(audits).toHaveLength(4)
  const traceId = audits[0]?.traceId
  const root = await waitUntil('the server span', () =>
    receiver.spans.find((span) => span.traceId === traceId && !span.parentSpanId),
  )
  expect(root).toMatchObject({ kind: SERVER_KIND, scope: '@opentelemetry/instrumentation-http' })
  for (const audit of audits) expect(audit).toMatchObject({ traceId, parentSpanId: root.spanId })
}

/** Pairs of a series in the exposition text, and its value. */
function series(exposition: string): Map<string, number> {
  const lines = exposition.split('\n').filter((line) => line.startsWith('noetl_secret_audit'))
  return new Map(
    lines.map((line) => {
      const [, name = '', labels = '', value] = /^(\w+)\{(.*)\} (\S+)/.exec(line) ?? []
      const own = labels.split(',').filter((label) => !label.startsWith('otel_scope'))
      return [`${name}{${own.join(',')}}`, Number(value)]
    }),
  )
}

describe('under a preload', () => {
  it.each([
    ['service.mjs', 'import'],
    ['service.mjs', 'require'],
    ['service.cjs', 'import'],
    ['service.cjs', 'require'],
  ] as const)('%s, --%s: audit spans below server spans, and no word on stderr', async (app, preload) => {
    const [port] = await freePorts(1)
    const env = {
      ...exportingTo(receiver.url),
      OTEL_SERVICE_NAME: 'orders',
      DATABASE_URL: login.url,
      OTEL_METRICS_EXPORTER: 'prometheus',
      OTEL_EXPORTER_PROMETHEUS_PORT: `${port}`,
    }
    const application = new Application({ app, preload, env })
    await application.get('/access')
    await theTrace()
    await application.terminate()
    expect(application.stderr).toBe('')
  })
})

describe('metrics', () => {
  it('by Prometheus: every series of the closed label set is there at 0, and adds up to the rows', async () => {
    const [port] = await freePorts(1)
    const env = {
      DATABASE_URL: database.url,
      OTEL_METRICS_EXPORTER: 'prometheus',
      OTEL_EXPORTER_PROMETHEUS_PORT: `${port}`,
    }
    const application = new Application({ app: 'service.mjs', env })
    await application.says('listening')
    const scraped = async () => series(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())

    const atStart = await scraped()
    for (const operation of OPERATION_LABELS.filter((name) => name !== 'audit')) {
      for (const outcome of OUTCOME_LABELS) {
        for (const status of WRITE_STATUSES) {
          const labels = `operation="${operation}",outcome="${outcome}",status="${status}"`
          expect(atStart.get(`noetl_secret_audit_writes_total{${labels}}`), labels).toBe(0)
        }
      }
    }
    for (const counter of Object.keys(COUNTERS)) {
      // The row that says that the pipeline was started.
      const own = counter === 'records.emitted' ? 1 : 0
      expect(atStart.get(`noetl_secret_audit_${counter.replace('.', '_')}_total{}`), counter).toBe(own)
    }

    await application.get('/access')
    const total = (of: Map<string, number>, status: string): number =>
      [...of].reduce((sum, [name, n]) => (name.includes(`status="${status}"`) ? sum + n : sum), 0)
    const after = await waitUntil('the counts', async () => {
      const now = await scraped()
      return total(now, 'written') >= 5 && now
    })
    // With the row that says that the pipeline was started.
    expect(total(after, 'written')).toBe(5)
    expect(total(after, 'dropped_async') + total(after, 'failed_strict')).toBe(0)
    expect(after.get('noetl_secret_audit_records_emitted_total{}')).toBe(5)
    expect(after.get('noetl_secret_audit_records_direct_total{}')).toBe(0)
  })

  it('by OTLP, and what was counted last is collected before the end', async () => {
    const env = {
      ...exportingTo(receiver.url),
      DATABASE_URL: database.url,
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json',
    }
    const application = new Application({ app: 'service.mjs', env })
    await application.get('/access')
    await application.terminate()
    const writes = receiver.points.filter(({ metric }) => metric === 'noetl.secret_audit.writes')
    expect(writes).toHaveLength(OPERATION_LABELS.length * OUTCOME_LABELS.length * WRITE_STATUSES.length)
    const written = writes.filter(({ attributes }) => attributes['status'] === 'written')
    const of = (operation: string): number =>
      written.reduce(
        (sum, { value, attributes }) => (attributes['operation'] === operation ? sum + value : sum),
        0,
      )
    expect(of('get_credential')).toBe(4)
    // Started, and stopped.
    expect(of('audit')).toBe(2)
    const lost = writes.filter(({ attributes }) => attributes['status'] !== 'written')
    expect(lost.every(({ value }) => value === 0)).toBe(true)
  })
})

it('makes spans of the queries of the application, and none of the SQL of the trail', async () => {
  const env = { ...exportingTo(receiver.url), DATABASE_URL: database.url }
  const application = new Application({ app: 'service.mjs', env })
  await application.get('/access')
  await application.get('/query')
  await application.get('/access')
  await application.terminate()
  expect(receiver.auditSpans).toHaveLength(8)
  const statements = receiver.spans.filter(({ scope }) => scope === '@opentelemetry/instrumentation-pg')
  expect(statements.map(({ name }) => name.split(' ')[0])).toEqual(['pg.connect', 'pg.query:SELECT'])
})
