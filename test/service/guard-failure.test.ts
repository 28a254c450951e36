import { Outcome } from 'otel-audit'
import { describe, expect, it } from 'vitest'
import { AuditError } from '../../src/errors.js'
import type { GuardFields } from '../../src/service/guard.js'
import { denied, deniedOnce, Gate, recording } from './recording.js'
import { listening, brokenLogger, thrower } from './telemetry.js'

const ACCESS: GuardFields = { credential: 'orders-db', operation: 'get_credential' }

class Denial extends Error {
  readonly auditOutcome = Outcome.ResidencyViolation
}

const throwing = (error: unknown) => (): never => {
  throw error
}
const rejecting = (error: unknown) => async (): Promise<never> => throwing(error)()

/** What `guard` rejects with, wrapped: a promise would ask the hostile one whether it is a promise. */
async function thrownBy(work: Promise<unknown>): Promise<{ readonly error: unknown }> {
  try {
    await work
  } catch (error) {
    return { error }
  }
  throw new Error('nothing was thrown')
}

describe('the outcome of a failed access', () => {
  const table: [string, unknown, ((error: unknown) => unknown) | undefined, string][] = [
    ['is that of outcomeOf', new Error('x'), () => Outcome.NoPubkey, 'no_pubkey'],
    ['is that of outcomeOf before the error itself', new Denial(), () => Outcome.WrongRegion, 'wrong_region'],
    ['is that of the error when outcomeOf has none', new Denial(), () => undefined, 'residency_violation'],
    ['is that of the error', new Denial(), undefined, 'residency_violation'],
    [
      'may be one of the application',
      { auditOutcome: Outcome.other('quota_exceeded') },
      undefined,
      'quota_exceeded',
    ],
    ['is other without any', new Error('x'), undefined, 'other'],
    ['is other for a thrown text', 'no', undefined, 'other'],
    ['is other for a thrown nothing', undefined, undefined, 'other'],
    ['is never ok: it failed', { auditOutcome: 'ok' }, () => 'ok', 'other'],
    ['is other for a name that is none', { auditOutcome: 'Not Found' }, () => 42, 'other'],
    ['is other when outcomeOf throws', new Error('x'), thrower, 'other'],
    ['is that of the error when outcomeOf throws', new Denial(), thrower, 'residency_violation'],
    ['is other when the error cannot be asked', hostileError(), undefined, 'other'],
    ['is other for an error of the audit itself', new AuditError('AUDIT_CLOSED', 'x'), undefined, 'other'],
  ]

  it.each(table)('%s', async (_, error, outcomeOf, outcome) => {
    for (const mode of ['async', 'strict'] as const) {
      const { service, row } = recording()
      const options = { mode, ...(outcomeOf && { outcomeOf: outcomeOf as () => undefined }) }
      const { error: thrown } = await thrownBy(service.guard(ACCESS, rejecting(error), options))
      expect(Object.is(thrown, error)).toBe(true)
      expect(await row()).toMatchObject({ outcome, credential: 'orders-db' })
    }
  })

  it('is recorded for a function that throws at once, too', async () => {
    const { service, row } = recording()
    const error = new Denial('at once')
    expect((await thrownBy(service.guard(ACCESS, throwing(error)))).error).toBe(error)
    expect(await row()).toMatchObject({ outcome: 'residency_violation' })
  })

  it('in strict mode is committed before the caller sees the error', async () => {
    const gate = new Gate()
    const { service, sink } = recording({ strict: true }, gate.write)
    const thrown = thrownBy(service.guard(ACCESS, rejecting(new Denial())))
    await gate.arrived
    expect(sink.events).toEqual([])
    gate.release()
    expect((await thrown).error).toBeInstanceOf(Denial)
    expect(sink.events).toMatchObject([{ outcome: 'residency_violation' }])
  })
})

describe('when the failure cannot be recorded either', () => {
  const frozen = Object.freeze(new Error('frozen'))
  const taken = Object.defineProperty(new Error('taken'), 'auditError', { value: 1, configurable: false })
  const errors: [string, unknown][] = [
    ['an Error', new Error('denied')],
    ['a Denial', new Denial('denied')],
    ['a frozen Error', frozen],
    ['an Error whose auditError cannot be replaced', taken],
    ['an error that cannot be asked anything', hostileError()],
    ['a text', 'denied'],
    ['a number', 403],
    ['null', null],
    ['undefined', undefined],
    ['a function', () => 'denied'],
  ]

  it.each(errors)('the caller sees %s all the same', async (_, error) => {
    const said = listening()
    const { service } = recording({ strict: true }, denied)
    const { error: thrown } = await thrownBy(service.guard(ACCESS, rejecting(error)))
    expect(Object.is(thrown, error)).toBe(true)
    expect(said.some((line) => line.startsWith('error') && line.includes('could not be recorded'))).toBe(true)
  })

  it('the audit error is attached, and does not show when the error is printed', async () => {
    const { service } = recording({ strict: true }, denied)
    const error = new Denial('denied')
    await thrownBy(service.guard(ACCESS, rejecting(error)))
    expect(error).toMatchObject({ auditError: { code: 'AUDIT_UNAVAILABLE', outcome: 'residency_violation' } })
    expect(Object.keys(error)).not.toContain('auditError')
  })

  it('a logger that throws hides neither the denial nor the rest', async () => {
    brokenLogger()
    const { service } = recording({ strict: true }, denied)
    const error = new Denial('denied')
    expect((await thrownBy(service.guard(ACCESS, rejecting(error), { outcomeOf: thrower }))).error).toBe(
      error,
    )
  })

  it('the denial itself does not vanish: it is written when the database takes it', async () => {
    const { service, row } = recording({ strict: true }, deniedOnce())
    await thrownBy(service.guard(ACCESS, rejecting(new Denial('denied'))))
    expect(await row()).toMatchObject({ outcome: 'residency_violation' })
  })
})

/** Throws at every question. */
function hostileError(): object {
  const traps = ['get', 'has', 'getPrototypeOf', 'isExtensible', 'defineProperty', 'ownKeys'] as const
  return new Proxy(new Error('hostile'), Object.fromEntries(traps.map((trap) => [trap, thrower])))
}
