import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { trace } from '@opentelemetry/api'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Audit, createAudit } from '../../src/audit/audit.js'
import type { HealthFinding } from '../../src/contract/sink.js'
import type { AuditEvent } from '../../src/event/event.js'
import type { AuditOptions } from '../../src/options/options.js'
import type * as Package from '../../src/index.js'
import { SecretAuditService } from '../../src/service/service.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { SteppedSink } from '../support/stepped-sink.js'
import { waitUntil } from '../support/wait-until.js'
import { listening, traced } from '../service/telemetry.js'

const ACCESS = { credential: 'orders-db', operation: 'get_credential', outcome: 'ok' } as const

function audited(options: AuditOptions = {}) {
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink, ...options })
  onTestFinished(() => audit.close())
  return { audit, sink }
}

/** The package as it is built: the spool's worker thread is a file of it. */
const built = () =>
  import(pathToFileURL(join(packageRoot(), 'dist', 'index.js')).href) as Promise<typeof Package>

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'otel-audit-start-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

const saidOf = (events: readonly AuditEvent[]) =>
  events.map(({ operation, outcome, attributesJson }) => ({
    operation,
    outcome,
    attributes: JSON.parse(attributesJson ?? '{}') as Readonly<Record<string, unknown>>,
  }))

describe('createAudit', () => {
  it('connects nowhere, reads no variable and starts no timer before it is used', () => {
    vi.stubEnv('NOETL_SECRET_AUDIT_REQUIRED', 'perhaps')
    onTestFinished(() => void vi.unstubAllEnvs())
    const before = process.getActiveResourcesInfo()
    const audit = createAudit({ databaseUrl: 'postgres://127.0.0.1:9/trail' })
    expect(process.getActiveResourcesInfo()).toEqual(before)
    expect(() => audit.settings).toThrow('NOETL_SECRET_AUDIT_REQUIRED must be')
    expect(() => audit.withSdk({})).toThrow('NOETL_SECRET_AUDIT_REQUIRED must be')
  })

  it('may be closed unused, whatever the environment', async () => {
    vi.stubEnv('DATABASE_URL', '')
    vi.stubEnv('NOETL_SECRET_AUDIT_DATABASE_URL', '')
    onTestFinished(() => void vi.unstubAllEnvs())
    const audit = createAudit()
    await audit.flush()
    await audit.close()
    await audit.close()
    expect(() => audit.settings).toThrow('set DATABASE_URL')
  })

  it('records without having been started', async () => {
    const { audit, sink } = audited()
    await audit.service.recordStrict(ACCESS)
    expect(saidOf(sink.events)).toMatchObject([{ operation: 'get_credential' }])
  })
})

describe('the rows of the pipeline about itself', () => {
  it('say when it started, when its mode changed, and when it stopped', async () => {
    const { audit, sink } = audited({ strict: true, serviceName: 'orders' })
    await audit.start()
    audit.setStrict(false)
    audit.setStrict(() => true)
    await audit.close()
    const version = expect.stringMatching(/^\d+\.\d+\.\d+/)
    const own = { operation: 'audit_lifecycle' }
    const said = saidOf(sink.events)
    const { pipeline } = said[0]?.attributes ?? {}
    expect(pipeline).toMatch(/^[\da-f-]{36}$/)
    expect(said).toEqual([
      { ...own, outcome: 'started', attributes: { version, mode: 'strict', pipeline } },
      { ...own, outcome: 'mode_changed', attributes: { from: 'strict', to: 'async' } },
      { ...own, outcome: 'mode_changed', attributes: { from: 'async', to: 'policy' } },
      { ...own, outcome: 'stopped', attributes: { version, mode: 'policy', pipeline } },
    ])
    for (const event of sink.events) {
      expect(event).toMatchObject({ actorType: 'system', serviceName: 'orders', traceId: null })
    }
  })

  it('are written once, however often it is started and closed', async () => {
    const { audit, sink } = audited()
    const reports = await Promise.all([audit.start(), audit.start()])
    expect(await audit.start()).toBe(reports[0])
    await Promise.all([audit.close(), audit.close()])
    expect(saidOf(sink.events).map(({ outcome }) => outcome)).toEqual(['started', 'stopped'])
  })

  it('are not written of a pipeline that is closed while it starts, and none is lost', async () => {
    const said = listening()
    let proceed: (() => void) | undefined
    const checked = new Promise<[]>((resolve) => {
      proceed = () => resolve([])
    })
    const sink = Object.assign(new RecordingAuditSink(), { check: () => checked })
    const audit = createAudit({ sink })
    const starting = audit.start()
    await audit.close()
    proceed?.()
    await starting
    expect(sink.events).toEqual([])
    expect(audit.stats()).toMatchObject({ emitted: 0 })
    expect(said.filter((line) => line.startsWith('error'))).toEqual([])
  })
})

describe('start', () => {
  it('opens one spool, however often it is called', async () => {
    const { createAudit, RecordingAuditSink } = await built()
    const audit = createAudit({ sink: new RecordingAuditSink(), spoolDirectory: await directory() })
    onTestFinished(() => audit.close())
    expect((await audit.start()).findings.map(({ check }) => check)).not.toContain('spool')
    const threads = process.getActiveResourcesInfo().length
    await audit.start()
    expect(process.getActiveResourcesInfo()).toHaveLength(threads)
    await audit.service.recordStrict(ACCESS)
    await audit.close()
    expect(audit.stats()).toMatchObject({ written: 3, pending: 0, droppedAsync: 0 })
  })

  it('lets those who ask know which events are on disk', async () => {
    const { createAudit, RecordingAuditSink } = await built()
    const audit = createAudit({
      sink: new RecordingAuditSink(),
      spoolDirectory: await directory(),
      spoolMode: 'always',
    })
    onTestFinished(() => audit.close())
    await audit.start()
    const told: bigint[] = []
    const off = audit.onSpooled((auditId) => told.push(auditId))
    const auditId = audit.service.recordAsync(ACCESS)
    await audit.flush()
    off()
    audit.service.recordAsync(ACCESS)
    await audit.close()
    expect(told.filter((id) => id === auditId)).toHaveLength(1)
  })

  it('opens the spool again that could not be opened', async () => {
    const { createAudit, RecordingAuditSink } = await built()
    const parent = await directory()
    const spoolDirectory = join(parent, 'spool')
    await writeFile(spoolDirectory, 'in its way')
    const audit = createAudit({ sink: new RecordingAuditSink(), spoolDirectory, strict: true })
    onTestFinished(() => audit.close())
    await expect(audit.start()).rejects.toThrow('AUDIT_SELF_TEST: spool: ')
    await rm(spoolDirectory)
    expect(await audit.start()).toMatchObject({ ok: true })
  })

  it('holds strict records back until the self-test has ended, the spool included', async () => {
    const { createAudit, RecordingAuditSink } = await built()
    let proceed: (() => void) | undefined
    const checked = new Promise<[]>((resolve) => {
      proceed = () => resolve([])
    })
    const check = vi.fn(() => checked)
    const sink = Object.assign(new RecordingAuditSink(), { check })
    const audit = createAudit({ sink, strict: true, spoolDirectory: await directory() })
    onTestFinished(() => audit.close())
    const starting = audit.start()
    const recorded = audit.service.recordStrict(ACCESS)
    await waitUntil('the self-test', () => check.mock.calls.length > 0)
    expect(sink.batches).toEqual([])
    proceed?.()
    await starting
    expect(await recorded).toMatchObject({ auditId: expect.any(BigInt) })
  })

  it('may be tried again when it failed, with the spool that it has', async () => {
    const { createAudit, RecordingAuditSink } = await built()
    const findings = [{ level: 'error', check: 'store', message: 'away' } as const]
    const sink = Object.assign(new RecordingAuditSink(), { check: () => Promise.resolve(findings.splice(0)) })
    const spoolDirectory = await directory()
    const audit = createAudit({ sink, strict: true, spoolDirectory })
    onTestFinished(() => audit.close())
    await expect(audit.start()).rejects.toMatchObject({ code: 'AUDIT_SELF_TEST' })
    const homes = await readdir(spoolDirectory)
    expect(await audit.start()).toMatchObject({ ok: true })
    expect(await readdir(spoolDirectory)).toEqual(homes)
  })

  it.each([true, false])('fails with an enrolment key that is none; strict: %s', async (strict) => {
    const databaseUrl = 'postgres://127.0.0.1:9/trail'
    const at = await directory()
    const wrong: readonly [AuditOptions, string][] = [
      [{ enrolmentKeyFile: join(at, 'nothing') }, 'ENOENT'],
      [{ enrolmentKey: join(at, 'canary-3b1e') }, 'a file belongs in enrolmentKeyFile'],
      [{ origin: 'my log' }, 'origin must be'],
    ]
    for (const [options, said] of wrong) {
      const error: unknown = await createAudit({ databaseUrl, strict, ...options })
        .start()
        .catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTION', message: expect.stringContaining(said) })
      expect(String(error)).not.toContain('canary-3b1e')
    }
  })

  it('warns once of an enrolment key that others can read', async () => {
    const said = listening()
    const enrolmentKeyFile = join(await directory(), 'enrolment.pem')
    const { privateKey } = generateKeyPairSync('ed25519')
    await writeFile(enrolmentKeyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o644 })
    const audit = createAudit({ databaseUrl: 'postgres://127.0.0.1:9/trail', enrolmentKeyFile })
    onTestFinished(() => audit.close({ timeoutMs: 0 }))
    await audit.start()
    const about = said.filter((line) => line.includes(`chmod 600 ${enrolmentKeyFile}`))
    expect(about).toEqual([expect.stringMatching(/^warn: otel-audit: self-test: enrolment: /)])
  })

  it('that fails in strict mode lets nothing strict be granted until one succeeds', async () => {
    const findings = [{ level: 'error', check: 'fsync', message: 'fsync is off' } as const]
    const sink = Object.assign(new RecordingAuditSink(), { check: () => Promise.resolve(findings.slice()) })
    const audit = createAudit({ sink, strict: true })
    onTestFinished(() => audit.close())
    const { service } = audit
    const refused = { code: 'AUDIT_SELF_TEST', row: 'not-stored' }
    const said = expect.stringMatching(/refused until start\(\) succeeds.*fsync is off/) as string
    const starting = audit.start()
    const during = [service.recordStrict(ACCESS), service.recordStrict({ ...ACCESS, outcome: 'no_pubkey' })]
    const settled = Promise.allSettled(during)
    await expect(starting).rejects.toMatchObject({ code: 'AUDIT_SELF_TEST' })
    for (const answer of await settled) {
      expect(answer).toMatchObject({ status: 'rejected', reason: { ...refused, message: said } })
    }
    await expect(service.recordStrict(ACCESS)).rejects.toMatchObject({ ...refused, message: said })
    const { outcome: _, ...fields } = ACCESS
    await expect(service.guard(fields, () => 'secret')).rejects.toMatchObject(refused)
    const waiting = service.recordAsync({ ...ACCESS, credential: 'async' })
    await audit.flush()
    // Of the strict ones only the denial: it must not vanish.
    const accesses = sink.events.filter(({ operation }) => operation === ACCESS.operation)
    expect(accesses.map(({ outcome }) => outcome)).toEqual(['no_pubkey', 'ok'])
    expect(accesses[1]?.auditId).toBe(waiting)

    findings.pop()
    await audit.start()
    expect(await service.recordStrict(ACCESS)).toMatchObject({ auditId: expect.any(BigInt) as bigint })
  })

  it('that fails before the self-test refuses strict records as well', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    onTestFinished(() => void vi.unstubAllEnvs())
    const { audit } = audited({ autoMigrate: true, strict: true })
    await expect(audit.start()).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTION' })
    await expect(audit.service.recordStrict(ACCESS)).rejects.toMatchObject({ code: 'AUDIT_SELF_TEST' })
  })

  it('without strict mode says what it found, and refuses nothing', async () => {
    const said = listening()
    const finding = { level: 'error', check: 'fsync', message: 'fsync is off' } as const
    const sink = Object.assign(new RecordingAuditSink(), { check: () => Promise.resolve([finding]) })
    const audit = createAudit({ sink })
    onTestFinished(() => audit.close())
    expect(await audit.start()).toMatchObject({ ok: false })
    expect(said.join()).toContain('fsync is off')
    expect(await audit.service.recordStrict(ACCESS)).toMatchObject({ auditId: expect.any(BigInt) as bigint })
  })

  it('of a closed pipeline fails, and leaves the process to the next', async () => {
    const closed = audited()
    await closed.audit.start()
    await closed.audit.close()
    await expect(closed.audit.start()).rejects.toMatchObject({ code: 'AUDIT_CLOSED' })
    const next = audited()
    await next.audit.start()
    await new SecretAuditService().recordStrict(ACCESS)
    expect(next.sink.events).toHaveLength(2)
  })
})

describe('the processor', () => {
  const saidOfTracer = async (audit: Audit): Promise<string | undefined> =>
    (await audit.selfTest()).findings.find(({ check }) => check === 'tracer')?.message

  it('may be looked at, and nothing changes about what the self-test finds', async () => {
    const { audit } = audited()
    traced()
    const before = await saidOfTracer(audit)
    expect(before).toContain('does not have the audit span processor')
    expect(audit.processor).toBe(audit.processor)
    expect(await saidOfTracer(audit)).toBe(before)
  })

  it('is known to be in the tracer once it was given a span', async () => {
    const { audit } = audited()
    traced([audit.processor])
    expect(await saidOfTracer(audit)).toContain('If it has, its sampler is not wrapped in AuditSampler')
    trace.getTracer('an application').startSpan('a request').end()
    expect(await saidOfTracer(audit)).toMatch(/^the sampler of the tracer .* is not wrapped in AuditSampler/)
  })
})

describe('close', () => {
  it('while it starts, which then fails, is for good', async () => {
    let proceed: (() => void) | undefined
    const checked = new Promise<HealthFinding[]>((resolve) => {
      proceed = () => resolve([{ level: 'error', check: 'fsync', message: 'fsync is off' }])
    })
    const sink = Object.assign(new RecordingAuditSink(), { check: () => checked })
    const audit = createAudit({ sink, strict: true })
    const starting = audit.start()
    const closing = audit.close()
    proceed?.()
    await expect(starting).rejects.toMatchObject({ code: 'AUDIT_SELF_TEST' })
    await closing
    await expect(audit.start()).rejects.toMatchObject({ code: 'AUDIT_CLOSED' })
    await audit.close()
    expect(sink.events).toEqual([])
  })

  it('of one that only recorded is for good, too', async () => {
    const { audit } = audited()
    await audit.service.recordStrict(ACCESS)
    const closing = audit.close()
    await expect(audit.start()).rejects.toMatchObject({ code: 'AUDIT_CLOSED' })
    await closing
    await expect(audit.service.recordStrict(ACCESS)).rejects.toMatchObject({ code: 'AUDIT_CLOSED' })
  })

  it.each([Number.NaN, -1])('in %s ms is refused, and closes nothing', async (timeoutMs) => {
    const { audit } = audited()
    await audit.start()
    await expect(audit.close({ timeoutMs })).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      field: 'timeoutMs',
    })
    await audit.service.recordStrict(ACCESS)
  })

  it('may take as long as it takes', async () => {
    const sink = new SteppedSink()
    const audit = createAudit({ sink })
    audit.service.recordAsync(ACCESS)
    const closing = audit.close({ timeoutMs: Number.POSITIVE_INFINITY })
    const { store } = await sink.next()
    await new Promise((resolve) => setTimeout(resolve, 20))
    store()
    await closing
    expect(audit.stats()).toMatchObject({ written: 1, droppedAsync: 0 })
  })
})

describe('the identity of the rows', () => {
  const identityOf = async (options: AuditOptions, config: object, env: Record<string, string> = {}) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
    onTestFinished(() => void vi.unstubAllEnvs())
    const { audit, sink } = audited(options)
    audit.withSdk({ spanProcessors: [], ...config })
    await audit.service.recordStrict(ACCESS)
    const [row] = sink.events
    return { name: row?.serviceName, instance: row?.serviceInstanceId }
  }
  const RESOURCE = {
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=by%20resource, service.instance.id = i-7 ,broken',
  }

  it.each([
    ['the option', { serviceName: 'option' }, { serviceName: 'sdk' }, { OTEL_SERVICE_NAME: 'env' }, 'option'],
    ['the SDK configuration', {}, { serviceName: 'sdk' }, { OTEL_SERVICE_NAME: 'env' }, 'sdk'],
    ['OTEL_SERVICE_NAME', {}, {}, { OTEL_SERVICE_NAME: 'env', ...RESOURCE }, 'env'],
    ['OTEL_RESOURCE_ATTRIBUTES', {}, {}, { OTEL_SERVICE_NAME: '', ...RESOURCE }, 'by resource'],
    ['nothing', {}, {}, {}, null],
  ])('is that of %s', async (_, options, config, env: Record<string, string>, name) => {
    expect((await identityOf(options, config, env)).name).toBe(name)
  })

  it('has an instance: given, by resource, or one for the process', async () => {
    expect((await identityOf({ serviceInstanceId: 'i-1' }, {}, RESOURCE)).instance).toBe('i-1')
    expect((await identityOf({}, {}, RESOURCE)).instance).toBe('i-7')
    vi.unstubAllEnvs()
    const { instance } = await identityOf({}, {})
    expect(instance).toMatch(/^[0-9a-f-]{36}$/)
    expect((await identityOf({}, {})).instance).toBe(instance)
  })
})
