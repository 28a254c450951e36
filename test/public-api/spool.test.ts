import {
  type AuditOptions,
  buildEvent,
  DurableAuditExporter,
  MemorySpool,
  RecordingAuditSink,
  SecretAuditService,
  type Spool,
  type SpooledEvent,
  type SpoolKey,
  type SpooledListener,
  type SpoolMode,
  SpoolRefusal,
  type SpoolStatus,
} from 'otel-audit'
import { describe, expect, expectTypeOf, it } from 'vitest'

const ACCESS = { credential: 'orders-db', operation: 'get_credential', outcome: 'ok' } as const
const EVENT = buildEvent(ACCESS, { auditId: 1n, occurredAt: Date.UTC(2026, 4, 1) * 1000 })

describe('a spool', () => {
  it('keeps events, hands them out, and refuses beyond its bound', async () => {
    const spool: Spool = new MemorySpool(2000)
    const keys: readonly SpoolKey[] = await spool.append([EVENT])
    await spool.putBack(keys)
    const [found]: readonly SpooledEvent[] = await spool.next(10)
    expect(found?.event).toEqual(EVENT)
    const many = Array.from({ length: 50 }, () => EVENT)
    const refusal: unknown = await spool.append(many).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(SpoolRefusal)
    expect(refusal).toMatchObject({ reason: 'full' })
    const status: SpoolStatus = spool.status
    expect(status.entries).toBe(1)
  })

  it('is attached to an exporter in one of two modes', async () => {
    const mode: SpoolMode = 'always'
    const spool = new MemorySpool(1_000_000)
    const sink = new RecordingAuditSink()
    const exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
    exporter.attachSpool(spool, mode)
    new SecretAuditService({ pipeline: exporter }).recordAsync(ACCESS)
    await exporter.forceFlush()
    expect(sink.events).toHaveLength(1)
    await exporter.close(1000)
    expect(spool.status.entries).toBe(0)
    expectTypeOf<AuditOptions['spoolMode']>().toEqualTypeOf<SpoolMode | undefined>()
  })

  it('says of each async event that it is on disk, before it is sent, and of none that it refused', async () => {
    const said: string[] = []
    const told: SpooledListener = (auditId) => said.push(`${auditId} on disk`)
    const sink = new RecordingAuditSink()
    const exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
    exporter.attachSpool(new MemorySpool(2000), 'always')
    exporter.onSpooled(() => {
      throw new Error('boom')
    })
    const off = exporter.onSpooled(told)
    exporter.onSettled((auditId, fate) => said.push(`${auditId} ${fate}`))
    const service = new SecretAuditService({ pipeline: exporter })
    const kept = service.recordAsync(ACCESS)
    await exporter.forceFlush()
    const refused = service.recordAsync({
      ...ACCESS,
      notes: 'n'.repeat(1000),
      attributes: { a: 'a'.repeat(1000) },
    })
    await exporter.forceFlush()
    expect(said).toEqual([`${kept} on disk`, `${kept} stored`, `${refused} stored`])
    off()
    service.recordAsync(ACCESS)
    await exporter.close(1000)
    expect(said.filter((line) => line.endsWith('on disk'))).toHaveLength(1)
  })
})
