import { taken } from '../../src/host/globals.js'
import { OWNER_CHECK } from '../../src/postgres/owner.js'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { context, metrics, trace, type TracerProvider } from '@opentelemetry/api'
import { core } from '@opentelemetry/sdk-node'
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { escapeIdentifier } from 'pg'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Audit, createAudit } from '../../src/audit/audit.js'
import { checkStore } from '../../src/postgres/check.js'
import { openSession } from '../../src/postgres/session.js'
import { storeCheck } from '../../src/postgres/store/full-check.js'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import type { HealthFinding } from '../../src/contract/sink.js'
import { connect, emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { startPostgres } from '../support/postgres/server.js'
import { waitUntil } from '../support/wait-until.js'
import { forgetTelemetry, listening, thrower, traced } from '../service/telemetry.js'
import { environment, recordingAudit, startSdk } from './own-sdk.js'
import { scraper } from './scrape.js'

const findings = async (audit: Audit): Promise<readonly HealthFinding[]> => (await audit.selfTest()).findings

describe('of the tracer it says', () => {
  async function ofTracer(audit: Audit): Promise<HealthFinding | undefined> {
    scraper()
    const { ok, findings: found } = await audit.selfTest()
    // The direct path carries on.
    expect(ok).toBe(true)
    expect(found.length).toBeLessThanOrEqual(1)
    if (found[0] !== undefined) expect(found[0]).toMatchObject({ level: 'warning', check: 'tracer' })
    return found[0]
  }

  it.each(['always_on', 'always_off', 'parentbased_always_on'])(
    'nothing when it is ours, with %s, and no probe is exported',
    async (sampler) => {
      environment({ OTEL_TRACES_SAMPLER: sampler })
      const memory = new InMemorySpanExporter()
      const { audit } = recordingAudit()
      startSdk(audit.withSdk({ spanProcessors: [new SimpleSpanProcessor(memory)] }))
      expect(await ofTracer(audit)).toBeUndefined()
      const suppressed = core.suppressTracing(context.active())
      expect(await context.with(suppressed, () => ofTracer(audit))).toBeUndefined()
      expect(memory.getFinishedSpans()).toEqual([])
    },
  )

  it('that no tracer is registered', async () => {
    const { audit } = recordingAudit()
    expect((await ofTracer(audit))?.message).toMatch(/NoopTracerProvider\) records no span/)
  })

  it('that it does not have the audit processor, with its name', async () => {
    traced()
    const { audit } = recordingAudit()
    expect((await ofTracer(audit))?.message).toMatch(
      /TracerProvider\) does not have the audit span processor/,
    )
    class VendorProvider {
      getTracer = () => ({
        startSpan: () => ({
          spanContext: () => ({ traceId: 'f'.repeat(32), spanId: 'e'.repeat(16), traceFlags: 1 }),
          isRecording: () => true,
          end: () => {},
        }),
      })
    }
    forgetTelemetry()
    trace.setGlobalTracerProvider(new VendorProvider() as unknown as TracerProvider)
    expect((await ofTracer(audit))?.message).toMatch(
      /\(VendorProvider\) does not have the audit span processor/,
    )
  })

  it('that its sampler is not wrapped', async () => {
    const { audit } = recordingAudit()
    startSdk({ spanProcessors: [audit.processor] })
    expect((await ofTracer(audit))?.message).toMatch(/is not wrapped in AuditSampler/)
  })

  it('that another pipeline claims the traced records', async () => {
    const other = recordingAudit()
    startSdk(other.audit.withSdk({ spanProcessors: [] }))
    const { audit } = recordingAudit()
    expect((await ofTracer(audit))?.message).toContain('another audit pipeline')
  })

  it('that it throws', async () => {
    const provider = { getTracer: () => ({ startSpan: thrower }) } as unknown as TracerProvider
    trace.setGlobalTracerProvider(provider)
    onTestFinished(forgetTelemetry)
    const { audit } = recordingAudit()
    expect((await ofTracer(audit))?.message).toContain('threw')
  })
})

it('of the meter it says that nothing is collected', async () => {
  metrics.disable()
  const { audit } = recordingAudit()
  expect(await findings(audit)).toContainEqual(expect.objectContaining({ level: 'warning', check: 'meter' }))
  scraper()
  expect(await findings(audit)).not.toContainEqual(expect.objectContaining({ check: 'meter' }))
})

describe('of the store it says', () => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await migratedDatabase()
  })

  afterAll(async () => {
    await database.drop()
  })

  async function ofStore(databaseUrl: string): Promise<readonly HealthFinding[]> {
    const audit = createAudit({ databaseUrl, answerTimeoutMs: 5000 })
    onTestFinished(() => audit.close())
    const { ok, findings: found } = await audit.selfTest()
    // The tests are the owner of their trail, which is a finding of its own.
    const elsewhere = ['tracer', 'meter', OWNER_CHECK]
    const store = found.filter(({ check }) => !elsewhere.includes(check))
    expect(ok).toBe(store.length === 0)
    for (const { level } of store) expect(level).toBe('error')
    return store
  }

  it('nothing when all is well, and leaves no row', async () => {
    expect(await ofStore(database.url)).toEqual([])
    const client = await connect(database.url)
    onTestFinished(() => client.end())
    expect((await client.query('select from noetl.secret_audit')).rowCount).toBe(0)
  })

  it('nothing when a role or database only has other defaults: the session has its own settings', async () => {
    const client = await connect(database.url)
    onTestFinished(async () => {
      await client.query(`alter database ${database.name} reset all`)
      await client.end()
    })
    await client.query(`alter database ${database.name} set default_transaction_read_only = on`)
    await client.query(`alter database ${database.name} set synchronous_commit = off`)
    expect(await ofStore(database.url)).toEqual([])
  })

  it.each<[string, (url: URL) => void, RegExp]>([
    ['no server', (url) => (url.port = '9'), /ECONNREFUSED.*; start the server, or check host and port/],
    ['no such host', (url) => (url.hostname = 'nowhere.invalid'), /; check .*host.* of DATABASE_URL/],
    ['a wrong password', (url) => (url.password = 'hunter2'), /28P01.*; check user and password/],
    ['no such database', (url) => (url.pathname = '/nowhere'), /3D000.*; check the database of DATABASE_URL/],
  ])('that it cannot be reached, and what to change: %s', async (_, change, said) => {
    const url = new URL(database.url)
    change(url)
    const found = await ofStore(url.href)
    expect(found).toMatchObject([{ check: 'store', message: expect.stringMatching(said) }])
    expect(JSON.stringify(found)).not.toContain('hunter2')
  })

  it('that the tables are missing', async () => {
    const empty = await emptyDatabase()
    onTestFinished(() => empty.drop())
    expect(await ofStore(empty.url)).toMatchObject([
      { check: 'store', message: expect.stringMatching(/^AUDIT_SCHEMA: .*otel-audit migrate/) },
    ])
  })

  it('that the login may not write', async () => {
    const client = await connect(database.url)
    const login = escapeIdentifier(`${database.name}_reader`)
    onTestFinished(async () => {
      await client.query(`drop owned by ${login}`)
      await client.query(`drop role ${login}`)
      await client.end()
    })
    await client.query(`create role ${login} login password 'canary-31aa'`)
    await client.query(`grant usage on schema noetl to ${login}`)
    await client.query(`grant select on all tables in schema noetl to ${login}`)
    const url = new URL(database.url)
    url.username = `${database.name}_reader`
    url.password = 'canary-31aa'
    expect(await ofStore(url.href)).toMatchObject([
      { check: 'write', message: expect.stringContaining('SQLSTATE 42501') },
    ])
  })

  it('that its clock is far from ours', async () => {
    const clock = vi.spyOn(taken, 'dateNow').mockImplementation(() => Date.now() + 3_600_000)
    onTestFinished(() => clock.mockRestore())
    expect(await ofStore(database.url)).toMatchObject([
      { check: 'clock', message: expect.stringMatching(/3\d{3}\.\d s away/) },
    ])
    clock.mockImplementation(() => Date.now() - 3_600_000)
    expect(await ofStore(database.url)).toMatchObject([{ check: 'clock' }])
  })

  it.each(['off', 'local', 'remote_write'])(
    'that synchronous_commit is %s in spite of ours',
    async (weak) => {
      const session = {
        databaseUrl: database.url,
        applicationName: 'otel-audit test',
        answerTimeoutMs: 60_000,
        synchronousCommit: 'on',
      } as const
      const connection = await openSession('write', session)
      onTestFinished(() => connection.close())
      await connection.run((client) => client.query(`set synchronous_commit = ${weak}`))
      expect(await checkStore(connection, storeCheck({ ...session, schema: 'noetl' }))).toMatchObject([
        { check: 'synchronous_commit', level: 'error' },
      ])
    },
  )

  it('that its server would lose committed rows, or is a standby', async () => {
    const server = await startPostgres({ settings: { fsync: 'off', full_page_writes: 'off' } })
    onTestFinished(() => server.close())
    await migrate({ databaseUrl: server.url() })
    expect(await ofStore(server.url())).toMatchObject([{ check: 'fsync' }, { check: 'full_page_writes' }])

    await server.stop()
    await writeFile(join(server.dataDirectory, 'standby.signal'), '')
    // It is never "ready" in the launcher's sense.
    server.start().catch(() => {})
    await waitUntil('the standby', () => server.query('select 1').catch(() => false as const))
    expect(await ofStore(server.url())).toContainEqual(
      expect.objectContaining({ check: 'primary', level: 'error' }),
    )
  })
})

describe('start', () => {
  const lost = { databaseUrl: 'postgres://nobody:hunter2@127.0.0.1:9/trail' }

  it('fails in strict mode, with every finding that forbids it, and without the password', async () => {
    const said = listening()
    const audit = createAudit({ ...lost, strict: true, deadlineMs: 100 })
    onTestFinished(() => audit.close({ timeoutMs: 0 }))
    const failed = await audit.start().then(
      () => '',
      (error: Error) => error.message,
    )
    expect(failed).toMatch(/^AUDIT_SELF_TEST: store: .*ECONNREFUSED/)
    expect(failed + said.join()).not.toContain('hunter2')
  })

  it('says in async mode what it found', async () => {
    const said = listening()
    const audit = createAudit({ ...lost, strict: false })
    onTestFinished(() => audit.close({ timeoutMs: 0 }))
    expect(await audit.start()).toMatchObject({ ok: false })
    expect(said).toContainEqual(expect.stringMatching(/^error: otel-audit: self-test: store: .*ECONNREFUSED/))
    expect(said).toContainEqual(expect.stringMatching(/^warn: otel-audit: self-test: tracer: /))
  })
})
