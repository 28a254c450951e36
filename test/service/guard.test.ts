import { describe, expect, it, vi } from 'vitest'
import type { GuardedAccess, GuardFields } from '../../src/service/guard.js'
import { denied, Gate, recording, turns } from './recording.js'
import { traced } from './telemetry.js'

const ACCESS: GuardFields = { credential: 'orders-db', operation: 'get_credential' }
const SECRET = 'canary-1b0f5ab7c4'

describe('guard, when the access succeeds', () => {
  it('records ok and returns the very value', async () => {
    const { service, row } = recording()
    const value = { password: SECRET }
    expect(await service.guard(ACCESS, () => value)).toBe(value)
    expect(await row()).toMatchObject({ credential: 'orders-db', outcome: 'ok' })
  })

  it('in async mode returns before the commit', async () => {
    const gate = new Gate()
    const { service, sink } = recording({}, gate.write)
    expect(await service.guard(ACCESS, async () => SECRET)).toBe(SECRET)
    expect(sink.events).toEqual([])
    gate.release()
  })

  it('in strict mode returns after the commit only', async () => {
    const gate = new Gate()
    const { service, sink } = recording({ strict: true }, gate.write)
    let released: string | undefined
    const guarded = service.guard(ACCESS, () => SECRET).then((value) => (released = value))
    await gate.arrived
    await turns()
    expect(released).toBeUndefined()
    gate.release()
    await guarded
    expect(released).toBe(SECRET)
    expect(sink.events).toMatchObject([{ outcome: 'ok' }])
  })

  it('in strict mode drops the value when the commit fails', async () => {
    const { service } = recording({ strict: true }, denied)
    const error: unknown = await service.guard(ACCESS, () => SECRET).catch((e: unknown) => e)
    expect(error).toMatchObject({ name: 'AuditError', code: 'AUDIT_UNAVAILABLE', outcome: 'ok' })
    expect(JSON.stringify(error)).not.toContain(SECRET)
  })

  it('takes the mode of the call over that of the service', async () => {
    const { service } = recording({ strict: true }, denied)
    expect(await service.guard(ACCESS, () => SECRET, { mode: 'async' })).toBe(SECRET)
  })

  it('returns nothing for a function that returns nothing', async () => {
    const { service, row } = recording()
    expect(await service.guard(ACCESS, () => undefined)).toBeUndefined()
    expect(await row()).toMatchObject({ outcome: 'ok' })
  })
})

describe('guard, before the access', () => {
  it.each<[string, object, string]>([
    ['an unknown field', { workerID: 'w' }, 'workerID'],
    ['an empty credential', { credential: '' }, 'credential'],
    ['a wrong type', { notes: 5 }, 'notes'],
    ['a wrong attribute', { attributes: new Map() }, 'attributes'],
    ['a time that is no time', { occurredAt: 'now' }, 'occurredAt'],
    ['a time too far ahead', { occurredAt: new Date(Date.now() + 25 * 3_600_000) }, 'occurredAt'],
    ['an outcome, which is not its to say', { outcome: 'residency_violation' }, 'outcome'],
  ])('refuses %s: the function does not run, nothing is recorded', async (_, wrong, field) => {
    const { service, rows } = recording()
    const fn = vi.fn(() => SECRET)
    await expect(service.guard({ ...ACCESS, ...wrong }, fn)).rejects.toMatchObject({
      code: 'AUDIT_INVALID_EVENT',
      field,
    })
    expect(fn).not.toHaveBeenCalled()
    expect(await rows()).toEqual([])
  })

  it.each([[null], [undefined], ['orders-db'], [[ACCESS]]])(
    'refuses %s in place of fields',
    async (fields) => {
      const { service } = recording()
      await expect(service.guard(fields as never, () => SECRET)).rejects.toMatchObject({
        code: 'AUDIT_INVALID_EVENT',
      })
    },
  )

  it('keeps what it checked: changes to the fields meanwhile do not reach the record', async () => {
    const { service, row } = recording()
    const attributes: Record<string, unknown> = { tenant: 't-1' }
    const occurredAt = new Date()
    const fields: Record<string, unknown> = { ...ACCESS, attributes, occurredAt }
    const before = occurredAt.getTime() * 1000
    await service.guard(fields as never, () => {
      fields['notes'] = { not: 'a text' }
      fields['unknown'] = 1
      attributes['nested'] = {}
      occurredAt.setTime(0)
      return SECRET
    })
    expect(await row()).toMatchObject({ notes: null, attributesJson: '{"tenant":"t-1"}', occurredAt: before })
  })
})

describe('amend', () => {
  it('adds what becomes known on the way', async () => {
    const { service, row } = recording()
    await service.guard(
      { ...ACCESS, notes: 'from cache', attributes: { provider: 'vault', hit: true } },
      ({ amend }) => {
        amend({ kekVersion: 'v7', serverRegion: 'eu' })
        amend({ attributes: { hit: false, tenant: 't-1' } })
        amend({ notes: 'from the provider', kekVersion: undefined, attributes: undefined })
      },
    )
    expect(await row()).toMatchObject({
      kekVersion: 'v7',
      serverRegion: 'eu',
      notes: 'from the provider',
      attributesJson: '{"hit":false,"provider":"vault","tenant":"t-1"}',
    })
  })

  it('counts for a failed access too', async () => {
    const { service, row } = recording()
    const failed = service.guard(ACCESS, ({ amend }) => {
      amend({ brokerRegion: 'us' })
      throw new Error('no answer')
    })
    await expect(failed).rejects.toThrow('no answer')
    expect(await row()).toMatchObject({ brokerRegion: 'us', outcome: 'other' })
  })

  it('refuses what is wrong, and leaves what was right', async () => {
    const { service, row } = recording()
    await service.guard({ ...ACCESS, notes: 'kept' }, ({ amend }) => {
      for (const wrong of [{ notes: 5 }, { colour: 'red' }, { outcome: 'ok' }, { attributes: { a: {} } }]) {
        expect(() => amend(wrong as never)).toThrow('AUDIT_INVALID_EVENT')
      }
      const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]))
      amend({ attributes: many })
      const more = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`l${i}`, i]))
      expect(() => amend({ attributes: more })).toThrow('at most 32 keys')
    })
    const { notes, attributesJson } = await row()
    expect(notes).toBe('kept')
    expect(Object.keys(JSON.parse(attributesJson ?? '{}') as object)).toHaveLength(20)
  })

  it('has no effect once the access is recorded', async () => {
    const { service, row } = recording()
    let late: GuardedAccess | undefined
    await service.guard(ACCESS, (access) => {
      late = access
    })
    late?.amend({ notes: 'too late' })
    expect(await row()).toMatchObject({ notes: null })
  })
})

describe('the span of a guarded access', () => {
  it('is a child of what is active around the guard, and made once', async () => {
    const { provider, spans } = traced()
    const { service, row } = recording()
    await provider.getTracer('app').startActiveSpan('request', async (request) => {
      await service.guard(ACCESS, () => SECRET, { mode: 'strict' })
      request.end()
    })
    const [audit, request] = spans()
    expect(spans()).toHaveLength(2)
    expect(audit?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId)
    expect(await row()).toMatchObject({
      traceId: request?.spanContext().traceId,
      spanId: audit?.spanContext().spanId,
    })
  })
})
