import {
  Audit,
  type AuditMode,
  type AuditOptions,
  type AuditSettings,
  type CloseOptions,
  createAudit,
  type DeadlinePolicy,
  type Fate,
  type GuardedAccess,
  type GuardFields,
  type GuardOptions,
  NoopAuditSink,
  Operation,
  Outcome,
  type Receipt,
  type ReceiptJson,
  type RecordOptions,
  RecordingAuditSink,
  type SdkConfiguration,
  SecretAuditService,
  type SecretAuditServiceOptions,
  type SelfTestReport,
  type SettledListener,
  type StrictPolicy,
} from 'otel-audit'
import { describe, expect, expectTypeOf, it } from 'vitest'

const ACCESS = { credential: 'orders-db', operation: Operation.GetCredential, outcome: Outcome.Ok } as const

describe('an application', () => {
  it('puts a pipeline together, records, and closes it', async () => {
    const strict: StrictPolicy = (credential) => credential.startsWith('prod/')
    const deadlineMs: DeadlinePolicy = (_credential, operation) =>
      operation === Operation.GetSealed ? 100 : 1000
    const sink = new RecordingAuditSink()
    const options: AuditOptions = { sink, strict, deadlineMs, serviceName: 'orders' }
    const audit: Audit = createAudit(options)
    expect(audit).toBeInstanceOf(Audit)
    const settings: AuditSettings = audit.settings
    expect(settings.serviceName).toBe('orders')

    const fates = new Map<bigint, Fate>()
    const listener: SettledListener = (auditId, fate) => fates.set(auditId, fate)
    const takeOff = audit.onSettled(listener)
    const report: SelfTestReport = await audit.start()
    expect(report.findings.map(({ level }) => level)).not.toContain('error')

    const mode: AuditMode = 'strict'
    const each: RecordOptions = { mode, deadlineMs: 500 }
    const receipt: Receipt | undefined = await audit.service.record(ACCESS, each)
    const auditId: bigint = audit.service.recordAsync(ACCESS)
    await audit.flush()
    expect([fates.get(receipt?.auditId ?? 0n), fates.get(auditId)]).toEqual(['stored', 'stored'])
    expect(audit.service.isStrict('prod/orders-db', Operation.GetSealed)).toBe(true)

    takeOff()
    const close: CloseOptions = { timeoutMs: 1000 }
    await audit.close(close)
    await expect(audit.service.recordStrict(ACCESS)).rejects.toThrow('AUDIT_CLOSED')
  })

  it('answers with a receipt in JSON, on its own and in what it is a part of', async () => {
    const audit = createAudit({ sink: new RecordingAuditSink() })
    const receipt = await audit.service.recordStrict(ACCESS)
    const json: ReceiptJson = JSON.parse(JSON.stringify({ receipt })).receipt
    expect(json).toEqual({
      auditId: String(receipt.auditId),
      committedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      digest: receipt.digest.toString('hex'),
    })
    expect(Date.parse(json.committedAt)).toBe(Math.floor(receipt.committedAt / 1000))
    await audit.close()
    const fromNowhere = await SecretAuditService.noop().recordStrict(ACCESS)
    expect(JSON.stringify(fromNowhere)).toContain(`"auditId":"${fromNowhere.auditId}"`)
  })

  it('keeps the type of its own SDK configuration', () => {
    const audit = createAudit({ sink: new NoopAuditSink() })
    const own: SdkConfiguration = { spanProcessors: [] }
    const configured = audit.withSdk({ ...own, serviceName: 'orders' })
    expect(configured.spanProcessors).toHaveLength(1)
    expectTypeOf(configured.serviceName).toEqualTypeOf<string>()
  })
})

describe('a library', () => {
  it('wraps what fetches a secret', async () => {
    const options: SecretAuditServiceOptions = { strict: false, deadlineMs: 1000 }
    expect(new SecretAuditService(options).isStrict()).toBe(false)
    const service = SecretAuditService.noop()
    const fields: GuardFields = { credential: 'orders-db', operation: Operation.GetCredential }
    const guarding: GuardOptions = { outcomeOf: () => Outcome.CredentialNotFound, mode: 'async' }
    const fetched = await service.guard(
      fields,
      ({ amend }: GuardedAccess) => {
        amend({ kekVersion: 'v7' })
        return Promise.resolve({ password: 'x' })
      },
      guarding,
    )
    expectTypeOf(fetched).toEqualTypeOf<{ password: string }>()
    expect(fetched).toEqual({ password: 'x' })
  })

  it('gets from each method what its type says', () => {
    type Service = SecretAuditService
    expectTypeOf<ReturnType<Service['recordStrict']>>().toEqualTypeOf<Promise<Receipt>>()
    expectTypeOf<ReturnType<Service['recordAsync']>>().toEqualTypeOf<bigint>()
    expectTypeOf<ReturnType<Service['record']>>().toEqualTypeOf<Promise<Receipt | undefined>>()
    expectTypeOf<'outcome'>().not.toExtend<keyof GuardFields>()
  })
})
