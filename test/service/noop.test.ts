import { type AuditFields, SecretAuditService } from 'otel-audit'
import { describe, expect, it } from 'vitest'
import { takeUnclaimed } from '../../src/service/registry.js'
import { ACCESS } from './recording.js'
import { listening, traced } from './telemetry.js'

describe('SecretAuditService.noop()', () => {
  it('accepts every record and keeps none, without a span, a count or a word', async () => {
    takeUnclaimed()
    const said = listening()
    const { spans } = traced()
    const service = SecretAuditService.noop()
    const first = service.recordAsync(ACCESS)
    const { auditId, committedAt } = await service.recordStrict(ACCESS)
    expect(auditId).toBeGreaterThan(first)
    expect(committedAt).toBeTypeOf('number')
    expect(await service.record(ACCESS)).toBeUndefined()
    const { outcome: _, ...access } = ACCESS
    expect(await service.guard(access, () => 'secret', { mode: 'strict' })).toBe('secret')
    expect(service.isStrict('a', 'get_sealed')).toBe(false)
    expect(spans()).toEqual([])
    expect(said).toEqual([])
    expect(takeUnclaimed()).toEqual([])
  })

  it('still tells a programmer what is wrong', () => {
    const wrong = { ...ACCESS, workerID: 'w' } as AuditFields
    expect(() => SecretAuditService.noop().recordAsync(wrong)).toThrow('did you mean "workerId"?')
  })
})
