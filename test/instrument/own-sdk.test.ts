import { type Coverage, type CoverageState, createAudit, RecordingAuditSink } from 'otel-audit'
import { SecretInstrumentation, type SecretInstrumentationConfig } from 'otel-audit/instrumentation'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { SECRET, secretServer, VAULT_HEADERS, VAULT_PATH } from './wire/secret-server.js'

function instrumentation(config?: SecretInstrumentationConfig): SecretInstrumentation {
  const made = new SecretInstrumentation(config)
  onTestFinished(() => made.disable())
  return made
}

const ask = async (url: string): Promise<string> =>
  (await fetch(url + VAULT_PATH, { headers: VAULT_HEADERS })).text()

describe('an SDK of the application’s own', () => {
  it('takes the instrumentation like any other: by name and version, with the modules that it wants to see', () => {
    const { instrumentationName, instrumentationVersion } = instrumentation()
    expect([instrumentationName, instrumentationVersion]).toEqual([
      'otel-audit',
      expect.stringMatching(/^\d/),
    ])
    const names = instrumentation()
      .getModuleDefinitions()
      .map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['@aws-sdk/client-ssm', 'node-vault']))
  })

  it('with a pipeline that it is given', async () => {
    const { url } = await secretServer()
    const sink = new RecordingAuditSink()
    const audit = createAudit({ sink, strict: true })
    onTestFinished(() => audit.close())
    const made = instrumentation({ audit })
    expect(await ask(url)).toContain(SECRET)
    made.disable()
    expect(await ask(url)).toContain(SECRET)
    made.enable()
    expect(await ask(url)).toContain(SECRET)
    expect(sink.events.map(({ credential }) => credential)).toEqual(['secret/orders', 'secret/orders'])
    const known: readonly Coverage[] = audit.coverage()
    const state: CoverageState | undefined = known.find(({ name }) => name === 'wire:vault')?.state
    expect(state).toBe('wire')
  })

  it('without one: strict accesses are refused until there is a pipeline, but for those that are exempt', async () => {
    const { url } = await secretServer()
    vi.stubEnv('NOETL_SECRET_AUDIT_REQUIRED', 'true')
    onTestFinished(() => void vi.unstubAllEnvs())
    const made = instrumentation()
    await expect(ask(url)).rejects.toMatchObject({ code: 'AUDIT_NO_PIPELINE' })
    made.disable()
    vi.stubEnv('NOETL_SECRET_AUDIT_STRICT_EXCEPT', 'secret/ord*')
    instrumentation()
    expect(await ask(url)).toContain(SECRET)
  })

  it('with the one that is started in the process', async () => {
    const { url } = await secretServer()
    const sink = new RecordingAuditSink()
    const audit = createAudit({ sink })
    onTestFinished(() => audit.close())
    await audit.start()
    instrumentation()
    expect(await ask(url)).toContain(SECRET)
    await audit.flush()
    expect(sink.events.filter(({ operation }) => operation === 'get_credential')).toHaveLength(1)
  })
})
