import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { taken } from '../../src/host/globals.js'
import { eventDigest } from '../../src/event/digest.js'
import type { AuditEvent, AuditFields } from '../../src/event/event.js'
import { snowflakeTime } from '../../src/event/snowflake.js'
import type { RecordOptions } from '../../src/service/record-options.js'
import { ACCESS, denied, Gate, recording, turns } from './recording.js'
import { listening, traced } from './telemetry.js'

describe('recordAsync', () => {
  it('answers with the audit id at once; the row follows', async () => {
    const gate = new Gate()
    const { service, sink, row } = recording({}, gate.write)
    const auditId = service.recordAsync({ ...ACCESS, workerId: 'w-1', attributes: { tenant: 't-1' } })
    expect(sink.events).toEqual([])
    gate.release()
    expect(await row()).toMatchObject({
      auditId,
      credential: 'orders-db',
      operation: 'get_credential',
      outcome: 'ok',
      workerId: 'w-1',
      attributesJson: '{"tenant":"t-1"}',
      serviceName: 'orders',
      serviceInstanceId: 'orders-1',
      traceId: null,
      spanId: null,
    })
  })

  it('never throws later, and leaves no rejection behind, whatever becomes of the write', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const said = listening()
    const refused = recording({}, () => ({
      status: 'refused',
      fault: { code: 'AUDIT_REJECTED', message: 'check constraint' },
    }))
    const unreachable = recording({}, denied)
    refused.service.recordAsync(ACCESS)
    unreachable.service.recordAsync(ACCESS)
    await refused.exporter.forceFlush()
    await unreachable.exporter.close(0)
    expect(() => unreachable.service.recordAsync(ACCESS)).not.toThrow()
    await turns()
    expect(unhandled).not.toHaveBeenCalled()
    expect(refused.exporter.stats()).toMatchObject({ emitted: 1, droppedAsync: 1, pending: 0 })
    expect(unreachable.exporter.stats()).toMatchObject({ emitted: 2, droppedAsync: 2, pending: 0 })
    expect(said.join()).toContain('check constraint')
  })
})

describe('recordStrict', () => {
  it('resolves after the commit, not before, with a receipt', async () => {
    const gate = new Gate()
    const { service, row } = recording({}, gate.write)
    let resolved = false
    const receipt = service.recordStrict(ACCESS).finally(() => {
      resolved = true
    })
    await gate.arrived
    await turns()
    expect(resolved).toBe(false)
    gate.release()
    const { auditId, committedAt } = await receipt
    expect(await row()).toMatchObject({ auditId })
    expect(committedAt).toBeGreaterThan(Date.UTC(2026, 0) * 1000)
  })

  it('rejects with what is known about the row, and the event it concerns', async () => {
    const { service } = recording({}, denied)
    await expect(service.recordStrict(ACCESS)).rejects.toMatchObject({
      name: 'AuditError',
      code: 'AUDIT_UNAVAILABLE',
      row: 'not-stored',
      credential: 'orders-db',
      operation: 'get_credential',
      outcome: 'ok',
      auditId: expect.any(BigInt),
    })
  })

  it('gives up at its deadline while the database does not answer', async () => {
    const gate = new Gate()
    const { service, rows } = recording({ deadlineMs: 20 }, gate.write)
    await expect(service.recordStrict(ACCESS)).rejects.toMatchObject({
      code: 'AUDIT_TIMEOUT',
      row: 'unknown',
    })
    gate.release()
    expect(await rows()).toHaveLength(1)
  })

  it('has the id of the stored row in its receipt when the event had to be re-keyed', async () => {
    const { service, sink, exporter } = recording()
    vi.spyOn(exporter.ids, 'next').mockReturnValue(1n << 22n)
    await service.recordStrict(ACCESS)
    const { auditId } = await service.recordStrict({ ...ACCESS, credential: 'another' })
    const [first, second] = sink.events.toSorted((a) => (a.originalAuditId === null ? -1 : 1))
    expect(first).toMatchObject({ auditId: 1n << 22n, originalAuditId: null })
    expect(second).toMatchObject({ auditId, originalAuditId: 1n << 22n, credential: 'another' })
  })
})

describe('record', () => {
  it('has a receipt in strict mode, and none in async mode', async () => {
    const { service, sink } = recording()
    expect(await service.record(ACCESS, { mode: 'strict' })).toEqual({
      auditId: sink.events[0]?.auditId,
      committedAt: expect.any(Number),
      digest: eventDigest(sink.events[0] as AuditEvent),
      place: undefined,
    })
    expect(await service.record(ACCESS, { mode: 'async' })).toBeUndefined()
  })

  it.each<[string, object, string]>([
    ['a mode it cannot understand', { mode: 'STRICT' }, 'mode'],
    ['a mode that is a switch', { mode: true }, 'mode'],
    ['an option there is none of', { strict: true }, 'strict'],
    ['a misspelt option', { deadlineMS: 100 }, 'deadlineMS'],
    ['a deadline of nothing', { deadlineMs: 0 }, 'deadlineMs'],
    ['a deadline that never comes', { deadlineMs: Number.POSITIVE_INFINITY }, 'deadlineMs'],
    ['no number as a deadline', { deadlineMs: Number.NaN }, 'deadlineMs'],
    ['a deadline beyond ten minutes', { deadlineMs: 600_001 }, 'deadlineMs'],
    ['a signal that is none', { signal: {} }, 'signal'],
  ])('refuses %s: it must not mean async by mistake', async (_, options, field) => {
    const { service, rows } = recording()
    const wrong = options as RecordOptions
    const invalid = { code: 'AUDIT_INVALID_OPTION', row: 'not-stored', field }
    await expect(service.record(ACCESS, wrong)).rejects.toMatchObject(invalid)
    await expect(service.recordStrict(ACCESS, wrong)).rejects.toMatchObject(invalid)
    const fn = vi.fn(() => 'secret')
    const { outcome: _outcome, ...fields } = ACCESS
    await expect(service.guard(fields, fn, wrong)).rejects.toMatchObject(invalid)
    expect(fn).not.toHaveBeenCalled()
    expect(await rows()).toEqual([])
  })

  it('hints at the option that was meant', async () => {
    const { service } = recording()
    await expect(service.record(ACCESS, { deadlineMS: 5 } as RecordOptions)).rejects.toThrow(
      'did you mean deadlineMs?',
    )
  })
})

describe('a deadline by policy', () => {
  it('is asked with credential and operation, and overridden by the call', async () => {
    const deadlineMs = vi.fn(() => 60_000)
    const { service } = recording({ deadlineMs })
    await service.recordStrict(ACCESS)
    await service.recordStrict(ACCESS, { deadlineMs: 1000 })
    expect(deadlineMs.mock.calls).toEqual([['orders-db', 'get_credential']])
  })

  it.each([
    ['throws', () => thrower()],
    ['answers no number', () => 'soon' as never],
    ['answers NaN', () => Number.NaN],
    ['answers a negative one', () => -1],
  ])('that %s is not obeyed, and said; the record is made', async (_, deadlineMs) => {
    const said = listening()
    const { service, row } = recording({ deadlineMs })
    const { auditId } = await service.recordStrict(ACCESS)
    expect(await row()).toMatchObject({ auditId })
    expect(said.join()).toContain('deadline')
  })
})

describe('id and time', () => {
  const NOW = Date.UTC(2026, 4, 1, 12)

  it('are fixed by the clock at the call, the id in the same millisecond', async () => {
    const clock = vi.spyOn(taken, 'dateNow').mockReturnValue(NOW)
    onTestFinished(() => clock.mockRestore())
    const { service, row } = recording()
    const auditId = service.recordAsync(ACCESS)
    clock.mockReturnValue(NOW + 60_000)
    expect(await row()).toMatchObject({ auditId, occurredAt: NOW * 1000 })
    expect(snowflakeTime(auditId)).toBe(NOW)
  })

  it.each([
    ['a Date', new Date(NOW - 3_600_000), (NOW - 3_600_000) * 1000],
    ['microseconds', NOW * 1000 - 1, NOW * 1000 - 1],
  ])('may be given as %s', async (_, given, occurredAt) => {
    const { service, row } = recording()
    const auditId = service.recordAsync({ ...ACCESS, occurredAt: given })
    expect(await row()).toMatchObject({ auditId, occurredAt })
    expect(snowflakeTime(auditId)).toBe(Math.floor(occurredAt / 1000))
  })

  it('cannot be given more than 24 h ahead', () => {
    const { service } = recording()
    const tomorrow = new Date(Date.now() + 25 * 3_600_000)
    expect(() => service.recordAsync({ ...ACCESS, occurredAt: tomorrow })).toThrow('24 h')
  })
})

describe('a call that is wrong', () => {
  it.each([
    ['null', null],
    ['a text', 'orders-db'],
    ['a list', [ACCESS]],
    ['an unknown field', { ...ACCESS, notess: 'x' }],
    ['an empty credential', { ...ACCESS, credential: '' }],
    ['a time that is no time', { ...ACCESS, occurredAt: 'now' }],
    ['a gap that it makes up', { ...ACCESS, operation: 'audit_gap', outcome: 'lost' }],
    ['a start that it makes up', { ...ACCESS, operation: 'audit_lifecycle', outcome: 'started' }],
  ])('with %s is refused by every method, and leaves neither span nor row', async (_, fields) => {
    const { spans } = traced()
    const { service, rows, exporter } = recording()
    const wrong = fields as AuditFields
    const invalid = expect.objectContaining({ code: 'AUDIT_INVALID_EVENT' })
    expect(() => service.recordAsync(wrong)).toThrow(invalid)
    await expect(service.recordStrict(wrong)).rejects.toEqual(invalid)
    await expect(service.record(wrong)).rejects.toEqual(invalid)
    await expect(service.record(wrong, { mode: 'strict' })).rejects.toEqual(invalid)
    const fetch = vi.fn(() => 'secret')
    const { outcome: _outcome, ...access } = { ...wrong }
    await expect(service.guard(access, fetch)).rejects.toThrow()
    expect(fetch).not.toHaveBeenCalled()
    expect(await rows()).toEqual([])
    expect(spans()).toEqual([])
    expect(exporter.stats().emitted).toBe(0)
  })
})

function thrower(): never {
  throw new Error('broken policy')
}
