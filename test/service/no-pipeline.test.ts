import { metrics } from '@opentelemetry/api'
import { type AuditEvent, createAudit, Operation, RecordingAuditSink, SecretAuditService } from 'otel-audit'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { takeUnclaimed } from '../../src/service/registry.js'
import { Application } from '../register/application.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { Program } from '../support/program.js'
import { ACCESS } from './recording.js'
import { listening, thrower, traced } from './telemetry.js'

const service = new SecretAuditService()

async function started(strict = false) {
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink, strict })
  onTestFinished(() => audit.close())
  await audit.start()
  return { audit, sink }
}

// What an earlier test left is not this test's.
beforeEach(() => void takeUnclaimed())

describe('without any pipeline in the process', () => {
  it('a strict record fails, and says what to do', async () => {
    const error: unknown = await service.recordStrict(ACCESS).catch((e: unknown) => e)
    expect(error).toMatchObject({
      code: 'AUDIT_NO_PIPELINE',
      row: 'not-stored',
      credential: 'orders-db',
      remedy: expect.stringContaining('otel-audit/register'),
    })
  })

  it('the span of that strict record ends with the code as its status', async () => {
    const { spans } = traced()
    await expect(service.recordStrict(ACCESS)).rejects.toThrow('AUDIT_NO_PIPELINE')
    expect(spans()).toMatchObject([
      { name: 'secret_audit get_credential', status: { code: 2, message: 'AUDIT_NO_PIPELINE' } },
    ])
  })

  it('an async record is dropped, counted, and logged once with its audit id', () => {
    const said = listening()
    const first = service.recordAsync({ ...ACCESS, notes: 'canary-2b77e0' })
    const second = service.recordAsync(ACCESS)
    service.recordAsync({ ...ACCESS, outcome: 'no_pubkey' })
    expect(second).toBeGreaterThan(first)
    const warnings = said.filter((line) => line.startsWith('warn'))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(`audit id ${first} (get_credential, ok) was dropped`)
    expect(warnings[0]).toContain('otel-audit/register')
    expect(said.join()).not.toContain('canary-2b77e0')
    expect(takeUnclaimed()).toEqual([
      { operation: 'get_credential', outcome: 'ok', count: 2 },
      { operation: 'get_credential', outcome: 'no_pubkey', count: 1 },
    ])
  })

  it('an application that sets no logger says it on stderr, once', async () => {
    const application = new Application({ app: 'script.mjs', preload: 'none', env: { PROGRAM: 'records' } })
    expect(await application.exit).toEqual({ code: 0, signal: null })
    const lines = application.stderr.trim().split('\n')
    expect(lines).toEqual([expect.stringMatching(/no audit pipeline is started .* was dropped, .*--import/)])
  })

  it('a logger of the application that wants errors only is not overruled', async () => {
    const code = `
      import { diag, DiagConsoleLogger, DiagLogLevel } from '@opentelemetry/api'
      import { SecretAuditService } from 'otel-audit'
      diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.ERROR)
      SecretAuditService.fromEnv().recordAsync(${JSON.stringify(ACCESS)})
    `
    const program = new Program({ args: ['--input-type=module', '--eval', code], cwd: packageRoot() })
    expect(await program.exit).toEqual({ code: 0, signal: null })
    expect(program.stderr).toBe('')
  })

  it('what was dropped is handed to the next pipeline that starts, once', async () => {
    service.recordAsync(ACCESS)
    service.recordAsync(ACCESS)
    const first = await started()
    await first.audit.flush()
    // Written: the row that says the pipeline has started.
    expect(first.audit.stats()).toMatchObject({ emitted: 3, written: 1, droppedAsync: 2, pending: 0 })
    const second = await started()
    await second.audit.flush()
    expect(second.audit.stats()).toMatchObject({ emitted: 1, written: 1, droppedAsync: 0 })
  })

  it('a denial in guard is still that denial', async () => {
    const denial = new Error('residency')
    const { outcome: _, ...access } = ACCESS
    await expect(service.guard(access, () => Promise.reject(denial), { mode: 'strict' })).rejects.toBe(denial)
    await expect(service.guard(access, () => 'secret', { mode: 'strict' })).rejects.toThrow(
      'AUDIT_NO_PIPELINE',
    )
    await expect(service.guard(access, () => 'secret')).resolves.toBe('secret')
  })

  it('a meter provider of the user that throws changes nothing', () => {
    metrics.setGlobalMeterProvider({ getMeter: thrower })
    onTestFinished(() => metrics.disable())
    expect(service.recordAsync(ACCESS)).toBeTypeOf('bigint')
  })
})

/** All but the pipeline's own lifecycle rows. */
function accesses(sink: RecordingAuditSink): readonly AuditEvent[] {
  return sink.events.filter(({ operation }) => operation !== Operation.AuditLifecycle)
}

describe('a service without a pipeline of its own', () => {
  it('finds the one that was started after it was made', async () => {
    const { audit, sink } = await started()
    const { auditId } = await service.recordStrict(ACCESS)
    const later = service.recordAsync(ACCESS)
    await audit.flush()
    expect(accesses(sink).map((event) => event.auditId)).toEqual([auditId, later])
  })

  it('uses the first of several, and the next when that is closed', async () => {
    const first = await started()
    const second = await started()
    await service.recordStrict(ACCESS)
    await first.audit.close()
    await service.recordStrict({ ...ACCESS, credential: 'second' })
    expect(accesses(first.sink).map(({ credential }) => credential)).toEqual(['orders-db'])
    expect(accesses(second.sink).map(({ credential }) => credential)).toEqual(['second'])
  })

  it('has none again when all are closed', async () => {
    const { audit } = await started()
    await audit.close()
    await expect(service.recordStrict(ACCESS)).rejects.toThrow('AUDIT_NO_PIPELINE')
  })
})
