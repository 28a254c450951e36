import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditEvent } from '../../src/event/event.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { attributeOf, OtlpReceiver, SERVER_KIND } from '../support/otlp-receiver.js'
import { readTrail } from '../support/trail.js'
import { Application, type ApplicationOptions, exportingTo } from './application.js'

let database: TestDatabase
let receiver: OtlpReceiver

beforeAll(async () => {
  database = await migratedDatabase()
  receiver = await OtlpReceiver.start()
})

afterAll(async () => {
  await receiver.close()
  await database.drop()
})

/** What `recordAll` of the applications records, whatever the tracing. */
const RECORDED = [
  { notes: 'async', outcome: 'ok' },
  { notes: 'denied', outcome: 'credential_not_found' },
  { notes: 'guarded', outcome: 'ok' },
  { notes: 'strict', outcome: 'ok' },
]

async function rowsOf(credential: string): Promise<AuditEvent[]> {
  const all = await readTrail(database.url)
  return all.map(({ event }) => event).filter((event) => event.credential === credential)
}

/** The rows of one request, when its application has ended: exactly what was recorded, each once. */
async function recorded(credential: string): Promise<AuditEvent[]> {
  const rows = await rowsOf(credential)
  expect(
    rows
      .map(({ notes, outcome }) => ({ notes, outcome }))
      .sort((a, b) => (`${a.notes}` < `${b.notes}` ? -1 : 1)),
  ).toEqual(RECORDED)
  return rows
}

function application(options: Partial<ApplicationOptions> = {}): Application {
  const env = { DATABASE_URL: database.url, ...exportingTo(receiver.url), ...options.env }
  return new Application({ app: 'service.mjs', ...options, env })
}

const REMOTE_TRACE = 'c0ffee'.padEnd(32, '0')
const remoteParent = (flags: '00' | '01') => ({
  traceparent: `00-${REMOTE_TRACE}-${'ab'.repeat(8)}-${flags}`,
})

const exported = (trace: string | null) => receiver.spans.filter(({ traceId }) => traceId === trace)

describe('the rows are the same, each once', () => {
  it('traced, below an unsampled remote parent, and where tracing is suppressed', async () => {
    const app = application()
    await app.get('/access?credential=traced')
    await app.get('/access?credential=unsampled', remoteParent('00'))
    await app.get('/suppressed?credential=suppressed')
    await app.terminate()

    for (const row of await recorded('traced')) {
      const trace = exported(row.traceId)
      const [audit, ...more] = trace.filter(({ spanId }) => spanId === row.spanId)
      expect(more).toEqual([])
      expect(audit?.events.map(({ name }) => name)).toEqual(['secret.access'])
      expect(attributeOf(audit?.attributes ?? [], 'audit.record.id')).toBe(`${row.auditId}`)
      const root = trace.find(({ parentSpanId }) => !parentSpanId)
      expect(root).toMatchObject({ kind: SERVER_KIND, spanId: audit?.parentSpanId })
    }

    for (const row of await recorded('unsampled')) {
      expect(row.traceId).toBe(REMOTE_TRACE)
      expect(row.spanId).toMatch(/^[0-9a-f]{16}$/)
    }
    expect(exported(REMOTE_TRACE)).toEqual([])

    const suppressed = await recorded('suppressed')
    // Of the span that is active: the server's.
    expect(new Set(suppressed.map(({ spanId }) => spanId)).size).toBe(1)
    expect(exported(suppressed[0]?.traceId ?? '')).toMatchObject([
      { kind: SERVER_KIND, spanId: suppressed[0]?.spanId },
    ])
  })

  it('with OTEL_TRACES_SAMPLER=always_off, and no span is exported', async () => {
    const before = receiver.spans.length
    const app = application({ env: { OTEL_TRACES_SAMPLER: 'always_off' } })
    await app.get('/access?credential=always-off')
    await app.get('/access?credential=always-off-remote', remoteParent('01'))
    expect(await app.terminate()).toEqual({ code: null, signal: 'SIGTERM' })
    const rows = await recorded('always-off')
    expect(new Set(rows.map(({ traceId }) => traceId)).size).toBe(1)
    for (const { traceId, spanId } of rows) {
      expect(traceId).toMatch(/^[0-9a-f]{32}$/)
      expect(spanId).toMatch(/^[0-9a-f]{16}$/)
    }
    await recorded('always-off-remote')
    expect(receiver.spans.slice(before)).toEqual([])
  })

  it('with OTEL_TRACES_EXPORTER=none: trace ids, and no export', async () => {
    const before = receiver.requests.length
    const app = application({ env: { OTEL_TRACES_EXPORTER: 'none' } })
    await app.get('/access?credential=no-exporter')
    await app.terminate()
    for (const { traceId } of await recorded('no-exporter')) expect(traceId).toMatch(/^[0-9a-f]{32}$/)
    expect(receiver.requests.slice(before)).toEqual([])
  })

  it('with OTEL_SDK_DISABLED=true: no trace ids', async () => {
    const app = application({ env: { OTEL_SDK_DISABLED: 'true' } })
    await app.get('/access?credential=disabled')
    await app.terminate()
    for (const { traceId, spanId } of await recorded('disabled'))
      expect([traceId, spanId]).toEqual([null, null])
    expect(app.stderr).toContain('NoopTracerProvider')
  })

  it('with the tracer of another vendor, whose ids they get', async () => {
    const app = application({ before: ['foreign-provider.mjs'] })
    await app.get('/access?credential=foreign')
    await app.terminate()
    for (const row of await recorded('foreign')) {
      expect(row).toMatchObject({ traceId: 'f'.repeat(32), spanId: 'e'.repeat(16) })
    }
    expect(app.stderr).toContain('ForeignTracerProvider')
  })
})
