import { createAudit, DurableAuditExporter, RecordingAuditSink, SecretAuditService } from 'otel-audit'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { parseSwitch } from '../../src/service/mode.js'
import { ACCESS, recording } from './recording.js'
import { listening, thrower } from './telemetry.js'

const VARIABLE = 'NOETL_SECRET_AUDIT_REQUIRED'

function environment(value: string | undefined): void {
  vi.stubEnv(VARIABLE, value)
  onTestFinished(() => void vi.unstubAllEnvs())
}

describe(`parsing of ${VARIABLE}`, () => {
  it.each(['1', 'true', 'yes', 'on', 'TRUE', 'Yes', 'oN', ' true ', 'on\r'])('%j is on', (value) => {
    expect(parseSwitch(VARIABLE, value)).toBe(true)
    expect(SecretAuditService.fromEnv({}, { [VARIABLE]: value }).isStrict()).toBe(true)
  })

  it.each(['0', 'false', 'no', 'off', 'FALSE', 'No', 'oFF', '', undefined])('%j is off', (value) => {
    expect(parseSwitch(VARIABLE, value)).toBe(false)
    expect(SecretAuditService.fromEnv({}, { [VARIABLE]: value }).isStrict()).toBe(false)
  })

  it.each([
    '2',
    '-1',
    '01',
    'enabled',
    'strict',
    'ja',
    'nein',
    't',
    'y',
    'n',
    'null',
    'undefined',
    'true,',
    'да',
  ])('%j is neither, and an error: an unreadable switch must not mean off', (value) => {
    const wanted = expect.objectContaining({ code: 'AUDIT_INVALID_OPTION', field: VARIABLE })
    expect(() => SecretAuditService.fromEnv({}, { [VARIABLE]: value })).toThrow(wanted)
    environment(value)
    expect(() => SecretAuditService.fromEnv()).toThrow(wanted)
    expect(() => createAudit({ sink: new RecordingAuditSink() }).settings).toThrow(wanted)
  })

  it('reads the environment of the process when it is given no other', () => {
    environment('yes')
    expect(SecretAuditService.fromEnv().isStrict()).toBe(true)
  })
})

describe('the mode of a record: call, then policy, then variable, then async', () => {
  const policies = { strict: () => true, async: () => false, none: undefined } as const
  const variables = { strict: 'true', async: 'false', none: undefined } as const
  const modes = ['strict', 'async', 'none'] as const
  const table = modes.flatMap((call) =>
    modes.flatMap((policy) => modes.map((variable) => ({ call, policy, variable }))),
  )

  it.each(table)('call $call, policy $policy, variable $variable', async ({ call, policy, variable }) => {
    environment(variables[variable])
    const strict = policies[policy]
    const audit = createAudit({ sink: new RecordingAuditSink(), ...(strict && { strict }) })
    const receipt = await audit.service.record(ACCESS, call === 'none' ? {} : { mode: call })
    const wanted = [call, policy, variable].find((mode) => mode !== 'none') ?? 'async'
    expect(receipt === undefined ? 'async' : 'strict').toBe(wanted)
    expect(audit.service.isStrict('orders-db', 'get_credential') ? 'strict' : 'async').toBe(
      [policy, variable].find((mode) => mode !== 'none') ?? 'async',
    )
    await audit.close()
  })

  it('may be given in code as a plain yes or no, over the variable', () => {
    environment('true')
    expect(createAudit({ sink: new RecordingAuditSink(), strict: false }).service.isStrict()).toBe(false)
    environment('false')
    expect(createAudit({ sink: new RecordingAuditSink(), strict: true }).service.isStrict()).toBe(true)
  })
})

describe('a service that a library made with fromEnv', () => {
  async function started(strict?: boolean | ((credential: string) => boolean)) {
    const audit = createAudit({ sink: new RecordingAuditSink(), ...(strict !== undefined && { strict }) })
    onTestFinished(() => audit.close())
    await audit.start()
    return audit
  }

  it.each([
    ['true', false, false],
    ['false', true, true],
    ['', true, true],
    [undefined, true, true],
    ['true', undefined, true],
    ['false', undefined, false],
  ])('with the variable %j and the policy %s of the application: %s', async (variable, policy, strict) => {
    environment(variable)
    const service = SecretAuditService.fromEnv()
    await started(policy)
    expect(service.isStrict('a', 'get_sealed')).toBe(strict)
    expect((await service.record(ACCESS)) !== undefined).toBe(strict)
  })

  it('follows a mode that is changed at run time, whatever the variable says', async () => {
    environment('false')
    const service = SecretAuditService.fromEnv()
    const audit = await started()
    audit.setStrict((credential) => credential === 'orders-db')
    expect([service.isStrict('orders-db'), service.isStrict('other')]).toEqual([true, false])
  })
})

describe('the policy of a pipeline made by the application', () => {
  it('that throws means strict and the default deadline', async () => {
    const sink = new RecordingAuditSink()
    const context = { identity: {}, policy: { isStrict: thrower, deadlineMs: thrower } }
    const pipeline = new DurableAuditExporter({ sink, context, lingerMs: 0 })
    onTestFinished(() => pipeline.close(0))
    const service = new SecretAuditService({ pipeline })
    const receipt = await service.record(ACCESS)
    expect(sink.events).toMatchObject([{ auditId: receipt?.auditId }])
  })
})

describe('a strict policy', () => {
  it('is asked with credential and operation as they were given', async () => {
    const strict = vi.fn((credential: string) => credential.startsWith('prod/'))
    const { service } = recording({ strict })
    const credential = `prod/${'x'.repeat(600)}\n`
    expect(await service.record({ ...ACCESS, credential })).toBeDefined()
    expect(await service.record(ACCESS)).toBeUndefined()
    expect(strict.mock.calls).toEqual([
      [credential, 'get_credential'],
      ['orders-db', 'get_credential'],
    ])
    expect(service.isStrict('prod/a', 'get_sealed')).toBe(true)
    expect(service.isStrict()).toBe(false)
  })

  it.each([
    ['throws', thrower],
    ['answers a promise', () => Promise.resolve(false) as never],
    ['answers nothing', () => undefined as never],
    ['answers a text', () => 'false' as never],
  ])('that %s means strict, and is said', async (_, strict) => {
    const said = listening()
    const { service } = recording({ strict })
    expect(await service.record(ACCESS)).toBeDefined()
    expect(service.isStrict()).toBe(true)
    expect(said.filter((line) => line.startsWith('error') && line.includes('strict policy'))).toHaveLength(2)
  })

  it('is not asked when the call says the mode', async () => {
    const strict = vi.fn(() => true)
    const { service } = recording({ strict })
    expect(await service.record(ACCESS, { mode: 'async' })).toBeUndefined()
    expect(strict).not.toHaveBeenCalled()
  })
})
